"""The transfer table, walked completely."""

import itertools

import pytest

from interwork.core.errors import WrongState
from interwork.core.exchange import Side
from interwork.core.exchange import TransferState as State
from interwork.federation.transfer import FINAL, TABLE, Step, move

BOTH = {
    (State.SUSPENDED, Step.START): State.STARTED,
    (State.STARTED, Step.COMPLETE): State.COMPLETED,
    (State.STARTED, Step.SUSPEND): State.SUSPENDED,
    (State.REQUESTED, Step.TERMINATE): State.TERMINATED,
    (State.STARTED, Step.TERMINATE): State.TERMINATED,
    (State.SUSPENDED, Step.TERMINATE): State.TERMINATED,
}
ONE = {
    (None, Side.CONSUMER, Step.REQUEST): State.REQUESTED,
    (State.REQUESTED, Side.PROVIDER, Step.START): State.STARTED,
}


@pytest.mark.parametrize(("state", "sender", "step"), list(itertools.product([None, *State], Side, Step)))
def test_every_cell_of_the_matrix_is_as_the_specification_says(state, sender, step):
    expected = BOTH.get((state, step), ONE.get((state, sender, step)))
    assert TABLE.get((state, sender, step)) is expected


@pytest.mark.parametrize("state", sorted(FINAL))
def test_nothing_leaves_a_final_state(state):
    assert not [key for key in TABLE if key[0] is state]


def test_a_suspended_transfer_cannot_be_completed():
    with pytest.raises(WrongState, match="SUSPENDED"):
        move(State.SUSPENDED, Side.PROVIDER, Step.COMPLETE)
