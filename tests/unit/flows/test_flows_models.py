"""Models run as services: typed inputs and outputs, limits, signatures, chains, sweeps, and at another node."""

import math

import pytest
from flows_world import START
from tank_fmu import ENDLESS, TANK, UNITS, build
from two_flow_nodes import institute_and_member

from interwork.core.design import Model, Port, ThreadEdge, ThreadNode
from interwork.core.errors import BadInput, LimitReached, NotFound, Refused
from interwork.core.event import Tag
from interwork.core.exchange import Receipt
from interwork.design import models
from interwork.design.models import Axis, Quantity
from interwork.design.models.runner import thinned
from interwork.federation import Identity
from interwork.flows.rnd import modelling, simulating, tables
from interwork.flows.rnd.modelling import Publication, Vouching
from interwork.flows.rnd.simulating import Asked, Link, Step

SPINDLE = b'''
"""Power a spindle draws."""
INPUTS = {"speed": {"unit": "{rpm}", "low": 100, "high": 12000}, "load": {"unit": "%", "default": 50}}
OUTPUTS = {"power": {"unit": "W"}}
def run(speed, load):
    print("a model may print what it likes")
    return {"power": 0.5 * speed * load / 100}
'''


def bad(body):
    return ("INPUTS = {}\nOUTPUTS = {'y': {}}\ndef run():\n    " + body).encode()


@pytest.fixture(scope="module")
def fmus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fmu")
    return build(folder, TANK), build(folder, ENDLESS)


async def admitted(node, content, name, **more):
    said = Publication(name=name.partition(".")[0], vouching=modelling.vouch(node, content), **more)
    return await modelling.admit(node, content, name, said, actor="test")


def plain(content):
    """Describe a model of one output without a child process, for tests of the run alone."""
    return Model(
        id="model-plain00001", name="bad", kind="python", digest="", inputs=(), outputs=(Port(name="y"),), signer="",
        signature="", holder="", at=START,
    )  # fmt: skip


def asked(model, axes=(), **inputs):
    given = {name: Quantity(value=value[0], unit=value[1]) for name, value in inputs.items()}
    return Asked(steps=(Step(model=model.id, inputs=given),), axes=axes)


async def test_an_fmu_takes_and_gives_quantities_with_units(shop, fmus):
    """design 42: inputs with units, run apart, the result bound to the model's digest, its inputs and its step."""
    tank = await admitted(shop, fmus[0], "tank.fmu", units=UNITS, stop_s=600, step_s=10)
    (run,) = await simulating.simulate(shop, asked(tank, power=(3000, "W"), mass=(0.04, "t")), actor="test")
    exact = 20 + 3000 / 8 * (1 - math.exp(-600 * 8 / (40 * 4186)))
    assert run.inputs == ({"power": 3.0, "mass": 40.0},)
    assert run.outputs[0]["temperature"] == pytest.approx(exact, rel=0.001)
    assert (run.model_digest, run.step_s, run.checked) == (tank.digest, 10.0, 1)
    assert "converged" in run.note
    assert 0 < run.change["temperature"] < 0.001
    nodes = {one.kind for one in await shop.store.find(ThreadNode)}
    assert {"model", "model-run"} <= nodes
    assert await shop.store.count(ThreadEdge, target=run.id) == 1


async def test_a_run_in_time_tells_its_whole_course_and_exports_it(shop, fmus):
    """design 42: start, step and stop; every moment with its outputs, bound by the digest, as a table."""
    tank = await admitted(shop, fmus[0], "tank.fmu", units=UNITS, stop_s=600, step_s=10)
    step = Step(model=tank.id, start_s=60, step_s=20, stop_s=300)
    axes = (Axis(name="power", low=1, high=3, count=3),)
    (run,) = await simulating.simulate(shop, Asked(steps=(step,), axes=axes), actor="test")
    assert [one.point for one in run.courses] == [0, 1, 2]
    course = run.courses[-1]
    assert (course.times_s[0], course.times_s[1], course.times_s[-1], course.every) == (60, 80, 300, 1)
    assert course.values["temperature"][-1] == run.outputs[-1]["temperature"]
    assert sorted(course.values["temperature"]) == list(course.values["temperature"])
    lines = tables.course_csv(run).splitlines()
    assert lines[0] == "point,time [s],temperature [Cel]"
    assert len([one for one in lines if one[0].isdigit()]) == 3 * 13
    assert run.digest in lines[-2]
    assert tables.points_csv(run).splitlines()[0] == "power [kW],mass [kg],temperature [Cel]"
    late = Step(model=tank.id, start_s=500, step_s=20, stop_s=300)
    with pytest.raises(BadInput, match="from 500 to 300 s"):
        await simulating.simulate(shop, Asked(steps=(late,)), actor="test")


