"""Running models: one, a chain of them (output → input), over one point or a sweep; here, or at whoever holds them."""

from collections.abc import Sequence

import msgspec

from interwork.core.design import EdgeKind, Model, ModelRun, Port
from interwork.core.errors import BadInput, LimitReached, NotFound, PeerError
from interwork.core.event import Tag
from interwork.core.ids import derived_id
from interwork.design import models, walls
from interwork.design.models import Axis, Quantity, Steps
from interwork.design.models.sweeping import POINTS_MAX
from interwork.federation import DataRequest, DataResponse
from interwork.flows.node import Node
from interwork.flows.records import read_as
from interwork.flows.rnd.modelling import Vouching, must_be_vouched, told_of
from interwork.flows.weave import Knot, knot, tie
from interwork.store import Change

CHAIN_MAX = 10


class Link(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An output of an earlier step that is an input of this one."""

    step: int
    """The earlier step, from 0."""
    output: str


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model of a chain with its inputs: given, taken from before, or varied."""

    model: str
    inputs: dict[str, Quantity] = {}
    links: dict[str, Link] = {}
    step_s: float = 0.0
    """0 = as the model was published."""
    stop_s: float = 0.0
    start_s: float = 0.0


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be run: a chain of one or more models; the axes vary inputs of the first."""

    steps: tuple[Step, ...]
    axes: tuple[Axis, ...] = ()
    way: str = "grid"
    """`grid` or `lhs` (Latin hypercube)."""
    count: int = 20
    """Points of a Latin hypercube."""
    seed: int = 1


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What crosses when a model is run elsewhere: points in the units of its inputs."""

    points: tuple[dict[str, float], ...]
    step_s: float = 0.0
    stop_s: float = 0.0
    start_s: float = 0.0

    @property
    def steps(self) -> Steps:
        """Tell how the model is stepped."""
        return Steps(step_s=self.step_s, stop_s=self.stop_s, start_s=self.start_s)


async def simulate(node: Node, asked: Asked, *, actor: str) -> tuple[ModelRun, ...]:
    """Run a chain over its points; every step's run is recorded and stands on the thread."""
    if not 1 <= len(asked.steps) <= CHAIN_MAX:
        raise BadInput(f"A chain of {len(asked.steps)} models is none.", remedy=f"Give 1 to {CHAIN_MAX}.")
    held = [await _model(node, step.model) for step in asked.steps]
    for number, step in enumerate(asked.steps):
        _check_links(step, number, held)
    varied = models.spread(asked.axes, way=asked.way, count=asked.count, seed=asked.seed)
    runs: list[ModelRun] = []
    for number, (step, model) in enumerate(zip(asked.steps, held, strict=True)):
        points = []
        for index, point in enumerate(varied):
            there = {one.name: Quantity(value=point[one.name], unit=one.unit) for one in asked.axes if number == 0}
            given = {**step.inputs, **_linked(step, held, runs, index), **there}
            points.append(models.take_in(model.inputs, given, of=model.name))
        order = Order(
            points=tuple(points),
            step_s=(step.step_s or model.step_s) if model.stop_s else 0.0,
            stop_s=(step.stop_s or model.stop_s) if model.stop_s else 0.0,
            start_s=step.start_s if model.stop_s else 0.0,
        )
        runs.append(await _run(node, model, order, after=runs[-1].id if runs else "", actor=actor))
    return tuple(runs)


async def _model(node: Node, identifier: str) -> Model:
    model = await node.store.peek(Model, identifier)
    if model is None:
        raise NotFound(
            f"No model {identifier[:60]!r} is known here.",
            remedy="See `interwork model list`; one of another node is taken first.",
        )
    return model


def _check_links(step: Step, number: int, held: Sequence[Model]) -> None:
    for name, link in step.links.items():
        if not 0 <= link.step < number:
            raise BadInput(f"{name} of step {number} is taken from step {link.step}.", remedy="Take from an earlier.")
        if link.output not in {port.name for port in held[link.step].outputs}:
            raise BadInput(
                f"{held[link.step].name} has no output {link.output[:60]!r}.",
                remedy=f"It has {', '.join(port.name for port in held[link.step].outputs)}.",
            )


def _linked(step: Step, held: Sequence[Model], runs: Sequence[ModelRun], index: int) -> dict[str, Quantity]:
    """Take what earlier steps gave at one point, each with its unit."""
    return {
        name: Quantity(
            value=runs[link.step].outputs[index][link.output], unit=_unit(held[link.step].outputs, link.output)
        )
        for name, link in step.links.items()
    }


def _unit(ports: Sequence[Port], name: str) -> str:
    return next(port.unit for port in ports if port.name == name)


async def _run(node: Node, model: Model, order: Order, *, after: str, actor: str) -> ModelRun:
    """Run one model wherever it is held, and record what it gave."""
    if model.holder == node.did:
        made = await compute(node, model, order)
    else:
        made = await _ask_holder(node, model, order)
    return await _keep(node, model, msgspec.structs.replace(made, after=after, by=actor), actor)


async def compute(node: Node, model: Model, order: Order) -> ModelRun:
    """Run a model of this node; who vouches for it is checked each time."""
    await must_be_vouched(node, model.digest, Vouching(signer=model.signer, signature=model.signature))
    outcome = await models.run(node.files.get(model.digest), model, order.points, order.steps)
    asked = models.canonical(model.digest, order.points, order.steps)
    change, note = models.convergence(outcome.outputs, outcome.finer, order.step_s)
    digest = models.result_digest(asked, outcome.outputs, outcome.courses)
    return ModelRun(
        id=derived_id("modelrun", model.id, asked.decode()),
        model=model.id,
        model_name=model.name,
        model_digest=model.digest,
        inputs=order.points,
        outputs=outcome.outputs,
        units={port.name: port.unit for port in (*model.inputs, *model.outputs)},
        step_s=order.step_s,
        stop_s=order.stop_s,
        start_s=order.start_s,
        courses=outcome.courses,
        checked=len(outcome.finer),
        change=change,
        note=note,
        walls=walls.told(outcome.missing),
        digest=digest,
        holder=node.did,
        signature=node.identity.sign(digest),
        at=node.clock(),
    )


async def _ask_holder(node: Node, model: Model, order: Order) -> ModelRun:
    key = f"model:{model.dataset}"
    agreement = await node.federation.negotiate(model.holder, model.dataset, key=key)
    transfer = await node.federation.transfer(agreement, key=key)
    body = msgspec.json.encode(order)
    fetched = await node.federation.fetch(transfer, path="runs", body=body, what=f"a run of {model.name}")
    made = read_as(ModelRun, fetched.content, agreement.peer_name)
    asked = models.canonical(model.digest, order.points, order.steps)
    if made.digest != models.result_digest(asked, made.outputs, made.courses) or made.model != model.id:
        raise PeerError(f"{agreement.peer_name} answered with a run of other inputs, or of another model.")
    await node.federation.verify(model.holder, made.digest, made.signature)
    return msgspec.structs.replace(made, times=1, holder=model.holder, at=node.clock())


async def _keep(node: Node, model: Model, made: ModelRun, actor: str) -> ModelRun:
    known = await node.store.peek(ModelRun, made.id)
    if known is not None and known.digest == made.digest:
        made = msgspec.structs.replace(made, times=known.times + 1, at=known.at)
    elif known is not None:
        note = (
            f"{made.note} Before, the same inputs gave another result ({known.digest[:19]}…): it is not reproducible."
        )
        made = msgspec.structs.replace(made, note=note)
    change = Change(actor).put(made)
    change.event(Tag.MODEL_RUN, made.id, model=model.id, digest=made.digest, points=len(made.inputs), times=made.times)
    label = f"{model.name}, {len(made.inputs)} points" if len(made.inputs) > 1 else model.name
    holder = "" if model.holder == node.did else model.holder
    knot(node, change, Knot(id=made.id, kind="model-run", label=label, holder=holder, digest=made.digest))
    tie(node, change, model.id, EdgeKind.EXECUTES, made.id)
    if made.after:
        tie(node, change, made.after, EdgeKind.DERIVES, made.id)
    await node.store.commit(change)
    return made


async def answer_model(node: Node, request: DataRequest) -> DataResponse:
    """Serve one call under an agreement on a model: its interface, or a run of it."""
    model = await told_of(node, request)
    if request.path.strip("/") != "runs":
        return DataResponse(content=msgspec.json.encode(model), what="the interface of a model")
    if request.method != "POST":
        raise BadInput("A run is asked for by POST.", remedy="Send points, step_s and stop_s.")
    try:
        order = msgspec.json.decode(request.body, type=Order)
    except msgspec.MsgspecError as fault:
        raise BadInput(f"The body is no order of a run: {fault}.") from fault
    if not 1 <= len(order.points) <= POINTS_MAX:
        raise LimitReached(f"{len(order.points)} points were asked for.", remedy=f"Ask for 1 to {POINTS_MAX}.")
    points = [{name: Quantity(value=value) for name, value in point.items()} for point in order.points]
    taken = tuple(models.take_in(model.inputs, point, of=model.name) for point in points)
    held = await node.store.get(Model, model.id)
    made = await compute(node, held, msgspec.structs.replace(order, points=taken))
    caller = request.agreement.consumer
    made = await _keep(node, held, msgspec.structs.replace(made, by=caller), caller)
    return DataResponse(content=msgspec.json.encode(made), items=len(made.outputs), what="points of a model's run")
