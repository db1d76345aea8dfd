"""The command line of the simulated plant: `interwork simulate opcua|sparkplug|mtconnect|modbus|broker|operator`."""

import argparse
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import structlog

from interwork.core.errors import BadInput, InterworkError
from interwork.simulate import run_broker, run_machine, run_operator
from interwork.simulate.operator import BY_HAND
from interwork.simulate.profiles import LIMITS, PROFILES

_MACHINES = {
    "opcua": (4840, "a machine with an OPC UA server"),
    "sparkplug": (1883, "a machine as a Sparkplug B edge node at an MQTT broker"),
    "mtconnect": (5000, "a machine with an MTConnect agent"),
    "modbus": (5020, "a machine with a Modbus TCP server"),
}
_FIGURES = {
    "base_power_kw": "kW drawn whenever it is on",
    "cutting_power_kw": "kW drawn beside that when cutting at nominal load",
    "setup_s": "simulated seconds of setup where a cycle start does not say",
    "unit_s": "simulated seconds per part where a cycle start does not say",
    "water_l_per_h": "litres of coolant lost per cutting hour",
    "tool_life_min": "cutting minutes until a tool is worn",
    "fault_every_h": "mean cutting hours between faults; 0 = never",
}
_EPILOG = (
    "Each prints one JSON line on standard output when it serves: "
    '{"ready": true, "endpoint": "…", "panel": "…"}. End it with Ctrl-C or SIGTERM.'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands to the parser of `interwork simulate`."""
    parser.description = "Run a SIMULATED machine, MQTT broker or operator. Every face of it says it is simulated."
    parser.epilog = _EPILOG
    kinds = parser.add_subparsers(dest="simulated", metavar="KIND", required=True)
    for kind, (port, text) in _MACHINES.items():
        machine = kinds.add_parser(kind, help=f"simulate {text}", description=f"Simulate {text}.", epilog=_EPILOG)
        _add_machine(machine, kind, port)
    broker = kinds.add_parser(
        "broker",
        help="run an MQTT broker for simulated Sparkplug machines",
        description="Run an MQTT broker without sign-in: mosquitto where it is on the PATH, else one in pure Python.",
        epilog=_EPILOG,
    )
    broker.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    broker.add_argument("--port", type=_port, default=1883, help="port to listen on (default: %(default)s)")
    operator = kinds.add_parser(
        "operator",
        help="stand in for the people of a plant",
        description="Stand in for the people of a plant: press Start for released runs and measure made parts.",
        epilog=_EPILOG,
    )
    _add_operator(operator)


def _add_machine(parser: argparse.ArgumentParser, kind: str, port: int) -> None:
    whose = "the MQTT broker's" if kind == "sparkplug" else "its"
    parser.add_argument("--host", default="127.0.0.1", help=f"{whose} address (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=port, help=f"{whose} port (default: %(default)s)")
    parser.add_argument(
        "--panel-port", type=_port, default=0, help="the operator panel's loopback port; 0 = any free one (default)"
    )
    parser.add_argument("--name", default=f"Simulated {kind} machine", help="its name (default: %(default)s)")
    parser.add_argument("--type", choices=tuple(PROFILES), default="mill", help="what it is (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same machine (default: 1)")
    parser.add_argument(
        "--speed", type=float, default=1.0, help="simulated seconds per real second, 0.01 to 10000 (default: 1)"
    )
    for name in LIMITS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, help=f"{_FIGURES[name]} (default: the type's)")
    if kind == "sparkplug":
        parser.add_argument("--group", default="interwork", help="Sparkplug group id (default: %(default)s)")
        parser.add_argument("--edge", help="Sparkplug edge node id (default: made from the name)")
        parser.add_argument("--device", default="machine", help="Sparkplug device id (default: %(default)s)")


def _add_operator(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--node", required=True, metavar="URL", help="the node, such as http://127.0.0.1:8400")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="file holding an API token of the node")
    parser.add_argument("--token", default="", help="the API token itself; others on this computer can see it")
    parser.add_argument(
        "--machine",
        type=_machine,
        action="append",
        default=[],
        metavar="NAME=URL",
        help="a machine's name at the node and its panel's address; repeat for each machine",
    )
    parser.add_argument(
        "--bench",
        action="append",
        default=[],
        metavar="NAME",
        help="a bench that is not connected, where the work is done by hand; repeat for each",
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed measures the same (default: 1)")


def _port(text: str) -> int:
    if not text.isdigit() or not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; use 0 to 65535")
    return int(text)


def _machine(text: str) -> tuple[str, str]:
    name, _, url = text.partition("=")
    if not name or not url.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f'{text!r} is not NAME=URL, such as "Mill 1=http://127.0.0.1:9001"')
    return name, url


def run(arguments: argparse.Namespace) -> int:
    """Run what the arguments name until SIGTERM or Ctrl-C; return the exit code."""
    _log_to_stderr()
    try:
        anyio.run(_until_signalled, _work(arguments))
    except InterworkError as fault:
        sys.stderr.write(f"interwork simulate {arguments.simulated}: {fault}\n")
        return 1
    return 0


def _work(arguments: argparse.Namespace) -> Callable[[], Awaitable[None]]:
    """Choose the coroutine that does what the arguments say."""
    if arguments.simulated == "broker":
        return partial(run_broker, host=arguments.host, port=arguments.port)
    if arguments.simulated == "operator":
        return partial(
            run_operator,
            node=arguments.node,
            token=_token(arguments),
            machines={**dict(arguments.machine), **dict.fromkeys(arguments.bench, BY_HAND)},
            seed=arguments.seed,
        )
    options: dict[str, Any] = {
        name: getattr(arguments, name, None) for name in ("type", *LIMITS, "group", "edge", "device")
    }
    return partial(
        run_machine,
        arguments.simulated,
        host=arguments.host,
        port=arguments.port,
        panel_port=arguments.panel_port,
        name=arguments.name,
        seed=arguments.seed,
        speed=arguments.speed,
        options=options,
    )


def _token(arguments: argparse.Namespace) -> str:
    if arguments.token_file is None:
        return str(arguments.token)
    try:
        return str(arguments.token_file.read_text(encoding="utf-8")).strip()
    except (OSError, UnicodeDecodeError) as fault:
        raise BadInput(f"The token file {arguments.token_file} cannot be read: {fault}.") from fault


async def _until_signalled(work: Callable[[], Awaitable[None]]) -> None:
    """Do the work until it fails or a signal ends it; cancelling is the shutdown."""
    faults: list[InterworkError] = []
    async with anyio.create_task_group() as tasks:
        await tasks.start(_wait_for_signal, tasks.cancel_scope)
        try:
            await work()
        except InterworkError as fault:
            faults.append(fault)
        tasks.cancel_scope.cancel()
    if faults:
        raise faults[0]


async def _wait_for_signal(
    scope: anyio.CancelScope, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            scope.cancel()
            return


def _log_to_stderr() -> None:
    """Keep standard output for the one line that says ready."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.LogfmtRenderer(key_order=("timestamp", "level", "event")),
        ],
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),  # whatever standard error is by then
    )
