"""Looking at readings: one access rule for every face, so that an agreement that ended cuts every view at once."""

import msgspec

from interwork.core.clock import rfc3339
from interwork.core.errors import Refused
from interwork.core.exchange import Agreement, AgreementState
from interwork.core.resource import Resource, Signal
from interwork.flows.node import Node


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One signal over a stretch of time, down-sampled to buckets: times in µs since 1970 UTC."""

    signal: str
    name: str
    unit: str
    time_us: list[int]
    low: list[float]
    mean: list[float]
    high: list[float]
    count: list[int]
    is_time_weighted: bool = False
    """`mean` is of a bucket's good readings, each counting once: of what is kept only when it moves, not its mean in
    time."""


async def may_look(node: Node, resource: Resource) -> None:
    """Raise Refused where a resource's readings came under an agreement that is no longer in force."""
    agreement_id = resource.options.get("agreement", "")
    if not agreement_id:
        return
    agreement = await node.store.get(Agreement, agreement_id)
    if agreement.state is not AgreementState.ACTIVE:
        ended = f" at {rfc3339(agreement.ended_at)} by {agreement.ended_by}" if agreement.ended_at else ""
        raise Refused(
            f"The agreement {agreement.id} under which these readings came ended{ended}.",
            rule="readings of another organisation are seen only while their agreement is in force",
            remedy=f"Ask {agreement.peer_name} for a new agreement.",
        )


async def series(node: Node, signal_id: str, start_us: int, end_us: int, *, points: int = 500) -> Series:
    """Read one signal's trend, if its agreement still allows it."""
    signal = await node.store.get(Signal, signal_id)
    await may_look(node, await node.store.get(Resource, signal.resource))
    trend = await node.historian.trend(signal.number, start_us, end_us, points=points)
    return Series(
        signal=signal.id,
        name=signal.name,
        unit=signal.unit,
        time_us=list(trend.time_us),
        low=list(trend.low),
        mean=list(trend.mean),
        high=list(trend.high),
        count=list(trend.count),
    )