def test_a_long_course_is_thinned_and_keeps_its_last_moment():
    times = [float(at) for at in range(10_001)]
    kept = thinned(0, times, {"y": times}, 1000)
    assert kept.every == 11
    assert len(kept.times_s) <= 1000
    assert kept.times_s[-1] == 10_000
    with pytest.raises(BadInput, match="not finite all the way"):
        thinned(0, [0.0, 1.0], {"y": [1.0, math.nan]}, 10)


async def test_the_same_inputs_give_the_same_digest_again(shop, fmus):
    """design 42: reproducible."""
    tank = await admitted(shop, fmus[0], "tank.fmu", units=UNITS, stop_s=60, step_s=10)
    first = (await simulating.simulate(shop, asked(tank), actor="a"))[0]
    again = (await simulating.simulate(shop, asked(tank), actor="b"))[0]
    other = (await simulating.simulate(shop, asked(tank, power=(2.5, "kW")), actor="b"))[0]
    assert (again.id, again.digest, again.times) == (first.id, first.digest, 2)
    assert other.digest != first.digest


async def test_a_step_that_is_too_long_is_told(shop, fmus):
    tank = await admitted(shop, fmus[0], "tank.fmu", units=UNITS, stop_s=60_000, step_s=30_000)
    run = (await simulating.simulate(shop, asked(tank), actor="test"))[0]
    assert "NOT converged" in run.note


async def test_an_endless_fmu_is_killed(fmus, monkeypatch, shop):
    """design 42: the time limit kills it, and the node goes on."""
    endless = await admitted(shop, fmus[1], "endless.fmu")
    with pytest.raises(LimitReached, match=r"did not end within 1 s|processor time"):
        await models.run(fmus[1], endless, [{}], models.Steps(step_s=1, stop_s=1), seconds=1)
    assert await shop.store.verify() > 0


@pytest.mark.parametrize(
    ("body", "fault", "said"),
    [
        ("while True: pass", LimitReached, "did not end|processor time"),
        ("return {'y': len(bytearray(4 * 2**30))}", BadInput, "memory"),
        ("open('x', 'wb').write(bytes(100 * 2**20))", LimitReached, "larger file|File too large"),
        ("raise ValueError('the blank is too short')", BadInput, "the blank is too short"),
        ("import os; os._exit(7)", BadInput, "code 7"),
        ("return {'y': float('nan')}", BadInput, "no finite y"),
        ("return 3", BadInput, "not its outputs"),
    ],
)
async def test_a_model_that_misbehaves_ends_alone(body, fault, said):
    """design 42: wall, processor time, memory and files are limited."""
    model = plain(bad(body))
    seconds = 1.5 if "while" in body else 30  # only what never ends is ended by the clock
    with pytest.raises((fault, BadInput), match=said):
        await models.run(bad(body), model, [{}], models.Steps(), seconds=seconds)


async def test_a_model_sees_nothing_of_the_server(monkeypatch):
    monkeypatch.setenv("INTERWORK_SECRET", "x")
    content = bad("import os; return {'y': float('INTERWORK_SECRET' in os.environ or bool(os.listdir('.')[1:]))}")
    assert (await models.run(content, plain(content), [{}], models.Steps())).outputs == ({"y": 0.0},)


