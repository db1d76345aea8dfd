"""From what is wanted to who does it: needs, matches, quotes and plans with objective, bound and reasons."""

from datetime import datetime
from enum import StrEnum

import msgspec

from interwork.core.design import Requirement
from interwork.core.network.plan import Assignment as Assignment
from interwork.core.network.plan import Candidate as Candidate
from interwork.core.network.plan import Leg as Leg
from interwork.core.network.plan import Mode as Mode
from interwork.core.network.plan import Plan as Plan
from interwork.core.network.plan import Quote as Quote
from interwork.core.network.plan import Totals as Totals
from interwork.core.network.plan import Weights as Weights
from interwork.core.network.plan import Window as Window
from interwork.core.organisation import Place


class NeedKind(StrEnum):
    """What can be wanted."""

    PART = "part"
    TEST = "test"
    PROBLEM = "problem"
    SKILL = "skill"
    MONEY = "money"


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """Something wanted, by when, where, and what it may cost."""

    id: str
    kind: NeedKind
    title: str
    owner: str
    quantity: int
    due: datetime
    created_at: datetime
    deliver_to: Place = Place()
    revision: str = ""
    process_plan: str = ""
    material: str = ""
    requirements: tuple[Requirement, ...] = ()
    """Beyond those of the operations: certificates, region, budget."""
    budget_eur: float | None = None
    project: str = ""
    state: str = "open"
    """open, planned, met, unmet."""


class Verdict(StrEnum):
    """What came of holding one requirement against one capability."""

    SATISFIED = "satisfied"
    VIOLATED = "violated"
    UNKNOWN = "unknown"


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One requirement held against one capability, with the numbers."""

    requirement: str
    verdict: Verdict
    wanted: str
    offered: str
    text: str
    """One sentence for people."""


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A need's operation against a resource: feasible or not, each reason named."""

    id: str
    need: str
    operation: str
    resource: str
    resource_name: str
    provider: str
    """DID."""
    provider_name: str
    dataset: str
    """The catalog dataset under which it is offered."""
    is_feasible: bool
    reasons: tuple[Reason, ...]
    missing: int
    """Requirements violated or unknown; never a percentage."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One part of an objective, in euro: price, transport, CO2, lateness, time to the finish, scarcity."""

    name: str
    eur: float


class ProviderWhy(msgspec.Struct, frozen=True, kw_only=True):
    """Why one provider has a part in a plan or not, with the numbers, and what would change it."""

    provider: str
    provider_name: str
    is_chosen: bool
    cause: str
    """chosen, rule, declined, no time, dearer, as good, or not compared."""
    text: str
    operations: tuple[str, ...] = ()
    shares: tuple[Share, ...] = ()
    """Chosen: what its part comes to. Not chosen: what the best plan with a part for it has more, part by part."""
    extra_eur: float | None = None
    """Chosen: what the best plan without it has more. Not chosen: what forcing it costs."""
    is_proven: bool = False
    """Whether the plan behind `extra_eur` is proven the best of its kind."""
    runner_up: tuple[str, ...] = ()
    """Who would do the work of a chosen provider instead."""
    change: str = ""
    """The smallest change tried that turns it round."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a plan is as it is; computed from the quotes it rests on."""

    id: str
    """Of the plan."""
    shares: tuple[Share, ...]
    """What the objective is made of; they add up to it."""
    scarcity_eur: float
    """What the objective would be lower by if every calendar were free; it is part of the other shares."""
    providers: tuple[ProviderWhy, ...]
    forced: tuple[Candidate, ...] = ()
    """The best plan with a part for each provider that was not chosen."""
    created_at: datetime
    need: str = ""
    told_by: str = ""
    """DID of who told this node of it, where the plan is another's: then it holds this node's own row only."""


class TradePoint(msgspec.Struct, frozen=True, kw_only=True):
    """One plan that no other found is at least as good as in price, finish and CO2 at once."""

    plan: str
    price_eur: float
    finish: datetime
    co2_kg: float
    late_h: float
    providers: tuple[str, ...]
    co2_eur_per_kg: float
    finish_eur_per_day: float


class TradeOff(msgspec.Struct, frozen=True, kw_only=True):
    """The plans to choose from before anything is ordered, over the same quotes, by rising price."""

    id: str
    """Of the need."""
    plan: str
    """The plan that stands."""
    points: tuple[TradePoint, ...]
    tried: int
    created_at: datetime


class DisturbanceKind(StrEnum):
    """What can happen to a plan."""

    DOWN = "down"
    """A machine does not work from a moment to another."""
    AWAY = "away"
    """A provider does nothing from a moment to another."""
    RUSH = "rush"
    """An urgent order takes a machine from a moment to another."""
    BACK = "back"
    """A machine or provider works again from a moment on, whatever was said to end later."""


class Disturbance(msgspec.Struct, frozen=True, kw_only=True):
    """One event a plan is made anew for; what holds is decided by its times, not by the order of recording."""

    id: str
    job: str
    kind: DisturbanceKind
    provider: str
    resource: str = ""
    """Empty = every machine of the provider."""
    since: datetime
    until: datetime | None = None
    note: str = ""
    recorded_at: datetime


class PlanChange(msgspec.Struct, frozen=True, kw_only=True):
    """One assignment that moves: from where to where, why, and what its own work costs more."""

    operation: str
    operation_name: str
    lot: int
    was: Assignment
    now: Assignment
    cause: str
    price_eur: float


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A plan after disturbances beside the one before: nothing happens until a person accepts it."""

    id: str
    job: str
    before: str
    """Plan ids."""
    after: str
    disturbances: tuple[str, ...]
    changes: tuple[PlanChange, ...]
    shares: tuple[Share, ...]
    """What the objective changes by, part by part."""
    cost_eur: float
    """Objective after less objective before; what the event costs."""
    shift_eur: float | None
    """The same if everything stayed on its machine and waited; None where that is not possible."""
    frozen: tuple[str, ...]
    """Assignments that were begun or are about to: unchanged."""
    stability: float
    """Weight of leaving published work where it is; 1 = 60 EUR per changed machine and 2 EUR per hour moved."""
    notes: tuple[str, ...]
    seconds: float
    state: str = "proposed"
    """proposed, accepted, declined, undone."""
    created_at: datetime
    decided_by: str = ""
