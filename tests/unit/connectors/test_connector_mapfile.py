"""Register and tag maps as CSV and TOML files."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.connectors.mapfile import read_map
from interwork.connectors.modbus.registers import parse_registers
from interwork.connectors.s7.wire import parse_tags
from interwork.core.errors import BadInput

TABLE = """\ufeffaddress;name;type;scale;unit;states
0;Execution;u16;;;0=READY 1=ACTIVE
2;Power;f32;0.001;kW;

"""


def test_a_table_saved_by_a_spreadsheet_is_a_register_map():
    registers = parse_registers(read_map(TABLE.encode(), "mill.CSV", "modbus")["registers"])
    assert registers["0"].states == {0: "READY", 1: "ACTIVE"}
    assert (registers["2"].type, registers["2"].scale, registers["2"].found.unit) == ("f32", 0.001, "kW")


def test_a_toml_map_carries_the_other_options_too():
    text = 'interval_s = 0.5\n[[tags]]\naddress = "DB1.DBD4:REAL"\nname = "Power"\n'
    options = read_map(text.encode(), "press.toml", "s7")
    assert options["interval_s"] == 0.5
    assert list(parse_tags(options["tags"])) == ["DB1.DBD4:REAL"]


@pytest.mark.parametrize(
    ("content", "name", "scheme", "said"),
    [
        (b"address,name\n1\n", "m.csv", "modbus", "line 2"),
        (b"address,name\n1,a,b\n", "m.csv", "modbus", "line 2"),
        (b"address,name\n", "m.csv", "modbus", "no rows"),
        (b"address,name,states\n1,a,READY\n", "m.csv", "modbus", "unreadable"),
        (b"\xff\xfe", "m.csv", "modbus", "UTF-8"),
        (b"= 1", "m.toml", "modbus", "TOML"),
        (b"a = 1", "m.toml", "s7", r"\[\[tags\]\]"),
        (b"", "m.csv", "opc.tcp", "describes itself"),
    ],
)
def test_a_file_that_is_no_map_says_where_and_what_to_do(content, name, scheme, said):
    with pytest.raises(BadInput, match=said) as caught:
        read_map(content, name, scheme)
    assert caught.value.remedy


@given(st.binary(max_size=80), st.sampled_from(["m.csv", "m.toml"]))
def test_any_file_is_a_map_or_bad_input(content, name):
    with suppress(BadInput):
        assert parse_registers(read_map(content, name, "modbus")["registers"])
