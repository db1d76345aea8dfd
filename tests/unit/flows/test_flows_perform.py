from datetime import timedelta

import anyio
import msgspec
import pytest
from flows_world import (
    BUYER,
    HOUR,
    START,
    at_work,
    capacity_agreement,
    eventually,
    inspection_of,
    line,
    mill,
    order_of,
    quote_of,
    run_of,
    say,
    shop_with_quote,
    signal,
)
from msgspec.structs import replace

from interwork.core.errors import BadInput, Refused, WrongState
from interwork.core.event import Tag
from interwork.core.exchange import Dataset, DatasetKind, Policy, Side
from interwork.core.making import Evidence, Order, OrderState, Run, RunState
from interwork.core.resource import Meaning
from interwork.flows.fulfil import perform, stop
from interwork.flows.fulfil.prove import counter
from interwork.store import Change
from interwork.stream import counter_delta

OTHER = "did:web:localhost%3A3"
COUNT, ENERGY = 1, 2


async def placed(node, order=None):
    return await perform.place(node, await shop_with_quote(node), order or order_of())


async def in_work(node, *lines):
    """Confirm an order and set it to work as if its design had come."""
    order = await perform.confirm(node, await placed(node, order_of(*lines)))
    order = replace(order, state=OrderState.IN_WORK)
    await node.store.commit(Change("test").put(order))
    return order


async def run_by(node, assignment):
    return next(one for one in await node.store.find(Run) if one.assignment == assignment)


async def test_an_order_placed_is_held_as_the_providers_own(shop):
    held = await placed(shop)
    assert (held.side, held.provider, held.consumer) == (Side.PROVIDER, shop.did, BUYER)
    assert await shop.store.get(Order, held.id) == held


async def test_an_order_placed_twice_is_one_order(shop):
    first = await placed(shop)
    again = await perform.place(shop, capacity_agreement(shop), order_of())
    assert again == first
    assert (await shop.store.count(Order), await shop.store.count(Dataset)) == (1, 1)
    assert len(await shop.store.events(tag=Tag.ORDER_PLACED)) == 1


async def test_readings_of_an_order_are_offered_to_its_buyer_only_and_while_it_is_a_member(shop):
    held = await placed(shop)
    offered = await shop.store.get(Dataset, held.readings_dataset)
    policy = await shop.store.get(Policy, offered.policy)
    constraints = policy.odrl["permission"][0]["constraint"]
    assert (offered.kind, offered.subject, offered.access) == (DatasetKind.READINGS, held.id, policy.id)
    assert [one["rightOperand"] for one in constraints] == [BUYER, ["did:web:localhost%3A2"]]


async def test_a_window_already_given_is_refused_with_rule_and_remedy(shop):
    await placed(shop)
    late = order_of(line(hour=0.1), identifier="order-2")
    with pytest.raises(Refused) as refused:
        await perform.place(shop, capacity_agreement(shop), late)
    assert "first order placed" in refused.value.rule
    assert "new quote" in refused.value.remedy
    assert "Mill is taken from" in refused.value.message


async def test_windows_that_only_touch_do_not_clash(shop):
    await placed(shop)
    after = order_of(line(hour=780 / 3600), identifier="order-2")
    assert (await perform.place(shop, capacity_agreement(shop), after)).state is OrderState.PLACED


async def test_a_cancelled_order_gives_its_windows_back(shop):
    await stop.cancel(shop, await placed(shop))
    again = await perform.place(shop, capacity_agreement(shop), order_of(identifier="order-2"))
    assert again.state is OrderState.PLACED


async def test_two_orders_for_one_window_at_the_same_moment_leave_one(shop):
    agreement = await shop_with_quote(shop)
    refused = []

    async def order(identifier):
        try:
            await perform.place(shop, agreement, order_of(identifier=identifier))
        except Refused as fault:
            refused.append(fault.rule)

    async with anyio.create_task_group() as tasks:
        for identifier in ("order-1", "order-2", "order-3"):
            tasks.start_soon(order, identifier)
    assert (await shop.store.count(Order), len(refused)) == (1, 2)


async def test_an_order_without_a_valid_quote_is_refused(shop, clock):
    agreement = await shop_with_quote(shop)
    clock.move(hours=49)
    with pytest.raises(Refused, match="no valid quote") as refused:
        await perform.place(shop, agreement, order_of())
    assert (bool(refused.value.rule), bool(refused.value.remedy)) == (True, True)


