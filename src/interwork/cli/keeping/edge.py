"""The verb `edge`: how this node stands as a Sparkplug edge node."""

import argparse
from datetime import UTC, datetime
from typing import Any

from interwork.cli.calls import Remote, add_data, show
from interwork.core.clock import rfc3339


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verb of this file."""
    edge = verbs.add_parser(
        "edge",
        help="this node as a Sparkplug edge node: its broker, births, what waits and what was lost",
        description="Machines of this node are published as devices of a Sparkplug B edge node where node.toml has "
        '[sparkplug_edge] with servers = ["mqtt://host:1883"], group, edge and resources = ["*"]; see '
        "`primary_host`, `stored_readings` and `options` (username, password as secret:NAME, ca_file) there too.",
    )
    add_data(edge)
    edge.set_defaults(run=show_edge)


def show_edge(arguments: argparse.Namespace) -> int:
    """Show how the edge node stands."""
    held = Remote(arguments.data).get("/api/edge")
    if arguments.json:
        show(held)
        return 0
    for line in lines_of(held):
        print(line)
    return 0


def lines_of(held: dict[str, Any]) -> list[str]:
    """Say it in lines."""
    if not held["descriptor"]:
        return [f"This node is no Sparkplug edge node. {held['fault']}".strip()]
    host = f", primary host {held['primary_host']}" if held["primary_host"] else ""
    counts = (
        f"{held['devices']} devices, {held['metrics']} metrics; {held['sessions']} sessions, {held['births']} births "
        f"({held['rebirths']} asked for), {held['messages']} messages, {held['readings']} readings"
    )
    said = [
        f"{held['descriptor']}: {held['state']} at {held['server'] or 'no server yet'}{host}",
        counts,
        f"{held['stored']} readings wait, {held['replayed']} were sent late as historical, {held['lost']} were lost",
    ]
    if held["lost"]:
        said.append(f"lost: from {_moment(held['lost_from_ms'])} to {_moment(held['lost_to_ms'])}")
    if held["fault"]:
        said.append(f"no link: {held['fault']}")
    return said


def _moment(milliseconds: int) -> str:
    return rfc3339(datetime.fromtimestamp(milliseconds / 1000, UTC))
