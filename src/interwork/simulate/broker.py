"""An MQTT broker for a demonstration on one computer: mosquitto where it is installed, else one in pure Python.

This process becomes mosquitto (exec), so that whatever ends it, also by force, ends the broker: there is no child to
be left behind. Who says "ready" then is a short-lived grandchild that waits for the port to answer.
"""

import os
import pkgutil
import shutil
import socket
import sys
import time
from _collections_abc import dict_items
from collections.abc import Iterator
from typing import Any, NoReturn

import anyio
import structlog

from interwork.simulate.serving import announce, authority, check_port, port_error

_START_S = 20.0


class Subscriptions(dict[str, list[tuple[Any, int]]]):
    """Who subscribed to what, gone through as it is at the start of it.

    amqtt 0.12 goes through its subscriptions whenever a client comes or says something. Where another client
    subscribes or leaves meanwhile, a plain dictionary raises, and amqtt drops the client, or goes silent.
    """

    def __iter__(self) -> Iterator[str]:
        """Go through the filters there are now."""
        return iter(list(super().__iter__()))

    def items(self) -> "dict_items[str, list[tuple[Any, int]]]":
        """Go through the filters there are now, with who subscribed."""
        return self.copy().items()


async def run_broker(*, host: str = "127.0.0.1", port: int = 1883) -> None:
    """Serve MQTT 3.1.1 without sign-in until cancelled; print one line on standard output when it serves.

    Where mosquitto is on the PATH this never returns: the process becomes mosquitto.
    """
    port = check_port(host, port)
    program = shutil.which("mosquitto")
    log = structlog.get_logger().bind(broker=authority(host, port))
    log.info("broker.starting", program=program or "amqtt")
    if program:
        _become_mosquitto(program, host, port)
    await _run_amqtt(host, port)


async def _run_amqtt(host: str, port: int) -> None:
    # named, not imported: the simulated machines share this package and need no broker in memory
    broker_class = pkgutil.resolve_name("amqtt.broker:Broker")
    broker = broker_class(
        {
            "listeners": {"default": {"type": "tcp", "bind": authority(host, port)}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    broker._subscriptions = Subscriptions()  # noqa: SLF001 - amqtt has no other way to it
    try:
        await broker.start()
    except pkgutil.resolve_name("amqtt.errors:BrokerError") as fault:
        raise port_error(host, port, OSError(str(fault))) from fault
    try:
        announce(f"mqtt://{authority(host, port)}")
        await anyio.sleep_forever()
    finally:
        with anyio.move_on_after(1, shield=True):
            await broker.shutdown()


def _become_mosquitto(program: str, host: str, port: int) -> NoReturn:
    """Replace this process by mosquitto, which reads its configuration from a pipe: no file is left behind."""
    read, write = os.pipe()
    os.write(write, mosquitto_configuration(host, port).encode())
    os.close(write)
    os.set_inheritable(read, True)
    _announce_later(host, port)
    os.execv(program, [program, "-c", f"/dev/fd/{read}"])  # noqa: S606 - found on the PATH on purpose


def _announce_later(host: str, port: int) -> None:
    """Announce from a grandchild, which belongs to no one: mosquitto would not clear away a child."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    if os.fork() == 0 and _is_listening(host, port):
        announce(f"mqtt://{authority(host, port)}")
    os._exit(0)


def _is_listening(host: str, port: int) -> bool:
    """Wait until the port answers; give up after a while."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return True
    return False


def mosquitto_configuration(host: str, port: int) -> str:
    """Write the configuration of a loopback broker that keeps nothing on disk."""
    lines = (f"listener {port} {host}", "allow_anonymous true", "persistence false", "set_tcp_nodelay true")
    return "\n".join((*lines, "log_type error", ""))
