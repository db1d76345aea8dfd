"""The register map, the grouping of reads and the decoding of registers."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.connectors import BAD_DECODING
from interwork.connectors.modbus.wire import blocks_of, decode, exception_quality, parse_registers, parse_unit, singly
from interwork.core.errors import BadInput
from interwork.core.resource import BAD_NO_DATA, GOOD, Meaning, is_good

FORMATS = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "f32": "f", "u64": "Q", "i64": "q", "f64": "d"}


def register(**entry):
    return next(iter(parse_registers([{"address": 0, "name": "x", **entry}]).values()))


def sent(octets, order):
    """Lay a value's octets into registers as a device of this order does."""
    words = [octets[at : at + 2] for at in range(0, len(octets), 2)]
    if order in ("CDAB", "DCBA"):
        words.reverse()
    if order in ("BADC", "DCBA"):
        words = [word[::-1] for word in words]
    return [int.from_bytes(word, "big") for word in words]


@given(
    st.sampled_from(sorted(FORMATS)),
    st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"]),
    st.binary(min_size=8, max_size=8),
)
def test_every_type_in_every_order_reads_what_struct_packs(kind, order, octets):
    octets = octets[: struct.calcsize(FORMATS[kind])]
    value, quality = decode(register(type=kind, order=order), sent(octets, order))
    expected = struct.unpack(">" + FORMATS[kind], octets)[0]
    if expected - expected == 0:
        assert (value, quality) == (expected * 1.0, GOOD)
    else:
        assert (value, quality) == (None, BAD_NO_DATA)


@given(st.lists(st.integers(0, 65535), max_size=6), st.sampled_from([*sorted(FORMATS), "text"]))
def test_any_registers_decode_to_a_value_or_a_bad_quality(words, kind):
    value, quality = decode(register(type=kind, length=2) if kind == "text" else register(type=kind), words)
    assert (value is None) == (not is_good(quality))


def test_a_scale_a_bit_and_a_text_are_read():
    assert decode(register(type="i16", scale=0.1), [0xFFF6]) == (-1.0, GOOD)
    assert decode(register(bit=3), [0b1000]) == (1.0, GOOD)
    assert decode(register(type="text", length=3), [0x4142, 0x4300, 0x5A5A]) == ("ABC", GOOD)
    assert decode(register(type="text", length=1), [0xFFFE]) == (None, BAD_DECODING)


def test_numbers_become_words_and_a_number_without_a_word_is_bad():
    state = register(name="Execution", states={"1": "running", "2": "idle"})
    assert state.found.is_text
    assert state.found.meaning is Meaning.EXECUTION
    assert decode(state, [1]) == ("ACTIVE", GOOD)
    assert decode(state, [9]) == (None, BAD_DECODING)


def test_reads_are_grouped_over_gaps_of_ten_and_never_beyond_125_registers():
    addresses = [0, 11, 23, 100, 224, 225]
    entries = [{"address": address, "name": str(address)} for address in addresses]
    blocks = blocks_of(list(parse_registers(entries).values()))
    assert [(block.address, block.count) for block in blocks] == [(0, 12), (23, 1), (100, 1), (224, 2)]


@given(
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from(sorted(FORMATS)), st.booleans()), min_size=1, max_size=40)
)
def test_every_register_is_in_exactly_one_block_that_covers_it(entries):
    unique = {(address, table): kind for address, kind, table in entries}
    maps = [
        {"address": address, "name": "r", "type": kind, "table": "input" if table else "holding"}
        for (address, table), kind in unique.items()
    ]
    registers = list(parse_registers(maps).values())
    blocks = blocks_of(registers)
    assert sorted(one.key for block in blocks for one in block.registers) == sorted(one.key for one in registers)
    for block in blocks:
        assert block.count <= 125
        assert all(block.address <= one.address for one in block.registers)
        assert all(one.address + one.width <= block.address + block.count for one in block.registers)
        assert all(one.table == block.table for one in block.registers)
        assert sum(part.count for part in singly(block)) == sum(one.width for one in block.registers)


@pytest.mark.parametrize(
    "entries",
    [
        None,
        [],
        "holding",
        [7],
        [{"address": 1}],
        [{"address": -1, "name": "x"}],
        [{"address": 65535, "name": "x", "type": "u32"}],
        [{"address": 1, "name": "x", "type": "u8"}],
        [{"address": 1, "name": "x", "order": "XYZW"}],
        [{"address": 1, "name": "x", "table": "coil"}],
        [{"address": 1, "name": "x", "bit": 16}],
        [{"address": 1, "name": "x", "bit": 1, "type": "u32"}],
        [{"address": 1, "name": "x", "scale": 0}],
        [{"address": 1, "name": "x", "meaning": "colour"}],
        [{"address": 1, "name": "x", "states": {"one": "A"}}],
        [{"address": 1, "name": "x", "speed": 1}],
        [{"address": 1, "name": " "}],
        [{"address": 1, "name": "x", "type": "text", "length": 126}],
        [{"address": 1, "name": "x"}, {"address": 1, "name": "y"}],
    ],
)
def test_a_map_that_is_wrong_is_bad_input_with_a_remedy(entries):
    with pytest.raises(BadInput) as caught:
        parse_registers(entries)
    assert caught.value.remedy


def test_an_address_says_table_and_bit():
    entries = [{"address": 3, "name": "a", "table": "input"}, {"address": 3, "name": "b", "bit": 2}]
    assert list(parse_registers(entries)) == ["input:3", "3.2"]


def test_every_exception_code_has_a_bad_quality():
    assert all(not is_good(exception_quality(code)) for code in range(256))


@pytest.mark.parametrize("text", ["256", "-1", "x", ""])
def test_a_unit_id_out_of_range_is_bad_input(text):
    with pytest.raises(BadInput):
        parse_unit({"unit": text})
