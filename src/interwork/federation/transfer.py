"""The transfer process protocol as a table (DSP 2025-1): (state, side that sends, message) -> state.

Absent means refused; the same rows judge what we send and what we get.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from interwork.core.errors import WrongState
from interwork.core.exchange import Side
from interwork.core.exchange import TransferState as State


class Step(StrEnum):
    """What a message of the transfer process says."""

    REQUEST = "TransferRequestMessage"
    START = "TransferStartMessage"
    COMPLETE = "TransferCompletionMessage"
    SUSPEND = "TransferSuspensionMessage"
    TERMINATE = "TransferTerminationMessage"


FINAL = frozenset({State.COMPLETED, State.TERMINATED})
"""Nothing is accepted any more."""

TABLE: Mapping[tuple[State | None, Side, Step], State] = MappingProxyType(
    {
        (None, Side.CONSUMER, Step.REQUEST): State.REQUESTED,
        (State.REQUESTED, Side.PROVIDER, Step.START): State.STARTED,
        **{(State.SUSPENDED, side, Step.START): State.STARTED for side in Side},
        **{(State.STARTED, side, Step.COMPLETE): State.COMPLETED for side in Side},
        **{(State.STARTED, side, Step.SUSPEND): State.SUSPENDED for side in Side},
        **{(state, side, Step.TERMINATE): State.TERMINATED for state in State if state not in FINAL for side in Side},
    }
)


def move(state: State | None, sender: Side, step: Step) -> State:
    """Tell the state a message leads to; WrongState where the protocol has no such row."""
    following = TABLE.get((state, sender, step))
    if following is None:
        raise WrongState(f"The {sender} cannot send {step} while the transfer is {state or 'not begun'}.")
    return following