async def test_an_order_for_what_was_not_quoted_is_bad_input(shop):
    with pytest.raises(BadInput, match="was not quoted"):
        await placed(shop, order_of(line(operation="op-9")))


async def test_somebody_elses_order_id_is_refused_and_its_readings_stay_with_its_buyer(shop):
    held = await placed(shop)
    other = capacity_agreement(shop, consumer=OTHER, identifier="agreement-2")
    await shop.store.commit(Change("test").put(other).put(quote_of(shop, need="need-2", agreement="agreement-2")))
    with pytest.raises(Refused, match="not free"):
        await perform.place(shop, other, order_of(line(hour=5), need="need-2"))
    offered = await shop.store.get(Dataset, held.readings_dataset)
    assert BUYER in str((await shop.store.get(Policy, offered.policy)).odrl)


async def test_a_quote_given_to_somebody_else_is_no_ground_for_an_order(shop):
    await shop_with_quote(shop)
    other = capacity_agreement(shop, consumer=OTHER, identifier="agreement-2")
    with pytest.raises(Refused, match="quote"):
        await perform.place(shop, other, order_of(identifier="order-2"))


NOT_AS_QUOTED = (
    {"price_eur": 37.0},
    {"end": START + timedelta(seconds=1)},
    {"end": START + 90 * HOUR},
    {"quantity": 0},
)


async def test_a_line_of_another_price_time_or_quantity_than_quoted_is_bad_input(shop):
    agreement = await shop_with_quote(shop)
    for changes in NOT_AS_QUOTED:
        with pytest.raises(BadInput, match="not what was quoted") as refused:
            await perform.place(shop, agreement, order_of(line(**changes)))
        assert refused.value.remedy


async def test_two_lines_of_one_order_do_not_share_a_window(shop):
    with pytest.raises(Refused, match="is taken"):
        await placed(shop, order_of(line("a-1"), line("a-2", operation="op-2", after=("a-1",))))


async def test_a_window_in_which_the_machine_is_closed_is_refused(shop):
    agreement = await shop_with_quote(shop)
    await shop.store.commit(Change("test").put(mill(closed=((START, START + HOUR),))))
    with pytest.raises(Refused, match="is taken"):
        await perform.place(shop, agreement, order_of())


async def test_confirming_plans_one_run_for_each_line(shop):
    lines = line("a-1"), line("a-2", operation="op-2", hour=1, after=("a-1",))
    order = await perform.confirm(shop, await placed(shop, order_of(*lines)))
    runs = {one.assignment: one for one in await shop.store.find(Run, order=order.id)}
    assert order.state is OrderState.ACCEPTED
    assert {key: (run.state, run.after, run.quantity) for key, run in runs.items()} == {
        "a-1": (RunState.PLANNED, (), 3),
        "a-2": (RunState.PLANNED, ("a-1",), 3),
    }


async def test_confirming_twice_plans_no_run_twice(shop):
    order = await placed(shop)
    accepted = await perform.confirm(shop, order)
    assert await perform.confirm(shop, accepted) == accepted
    assert await shop.store.count(Run) == 1


async def test_an_order_is_withdrawn_with_its_runs_until_a_machine_has_begun(shop):
    order = await in_work(shop, line())
    assert (await stop.cancel(shop, order)).state is OrderState.CANCELLED
    assert (await run_by(shop, "a-1")).state is RunState.CANCELLED


async def test_an_order_at_a_machine_is_not_cancelled(shop):
    order = await in_work(shop, line())
    run = msgspec.structs.replace(await run_by(shop, "a-1"), state=RunState.STARTED, started_at=START)
    await shop.store.commit(Change("test").put(run))
    with pytest.raises(WrongState, match="work has begun"):
        await stop.cancel(shop, order)


async def test_an_order_stopped_in_the_shop_frees_its_machine_and_says_why(shop):
    order = await in_work(shop, line())
    run = msgspec.structs.replace(await run_by(shop, "a-1"), state=RunState.STARTED, started_at=START)
    await shop.store.commit(Change("test").put(run))
    with pytest.raises(BadInput, match="needs a reason"):
        await stop.stop(shop, order.id, " ", "ada")
    stopped = await stop.stop(shop, order.id, "spindle broken", "ada")
    assert (stopped.state, stopped.reason) == (OrderState.CANCELLED, "spindle broken")
    assert (await run_by(shop, "a-1")).state is RunState.FAILED
    with pytest.raises(WrongState, match="CANCELLED already"):
        await stop.stop(shop, order.id, "again", "ada")


