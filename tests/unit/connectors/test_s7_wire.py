"""S7 addresses, the grouping of tags into requests, and octets to values and back."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.connectors import BAD_DECODING, BAD_OUT_OF_RANGE, BAD_TYPE
from interwork.connectors.s7.wire import (
    FORMATS,
    code_quality,
    decode,
    encode,
    items_of,
    parse_address,
    parse_tags,
    requests_of,
    spans_of,
)
from interwork.core.errors import BadInput
from interwork.core.resource import BAD_NO_DATA, GOOD, Meaning, is_good


def tag(address, **entry):
    return next(iter(parse_tags([{"address": address, "name": "x", **entry}]).values()))


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("DB1.DBD4:REAL", (0x84, 1, 4, 0, "REAL", 254)),
        ("db1.dbx0.3", (0x84, 1, 0, 3, "BOOL", 254)),
        ("DB5.DBB10:STRING[20]", (0x84, 5, 10, 0, "STRING", 20)),
        ("MW6:INT", (0x83, 0, 6, 0, "INT", 254)),
        ("E0.1", (0x81, 0, 0, 1, "BOOL", 254)),
        ("QB2", (0x82, 0, 2, 0, "BYTE", 254)),
        ("MD8", (0x83, 0, 8, 0, "DWORD", 254)),
    ],
)
def test_an_address_names_area_block_octet_bit_and_type(text, parsed):
    assert parse_address(text) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "DB1",
        "DB1.DBX0",
        "DB1.DBX0.8",
        "DB1.DBW0.1",
        "DB1.DBD4:COLOUR",
        "M1.1:INT",
        "MW1:INT[4]",
        "MW1:BOOL",
        "DB1.DBD999999",
        "²",
    ],
)
def test_what_is_no_address_is_bad_input_with_an_example(text):
    with pytest.raises(BadInput, match="Write DB1"):
        parse_address(text)


@given(st.text(max_size=20))
def test_any_text_is_an_address_or_bad_input(text):
    with suppress(BadInput):
        assert parse_address(text)[0] in (0x81, 0x82, 0x83, 0x84)


@pytest.mark.parametrize(
    "entries",
    [
        None,
        [],
        "x",
        [1],
        [{"address": "MW1"}],
        [{"address": "MW1", "name": " "}],
        [{"address": "MW1", "name": "x", "scale": 0}],
        [{"address": "MW1", "name": "x", "meaning": "colour"}],
        [{"address": "MW1", "name": "x"}, {"address": "mw1", "name": "y"}],
    ],
)
def test_a_map_that_is_wrong_is_bad_input_with_a_remedy(entries):
    with pytest.raises(BadInput) as caught:
        parse_tags(entries)
    assert caught.value.remedy


@given(st.sampled_from(sorted(FORMATS)), st.binary(min_size=8, max_size=8))
def test_every_number_reads_what_struct_packs(kind, octets):
    octets = octets[: struct.calcsize(FORMATS[kind])]
    value, quality = decode(tag(f"DB1.DBB0:{kind}"), octets)
    number = struct.unpack(FORMATS[kind], octets)[0]
    factor = {"TIME": 1e-3, "LTIME": 1e-9}.get(kind, 1.0)
    assert (value, quality) == ((number * factor, GOOD) if number - number == 0 else (None, BAD_NO_DATA))


@given(
    st.sampled_from([*sorted(FORMATS), "BOOL", "CHAR", "STRING[4]", "WSTRING[4]", "DATE_AND_TIME", "DTL"]),
    st.binary(max_size=20),
)
def test_any_octets_decode_to_a_value_or_a_bad_quality(kind, octets):
    one = tag(f"DB1.DBX0.1:{kind}" if kind == "BOOL" else f"DB1.DBB0:{kind}")
    value, quality = decode(one, octets)
    assert (value is None) == (not is_good(quality))
    value, quality = decode(one, octets.ljust(one.size, b"\x20")[: one.size])
    assert (value is None) == (not is_good(quality))


def test_texts_times_bits_and_states_are_read():
    assert decode(tag("DB1.DBB0:STRING[4]"), b"\x04\x02ab\0\0") == ("ab", GOOD)
    assert decode(tag("DB1.DBB0:STRING[4]"), b"\x04\x09abcd") == (None, BAD_DECODING)
    assert decode(tag("DB1.DBB0:WSTRING[2]"), b"\0\x02\0\x01\x96\xf6\0\0") == ("零", GOOD)
    assert decode(tag("DB1.DBB0:DATE_AND_TIME"), bytes.fromhex("2611220700091231")) == (
        "2026-11-22T07:00:09.123000",
        GOOD,
    )
    assert decode(tag("DB1.DBB0:DTL"), struct.pack(">HBBBBBBI", 2026, 11, 22, 1, 7, 0, 9, 5000)) == (
        "2026-11-22T07:00:09.000005",
        GOOD,
    )
    assert decode(tag("DB1.DBB0:DTL"), struct.pack(">HBBBBBBI", 2026, 13, 22, 1, 7, 0, 9, 0)) == (None, BAD_DECODING)
    assert decode(tag("M0.3"), b"\x08") == (1.0, GOOD)
    assert decode(tag("DB1.DBD0:TIME"), b"\0\0\x03\xe8") == (1.0, GOOD)
    state = tag("MB1", name="Execution", states={"1": "running"})
    assert state.found.meaning is Meaning.EXECUTION
    assert (decode(state, b"\x01"), decode(state, b"\x02")) == (("ACTIVE", GOOD), (None, BAD_DECODING))


@given(st.sampled_from(sorted(set(FORMATS) - {"REAL"})), st.integers(-(1 << 64), 1 << 64))
def test_what_is_written_reads_back_the_same_or_is_refused(kind, value):
    one = tag(f"DB1.DBB0:{kind}")
    octets, code = encode(one, value)
    assert code in (GOOD, BAD_OUT_OF_RANGE)
    if code == GOOD:
        assert decode(one, octets)[0] == pytest.approx(float(value))


@pytest.mark.parametrize(
    ("address", "value", "code"),
    [
        ("MW0:INT", 40_000, BAD_OUT_OF_RANGE),
        ("MD0:REAL", float("nan"), BAD_OUT_OF_RANGE),
        ("MD0:REAL", 1e300, BAD_OUT_OF_RANGE),
        ("MD0:LREAL", 10**400, BAD_OUT_OF_RANGE),
        ("MW0:INT", "much", BAD_TYPE),
        ("M0.1", 2, BAD_OUT_OF_RANGE),
        ("MB0:STRING[2]", "abc", BAD_OUT_OF_RANGE),
        ("MB0:STRING[2]", "雷", BAD_OUT_OF_RANGE),
        ("MB0:STRING[2]", 1, BAD_TYPE),
        ("MB0:DTL", "2026-01-01", BAD_TYPE),
        ("MB0:CHAR", "ab", BAD_OUT_OF_RANGE),
    ],
)
def test_a_value_that_does_not_fit_is_refused_before_it_is_sent(address, value, code):
    assert encode(tag(address), value) == (b"", code)


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.integers(0, 600), st.sampled_from(["REAL", "BYTE", "LREAL"])),
        min_size=1,
        max_size=60,
    )
)
def test_every_tag_is_in_exactly_one_item_and_every_request_fits_the_pdu(places):
    unique = {(db, at): kind for db, at, kind in places}
    entries = [{"address": f"DB{db}.DBB{at}:{kind}", "name": "x"} for (db, at), kind in unique.items()]
    tags = list(parse_tags(entries).values())
    requests = requests_of(spans_of(tags, most=222), 240)
    spans = [span for request in requests for span in request]
    assert sorted(one.found.address for span in spans for one in span.tags) == sorted(one.found.address for one in tags)
    assert all(
        span.start <= one.start and one.start + one.size <= span.start + span.size
        for span in spans
        for one in span.tags
    )
    for request in requests:
        assert len(request) <= 20
        assert 14 + 12 * len(request) <= 240
        assert 14 + sum(4 + span.size + span.size % 2 for span in request) <= 240


def test_items_are_told_apart_with_fill_octets_and_codes_of_their_own():
    raw = bytes.fromhex("FF 04 0008 41 00 0A 00 0000 FF 09 0002 4243")
    assert items_of(raw, 4) == [(0xFF, b"A"), (0x0A, b""), (0xFF, b"BC"), (0, b"")]


@given(st.binary(max_size=60), st.integers(1, 20))
def test_any_answer_has_as_many_items_as_were_asked_for(raw, count):
    items = items_of(raw, count)
    assert len(items) == count
    assert all(code_quality(code) == GOOD or not is_good(code_quality(code)) for code, _ in items)
