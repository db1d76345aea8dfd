"""JSON payloads as readings: leaves, bounds, times, and whatever else may come."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.connectors import BAD_TYPE
from interwork.connectors.leaves import (
    DEEPEST,
    MISSING,
    MOST_ELEMENTS,
    MOST_LEAVES,
    UNCERTAIN_SUBNORMAL,
    Leaf,
    MalformedPayload,
    bare,
    decode,
    leaves,
    number_in,
    reading_of,
    resolve,
    speaks,
    time_rule,
    time_us_of,
    tokens_of,
)
from interwork.core.errors import BadInput
from interwork.core.resource import BAD_NO_DATA, GOOD

AT = 1_767_225_600_000_000
documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


def test_every_scalar_leaf_has_a_pointer_and_the_unit_beside_it():
    document = {"a": {"value": 1.5, "unit": "kW"}, "b": [1, {"c": True}], "x/y~z": None, "": "text"}
    found, beyond = leaves(document)
    assert [(leaf.pointer, leaf.value, leaf.unit) for leaf in found] == [
        ("/a/value", 1.5, "kW"),
        ("/b/0", 1, ""),
        ("/b/1/c", True, ""),
        ("/x~1y~0z", None, ""),
        ("/", "text", ""),
    ]
    assert beyond == 0


def test_a_scalar_payload_is_a_leaf_without_a_pointer():
    assert leaves(21.5)[0] == [("", 21.5, "")]
    assert resolve(21.5, tokens_of("")) == 21.5


def test_what_lies_beyond_the_bounds_is_counted_and_not_read():
    deep = 1
    for _ in range(DEEPEST + 1):
        deep = {"d": deep}
    assert leaves(deep) == ([], 1)
    found, beyond = leaves(list(range(MOST_ELEMENTS + 10)))
    assert (len(found), beyond) == (MOST_ELEMENTS, 1)
    found, beyond = leaves({str(n): n for n in range(MOST_LEAVES + 3)})
    assert (len(found), beyond) == (MOST_LEAVES, 3)


@given(documents)
def test_every_leaf_is_found_again_by_its_pointer(document):
    document = decode(json.dumps(document).encode())
    for leaf in leaves(document)[0]:
        assert resolve(document, tokens_of(leaf.pointer)) == leaf.value


@pytest.mark.parametrize(
    ("value", "is_text", "outcome"),
    [
        (1, False, (1.0, GOOD)),
        (True, False, (1.0, GOOD)),
        (-0.5, False, (-0.5, GOOD)),
        (2**53 + 1, False, (float(2**53), UNCERTAIN_SUBNORMAL)),
        (2**54, False, (float(2**54), GOOD)),
        (2**53 + 1, True, (str(2**53 + 1), GOOD)),
        ("a", True, ("a", GOOD)),
        ("1.5", False, (1.5, GOOD)),
        (" -7 ", False, (-7.0, GOOD)),
        ("1e3", False, (1000.0, GOOD)),
        ("1,5", False, (None, BAD_TYPE)),
        ("1.5 kW", False, (None, BAD_TYPE)),
        ("1_000", False, (None, BAD_TYPE)),
        ("inf", False, (None, BAD_TYPE)),
        ("\u0661", False, (None, BAD_TYPE)),
        ("9" * 25, False, (1e25, UNCERTAIN_SUBNORMAL)),
        ("x" * 5000, True, (None, BAD_TYPE)),
        (None, False, (None, BAD_NO_DATA)),
        ({}, False, (None, BAD_TYPE)),
        ([1], True, (None, BAD_TYPE)),
    ],
)
def test_a_leaf_is_a_reading_or_bad(value, is_text, outcome):
    assert reading_of(value, is_text=is_text) == outcome


@pytest.mark.parametrize(
    ("text", "number"), [("1,5", 1.5), ("-0,25", -0.25), ("7", 7), ("1.234,5", None), ("1,2,3", None), ("1.5", None)]
)
def test_a_decimal_comma_is_read_where_a_person_says_so_and_never_with_thousands(text, number):
    assert number_in(text, ",") == number


@pytest.mark.parametrize(
    ("value", "unit", "outcome"),
    [("4711", "", True), ("4711", "kW", False), ("47.11", "", False), ("4711-A", "kW", True), (4711, "", False)],
)
def test_a_whole_number_in_quotes_may_be_a_name_and_is_proposed_as_a_text(value, unit, outcome):
    assert speaks(Leaf("/x", value, unit)) is outcome


@pytest.mark.parametrize(
    ("content", "text"),
    [
        *(
            (b" ON\n", "ON"),
            (b"12,5", "12,5"),
            (b"NaN", "NaN"),
            (b"{x", None),
            (b"[1", None),
            (b'"a', None),
            (b"", None),
        ),
        *((b"\xff\x01", None), (b"a\x00b", None), (b"x" * 300, None)),
    ],
)
def test_a_payload_that_is_no_json_may_be_a_bare_word_or_number(content, text):
    assert bare(content) == text


@pytest.mark.parametrize("content", [b"", b"on", b"{", b"\xff", b'{"a":NaN}', b"[" * 100_000])
def test_what_is_no_json_is_malformed(content):
    with pytest.raises(MalformedPayload):
        decode(content)


@given(st.binary(max_size=60))
def test_any_octets_are_json_or_malformed(content):
    with suppress(MalformedPayload):
        for leaf in leaves(decode(content))[0]:
            value, quality = reading_of(leaf.value, is_text=False)
            assert value is not None or quality >> 30


@pytest.mark.parametrize(
    ("document", "where", "form", "time_us"),
    [
        ({"timestamp": "2026-01-01T00:00:00Z"}, "auto", "auto", AT),
        ({"TS": "2026-01-01T01:00:00+01:00"}, "auto", "auto", AT),
        ({"time": "2026-01-01T00:00:00"}, "auto", "auto", AT),
        ({"ts": AT // 1_000_000}, "auto", "auto", AT),
        ({"ts": AT // 1_000}, "auto", "auto", AT),
        ({"ts": AT / 1e6}, "auto", "s", AT),
        ({"ts": AT}, "auto", "auto", AT),
        ({"ts": AT * 1000}, "auto", "auto", AT),
        ({"m": {"at": [0, AT // 1000]}}, "/m/at/1", "ms", AT),
        ({"ts": str(AT // 1_000)}, "auto", "auto", AT),
        ({"ts": f"{AT // 1_000_000}.0"}, "auto", "s", AT),
        ({"ts": str(AT // 1_000)}, "auto", "iso", None),
        ({"ts": "20260101"}, "auto", "auto", AT),
        ({"ts": "20260101000000"}, "auto", "auto", None),
        ({"a": 1}, "auto", "auto", 0),
        ({"ts": "2026-01-01T00:00:00Z"}, "none", "auto", 0),
        (5, "auto", "auto", 0),
        ({"ts": "yesterday"}, "auto", "auto", None),
        ({"ts": "2026-01-01T00:00:00Z"}, "auto", "ms", None),
        ({"ts": 5}, "auto", "iso", None),
        ({"ts": -5}, "auto", "auto", None),
        ({"ts": 1e300}, "auto", "auto", None),
        ({"ts": 10**30}, "auto", "s", None),
        ({"ts": True}, "/ts", "auto", None),
        ({"ts": "0001-01-01T00:00:00+23:59"}, "auto", "auto", None),
    ],
)
def test_a_payloads_own_time_is_read_as_the_options_say(document, where, form, time_us):
    assert time_us_of(document, time_rule(where, form)) == time_us


@given(documents, st.sampled_from(["auto", "iso", "s", "ms", "us", "ns"]))
def test_no_time_crashes(document, form):
    time_us = time_us_of({"ts": document}, time_rule("/ts", form))
    assert time_us is None or 0 <= time_us < 2**62


def test_a_pointer_to_nothing_is_missing():
    assert resolve({"a": [1]}, tokens_of("/a/1")) is MISSING
    assert resolve({"a": [1]}, tokens_of("/a/x")) is MISSING
    assert resolve({"a": 1}, tokens_of("/a/b")) is MISSING


@pytest.mark.parametrize("rule", [("nowhere", "auto"), ("auto", "julian")])
def test_options_of_time_that_are_none_are_bad_input(rule):
    with pytest.raises(BadInput):
        time_rule(*rule)
