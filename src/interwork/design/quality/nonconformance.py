"""Nonconformance and corrective action (ISO 9001, 10.2) as states: each step says what was done and by whom."""

from datetime import datetime

import msgspec

from interwork.core.errors import BadInput, WrongState
from interwork.core.ids import new_id
from interwork.core.making import Nonconformance, NonconformanceState, NonconformanceStep

NEXT: dict[NonconformanceState, tuple[NonconformanceState, ...]] = {
    NonconformanceState.OPEN: (NonconformanceState.CONTAINED,),
    NonconformanceState.CONTAINED: (NonconformanceState.ANALYSED,),
    NonconformanceState.ANALYSED: (NonconformanceState.CORRECTED,),
    NonconformanceState.CORRECTED: (NonconformanceState.CLOSED, NonconformanceState.ANALYSED),
    NonconformanceState.CLOSED: (NonconformanceState.OPEN,),
}
"""What may follow; an action that does not work leads back to the cause, one that comes back is opened again."""
WHAT_MAX, NAME_MAX = 2000, 500
"""Letters of what is not as required, and of any other field of it."""
DISPOSITIONS = ("use-as-is", "rework", "repair", "scrap", "return")


class Raised(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is not as required, and where it was found."""

    what: str
    characteristic: str = ""
    found_in: str = ""
    revision: str = ""
    part: str = ""
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    unit: str = ""


class Worked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step: the state it leads to, and what was done."""

    state: NonconformanceState
    text: str
    disposition: str = ""
    """Needed when it is contained: what becomes of the parts."""


def open_nonconformance(raised: Raised, *, by: str, at: datetime) -> Nonconformance:
    """Open a nonconformance."""
    if not raised.what.strip():
        raise BadInput("A nonconformance says what is not as required.", where="what")
    fields = msgspec.structs.asdict(raised)
    for name, text in fields.items():
        most = WHAT_MAX if name == "what" else NAME_MAX
        if isinstance(text, str) and len(text) > most:
            raise BadInput(f"{name} has {len(text):,} letters.", where=name, remedy=f"Give at most {most:,}.")
    step = NonconformanceStep(state=NonconformanceState.OPEN, text=raised.what, by=by, at=at)
    return Nonconformance(id=new_id("nonconformance"), state=NonconformanceState.OPEN, log=(step,), at=at, **fields)


def advance(held: Nonconformance, worked: Worked, *, by: str, at: datetime) -> Nonconformance:
    """Take the next step; WrongState where it does not follow, BadInput where it lacks what the step needs."""
    allowed = NEXT[held.state]
    if worked.state not in allowed:
        raise WrongState(
            f"The nonconformance is {held.state.value}; {worked.state.value} does not follow.",
            remedy=f"Next is {' or '.join(one.value for one in allowed)}.",
        )
    if not worked.text.strip():
        raise BadInput("A step says what was done.", where="text")
    changes: dict[str, str] = {}
    if worked.state is NonconformanceState.CONTAINED:
        if worked.disposition not in DISPOSITIONS:
            raise BadInput(
                "What becomes of the parts?", where="disposition", remedy=f"One of {', '.join(DISPOSITIONS)}."
            )
        changes["disposition"] = worked.disposition
    if worked.state is NonconformanceState.ANALYSED:
        changes["cause"] = worked.text[:2000]
    if worked.state is NonconformanceState.CORRECTED:
        changes["action"] = worked.text[:2000]
    step = NonconformanceStep(state=worked.state, text=worked.text[:2000], by=by, at=at)
    return msgspec.structs.replace(held, state=worked.state, log=(*held.log, step), **changes)
