import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.simulate.faces.modbus import REGISTERS, registers_of, words_of
from interwork.simulate.model import ALARMS, Cycle, Machine, State
from interwork.simulate.profiles import make_profile
from interwork.simulate.signals import VARIABLES

FORMATS = {"u16": ">H", "u32": ">I", "f32": ">f"}


def read(words: list[int], name: str) -> float | str:
    register = next(one for one in REGISTERS if one["name"] == name)
    octets = b"".join(word.to_bytes(2, "big") for word in words[register["address"] :])
    if register["type"] == "text":
        return octets[: register["length"] * 2].rstrip(b"\0").decode()
    format_ = FORMATS[register["type"]]
    number = struct.unpack(format_, octets[: struct.calcsize(format_)])[0] * register["scale"]
    return register["states"][str(number)] if "states" in register else number


def state(program: str = "O1") -> State:
    one = Machine(make_profile("mill", fault_every_h=0))
    one.start(Cycle(program=program, quantity=5, unit_s=60, setup_s=10))
    one.step(100)
    return one.state()


def everything(_: str) -> bool:
    return True


def test_a_measuring_machine_s_map_names_no_spindle_that_would_never_have_a_value():
    lacking = {one["name"] for one in REGISTERS} - {one["name"] for one in registers_of(make_profile("cmm"))}
    assert lacking >= {"SpindleSpeed", "SpindleLoad"}
    assert registers_of(make_profile("mill")) == REGISTERS


def test_every_variable_has_a_register():
    assert {register["name"] for register in REGISTERS} == {variable.name for variable in VARIABLES}


def test_units_and_meanings_are_those_of_the_variables():
    registers = {register["name"]: (register["unit"], register["meaning"]) for register in REGISTERS}
    assert registers == {variable.name: (variable.unit, variable.meaning.value) for variable in VARIABLES}


def test_no_two_registers_overlap():
    widths = {"u16": 1, "u32": 2, "f32": 2}
    spans = [(one["address"], widths.get(one["type"], one.get("length", 1))) for one in REGISTERS]
    cells = [cell for start, width in spans for cell in range(start, start + width)]
    assert len(cells) == len(set(cells))


def test_the_registers_hold_the_state():
    shown = state()
    words = words_of(shown, everything)
    assert read(words, "Execution") == "ACTIVE"
    assert read(words, "PartCount") == shown.part_count == 1
    assert read(words, "Energy") == pytest.approx(shown.energy_kwh, abs=0.001)
    assert read(words, "Power") == pytest.approx(shown.power_kw)
    assert read(words, "Water") == 0
    assert read(words, "Alarm") in ALARMS
    assert (read(words, "Program"), read(words, "Simulated")) == ("O1", 1)


def test_what_the_machine_does_not_have_is_not_a_number():
    words = words_of(state(), lambda name: name != "SpindleSpeed")
    assert math.isnan(read(words, "SpindleSpeed"))


@given(st.text(max_size=60).filter(str.isprintable))
def test_any_program_name_fits_and_stays_text(program):
    words = words_of(state(program), everything)
    assert len(words) == 59
    assert program.encode().startswith(read(words, "Program").encode())
