"""The verb `model`: vouch for a model, publish it, offer it, take another node's, run, chain and sweep."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from interwork.cli.calls import Remote, add_data, show
from interwork.core.design import ModelRun
from interwork.core.errors import BadInput
from interwork.core.units import symbol
from interwork.flows.rnd.tables import course_csv, points_csv

_EPILOG = """\
a model is an FMU (FMI 2.0 or 3.0, co-simulation) or a Python file with INPUTS, OUTPUTS and run(…):
  interwork model add spindle.py                              vouch for it with this node's key, and publish it
  interwork model add tank.fmu --unit power=kW --step 10 --stop 600
  interwork model add tank.fmu --signer DID --signature JWS   a member has vouched for it
  interwork model sign tank.fmu                               vouch for a file, to be sent to another node
  interwork model list | show ID
  interwork model run ID --set "speed=4000 {rpm}" --set load=60
  interwork model run ID ID2 --set speed=4000 --link power=0.power    a chain: its power into the second
  interwork model run ID ID2 --link power=0.power --set 1.mass=10     and another input of the second
  interwork model run ID --vary speed=1000:8000:8             a grid; --lhs 20 spreads a Latin hypercube instead
  interwork model run ID --start 0 --step 1 --stop 600 --csv tank.csv    how it went in time, as a table
  interwork model offer ID [--to DID]                         to the members of the institute, or to one node
  interwork model take DID DATASET                            agree to run another node's model