async def test_a_run_waits_for_the_one_before_it(shop):
    await in_work(shop, line("a-1"), line("a-2", operation="op-2", hour=1, after=("a-1",)))
    async with at_work(perform.work, shop):
        first = await eventually(lambda: run_by(shop, "a-1"), lambda run: run.state is RunState.RELEASED)
        assert (await run_by(shop, "a-2")).state is RunState.PLANNED
        await perform.start(shop, first.id, "ada")
        await perform.finish(shop, first.id, "ada")
        await perform.inspect(shop, first.id, inspection_of(first.id), "ada")
        second = await eventually(lambda: run_by(shop, "a-2"), lambda run: run.state is RunState.RELEASED)
    assert second.after == ()


async def test_a_run_that_waits_for_another_provider_goes_when_word_comes(shop):
    order = await in_work(shop, line("a-2", operation="op-2", after=("a-far",)))
    async with at_work(perform.work, shop):
        await perform.arrived(shop, order, "a-far")
        assert await eventually(lambda: run_by(shop, "a-2"), lambda run: run.state is RunState.RELEASED)


async def last_one_released(node):
    """Put an order behind all others; when its run is released, every other has been looked at."""
    order = order_of(identifier="order-z", side=Side.PROVIDER, state=OrderState.IN_WORK)
    last = run_of("run-z", state=RunState.PLANNED, order=order.id, resource="resource-z")
    await node.store.commit(Change("test").put(order).put(last))
    await eventually(lambda: node.store.get(Run, "run-z"), lambda run: run.state is RunState.RELEASED)


async def test_a_machine_gets_one_run_at_a_time(shop):
    order = await in_work(shop, line("a-1"), line("a-2", operation="op-2", hour=1))
    async with at_work(perform.work, shop):
        await last_one_released(shop)
        states = [run.state for run in await shop.store.find(Run, order=order.id)]
    assert sorted(states) == [RunState.PLANNED, RunState.RELEASED]


async def test_an_order_is_done_when_all_its_runs_are(shop):
    order = await in_work(shop, line())
    run = await run_by(shop, "a-1")
    await shop.store.commit(Change("test").put(replace(run, state=RunState.COMPLETED)))
    async with at_work(perform.work, shop):
        await eventually(lambda: shop.store.get(Order, order.id), lambda one: one.state is OrderState.DONE)


async def test_an_order_whose_design_cannot_be_had_stops_no_other(shop):
    stuck = order_of(identifier="order-0", state=OrderState.ACCEPTED, side=Side.PROVIDER)
    await shop.store.commit(Change("test").put(stuck))
    await in_work(shop, line(hour=3))
    async with at_work(perform.work, shop):
        await eventually(lambda: run_by(shop, "a-1"), lambda run: run.state is RunState.RELEASED)


async def test_a_run_keeps_what_the_counters_stood_at_when_it_began(shop):
    await shop_with_quote(shop, signals=[signal(COUNT, Meaning.PART_COUNT), signal(ENERGY, Meaning.ENERGY, unit="W.h")])
    await say(shop, (COUNT, START - HOUR, 41), (ENERGY, START - HOUR, 2500.0))
    await shop.store.commit(Change("test").put(run_of()))
    started = await perform.start(shop, "run-1", "ada")
    assert (started.count_at_start, started.energy_at_start_kwh) == (41, 2.5)


async def test_a_part_made_before_the_first_reading_of_a_run_is_counted(shop, clock):
    await shop_with_quote(shop, signals=[signal(COUNT, Meaning.PART_COUNT)])
    await say(shop, (COUNT, START - HOUR, 41))
    await shop.store.commit(Change("test").put(run_of()))
    started = await perform.start(shop, "run-1", "ada")
    await say(shop, (COUNT, START + timedelta(minutes=5), 42))
    clock.move(minutes=6)
    assert counter_delta(await counter(shop, started, Meaning.PART_COUNT)) == 1


async def test_two_runs_in_a_row_on_one_machine_share_no_part(shop, clock):
    await shop_with_quote(shop, signals=[signal(COUNT, Meaning.PART_COUNT)])
    await shop.store.commit(Change("test").put(run_of("run-1")).put(run_of("run-2")))
    await say(shop, (COUNT, START - HOUR, 10))
    first = await perform.start(shop, "run-1", "ada")
    await say(shop, *((COUNT, START + timedelta(minutes=part), 10 + part) for part in (1, 2, 3)))
    clock.move(minutes=4)
    first = await perform.finish(shop, first.id, "ada")
    second = await perform.start(shop, "run-2", "ada")
    clock.move(minutes=1)
    deltas = [counter_delta(await counter(shop, run, Meaning.PART_COUNT)) for run in (first, second)]
    assert deltas == [3, 0]