async def test_an_unsigned_or_foreign_signed_model_is_refused(shop, fmus, tmp_path):
    """design 42: nobody's code runs here unless somebody this node trusts vouches for it."""
    stranger = Identity.open(tmp_path / "stranger", "http://localhost:9")
    signed = modelling.vouch(shop, fmus[0])
    for vouching, said in [
        (Vouching(), "not signed"),
        (Vouching(signer=stranger.did, signature=stranger.sign(models.result_digest(b"", []))), "neither this node"),
        (Vouching(signer=shop.did, signature=stranger.sign("sha256:0")), "not one of"),
    ]:
        with pytest.raises(Refused, match=said):
            await modelling.admit(shop, fmus[0], "a.fmu", Publication(name="a", vouching=vouching), actor="test")
    with pytest.raises(Refused, match="not one of"):
        await modelling.admit(shop, fmus[1], "a.fmu", Publication(name="a", vouching=signed), actor="test")
    assert len(await shop.store.events(tag=Tag.MODEL_REFUSED)) == 4


async def test_inputs_that_do_not_fit_are_named_all_at_once(shop):
    model = await admitted(shop, SPINDLE, "spindle.py")
    with pytest.raises(BadInput, match=r"'torque' is no input; speed is 20000 rpm, outside 100 – 12000"):
        await simulating.simulate(shop, asked(model, speed=(20000, ""), torque=(1, "N.m")), actor="t")
    with pytest.raises(BadInput, match="measures power"):
        await simulating.simulate(shop, asked(model, speed=(1, "kW")), actor="t")
    with pytest.raises(BadInput, match=r"speed is not given"):
        await simulating.simulate(shop, asked(model), actor="t")
    with pytest.raises(NotFound):
        await simulating.simulate(shop, Asked(steps=(Step(model="model-x"),)), actor="t")


async def test_a_chain_hands_outputs_on_in_their_units_and_a_sweep_spreads_it(shop, fmus):
    """design 42: output → input across two models (W becomes kW), over a grid and a Latin hypercube."""
    spindle = await admitted(shop, SPINDLE, "spindle.py")
    tank = await admitted(shop, fmus[0], "tank.fmu", units=UNITS, stop_s=600, step_s=60)
    steps = (Step(model=spindle.id), Step(model=tank.id, links={"power": Link(step=0, output="power")}))
    axes = (Axis(name="speed", low=2000, high=8000, count=4),)
    first, last = await simulating.simulate(shop, Asked(steps=steps, axes=axes), actor="t")
    assert [round(one["power"]) for one in first.outputs] == [500, 1000, 1500, 2000]
    assert [one["power"] for one in last.inputs] == pytest.approx([0.5, 1.0, 1.5, 2.0])
    temperatures = [one["temperature"] for one in last.outputs]
    assert temperatures == sorted(temperatures)
    assert last.after == first.id
    spread = Asked(steps=steps, axes=axes, way="lhs", count=7)
    drawn, _ = await simulating.simulate(shop, spread, actor="t")
    same, _ = await simulating.simulate(shop, spread, actor="t")
    assert len({one["speed"] for one in drawn.inputs}) == 7
    assert drawn.digest == same.digest
    wrong = Step(model=tank.id, links={"power": Link(step=0, output="heat")})
    with pytest.raises(BadInput, match="no output"):
        await simulating.simulate(shop, Asked(steps=(steps[0], wrong)), actor="t")


async def test_another_node_runs_a_model_under_an_agreement_and_never_sees_inside(tmp_path):
    """design 42: run elsewhere; only interface, inputs and results cross, and the result is signed by its holder."""
    async with institute_and_member(tmp_path) as (lab, shop):
        held = await admitted(lab, SPINDLE, "spindle.py")
        dataset = await modelling.offer(lab, held.id)
        taken = await modelling.take(shop, lab.did, dataset.id, actor="t")
        assert (taken.id, taken.inputs, taken.holder_name) == (held.id, held.inputs, "Lakeside")
        (run,) = await simulating.simulate(shop, asked(taken, speed=(4000, "{rpm}")), actor="t")
        assert run.outputs == ({"power": 1000.0},)
        assert run.holder == lab.did
        with pytest.raises(NotFound):
            shop.files.get(held.digest)
        sent = await lab.store.find(Receipt, limit=10)
        assert sum(one.bytes for one in sent) < 4000
        for agreement in {one.agreement for one in sent}:
            await lab.federation.terminate(agreement, reason="the project is over", actor="t")
        with pytest.raises(Refused):
            await shop.federation.fetch(
                await shop.federation.transfer(
                    await shop.federation.negotiate(lab.did, dataset.id, key=f"model:{dataset.id}"),
                    key=f"model:{dataset.id}",
                ),
                what="after the end",
            )
