"""The verb `trial`: a campaign asks for settings, is told what came of them, and ends with a decision."""

import argparse
from collections.abc import Callable
from typing import Any

from interwork.cli.calls import Remote, add_data, show
from interwork.core.errors import BadInput

_EPILOG = """\
  interwork trial new "Less energy" --vary feed=200:900:mm/min --vary speed=2000:9000 \\
      --goal energy_kwh_part=0.1:0.4 --goal cpk=1.67:1.33:max
  interwork trial ask CAMPAIGN                       the settings to try next
  interwork trial tell CAMPAIGN NUMBER --run RUN     its inspection and its meter tell energy_kwh_part, cpk,
                                                     scrap_share and time_s_part
  interwork trial tell CAMPAIGN NUMBER --set cpk=1.4 --set energy_kwh_part=0.21
  interwork trial show CAMPAIGN | list
  interwork trial decide CAMPAIGN NUMBER --why "least energy that is capable"
  interwork trial apply CAMPAIGN [NUMBER] [--on "feed=Mill from +Z"]    its settings: the next version of the plan
a goal reads NAME=BEST:WORST, and :max where more is better; with one goal, NAME or NAME=:: is enough
"""


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verb."""
    verb = verbs.add_parser(
        "trial",
        help="find good settings in few trials: ask, make, tell, decide",
        description="A campaign searches settings by expected improvement; every step stands on the thread.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data(verb)
    verb.add_argument("act", choices=list(ACTS), help="what to do, as below")
    verb.add_argument("more", nargs="*", help="what the act needs, as below")
    verb.add_argument("--vary", action="append", default=[], metavar="NAME=LOW:HIGH[:UNIT[:STEP]]", help="a setting")
    verb.add_argument("--goal", action="append", default=[], metavar="NAME=BEST:WORST[:max]", help="what is measured")
    verb.add_argument("--plan", default="", help="the process plan whose settings are searched")
    verb.add_argument("--seed", type=int, default=1, help="(%(default)s)")
    verb.add_argument("--run", dest="made", default="", help="the run that a trial was made in")
    verb.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a figure somebody measured")
    verb.add_argument("--on", action="append", default=[], metavar="SETTING=OPERATION", help="what a setting is for")
    verb.add_argument("--why", default="", help="why a trial is decided for, or goes into the plan")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Do the act."""
    return ACTS[arguments.act](arguments, Remote(arguments.data))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as fault:
        raise BadInput(f"{text[:40]!r} is no number.", remedy="Write it as 90 or 0.02.") from fault


def _words(arguments: argparse.Namespace, count: int, what: str) -> list[str]:
    if len(arguments.more) != count:
        raise BadInput(f"{what} is meant.", remedy=f"Give {what.lower()}.")
    return list(arguments.more)


def _parameter(text: str) -> dict[str, Any]:
    name, _, said = text.partition("=")
    parts = [*said.split(":"), "", ""]
    if len(parts) < 4:
        raise BadInput(f"{text[:60]!r} is no setting.", remedy="Write it as feed=200:900:mm/min.")
    step = _number(parts[3]) if len(parts) > 4 and parts[3] else 0.0
    return {"name": name, "low": _number(parts[0]), "high": _number(parts[1]), "unit": parts[2], "step": step}


def _goal(text: str) -> dict[str, Any]:
    name, _, said = text.partition("=")
    best, worst, way = [*said.split(":"), "", "", ""][:3]
    made: dict[str, Any] = {"name": name, "is_maximised": "max" in (way, worst)}
    if best and worst not in ("", "max"):
        made |= {"best": _number(best), "worst": _number(worst)}
    return made


def _new(arguments: argparse.Namespace, remote: Remote) -> int:
    (title,) = _words(arguments, 1, "A title")
    body = {
        "title": title,
        "parameters": [_parameter(one) for one in arguments.vary],
        "goals": [_goal(one) for one in arguments.goal],
        "seed": arguments.seed,
        "process_plan": arguments.plan,
    }
    made = remote.post("/api/campaigns", body)
    if arguments.json:
        show(made)
    else:
        print(f"{made['id']}  {made['title']}: ask for the first settings.")
    return 0


def _ask(arguments: argparse.Namespace, remote: Remote) -> int:
    (campaign,) = _words(arguments, 1, "A campaign")
    trial = remote.post(f"/api/campaigns/{campaign}/ask")
    if arguments.json:
        show(trial)
    else:
        print(
            f"trial {trial['number']}: " + ", ".join(f"{name} {value:.6g}" for name, value in trial["settings"].items())
        )
    return 0


def _tell(arguments: argparse.Namespace, remote: Remote) -> int:
    campaign, number = _words(arguments, 2, "A campaign and the number of a trial")
    pairs = [one.partition("=") for one in arguments.set]
    body = {"measured": {name: _number(value) for name, _, value in pairs}, "run": arguments.made}
    remote.post(f"/api/campaigns/{campaign}/trials/{int(_number(number))}", body)
    arguments.more = [campaign]
    return _show(arguments, remote)


def _show(arguments: argparse.Namespace, remote: Remote) -> int:
    (campaign,) = _words(arguments, 1, "A campaign")
    found = remote.get(f"/api/campaigns/{campaign}")
    if arguments.json:
        show(found)
        return 0
    held, best = found["campaign"], found["best"]
    print(held["title"] + ("  (simulated runs)" if held["is_simulated"] else ""))
    for one in held["trials"]:
        mark = "✓" if one["number"] == held["chosen"] else "*" if best and one["number"] == best["number"] else " "
        settings = ", ".join(f"{name} {value:.6g}" for name, value in one["settings"].items())
        told = ", ".join(f"{name} {value:.6g}" for name, value in one["measured"].items()) or "awaited"
        print(f"{mark} {one['number']:>3}  {settings}  →  {told}")
    return 0


def _list(arguments: argparse.Namespace, remote: Remote) -> int:
    found = remote.get("/api/campaigns", limit="1000")["campaigns"]
    if arguments.json:
        show(found)
        return 0
    for one in found:
        ended = f", decided for trial {one['chosen']}" if one["chosen"] else ""
        print(f"{one['id']}  {len(one['trials']):>3} trials  {one['title']}{ended}")
    return 0


def _decide(arguments: argparse.Namespace, remote: Remote) -> int:
    campaign, number = _words(arguments, 2, "A campaign and the number of a trial")
    made = remote.post(f"/api/campaigns/{campaign}/decide", {"trial": int(_number(number)), "why": arguments.why})
    if arguments.json:
        show(made)
    else:
        print(f"Decided: trial {made['chosen']}, on the thread as {made['decision']}.")
    return 0


def _apply(arguments: argparse.Namespace, remote: Remote) -> int:
    if not 1 <= len(arguments.more) <= 2:
        raise BadInput("A campaign is meant, and the number of a trial.", remedy="interwork trial apply CAMPAIGN 7")
    campaign, *number = arguments.more
    body = {
        "trial": int(_number(number[0])) if number else 0,
        "operations": {name: said for name, _, said in (one.partition("=") for one in arguments.on)},
        "why": arguments.why,
    }
    made = remote.post(f"/api/campaigns/{campaign}/apply", body)
    if arguments.json:
        show(made)
    else:
        print(f"Version {made['version']} of the plan, {made['id']}: {' '.join(made['changes'])} ({made['why']})")
    return 0


ACTS: dict[str, Callable[[argparse.Namespace, Remote], int]] = {
    "list": _list,
    "new": _new,
    "ask": _ask,
    "tell": _tell,
    "show": _show,
    "decide": _decide,
    "apply": _apply,
}
