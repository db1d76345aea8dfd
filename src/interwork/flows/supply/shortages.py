"""Shortages of a planned product, simulated: who or what is away, what it costs, who takes over; nothing changes."""

from datetime import datetime

import msgspec
from anyio import to_thread

from interwork.allocation.supply.shortage import machines_named, missing, ordered_cases, providers_in
from interwork.core.errors import BadInput
from interwork.core.network.supply import ShortageCase
from interwork.flows.node import Node
from interwork.flows.supply.planning import Held, held

NAMES_MAX = 50


class Missing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who or what is away: providers, machines, cities or countries, by name or id."""

    names: tuple[str, ...]
    since: datetime | None = None
    """None = from the plan's beginning."""
    until: datetime | None = None
    """None = for good."""


async def shortage(node: Node, plan_id: str, gone: Missing) -> ShortageCase:
    """Tell what would come of it if these were missing."""
    if not 1 <= len(gone.names) <= NAMES_MAX:
        raise BadInput("Nothing is named that is missing.", where="names", remedy=f"Name 1 to {NAMES_MAX}.")
    if any(one is not None and one.tzinfo is None for one in (gone.since, gone.until)):
        raise BadInput("A time has no zone.", where="since", remedy="Give times in UTC, as 2026-12-24T14:05Z.")
    found = await held(node, plan_id)
    machines = machines_named(found.web, gone.names)
    if not machines:
        known = ", ".join(sorted(found.web.names))
        raise BadInput(f"{', '.join(gone.names)} names no machine quoted.", remedy=f"Name some of: {known}.")
    since, until = _minutes(found, gone)

    def ask() -> ShortageCase:
        return missing(found.web, found.solution, machines, since=since, until=until)

    return await to_thread.run_sync(ask)


def _minutes(found: Held, gone: Missing) -> tuple[int, int]:
    horizon = found.web.problem.horizon
    since = 0 if gone.since is None else int((gone.since - found.web.origin).total_seconds() // 60)
    until = horizon if gone.until is None else int((gone.until - found.web.origin).total_seconds() // 60)
    since, until = max(0, since), min(horizon, until)
    if since >= until:
        raise BadInput("The shortage ends before it begins, or after everything is made.", where="until")
    return since, until


async def stress(node: Node, plan_id: str) -> tuple[ShortageCase, ...]:
    """Take each provider of a plan away in turn, for good; the worst case first."""
    found = await held(node, plan_id)

    def ask() -> tuple[ShortageCase, ...]:
        until = found.web.problem.horizon
        return ordered_cases(
            [
                missing(found.web, found.solution, machines_named(found.web, [one]), since=0, until=until)
                for one in providers_in(found.web, found.solution)
            ]
        )

    return await to_thread.run_sync(ask)
