from interwork.core.resource import Meaning
from interwork.core.units import convert
from interwork.simulate.model import Machine
from interwork.simulate.profiles import make_profile
from interwork.simulate.signals import VARIABLES, Changes, variables_of


def names(type_: str) -> set[str]:
    return {variable.name for variable in variables_of(make_profile(type_))}


def test_a_mill_has_every_variable():
    assert names("mill") == {variable.name for variable in VARIABLES}


def test_a_measuring_machine_has_no_spindle_no_coolant_and_no_tool():
    lacking = {"SpindleSpeed", "SpindleLoad", "CoolantLevel", "CoolantTemperature", "Water", "ToolWear"}
    assert names("cmm") == names("mill") - lacking


def test_every_machine_says_it_is_simulated():
    state = Machine(make_profile("laser")).state()
    simulated = next(variable for variable in variables_of(make_profile("laser")) if variable.name == "Simulated")
    assert simulated.read(state) is True


def test_every_unit_is_a_known_ucum_code():
    assert all(convert(1, variable.unit, variable.unit) == 1 for variable in VARIABLES if variable.unit)


def test_the_meanings_a_run_needs_are_there():
    meanings = {variable.meaning for variable in VARIABLES}
    assert {Meaning.EXECUTION, Meaning.PART_COUNT, Meaning.ENERGY, Meaning.POWER} <= meanings


def test_changes_tell_everything_first_then_only_what_changed():
    one = Machine(make_profile("mill", fault_every_h=0))
    changes = Changes(VARIABLES)
    assert len(changes.take(one.state())) == len(VARIABLES)
    assert changes.take(one.state()) == {}
    one.step(7)
    assert changes.take(one.state()).keys() == {"Power", "Energy"}


def test_changes_that_forget_tell_everything_again():
    state = Machine(make_profile("mill")).state()
    changes = Changes(VARIABLES)
    changes.take(state)
    changes.forget()
    assert len(changes.take(state)) == len(VARIABLES)
