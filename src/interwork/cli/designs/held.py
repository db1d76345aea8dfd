"""Working with the designs of a running node: files, revisions, plans, templates."""

import argparse
import time
from pathlib import Path
from typing import Any

from interwork.cli.calls import Remote, show
from interwork.cli.designs.file import print_plan
from interwork.core.errors import BadInput, LimitReached, UnreadableDesign

_LOOK_S = 0.3
_LONGEST_S = 1200.0


def _one(more: list[str], what: str) -> str:
    if len(more) != 1:
        raise BadInput(f"One {what} is meant, not {len(more)}.", remedy=f"Give the {what}.")
    return more[0]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as fault:
        raise BadInput(f"{path} cannot be read: {fault.strerror}.", remedy="Give the path of a file.") from fault


def add_file(arguments: argparse.Namespace, more: list[str]) -> int:
    """Hand a file to the node and follow its analysis."""
    path = Path(_one(more, "file"))
    remote = Remote(arguments.data)
    study = remote.post("/api/studies", _bytes(path), name=path.name)
    deadline, said = time.monotonic() + _LONGEST_S, ""
    while study["state"] in ("queued", "running"):
        if time.monotonic() > deadline:
            raise LimitReached(f"The analysis of {path.name} is not done after {_LONGEST_S:.0f} s; it goes on.")
        time.sleep(_LOOK_S)
        study = remote.get(f"/api/studies/{study['id']}")
        told = f"{study['progress']:4.0%}  {study['stage']}"
        if told != said and not arguments.json and study["stage"]:
            print(told)
            said = told
    if study["state"] != "done":
        raise UnreadableDesign(study["message"], remedy=study["remedy"])
    if arguments.json:
        show(study)
    else:
        print(f"Recorded as {study['revision']}: {remote.address}/designs/{study['revision']}")
    return 0


def list_revisions(arguments: argparse.Namespace, _more: list[str]) -> int:
    """List the revisions held."""
    found = Remote(arguments.data).get("/api/designs", limit="1000")["revisions"]
    if arguments.json:
        show(found)
        return 0
    for one in found:
        size = " × ".join(f"{side:.4g}" for side in one["geometry"]["box_mm"])
        print(f"{one['id']}  {one['created_at'][:16]}  {size:>24} mm  {one['file_name']}")
    return 0


def show_revision(arguments: argparse.Namespace, more: list[str]) -> int:
    """Show one revision as JSON: it is the whole record."""
    show(Remote(arguments.data).get(f"/api/designs/{_one(more, 'revision')}"))
    return 0


def verify(arguments: argparse.Namespace, more: list[str]) -> int:
    """Hold a revision and all before it against their digests."""
    found = Remote(arguments.data).get(f"/api/designs/{_one(more, 'revision')}")
    if arguments.json:
        show({"revision": found["revision"]["id"], "verified_manifests": found["verified_manifests"]})
    else:
        print(f"{found['revision']['file_name']}: {found['verified_manifests']} manifests and their files verify.")
    return 0


def same(arguments: argparse.Namespace, more: list[str]) -> int:
    """List revisions of the same shape."""
    found = Remote(arguments.data).get(f"/api/designs/{_one(more, 'revision')}/same")["same_shape"]
    if arguments.json:
        show(found)
        return 0
    for one in found:
        print(f"{one['id']}  {one['file']}")
    print(f"{len(found)} other revisions have this shape.")
    return 0


def attach(arguments: argparse.Namespace, more: list[str]) -> int:
    """Add a file to a revision."""
    if len(more) != 2:
        raise BadInput("A revision and a file are meant.", remedy="interwork design attach ID FILE")
    path = Path(more[1])
    made = Remote(arguments.data).post(f"/api/designs/{more[0]}/files", _bytes(path), name=path.name)
    if arguments.json:
        show(made)
    else:
        print(f"{made['id']} holds {path.name} beside {made['file_name']}.")
    return 0


def plan(arguments: argparse.Namespace, more: list[str]) -> int:
    """Draft a plan."""
    if not arguments.material:
        raise BadInput("Of which material?", remedy="Give --material, such as al-6061.")
    body = {
        "material": arguments.material,
        "quantity": arguments.quantity,
        "tolerance_mm": arguments.tolerance,
        "process_class": arguments.process_class,
        "thickness_mm": arguments.thickness,
        "body": arguments.body,
        "template": arguments.template,
    }
    return _print(arguments, Remote(arguments.data).post(f"/api/designs/{_one(more, 'revision')}/plans", body))


