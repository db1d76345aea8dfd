"""The negotiation table, walked completely."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.core.errors import WrongState
from interwork.core.exchange import NegotiationState as State
from interwork.core.exchange import Side
from interwork.federation.negotiation import FINAL, TABLE, Step, move

C, P = Side.CONSUMER, Side.PROVIDER
ROWS = {
    (None, C, Step.REQUEST): State.REQUESTED,
    (None, P, Step.OFFER): State.OFFERED,
    (State.REQUESTED, P, Step.OFFER): State.OFFERED,
    (State.REQUESTED, P, Step.AGREE): State.AGREED,
    (State.OFFERED, C, Step.REQUEST): State.REQUESTED,
    (State.OFFERED, C, Step.ACCEPT): State.ACCEPTED,
    (State.ACCEPTED, P, Step.AGREE): State.AGREED,
    (State.AGREED, C, Step.VERIFY): State.VERIFIED,
    (State.VERIFIED, P, Step.FINALIZE): State.FINALIZED,
}
STATES = [None, *State]
MATRIX = list(itertools.product(STATES, Side, Step))


@pytest.mark.parametrize(("state", "sender", "step"), MATRIX)
def test_every_cell_of_the_matrix_is_as_the_specification_says(state, sender, step):
    expected = ROWS.get((state, sender, step))
    if step is Step.TERMINATE and state is not None and state not in FINAL:
        expected = State.TERMINATED
    assert TABLE.get((state, sender, step)) is expected


@given(st.lists(st.tuples(st.sampled_from(list(Side)), st.sampled_from(list(Step)))))
def test_no_walk_leaves_a_final_state(steps):
    state = State.REQUESTED
    for sender, step in steps:
        following = TABLE.get((state, sender, step), state)
        assert state not in FINAL or following is state
        state = following


def test_a_refused_step_names_sender_message_and_state():
    with pytest.raises(WrongState, match=r"consumer cannot send .* FINALIZED while the negotiation is VERIFIED"):
        move(State.VERIFIED, C, Step.FINALIZE)
