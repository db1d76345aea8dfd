import errno
import json
import socket

import pytest

from interwork.core.errors import PortInUse, Unusable
from interwork.simulate.serving import announce, authority, check_port, port_error, slug


def test_a_taken_port_is_named_with_a_remedy():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortInUse, match=f"Port {port} .*--port"):
            check_port("127.0.0.1", port)


def test_a_free_port_is_left_free():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
    assert check_port("127.0.0.1", port) == check_port("127.0.0.1", port) == port


def test_port_0_is_any_free_port():
    assert check_port("127.0.0.1", 0) > 1023


def test_an_address_of_another_computer_cannot_be_listened_on():
    with pytest.raises(Unusable, match="--host"):
        check_port("192.0.2.1", 0)


def test_another_fault_of_a_port_is_not_called_in_use():
    assert not isinstance(port_error("h", 80, OSError(errno.EACCES, "Permission denied")), PortInUse)


def test_the_ready_line_is_one_line_of_json(capsys):
    announce("opc.tcp://h:1", "http://h:2")
    line = capsys.readouterr().out
    assert line.endswith("\n")
    assert json.loads(line) == {"ready": True, "endpoint": "opc.tcp://h:1", "panel": "http://h:2"}


@pytest.mark.parametrize(("name", "expected"), [("Mill 1 (old)", "mill-1-old"), ("+/#", "machine"), ("Ä", "machine")])
def test_a_name_becomes_fit_for_addresses(name, expected):
    assert slug(name) == expected


def test_an_ipv6_address_is_bracketed():
    assert (authority("::1", 80), authority("h", 80)) == ("[::1]:80", "h:80")
