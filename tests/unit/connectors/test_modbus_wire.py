"""The register map, the grouping of reads and the decoding of registers."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.connectors import BAD_DECODING, BAD_OUT_OF_RANGE, BAD_TYPE
from interwork.connectors.modbus.framing import BrokenFrame, MbapFraming, RtuFraming, crc16
from interwork.connectors.modbus.registers import blocks_of, halves, parse_registers, parse_unit
from interwork.connectors.modbus.wire import (
    coil_request,
    decode,
    encode,
    exception_quality,
    identity_answer,
    identity_request,
    mask_request,
    read_answer,
    read_request,
    write_request,
)
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
    """machines 27: every type in all four word and byte orders."""
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
    assert decode(register(type="i16", scale=0.5, offset=-40), [100]) == (10.0, GOOD)
    assert decode(register(bit=3), [0b1000]) == (1.0, GOOD)
    assert decode(register(table="coil"), [1]) == (1.0, GOOD)
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
        parts = halves(block) if len(block.registers) > 1 else [block]
        assert sorted(one.key for part in parts for one in part.registers) == sorted(one.key for one in block.registers)


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
        [{"address": 1, "name": "x", "table": "coil", "type": "u16"}],
        [{"address": 1, "name": "x", "table": "holding", "type": "bool"}],
        [{"address": 1, "name": "x", "offset": float("inf")}],
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


@pytest.mark.parametrize("text", ["256", "-1", "x", "", "²", "0001"])
def test_a_unit_id_out_of_range_is_bad_input(text):
    with pytest.raises(BadInput):
        parse_unit({"unit": text})


@given(
    st.sampled_from(sorted(FORMATS)),
    st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"]),
    st.integers(0, 1 << 64) | st.floats(allow_nan=False, allow_infinity=False, width=32),
)
def test_what_is_written_reads_back_the_same_or_is_refused(kind, order, value):
    one = register(type=kind, order=order)
    words, code = encode(one, value)
    if code == GOOD:
        got = decode(one, words)[0]
        assert got == (float(value) if kind in ("f32", "f64") else float(round(value))) or kind == "f32"
    else:
        assert code == BAD_OUT_OF_RANGE


def test_a_value_is_written_through_scale_offset_states_and_text():
    assert encode(register(type="i16", scale=0.5, offset=-40), 10.0) == ([100], GOOD)
    assert encode(register(name="Mode", states={"1": "READY", "2": "ACTIVE"}), "ACTIVE") == ([2], GOOD)
    assert encode(register(type="text", length=2), "AB") == ([0x4142, 0], GOOD)
    assert encode(register(table="coil"), True) == ([1], GOOD)


@pytest.mark.parametrize(
    ("entry", "value", "code"),
    [
        ({}, 65_536, BAD_OUT_OF_RANGE),
        ({}, -1, BAD_OUT_OF_RANGE),
        ({}, float("nan"), BAD_OUT_OF_RANGE),
        ({}, float("inf"), BAD_OUT_OF_RANGE),
        ({"type": "f32"}, 1e300, BAD_OUT_OF_RANGE),
        ({"type": "i64", "scale": 1e-300}, 1e300, BAD_OUT_OF_RANGE),
        ({}, 10**400, BAD_OUT_OF_RANGE),
        ({"type": "f64", "scale": 2}, 10**400, BAD_OUT_OF_RANGE),
        ({}, "much", BAD_TYPE),
        ({"type": "text"}, 1.0, BAD_TYPE),
        ({"type": "text"}, "longer", BAD_OUT_OF_RANGE),
        ({"table": "coil"}, 2, BAD_OUT_OF_RANGE),
        ({"bit": 1}, 0.5, BAD_OUT_OF_RANGE),
    ],
)
def test_a_value_that_does_not_fit_is_refused_before_it_is_sent(entry, value, code):
    assert encode(register(**entry), value) == ([], code)


def test_a_counter_above_2_to_the_53_is_written_to_its_last_digit():
    words, code = encode(register(type="u64"), 2**53 + 1)
    assert (struct.unpack(">Q", struct.pack(">4H", *words))[0], code) == (2**53 + 1, GOOD)


def test_requests_are_the_octets_of_the_standards_examples():
    """Modbus Application Protocol 1.1b3, the examples of 6.3, 6.5, 6.6, 6.11, 6.12, 6.16."""
    words = blocks_of([register(address=107, type="text", length=3)])[0]
    assert read_request(words) == bytes.fromhex("03 006B 0003")
    assert coil_request(172, [1]) == bytes.fromhex("05 00AC FF00")
    assert write_request(register(address=1), [3], is_single=True) == bytes.fromhex("06 0001 0003")
    assert coil_request(19, [1, 0, 1, 1, 0, 0, 1, 1, 1, 0]) == bytes.fromhex("0F 0013 000A 02 CD01")
    assert write_request(register(address=1), [10, 258], is_single=False) == bytes.fromhex("10 0001 0002 04 000A 0102")
    assert mask_request(register(address=4, bit=2), 1) == bytes.fromhex("16 0004 FFFB 0004")
    assert identity_request() == bytes.fromhex("2B 0E 02 00")


def test_bits_are_counted_from_the_lowest():
    block = blocks_of([register(address=19 + n, name=str(n), table="coil") for n in range(10)])[0]
    assert read_answer(block, bytes.fromhex("01 02 CD01")) == ([1, 0, 1, 1, 0, 0, 1, 1, 1, 0], 0)


@given(st.binary(min_size=1, max_size=260), st.sampled_from(["holding", "coil"]), st.integers(1, 100))
def test_any_answer_is_registers_an_exception_or_bad(pdu, table, count):
    entries = [{"address": address, "name": "r", "table": table} for address in range(count)]
    block = blocks_of(list(parse_registers(entries).values()))[0]
    words, code = read_answer(block, pdu)
    assert code or len(words) in (0, count)
    identity_answer(pdu)


def test_an_identification_is_read_and_a_truncated_one_as_far_as_it_goes():
    octets = bytes.fromhex("2B 0E 02 82 FF 05 02 00 03 616263 05 02 4D37")
    assert identity_answer(octets) == ({"maker": "abc", "model": "M7"}, 5)
    assert identity_answer(octets[:-1]) == ({"maker": "abc"}, 5)


@given(st.lists(st.binary(max_size=300), max_size=4), st.sampled_from([MbapFraming(), RtuFraming()]))
def test_any_octets_are_frames_or_a_broken_frame(chunks, framing):
    buffer = bytearray()
    with suppress(BrokenFrame):
        for chunk in chunks:
            buffer += chunk
            while framing.take(buffer) is not None:
                pass
    assert len(buffer) <= 1_200


@given(st.integers(0, 65_535), st.integers(0, 255), st.binary(min_size=2, max_size=253), st.integers(1, 9))
def test_a_frame_cut_anywhere_is_put_together(transaction, unit, pdu, size):
    framing, buffer, got = MbapFraming(), bytearray(), []
    octets = framing.frame(transaction, unit, pdu) * 2
    for at in range(0, len(octets), size):
        buffer += octets[at : at + size]
        while (frame := framing.take(buffer)) is not None:
            got.append(frame)
    assert got == [(transaction, unit, pdu)] * 2


def test_an_rtu_frame_carries_the_checksum_of_the_standard():
    assert crc16(bytes.fromhex("0207")) == 0x1241
    assert RtuFraming().frame(0, 1, bytes.fromhex("0300000001"))[-2:] == bytes.fromhex("840A")
    with pytest.raises(BrokenFrame):
        RtuFraming().take(bytearray(bytes.fromhex("01 03 02 0001 0000")))
