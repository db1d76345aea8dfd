"""Endpoints and options: what is wrong is said before a socket is opened."""

import socket
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.connectors.endpoint import check_options, number_option, parse_endpoint, reason, text_option
from interwork.core.errors import BadInput, MachineUnreachable


def test_an_endpoint_is_taken_apart():
    endpoint = parse_endpoint("mqtt://[::1]:1884/group%20a/edge?x=1", "mqtt", 1883)
    assert (endpoint.host, endpoint.port, endpoint.path, endpoint.query) == (
        "::1",
        1884,
        ("group a", "edge"),
        {"x": "1"},
    )


def test_the_default_port_stands_in():
    assert parse_endpoint("opc.tcp://plc", "opc.tcp", 4840).port == 4840


def test_credentials_in_an_endpoint_are_refused_without_repeating_them():
    with pytest.raises(BadInput) as caught:
        parse_endpoint("opc.tcp://tom:secret@plc", "opc.tcp", 4840)
    assert "secret" not in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_an_endpoint_or_bad_input(text):
    with suppress(BadInput):
        assert parse_endpoint(f"mqtt://{text}", "mqtt", 1883).host


@pytest.mark.parametrize("host", ["a..b", "x" * 64, ".", "[::1", "a b"])
def test_a_host_that_no_resolver_takes_is_bad_input(host):
    with pytest.raises(BadInput):
        parse_endpoint(f"modbus://{host}:502", "modbus", 502)


def test_the_lost_link_names_machine_state_and_remedy():
    fault = parse_endpoint("modbus://plc:502", "modbus", 502).unreachable("is silent.", "Switch it on.")
    assert isinstance(fault, MachineUnreachable)
    assert str(fault) == "modbus://plc:502: plc:502 is silent. Switch it on."


@pytest.mark.parametrize("value", ["fast", None, float("nan"), 0, 11, []])
def test_a_number_out_of_bounds_is_bad_input_naming_the_option(value):
    with pytest.raises(BadInput, match="interval_s"):
        number_option({"interval_s": value}, "interval_s", 1, low=1, high=10)


def test_a_text_option_must_be_a_text():
    assert text_option({}, "root", "i=85") == "i=85"
    with pytest.raises(BadInput, match="root"):
        text_option({"root": 85}, "root")


def test_an_option_nobody_reads_is_bad_input_naming_the_known_ones():
    with pytest.raises(BadInput, match=r"intervall.*interval_s"):
        check_options({"intervall": 1}, ("interval_s",))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('192.0.2.1', 4840)"), "nobody listens there"),
        (socket.gaierror(-2, "Name or service not known"), "there is no such name"),
        (TimeoutError(), "no answer came in time"),
        (ValueError("odd"), "odd"),
        (EOFError(), "EOFError"),
    ],
)
def test_why_a_connection_failed_is_said_in_words(fault, words):
    assert reason(fault) == words


def test_a_space_in_an_endpoint_is_answered_with_how_to_write_it():
    with pytest.raises(BadInput) as caught:
        parse_endpoint("mqtt://broker/My Group/E", "mqtt", 1883)
    assert "%20" in caught.value.remedy
