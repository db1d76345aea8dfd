"""The API of models and campaigns: publish, offer, take, run, chain and sweep models; ask, tell and decide trials."""

from typing import Any
from urllib.parse import unquote

import msgspec
from starlette.requests import Request

from interwork.core.design import Model, ModelRun
from interwork.core.errors import BadInput
from interwork.core.making import Campaign
from interwork.design.trials import best
from interwork.flows.rnd import applying, modelling, simulating, trialling
from interwork.web.access import Visitor, node_of
from interwork.web.api.reading import Entry, body_of, limit_of


class Offering(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom a model is offered to: one node by its DID, or (empty) the members of the institute."""

    to: str = ""
    name: str = ""


class Taking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model of which node is taken."""

    provider: str
    dataset: str


class Choice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The trial that is decided for, and why."""

    trial: int
    why: str


async def _models(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401 - any JSON
    return {"models": await node_of(request).store.find(Model, limit=limit_of(request), newest=True)}


async def _model(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    node = node_of(request)
    model = await node.store.get(Model, request.path_params["id"])
    return {"model": model, "runs": await node.store.find(ModelRun, model=model.id, limit=100, newest=True)}


async def _sign(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    content = await request.body()
    if not content:
        raise BadInput("There is no file to vouch for.", remedy="Send its bytes as the body.")
    return modelling.vouch(node_of(request), content)


async def _admit(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    query = request.query_params
    file_name = query.get("file", "")
    said = modelling.Publication(
        name=query.get("name", "") or file_name.rpartition(".")[0],
        vouching=modelling.Vouching(signer=query.get("signer", ""), signature=query.get("signature", "")),
        text=query.get("text", ""),
        units=_units(query.get("units", "")),
        step_s=_number(query.get("step_s", "0")),
        stop_s=_number(query.get("stop_s", "0")),
    )
    return await modelling.admit(node_of(request), await request.body(), file_name, said, actor=visitor.id)


def _units(text: str) -> dict[str, str]:
    """Read `power=kW,temperature=Cel`."""
    pairs = [one.partition("=") for one in unquote(text).split(",") if one.strip()]
    return {name.strip(): unit.strip() for name, _, unit in pairs}


def _number(text: str) -> float:
    try:
        return float(text or 0)
    except ValueError as fault:
        raise BadInput(f"{text[:20]!r} is no number.", remedy="Write it as 10 or 0.5.") from fault


async def _offer(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    asked = await body_of(request, Offering)
    return await modelling.offer(
        node_of(request), request.path_params["id"], to=asked.to, name=asked.name, actor=visitor.id
    )


async def _take(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    asked = await body_of(request, Taking)
    return await modelling.take(node_of(request), asked.provider, asked.dataset, actor=visitor.id)


async def _run(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    asked = await body_of(request, simulating.Asked)
    return {"runs": await simulating.simulate(node_of(request), asked, actor=visitor.id)}


async def _one_run(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return await node_of(request).store.get(ModelRun, request.path_params["id"])


async def _campaigns(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"campaigns": await node_of(request).store.find(Campaign, limit=limit_of(request), newest=True)}


async def _campaign(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    held = await node_of(request).store.get(Campaign, request.path_params["id"])
    return {"campaign": held, "best": best(held)}


async def _begin(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    return await trialling.begin(node_of(request), await body_of(request, trialling.CampaignDraft), actor=visitor.id)


async def _ask(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    _, trial = await trialling.ask(node_of(request), request.path_params["id"], actor=visitor.id)
    return trial


async def _tell(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    told = await body_of(request, trialling.Told)
    number = request.path_params["number"]
    return await trialling.tell(node_of(request), request.path_params["id"], number, told, actor=visitor.id)


async def _apply(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    asked = await body_of(request, applying.Applied)
    return await applying.apply_trial(
        node_of(request), request.path_params["id"], asked, actor=visitor.id, by=visitor.name
    )


async def _decide(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    chosen = await body_of(request, Choice)
    identifier = request.path_params["id"]
    return await trialling.decide(
        node_of(request), identifier, chosen.trial, chosen.why, actor=visitor.id, by=visitor.name
    )


ROUTES: tuple[Entry, ...] = (
    # method, path, act of access.MAY, handler
    ("GET", "/models", "read", _models),
    ("POST", "/models", "draw", _admit),
    ("POST", "/models/sign", "administer", _sign),
    ("POST", "/models/take", "agree", _take),
    ("GET", "/models/{id}", "read", _model),
    ("POST", "/models/{id}/offer", "agree", _offer),
    ("POST", "/model-runs", "draw", _run),
    ("GET", "/model-runs/{id}", "read", _one_run),
    ("GET", "/campaigns", "read", _campaigns),
    ("POST", "/campaigns", "draw", _begin),
    ("GET", "/campaigns/{id}", "read", _campaign),
    ("POST", "/campaigns/{id}/ask", "draw", _ask),
    ("POST", "/campaigns/{id}/trials/{number:int}", "operate", _tell),
    ("POST", "/campaigns/{id}/decide", "draw", _decide),
    ("POST", "/campaigns/{id}/apply", "draw", _apply),
)