async def test_a_started_run_is_made_when_the_machine_has_counted_its_parts(shop, clock):
    await in_work(shop, line())
    await shop.store.commit(Change("test").put(signal(COUNT, Meaning.PART_COUNT)))
    await say(shop, (COUNT, START - HOUR, 10))
    run = await run_by(shop, "a-1")
    await shop.store.commit(Change("test").put(replace(run, state=RunState.RELEASED)))
    await perform.start(shop, run.id, "ada")
    await say(shop, (COUNT, START + timedelta(minutes=9), 13))
    clock.move(minutes=10)
    async with at_work(perform.work, shop):
        await eventually(lambda: run_by(shop, "a-1"), lambda one: one.state is RunState.MADE)


async def test_a_started_run_is_not_made_while_parts_are_missing(shop, clock):
    await in_work(shop, line())
    await shop.store.commit(Change("test").put(signal(COUNT, Meaning.PART_COUNT)))
    run = await run_by(shop, "a-1")
    begun = replace(run, state=RunState.STARTED, started_at=START, count_at_start=10)
    await shop.store.commit(Change("test").put(begun))
    await say(shop, (COUNT, START + timedelta(minutes=9), 12))
    clock.move(minutes=10)
    async with at_work(perform.work, shop):
        await last_one_released(shop)
        assert (await run_by(shop, "a-1")).state is RunState.STARTED


NOT_ALLOWED = (
    (perform.start, RunState.PLANNED),
    (perform.start, RunState.COMPLETED),
    (perform.finish, RunState.RELEASED),
    (perform.finish, RunState.PLANNED),
    (perform.finish, RunState.COMPLETED),
)


async def test_a_step_the_state_does_not_allow_is_refused_and_says_what_would(shop):
    for act, state in NOT_ALLOWED:
        await shop.store.commit(Change("test").put(run_of(state=state)))
        with pytest.raises(WrongState, match=state) as refused:
            await act(shop, "run-1", "ada")
        assert refused.value.remedy


async def test_a_run_that_is_not_made_is_not_inspected(shop):
    for state in (RunState.PLANNED, RunState.RELEASED, RunState.STARTED):
        await shop.store.commit(Change("test").put(run_of(state=state)))
        with pytest.raises(WrongState, match="MADE"):
            await perform.inspect(shop, "run-1", inspection_of(), "ada")


async def test_a_step_said_twice_is_done_once(shop):
    for act, state in ((perform.start, RunState.STARTED), (perform.finish, RunState.MADE)):
        run = run_of(state=state, started_at=START)
        await shop.store.commit(Change("test").put(run))
        assert await act(shop, "run-1", "ada") == run


async def made(node):
    order = order_of(side=Side.PROVIDER, state=OrderState.IN_WORK)
    run = run_of(state=RunState.MADE, started_at=START, ended_at=START + HOUR)
    await node.store.commit(Change("test").put(mill()).put(order).put(run))
    return run


async def test_an_inspection_counts_each_part_outside_its_limits_as_scrap(shop):
    await made(shop)
    done = await perform.inspect(shop, "run-1", inspection_of(actual=(80.0, 80.2, 80.01)), "ada")
    assert (done.state, done.good, done.scrap) == (RunState.COMPLETED, 2, 1)


async def test_an_inspection_that_measured_nothing_proves_nothing(shop):
    await made(shop)
    with pytest.raises(BadInput, match="measured nothing"):
        await perform.inspect(shop, "run-1", inspection_of(actual=()), "ada")
    assert (await shop.store.get(Run, "run-1")).state is RunState.MADE


async def test_an_inspection_sent_twice_gives_one_piece_of_evidence(shop):
    await made(shop)
    done = await perform.inspect(shop, "run-1", inspection_of(), "ada")
    assert await perform.inspect(shop, "run-1", inspection_of(), "ada") == done
    assert await shop.store.count(Evidence, run="run-1") == 1


async def test_an_inspection_of_more_parts_than_were_made_is_bad_input(shop):
    await made(shop)
    with pytest.raises(BadInput):
        await perform.inspect(shop, "run-1", inspection_of(actual=(81.0, 81.0, 81.0, 81.0, 81.0)), "ada")
