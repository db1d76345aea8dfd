import socket

import pytest

from interwork.core.errors import PortInUse
from interwork.simulate import broker
from interwork.simulate.broker import mosquitto_configuration, run_broker


def test_mosquitto_listens_where_told_and_keeps_nothing():
    lines = mosquitto_configuration("127.0.0.1", 1884).splitlines()
    assert "listener 1884 127.0.0.1" in lines
    assert "persistence false" in lines


@pytest.fixture
def taken_port():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


async def test_a_taken_port_is_named(taken_port):
    with pytest.raises(PortInUse, match="--port"):
        await run_broker(port=taken_port)


def test_a_port_that_answers_is_listening(taken_port):
    assert broker._is_listening("127.0.0.1", taken_port)


def test_a_port_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(broker, "_START_S", 0.05)
    assert not broker._is_listening("127.0.0.1", 1)


def test_subscriptions_may_change_while_the_broker_goes_through_them():
    """A client that comes or leaves at the wrong moment would have ended another one's connection."""
    held = broker.Subscriptions({"a": [], "b": []})
    for topic in held:
        held[f"{topic}/more"] = []
    for topic, those in held.items():
        those.append(topic)
        del held[topic]
    assert held == {}
