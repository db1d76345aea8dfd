"""The verb `design`: look at a file here, without any node, or work with the designs and plans of a running node."""

import argparse
from collections.abc import Callable
from typing import Any

from interwork.cli.calls import add_data
from interwork.cli.designs import file, held
from interwork.core.errors import BadInput

_EPILOG = """\
a file, here and now (no node is needed):
  interwork design part.step                          what it measures, and what the file states
  interwork design part.step --material al-6061       the same, with findings and a process plan
  interwork design diff old.step new.step             what changed: shape, stated values, figures, findings, cost
designs of a node:
  interwork design add part.step                      measure and record it, with progress
  interwork design list | show ID | verify ID | same ID | diff ID ID
  interwork design attach ID inspection.qif           the next revision, with one more file
  interwork design plan ID --material al-6061         draft a plan; --template ID fills a template
  interwork design fit PLAN                           who could do each operation, or which condition fails
  interwork design edit PLAN --why WHY --change OPERATION=SECONDS --remove OPERATION --move OPERATION=PLACE
  interwork design edit PLAN --why WHY --add "NAME,PROCESS,SECONDS,AFTER"
  interwork design template list | keep PLAN NAME | apply TEMPLATE PLAN
  interwork design learnt                             what finished runs say about the estimates
"""

ACTS: dict[str, Callable[[argparse.Namespace, list[str]], int]] = {
    "diff": file.diff,
    "add": held.add_file,
    "list": held.list_revisions,
    "show": held.show_revision,
    "verify": held.verify,
    "same": held.same,
    "attach": held.attach,
    "plan": held.plan,
    "fit": held.fit,
    "edit": held.edit,
    "template": held.template,
    "learnt": held.learnt,
}


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verb."""
    verb = verbs.add_parser(
        "design",
        help="measure a design file, compare two, plan how it is made, keep plans as templates",
        description="Measure a design file and say how it can be made: STEP, IGES, STL, 3MF, DXF, QIF or FMU.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data(verb)
    verb.add_argument("what", help="a file, or one of " + ", ".join(ACTS))
    verb.add_argument("more", nargs="*", help="what the act needs, as below")
    verb.add_argument("--material", default="", help="such as al-6061: adds findings and a process plan")
    verb.add_argument("--quantity", type=int, default=1, help="how many (%(default)s)")
    verb.add_argument("--tolerance", type=float, default=0.1, help="general tolerance in mm (%(default)s)")
    verb.add_argument("--class", dest="process_class", default="", help="milled, turned, sheet or printed")
    verb.add_argument("--thickness", type=float, help="of the sheet in mm, for a flat drawing")
    verb.add_argument("--body", type=int, help="which distinct body of an assembly, from 1")
    verb.add_argument("--template", default="", help="the template a plan is filled from")
    verb.add_argument("--why", default="", help="why a plan is changed or kept")
    verb.add_argument("--add", action="append", default=[], help="NAME,PROCESS,SECONDS[,AFTER]")
    verb.add_argument("--change", action="append", default=[], help="OPERATION=SECONDS")
    verb.add_argument("--demand", action="append", default=[], help="OPERATION=NAME:VALUE, such as …=tolerance_mm:0.02")
    verb.add_argument("--remove", action="append", default=[], help="OPERATION")
    verb.add_argument("--move", action="append", default=[], help="OPERATION=PLACE")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Do the act, or look at the file."""
    act = ACTS.get(arguments.what)
    if act is not None:
        return act(arguments, arguments.more)
    if arguments.more:
        raise BadInput(
            f"{arguments.what!r} is no act of `interwork design`.", remedy=f"Use a file, or {', '.join(ACTS)}."
        )
    return file.look(arguments)
