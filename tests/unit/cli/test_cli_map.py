"""`interwork connect --map FILE`: the registers or tags of a machine that does not describe itself."""

import pytest

from interwork.cli import machines, parser
from interwork.core.errors import BadInput


def test_the_verb_takes_a_map_and_its_help_says_for_which_machines():
    arguments = parser().parse_args(["connect", "modbus://host", "--map", "mill.csv"])
    assert arguments.map.name == "mill.csv"


def test_a_map_becomes_the_connectors_options(tmp_path):
    table = tmp_path / "mill.csv"
    table.write_text("address,name,unit\n7,Power,kW\n", encoding="utf-8")
    options = machines._map(table, "modbus://host:502?unit=1")
    assert options == {"registers": [{"address": "7", "name": "Power", "unit": "kW"}]}


def test_a_map_that_is_not_there_says_so(tmp_path):
    with pytest.raises(BadInput, match="cannot be read") as caught:
        machines._map(tmp_path / "none.csv", "s7://host")
    assert "none.csv" in caught.value.where
