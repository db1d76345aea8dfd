"""The contract negotiation protocol as a table (DSP 2025-1): (state, side that sends, message) -> state.

Absent means refused. The table does not know which side we are, so the same rows judge what we send and what we get.
Termination is taken from either side in every state that is not final: the figure of the specification restricts
it, its text does not, and a peer that wants to stop cannot be held.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from interwork.core.errors import WrongState
from interwork.core.exchange import NegotiationState as State
from interwork.core.exchange import Side


class Step(StrEnum):
    """What a message of the negotiation says."""

    REQUEST = "ContractRequestMessage"
    OFFER = "ContractOfferMessage"
    ACCEPT = "ContractNegotiationEventMessage ACCEPTED"
    AGREE = "ContractAgreementMessage"
    VERIFY = "ContractAgreementVerificationMessage"
    FINALIZE = "ContractNegotiationEventMessage FINALIZED"
    TERMINATE = "ContractNegotiationTerminationMessage"


FINAL = frozenset({State.FINALIZED, State.TERMINATED})
"""Nothing is accepted any more."""

TABLE: Mapping[tuple[State | None, Side, Step], State] = MappingProxyType(
    {
        (None, Side.CONSUMER, Step.REQUEST): State.REQUESTED,
        (None, Side.PROVIDER, Step.OFFER): State.OFFERED,
        (State.REQUESTED, Side.PROVIDER, Step.OFFER): State.OFFERED,
        (State.REQUESTED, Side.PROVIDER, Step.AGREE): State.AGREED,
        (State.OFFERED, Side.CONSUMER, Step.REQUEST): State.REQUESTED,
        (State.OFFERED, Side.CONSUMER, Step.ACCEPT): State.ACCEPTED,
        (State.ACCEPTED, Side.PROVIDER, Step.AGREE): State.AGREED,
        (State.AGREED, Side.CONSUMER, Step.VERIFY): State.VERIFIED,
        (State.VERIFIED, Side.PROVIDER, Step.FINALIZE): State.FINALIZED,
        **{(state, side, Step.TERMINATE): State.TERMINATED for state in State if state not in FINAL for side in Side},
    }
)


def move(state: State | None, sender: Side, step: Step) -> State:
    """Tell the state a message leads to; WrongState where the protocol has no such row."""
    following = TABLE.get((state, sender, step))
    if following is None:
        raise WrongState(f"The {sender} cannot send {step} while the negotiation is {state or 'not begun'}.")
    return following
