"""`interwork connect --map FILE`: the registers or tags of a machine that does not describe itself."""

import pytest

from interwork.cli import blueprint, machines, parser
from interwork.cli.machines import options_of
from interwork.core.errors import BadInput


def test_the_verb_takes_a_map_and_its_help_says_for_which_machines():
    arguments = parser().parse_args(["connect", "modbus://host", "--map", "mill.csv"])
    assert arguments.map.name == "mill.csv"


def test_options_of_a_connector_are_given_on_the_command_line():
    said = ["username=ann", "password=secret:mill", "interval_s=0.5", "root=nsu=urn:x;i=1", "allow_expired=true"]
    assert options_of([*said, 'registers=[{address=1, name="A"}]']) == {
        "username": "ann",
        "password": "secret:mill",
        "interval_s": "0.5",
        "root": "nsu=urn:x;i=1",
        "allow_expired": True,
        "registers": [{"address": 1, "name": "A"}],
    }


@pytest.mark.parametrize("said", ["username", "=ann", "registers=[{"])
def test_an_option_that_cannot_be_read_is_refused_in_words(said):
    with pytest.raises(BadInput, match=r"option"):
        options_of([said])


def test_a_map_becomes_the_connectors_options(tmp_path):
    table = tmp_path / "mill.csv"
    table.write_text("address,name,unit\n7,Power,kW\n", encoding="utf-8")
    options = machines.map_of(table, "modbus://host:502?unit=1")
    assert options == {"registers": [{"address": "7", "name": "Power", "unit": "kW"}]}


def test_a_device_is_checked_with_the_map_it_is_connected_with_or_with_a_profile(tmp_path):
    table, profile = tmp_path / "press.csv", tmp_path / "press.toml"
    table.write_text("address,name\n7,Power\n", encoding="utf-8")
    profile.write_text('[[options.registers]]\naddress = "7"\nname = "Power"\n', encoding="utf-8")
    held = {"registers": [{"address": "7", "name": "Power"}]}
    assert [blueprint._options(one, "modbus://host:502") for one in (table, profile, None)] == [held, held, {}]


def test_a_map_that_is_not_there_says_so(tmp_path):
    with pytest.raises(BadInput, match="cannot be read") as caught:
        machines.map_of(tmp_path / "none.csv", "s7://host")
    assert "none.csv" in caught.value.where