def _print(arguments: argparse.Namespace, made: dict[str, Any]) -> int:
    if arguments.json:
        show(made)
    else:
        print_plan(made)
        for line in made["changes"]:
            print(f"  {line}")
    return 0


def fit(arguments: argparse.Namespace, more: list[str]) -> int:
    """Tell who could do each operation, or which condition fails and by how much."""
    remote, identifier = Remote(arguments.data), _one(more, "plan")
    held = remote.get(f"/api/process-plans/{identifier}")
    matches = remote.get(f"/api/process-plans/{identifier}/fit")["matches"]
    if arguments.json:
        show(matches)
        return 0
    for one in held["operations"]:
        print(f"{one['name']}")
        for match in (each for each in matches if each["operation"] == one["id"]):
            who = f"{match['resource_name']} at {match['provider_name']}"
            print(f"  {'fits' if match['is_feasible'] else 'does not fit'}: {who}")
            for reason in match["reasons"]:
                if reason["verdict"] != "satisfied":
                    print(f"    {reason['text']}")
    return 0


def edit(arguments: argparse.Namespace, more: list[str]) -> int:
    """Change a plan: the next version, with the reason."""
    edits: list[dict[str, Any]] = [{"act": "remove", "operation": text} for text in arguments.remove]
    for text in arguments.change:
        operation, _, seconds = text.partition("=")
        edits.append({"act": "change", "operation": operation, "seconds": _number(seconds)})
    for text in arguments.demand:
        operation, _, said = text.partition("=")
        name, _, value = said.partition(":")
        wanted = {"name": name, "value": _number(value) if _is_number(value) else value}
        edits.append({"act": "change", "operation": operation, "requirements": [wanted]})
    for text in arguments.move:
        operation, _, place = text.partition("=")
        edits.append({"act": "move", "operation": operation, "to": int(_number(place))})
    for text in arguments.add:
        parts = [*(part.strip() for part in text.split(",")), "", "", ""]
        seconds = _number(parts[2])
        edits.append({"act": "add", "name": parts[0], "process": parts[1], "seconds": seconds, "operation": parts[3]})
    body = {"edits": edits, "why": arguments.why}
    return _print(arguments, Remote(arguments.data).post(f"/api/process-plans/{_one(more, 'plan')}/changes", body))


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()


def _number(text: str) -> float:
    if not _is_number(text):
        raise BadInput(f"{text[:40]!r} is no number.", remedy="Write it as 90 or 0.02.")
    return float(text)


def template(arguments: argparse.Namespace, more: list[str]) -> int:
    """List templates, keep one, apply one."""
    remote = Remote(arguments.data)
    act, words = (more[0], more[1:]) if more else ("list", [])
    if act == "list":
        found = remote.get("/api/templates", limit="1000")["templates"]
        if arguments.json:
            show(found)
        for one in [] if arguments.json else found:
            print(f"{one['id']}  {one['process_class']:<8} {len(one['steps'])} steps  {one['name']}, by {one['by']}")
        return 0
    if len(words) != 2 or act not in ("keep", "apply"):
        raise BadInput(
            "A template is kept or applied.", remedy="template keep PLAN NAME, or template apply TEMPLATE PLAN"
        )
    if act == "apply":
        return _print(arguments, remote.post(f"/api/templates/{words[0]}/apply", {"plan": words[1]}))
    kept = remote.post(f"/api/process-plans/{words[0]}/template", {"name": words[1], "why": arguments.why})
    if arguments.json:
        show(kept)
    else:
        print(f"Kept as {kept['id']}: {kept['name']}, {len(kept['steps'])} steps.")
    return 0


def learnt(arguments: argparse.Namespace, _more: list[str]) -> int:
    """Tell how estimates compare with finished runs."""
    found = Remote(arguments.data).get("/api/calibrations")
    if arguments.json:
        show(found)
        return 0
    for one in found["calibrations"]:
        where = one["resource_name"] or "all machines"
        kind = "simulated runs" if one["is_simulated"] else "runs"
        span = f"{one['low']:.2f} – {one['high']:.2f}"
        print(f"{one['process']:<18} × {one['likely']:.3f} ({span}) by {one['runs']} {kind}  {where}")
    if not found["calibrations"]:
        print("No process has three finished runs yet; the estimates are as drafted.")
    return 0
