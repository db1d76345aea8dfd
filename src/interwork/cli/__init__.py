"""The command `interwork`: parse, call one flow (here or at the running node), print.

Exit codes: 0 done · 1 an error of ours, said in one line with its remedy · 2 the words of the call are off ·
130 stopped by Ctrl-C.
"""

import argparse
import sys
from collections.abc import Sequence

import msgspec

from interwork import __version__
from interwork.cli import (
    bench,
    blueprint,
    demo,
    designs,
    edge,
    keeping,
    local,
    machines,
    making,
    planning,
    plant,
    remote,
    rnd,
    trust,
    writing,
)
from interwork.core.errors import InterworkError
from interwork.simulate import arguments as simulate

_EPILOG = """\
The shortest way in:  interwork demo        a sample network on this machine makes a part, from design to evidence
Your own node:        interwork init --data mynode --name "My shop" && interwork serve --data mynode
"""


def parser() -> argparse.ArgumentParser:
    """Build the parser of every verb."""
    top = argparse.ArgumentParser(
        prog="interwork",
        description="An open industrial internet: one node per organisation, one network, one portal.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"interwork {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    local.add(verbs)
    remote.add(verbs)
    machines.add(verbs)
    writing.add(verbs)
    trust.add(verbs)
    blueprint.add(verbs)
    edge.add(verbs)
    keeping.add(verbs)
    designs.add(verbs)
    making.add(verbs)
    planning.add(verbs)
    plant.add(verbs)
    rnd.add(verbs)
    demo.add(verbs)
    bench.add(verbs)
    simulated = verbs.add_parser(
        "simulate",
        help="start a SIMULATED machine, broker or operator (for trying things out)",
        description="Simulated machines say so on every wire; a node speaks to them as to any machine.",
    )
    simulate.add_arguments(simulated)
    simulated.set_defaults(run=simulate.run, json=False)
    return top


def main(words: Sequence[str] | None = None) -> int:
    """Run one verb; every error of ours becomes one line on standard error."""
    arguments = parser().parse_args(words)
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
