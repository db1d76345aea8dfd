"""Products of several tiers over periods: planned with the network search, refereed, and tried with shortages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from supply_world import DAY, ITEMS, NOW, PIECES, SHOPS, sources, wanted

from interwork.allocation import verify
from interwork.allocation.supply.bill import ordered, pieces, root_of, tiers
from interwork.allocation.supply.bridging import bridge
from interwork.allocation.supply.planning import decide, period_rows, solution_of, steps
from interwork.allocation.supply.shortage import machines_named, missing, ordered_cases, providers_in
from interwork.allocation.supply.tiering import tier_rows
from interwork.core.errors import BadInput, NoPlan
from interwork.core.network.supply import Item, Part
from interwork.core.programme import TrackRecord


@pytest.fixture(scope="module")
def planned():
    ask = wanted((20, 4), (30, 6))
    web = bridge(ask, sources(10, NOW + 30 * DAY))
    return ask, web, decide(web, seconds=20, effort=1)


def test_a_bill_of_material_is_counted_through_all_its_tiers():
    assert pieces(ITEMS) == PIECES
    assert tiers(ITEMS) == {"gearbox": 0, "housing": 1, "gear": 1, "bolt": 2}
    assert root_of(ITEMS).key == ordered(ITEMS)[-1].key == "gearbox"


BAD = (
    ((), "product of 0"),
    ((Item(key="a", title="A", process_plan="p", made_of=(Part(item="b"),)),), "not described"),
    ((Item(key="a", title="A", process_plan="p"), Item(key="b", title="B", process_plan="p")), "A, B go into no other"),
    ((Item(key="a", title="A", process_plan="p"), Item(key="a", title="B", process_plan="p")), "one key"),
    ((Item(key="a", title="A", process_plan="p", made_of=(Part(item="a"),)),), "made of each other: A. Break"),
    (
        (
            Item(key="a", title="A", process_plan="p", made_of=(Part(item="b"),)),
            Item(key="b", title="B", process_plan="p", made_of=(Part(item="a"),)),
        ),
        "made of each other: A, B. Break",
    ),
    (
        (
            Item(key="r", title="R", process_plan="p", made_of=(Part(item="a"),)),
            Item(key="a", title="A", process_plan="p", made_of=(Part(item="b"),)),
            Item(key="b", title="B", process_plan="p", made_of=(Part(item="a"),)),
        ),
        "made of each other",
    ),
    ((replace(ITEMS[0], made_of=(Part(item="bolt", quantity=0),)), ITEMS[3]), "quantity"),
)


@pytest.mark.parametrize(("items", "says"), BAD)
def test_a_bill_that_is_none_is_refused(items, says):
    with pytest.raises(BadInput, match=says):
        ordered(items)


@given(st.integers(1, 9), st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_a_chain_of_parts_multiplies(first, quantities):
    items = [Item(key="0", title="0", process_plan="p")]
    for number, quantity in enumerate((first, *quantities), start=1):
        items.append(
            Item(key=str(number), title="x", process_plan="p", made_of=(Part(item=str(number - 1), quantity=quantity),))
        )
    whole = first
    for each in quantities:
        whole *= each
    assert pieces(items)["0"] == whole


def test_parts_are_made_before_what_they_go_into_and_the_referee_agrees(planned):
    ask, web, decided = planned
    plan = decided.solution
    assert verify(web.problem, plan) == []
    assert plan.unserved == ()
    assert plan.bound <= plan.objective
    made = steps(web, plan.placements)
    for batch in {(one.period, one.batch) for one in made}:
        own = [one for one in made if (one.period, one.batch) == batch]
        end = {key: max(one.end for one in own if one.item == key) for key in PIECES}
        begin = {key: min(one.start for one in own if one.item == key) for key in PIECES}
        assert all(end[part.item] <= begin[item.key] for item in ITEMS for part in item.made_of)
    rows = period_rows(web, plan, ask.periods)
    assert [(row.served, row.late_h, row.limit) for row in rows] == [(4, 0.0, ""), (6, 0.0, "")]


def test_the_tiers_name_who_could_who_quoted_and_where_one_is_alone():
    ask = wanted((20, 4))
    alone = sources(4, NOW + 20 * DAY)
    alone["gear"] = type(alone["gear"])(
        need=alone["gear"].need, process=alone["gear"].process, quotes=alone["gear"].quotes[:1]
    )
    web = bridge(ask, alone)
    made = steps(web, decide(web, seconds=10, effort=1).solution.placements)
    track = TrackRecord(
        id="did:web:ash", provider_name="Ash", runs=4, parts=9, good=9, on_time=3,
        energy_ratio=None, time_ratio=None, evidence=(), updated_at=NOW,
    )  # fmt: skip
    rows = tier_rows(web, made, [], {track.id: track})
    assert [row.tier for row in rows] == sorted(row.tier for row in rows)
    single = {row.item for row in rows if row.is_single}
    assert single == {"gear"}
    assert all(sum(one.share for one in row.suppliers) == pytest.approx(1.0) for row in rows)
    assert {one.on_time for row in rows for one in row.suppliers if one.provider_name == "Ash"} == {0.75}


def test_a_missing_provider_is_planned_around_and_what_nobody_takes_is_said(planned):
    """allocation 22: taking machines away never makes the plan cheaper; re-sourcing names who takes over."""
    _, web, decided = planned
    plan = decided.solution
    cases = [
        missing(web, plan, machines_named(web, [one]), since=0, until=web.problem.horizon)
        for one in providers_in(web, plan)
    ]
    assert all(case.unserved == 0 for case in cases)
    assert all(case.resourced and case.cost_eur >= -0.01 for case in cases)
    for case in cases:
        gone = set(case.missing)
        assert {one.was for one in case.resourced} & gone
        assert not {one.now for one in case.resourced} & gone
    everything = machines_named(web, [place.country for place in SHOPS.values()])
    none_left = missing(web, plan, everything, since=0, until=web.problem.horizon)
    assert none_left.unserved == 10
    assert {one.now for one in none_left.resourced} == {""}
    assert ordered_cases([*cases, none_left])[0] == none_left


def test_a_floor_for_small_firms_is_kept_and_its_price_is_told(planned):
    """allocation, fairness: a share of the money goes to small firms as a rule whose price stands beside the plan."""
    _, web, free = planned
    small = {"did:web:oak"}
    fair = decide(web, seconds=20, effort=1, floor=0.4, small=small)
    assert fair.small_share >= 0.4 > free.small_share
    assert verify(web.problem, fair.solution) == []
    assert fair.rule_price_eur == pytest.approx(fair.solution.objective - free.solution.objective)
    assert fair.rule_price_eur > 0
    assert fair.note == ""


def test_a_floor_without_small_firms_says_that_it_is_not_kept(planned):
    _, web, _ = planned
    assert "not kept" in decide(web, seconds=10, effort=1, floor=0.4).note


def test_a_kept_solution_is_read_back_as_it_was(planned):
    ask, web, decided = planned
    plan = decided.solution
    kept = [(one.activity, one.mode, one.start, one.end) for one in plan.placements]
    again = bridge(replace_batches(ask, web.batches), sources(10, NOW + 30 * DAY))
    assert solution_of(again, kept, plan.unserved, plan.bound).objective == pytest.approx(plan.objective)


def replace_batches(ask, batches):
    return type(ask)(items=ask.items, periods=ask.periods, weights=ask.weights, now=ask.now, batches=batches)


def test_a_volume_beyond_the_free_windows_is_split_and_what_does_not_fit_is_told():
    ask = wanted((5, 2), (39, 3000))
    web = bridge(ask, sources(3002, NOW + 39 * DAY))
    plan = decide(web, seconds=10, effort=1).solution
    rows = period_rows(web, plan, ask.periods)
    assert web.batches[0] < web.batches[1]
    assert rows[0].served == 2
    assert rows[1].served < 3000
    assert "are not made" in rows[1].limit


def test_an_operation_nobody_quoted_is_no_plan_with_its_name():
    bare = sources(4, NOW + 20 * DAY)
    bare["bolt"] = type(bare["bolt"])(need=bare["bolt"].need, process=bare["bolt"].process, quotes=())
    with pytest.raises(NoPlan) as refused:
        bridge(wanted((20, 4)), bare)
    assert any("nobody quoted Turning bolt" in reason for reason in refused.value.reasons)
