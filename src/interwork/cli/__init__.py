"""The command `interwork`: parse, call one flow (here or at the running node), print.

Exit codes: 0 done · 1 an error of ours, said in one line with its remedy · 2 the words of the call are off ·
130 stopped by Ctrl-C.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from interwork import __version__
from interwork.core.errors import InterworkError
from interwork.simulate import arguments as simulate

HOMES = {
    "local": ("init", "serve", "token", "doctor", "export"),
    "remote": ("join", "publish", "agreement", "thread", "run", "fund", "report"),
    "machines": ("connect", "machines", "secret"),
    "writing": ("write", "point"),
    "trust": ("trust",),
    "blueprint": ("blueprint",),
    "keeping": ("edge", "readings", "backup", "restore", "identity", "sink", "scale"),
    "designs": ("design",),
    "making": ("need", "plan", "make", "cancel", "orders"),
    "planning": (
        *("gaps", "invest", "pareto", "replan", "convert", "volume"),
        *("product", "together", "want", "outcomes"),
    ),
    "plant": ("kpi", "stops", "unusual", "alarms", "baseline", "change", "shifts"),
    "rnd": ("model", "trial", "quality"),
    "demo": ("demo",),
    "bench": ("bench",),
}
"""Which module adds which verbs, in the order of the help: a call loads the module of its verb alone."""
_EPILOG = """\
The shortest way in:  interwork demo        a sample network on this machine makes a part, from design to evidence
Your own node:        interwork init --data mynode --name "My shop" && interwork serve --data mynode

From design to evidence, step by step; `interwork make FILE` goes the whole way, a plan first if you ask for one:
  design, process-plan    design FILE; design add FILE, design plan ID, design edit PLAN
  need, search, match     need FILE              who in the network could make it, with reasons; gaps
  quote, plan             plan FILE              the best plan over the quotes given, and its bound; pareto, replan
  agree, order            make --job ID          orders under agreements; orders, agreement list, cancel
  make                    run                    runs at your own machines; machines, kpi, alarms meanwhile
  evidence                thread                 what came of what; quality, readings export, doctor --verify
  learn                   report                 outcomes, gaps, invest, design learnt
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose verbs, at every depth, say in their own help what the list of verbs says of them."""

    def add_subparsers(self, **more: Any) -> Any:  # noqa: ANN401 - argparse's own type is private
        """Hand out what verbs are added to."""
        return _Verbs(super().add_subparsers(**more))


class _Verbs:
    def __init__(self, verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
        self._verbs = verbs

    def add_parser(self, name: str, *, help: str = "", **more: Any) -> Any:  # noqa: A002, ANN401 - argparse's own words
        """Add a verb; what it is for is its description where it has none."""
        more.setdefault("description", help and f"{help[0].upper()}{help[1:]}.")
        return self._verbs.add_parser(name, help=help, **more)


def parser(verb: str = "") -> argparse.ArgumentParser:
    """Build the parser of every verb, or of what stands in one module with `verb`."""
    top = _Parser(
        prog="interwork",
        description="An open industrial internet: one node per organisation, one network, one portal.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"interwork {__version__}")
    if verb == "--version":
        return top
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    if verb == "simulate":
        _add_simulate(verbs)
        return top
    homes = [home for home, held in HOMES.items() if verb in held]
    for home in homes or HOMES:
        importlib.import_module(f"interwork.cli.{home}").add(verbs)
    if not homes:
        _add_simulate(verbs)
    return top


def _add_simulate(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    simulated = verbs.add_parser(
        "simulate",
        help="start a SIMULATED machine, broker or operator (for trying things out)",
        description="Simulated machines say so on every wire; a node speaks to them as to any machine.",
    )
    simulate.add_arguments(simulated)
    simulated.set_defaults(run=simulate.run, json=False)


def main(words: Sequence[str] | None = None) -> int:
    """Run one verb; every error of ours becomes one line on standard error."""
    words = sys.argv[1:] if words is None else words
    arguments = parser(words[0] if words else "").parse_args(words)
    try:
        code: int = arguments.run(arguments)
    except InterworkError as fault:
        _say(fault, as_json=bool(getattr(arguments, "json", False)))
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0
    return code


def _say(fault: InterworkError, *, as_json: bool) -> None:
    if as_json:
        facts = {
            "code": fault.code,
            "where": fault.where,
            "message": fault.message,
            "remedy": fault.remedy,
            "reasons": list(getattr(fault, "reasons", ())),
        }
        sys.stdout.write(msgspec.json.encode(facts).decode() + "\n")
        return
    sys.stderr.write(f"interwork: {fault}\n")
    for reason in getattr(fault, "reasons", ()):
        sys.stderr.write(f"  - {reason}\n")
