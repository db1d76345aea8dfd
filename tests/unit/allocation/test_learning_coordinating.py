"""Members that tell each other only prices and hours come near the plan of somebody who knows everything."""

import msgspec

from interwork.allocation import Limits, solve, verify
from interwork.allocation.learning.coordinating import Answer, Call, Member, coordinate, joined, share
from interwork.allocation.problem import Size, generate

EFFORT = Limits(seconds=60, effort=2)


def parted(seed):
    problem = generate(Size(needs=40, machines=24, sites=4, seed=seed))
    halves = [list(range(0, 40, 2)), list(range(1, 40, 2))]
    return problem, halves, [Member(share(problem, half), limits=EFFORT) for half in halves]


def test_two_members_that_exchange_prices_and_hours_are_within_two_percent_of_the_central_plan():
    """allocation 34: the joint plan passes the referee and costs at most 2 % more than the central one."""
    for seed in (11, 12):
        problem, halves, members = parted(seed)
        found = coordinate(members)
        central = solve(problem, EFFORT)
        plan = joined(problem, halves, members)
        assert verify(problem, plan) == []
        assert abs(plan.objective - found.sum_eur) < 1e-6 * plan.objective
        assert plan.objective <= 1.02 * central.objective


def test_what_is_exchanged_holds_hours_and_prices_of_machines_and_one_sum():
    """allocation 34: no need, operation, site, owner or cost of a mode is in a message."""
    _, _, members = parted(11)
    answer = members[0].answer(Call(taken={}, prices={}))
    told = msgspec.json.decode(msgspec.json.encode(answer), type=Answer)
    assert told == answer
    assert set(msgspec.to_builtins(answer)) == {"taken", "prices", "sum_eur"}
    assert "need" not in msgspec.json.encode(answer).decode()
