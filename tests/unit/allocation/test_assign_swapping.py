"""Moves, swaps and kicks never make an assignment dearer, and no agent ever holds more than it has room for."""

import random

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from interwork.allocation.assign import swapping
from interwork.allocation.assign.swapping import Swapping
from interwork.allocation.engine.limits import Clock, Limits


def drawn(seed, items, agents):
    """Draw costs and sizes, an assignment that fits, and the room it needs with a little more."""
    chance = random.Random(seed)
    costs, sizes = [], []
    for _ in range(items):
        able = sorted(chance.sample(range(agents), chance.randint(1, agents)))
        costs.append({agent: float(chance.randint(-20, 60)) for agent in able})
        sizes.append({agent: chance.randint(0, 30) for agent in able})
    found = [chance.choice(sorted(each)) for each in costs]
    room = [chance.randint(0, 25)] * agents
    for item, agent in enumerate(found):
        room[agent] += sizes[item][agent]
    return costs, sizes, room, found


def cost(costs, found):
    return sum(costs[item][agent] for item, agent in enumerate(found))


def fits(sizes, room, found):
    used = [0] * len(room)
    for item, agent in enumerate(found):
        used[agent] += sizes[item][agent]
    return all(taken <= able for taken, able in zip(used, room, strict=True))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 25), st.integers(1, 6))
def test_moves_swaps_and_kicks_never_make_it_dearer_or_too_full(seed, items, agents):
    """allocation 3: no agent over its capacity; allocation 19: searching on is never for worse."""
    costs, sizes, room, found = drawn(seed, items, agents)
    search, clock = Swapping(costs, sizes, room), Clock(Limits(seconds=60))
    before = cost(costs, found)
    search.improve(found, clock)
    better = cost(costs, found)
    search.kick(found, [sorted(each) for each in costs], random.Random(seed), 40, clock)
    assert fits(sizes, room, found)
    assert cost(costs, found) <= better <= before


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_no_single_move_or_swap_that_helps_is_left(seed):
    costs, sizes, room, found = drawn(seed, 8, 3)
    assume(fits(sizes, room, found))
    Swapping(costs, sizes, room).improve(found, Clock(Limits(seconds=60)))
    total = cost(costs, found)
    for item in range(len(found)):
        for agent in costs[item]:
            moved = [*found[:item], agent, *found[item + 1 :]]
            assert cost(costs, moved) >= total or not fits(sizes, room, moved)
        for other in range(item):
            swapped = list(found)
            swapped[item], swapped[other] = found[other], found[item]
            if swapped[item] in costs[item] and swapped[other] in costs[other]:
                assert cost(costs, swapped) >= total or not fits(sizes, room, swapped)


def test_what_is_too_large_for_arrays_is_left_as_it_is(monkeypatch):
    """allocation 33: no array of a hundred thousand items by ten thousand agents."""
    monkeypatch.setattr(swapping, "MOST_PAIRS", 10)
    costs, sizes, room, found = drawn(1, 6, 3)
    search, same = Swapping(costs, sizes, room), list(found)
    search.improve(found, Clock(Limits(seconds=1)))
    search.kick(found, [sorted(each) for each in costs], random.Random(1), 5, Clock(Limits(seconds=1)))
    assert found == same