"""


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verb."""
    verb = verbs.add_parser(
        "model",
        help="simulation models as services: publish, run, chain, sweep",
        description="Publish a simulation model with typed inputs and outputs, and run it, here or elsewhere.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data(verb)
    verb.add_argument("act", choices=list(ACTS), help="what to do, as below")
    verb.add_argument("more", nargs="*", help="what the act needs, as below")
    verb.add_argument("--name", default="", help="what the model is called")
    verb.add_argument("--text", default="", help="what it is for")
    verb.add_argument("--unit", action="append", default=[], help="NAME=UCUM of a port whose file states none")
    verb.add_argument("--step", type=float, default=0.0, help="communication step in seconds")
    verb.add_argument("--stop", type=float, default=0.0, help="end in seconds")
    verb.add_argument("--start", type=float, default=0.0, help="start in seconds (%(default)s)")
    verb.add_argument("--csv", type=Path, help="write the course in time (or the points) of the last model there")
    verb.add_argument("--signer", default="", help="DID of whoever vouches for it")
    verb.add_argument("--signature", default="", help="its JWS over the file's digest")
    verb.add_argument("--set", action="append", default=[], metavar="[STEP.]INPUT=VALUE [UNIT]",
                      help="an input of the first model, or of the one counted from 0")  # fmt: skip
    verb.add_argument("--vary", action="append", default=[], metavar="INPUT=LOW:HIGH:COUNT[:UNIT]", help="an axis")
    verb.add_argument("--link", action="append", default=[], metavar="[STEP.]INPUT=STEP.OUTPUT",
                      help="into the last model, or the one counted from 0")  # fmt: skip
    verb.add_argument("--lhs", type=int, default=0, metavar="N", help="N points of a Latin hypercube")
    verb.add_argument("--seed", type=int, default=1, help="of the Latin hypercube (%(default)s)")
    verb.add_argument("--to", default="", help="DID a model is offered to")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Do the act."""
    return ACTS[arguments.act](arguments, Remote(arguments.data))


def _file(arguments: argparse.Namespace) -> tuple[Path, bytes]:
    if len(arguments.more) != 1:
        raise BadInput("One file is meant.", remedy="Give the path of an .fmu or .py file.")
    path = Path(arguments.more[0])
    try:
        return path, path.read_bytes()
    except OSError as fault:
        raise BadInput(f"{path} cannot be read: {fault.strerror}.", remedy="Give the path of a file.") from fault


def _sign(arguments: argparse.Namespace, remote: Remote) -> int:
    show(remote.post("/api/models/sign", _file(arguments)[1]))
    return 0


def _add(arguments: argparse.Namespace, remote: Remote) -> int:
    path, content = _file(arguments)
    vouching = {"signer": arguments.signer, "signature": arguments.signature}
    if not arguments.signature:
        vouching = remote.post("/api/models/sign", content)
    made = remote.post(
        "/api/models",
        content,
        file=path.name,
        name=arguments.name or path.stem,
        text=arguments.text,
        units=",".join(arguments.unit),
        step_s=str(arguments.step),
        stop_s=str(arguments.stop),
        **vouching,
    )
    return _told(arguments, made)


def _told(arguments: argparse.Namespace, made: dict[str, Any]) -> int:
    if arguments.json:
        show(made)
        return 0
    print(f"{made['id']}  {made['name']} ({made['kind']}), held by {made['holder_name'] or made['holder']}")
    for way in ("inputs", "outputs"):
        for port in made[way]:
            print(f"  {way[:-1]:<7} {port['name']:<20} {port['unit']:<8} {_range(port)}")
    return 0


def _range(port: dict[str, Any]) -> str:
    low, high = ("" if port[end] is None else f"{port[end]:g}" for end in ("low", "high"))
    start = "" if port["default"] is None else f"  (if not given: {port['default']:g})"
    return (f"{low} – {high}" if low or high else "") + start


def _list(arguments: argparse.Namespace, remote: Remote) -> int:
    found = remote.get("/api/models", limit="1000")["models"]
    if arguments.json:
        show(found)
        return 0
    for one in found:
        print(f"{one['id']}  {one['kind']:<7} {one['holder_name']:<20} {one['name']}")
    return 0


def _show(arguments: argparse.Namespace, remote: Remote) -> int:
    found = remote.get(f"/api/models/{_id(arguments)}")
    if arguments.json:
        show(found)
        return 0
    _told(arguments, found["model"])
    for one in found["runs"]:
        print(f"  {one['at'][:16]}  {len(one['inputs']):>4} points  {one['id']}  {one['note']}")
    return 0


def _id(arguments: argparse.Namespace) -> str:
    if len(arguments.more) != 1:
        raise BadInput("One model is meant.", remedy="Give its id, as `interwork model list` shows it.")
    return str(arguments.more[0])


def _run(arguments: argparse.Namespace, remote: Remote) -> int:
    if not arguments.more:
        raise BadInput("Which model?", remedy="Give its id, as `interwork model list` shows it.")
    steps: list[dict[str, Any]] = [{"model": one, "inputs": {}, "links": {}} for one in arguments.more]
    for text in arguments.set:
        name, given = _given(text)
        at, name = _placed(name, len(steps), 0)
        steps[at]["inputs"][name] = given
    for text in arguments.link:
        name, link = _link(text)
        at, name = _placed(name, len(steps), len(steps) - 1)
        steps[at]["links"][name] = link
    for step in steps:
        step.update({"step_s": arguments.step, "stop_s": arguments.stop, "start_s": arguments.start})
    body: dict[str, Any] = {"steps": steps, "axes": [_axis(text) for text in arguments.vary]}
    if arguments.lhs:
        body.update({"way": "lhs", "count": arguments.lhs, "seed": arguments.seed})
    runs = remote.post("/api/model-runs", body)["runs"]
    if arguments.csv:
        _write_csv(arguments.csv, msgspec.convert(runs[-1], type=ModelRun))
    if arguments.json:
        show(runs)
        return 0
    for one in runs:
        print(f"{one['model_name']}  {one['id']}\n  {one['note']}")
        for inputs, outputs in zip(one["inputs"], one["outputs"], strict=True):
            print(f"  {_row(inputs, one['units'])}  →  {_row(outputs, one['units'])}")
    return 0


def _write_csv(path: Path, made: ModelRun) -> None:
    try:
        path.write_text(course_csv(made) if made.courses else points_csv(made), newline="")
    except OSError as fault:
        raise BadInput(f"{path} cannot be written: {fault.strerror}.", remedy="Give another path.") from fault


def _row(values: dict[str, float], units: dict[str, str]) -> str:
    return ", ".join(f"{name} {value:.6g} {symbol(units[name])}".rstrip() for name, value in values.items())


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as fault:
        raise BadInput(f"{text[:40]!r} is no number.", remedy="Write it as 90 or 0.02.") from fault


def _given(text: str) -> tuple[str, dict[str, Any]]:
    name, _, said = text.partition("=")
    value, _, unit = said.strip().partition(" ")
    return name.strip(), {"value": _number(value), "unit": unit.strip()}


def _link(text: str) -> tuple[str, dict[str, Any]]:
    name, _, said = text.partition("=")
    step, _, output = said.partition(".")
    return name.strip(), {"step": int(_number(step)), "output": output}


def _placed(name: str, count: int, usual: int) -> tuple[int, str]:
    """Tell the model of a chain an input is of: `1.mass` names it, counted from 0; ports may have dots themselves."""
    step, _, rest = name.partition(".")
    if not (step.isdecimal() and rest):
        return usual, name
    if int(step[:4]) >= count:
        raise BadInput(f"{name[:40]!r} is of model {step[:10]}; there are {count}.", remedy="The first one is 0.")
    return int(step), rest


def _axis(text: str) -> dict[str, Any]:
    name, _, said = text.partition("=")
    parts = [*said.split(":"), "", ""]
    if len(parts) < 5:
        raise BadInput(f"{text[:60]!r} is no axis.", remedy="Write it as speed=1000:8000:8.")
    ends = {"low": _number(parts[0]), "high": _number(parts[1]), "count": int(_number(parts[2]))}
    return {"name": name.strip(), **ends, "unit": parts[3]}


def _offer(arguments: argparse.Namespace, remote: Remote) -> int:
    made = remote.post(f"/api/models/{_id(arguments)}/offer", {"to": arguments.to, "name": arguments.name})
    if arguments.json:
        show(made)
    else:
        print(f"Offered as {made['id']}: {made['title']}")
    return 0


def _take(arguments: argparse.Namespace, remote: Remote) -> int:
    if len(arguments.more) != 2:
        raise BadInput("A node and a dataset are meant.", remedy="interwork model take DID DATASET")
    body = {"provider": arguments.more[0], "dataset": arguments.more[1]}
    return _told(arguments, remote.post("/api/models/take", body))


ACTS: dict[str, Callable[[argparse.Namespace, Remote], int]] = {
    "list": _list,
    "show": _show,
    "sign": _sign,
    "add": _add,
    "run": _run,
    "offer": _offer,
    "take": _take,
}
