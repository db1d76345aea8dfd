"""Energy, water and material: peaks, power factor, idle share, night flow, yields, and what no meter accounts for."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from interwork.core.errors import BadInput
from interwork.core.resource import Batch
from interwork.stream.columns import Ints
from interwork.stream.insight.facts import ACTIVE, Floats, Span, counted_at, held, unknown_s

QUARTER_US = 900_000_000
"""The quarter hour suppliers bill the peak of."""
NIGHT = (1, 5)
"""Hours of local time in which nobody should be using water."""


class Peak(msgspec.Struct, frozen=True, kw_only=True):
    """The highest mean power of a quarter hour."""

    power_kw: float
    at_us: int
    quarters: int
    """How many quarter hours were known."""


class MaterialFlow(msgspec.Struct, frozen=True, kw_only=True):
    """Material flow cost accounting (ISO 14051) of one quantity centre: product and material loss."""

    input_kg: float
    product_kg: float
    loss_kg: float
    yield_share: float
    loss_cost: float
    """Material, energy and system cost that left as loss, shared by mass; in the currency given."""
    product_cost: float


def grid(span: Span, step_us: int) -> Ints:
    """Tell the borders of the whole steps inside a span, counted from 1970 so that quarter hours are the clock's."""
    first = -(-span[0] // step_us) * step_us
    last = span[1] // step_us * step_us
    return np.arange(first, last + 1, step_us, dtype=np.int64)


def step_means(power: Batch, borders: Ints) -> Floats:
    """Tell a signal's mean over each step, readings holding until the next; NaN where less than half is known."""
    if len(borders) < 2:
        return np.zeros(0)
    time_us, value, is_known = held(power, int(borders[0]), int(borders[-1]))
    edges = np.union1d(time_us, borders)
    rows = np.searchsorted(time_us[:-1], edges[:-1], side="right") - 1
    seconds = np.where(is_known[rows], np.diff(edges), 0).astype(np.float64)
    steps = np.searchsorted(borders, edges[:-1], side="right") - 1
    known = np.bincount(steps, seconds, len(borders) - 1)
    total = np.bincount(steps, seconds * np.nan_to_num(value[rows]), len(borders) - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(known * 2 >= np.diff(borders), total / known, np.nan)


def step_uses(counter: Batch, borders: Ints) -> Floats:
    """Tell what a counter counted in each step; NaN outside its readings."""
    return np.diff(counted_at(counter, borders))


def quarter_peak(energy_kwh: Sequence[float], borders: Sequence[int]) -> Peak | None:
    """Find the quarter hour with the highest energy, as mean kW; None where none is known."""
    uses = np.asarray(energy_kwh, np.float64)
    if not np.isfinite(uses).any():
        return None
    top = int(np.nanargmax(uses))
    hours = (borders[top + 1] - borders[top]) / 3.6e9
    return Peak(power_kw=float(uses[top] / hours), at_us=int(borders[top]), quarters=int(np.isfinite(uses).sum()))


def power_factor(active: float, reactive: float) -> float | None:
    """Tell the power factor from active and reactive energy (or power) of one period; None where neither flowed."""
    apparent = float(np.hypot(active, reactive))
    return abs(active) / apparent if apparent > 0 else None


def idle_share(by_state: Mapping[str, float]) -> float | None:
    """Tell the share of the energy used while nothing was produced and the state was known; None without any."""
    known = {state: used for state, used in by_state.items() if not unknown_s({state: 1.0})}
    total = sum(known.values())
    return (total - known.get(ACTIVE, 0.0)) / total if total > 0 else None


def night_minimum(uses: Sequence[float], borders: Sequence[int], zone: str = "UTC") -> float | None:
    """Tell the least hourly rate of the night hours: what flows when nobody uses any, a leak (ISO 46001)."""
    place = ZoneInfo(zone)
    rates = [
        use * 3.6e9 / (end - start)
        for use, start, end in zip(uses, borders[:-1], borders[1:], strict=True)
        if NIGHT[0] <= datetime.fromtimestamp(start / 1e6, UTC).astimezone(place).hour < NIGHT[1] and np.isfinite(use)
    ]
    return min(rates, default=None)


def balance(intake: float, outlets: Iterable[float]) -> tuple[float, float | None]:
    """Tell what came in and left through no named outlet, and its share of the intake."""
    lost = intake - sum(outlets)
    return lost, lost / intake if intake > 0 else None


def unaccounted(main_kwh: float | None, members_kwh: Iterable[float | None]) -> tuple[float | None, float | None]:
    """Tell what the main meter saw and no member did, and its share; members that are not metered count nothing."""
    if main_kwh is None:
        return None, None
    rest = main_kwh - sum(one for one in members_kwh if one is not None)
    return rest, rest / main_kwh if main_kwh > 0 else None


def material_flow(
    *, input_kg: float, product_kg: float, material_cost: float = 0.0, energy_cost: float = 0.0, other_cost: float = 0.0
) -> MaterialFlow:
    """Share the cost of a quantity centre between product and loss by mass (ISO 14051, MFCA)."""
    if not input_kg > 0 or not 0 <= product_kg <= input_kg:
        raise BadInput(
            f"{product_kg} kg of product cannot come from {input_kg} kg of material.",
            remedy="The product weighs no more than what went in.",
        )
    share = product_kg / input_kg
    cost = material_cost + energy_cost + other_cost
    return MaterialFlow(
        input_kg=input_kg,
        product_kg=product_kg,
        loss_kg=input_kg - product_kg,
        yield_share=share,
        loss_cost=cost * (1 - share),
        product_cost=cost * share,
    )
