"""Agreements: with whom, about what, under which policy, what has crossed in both directions, and how to end one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.exchange import (
    Agreement,
    Dataset,
    Peer,
    Policy,
    Receipt,
    Side,
    Transfer,
)
from interwork.flows.node import Node
from interwork.web.access import MAY, node_of, require
from interwork.web.render import render

LISTED_MAX = 500
OPERATORS = {"eq": "=", "neq": "≠", "lt": "<", "lteq": "≤", "gt": ">", "gteq": "≥", "isAnyOf": "∈", "isNoneOf": "∉"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of an ODRL policy as rows: permission, prohibition or duty; the action; each constraint."""

    kind: str
    action: str
    constraints: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementView:
    """One agreement with what was agreed and what came of it."""

    agreement: Agreement
    policy: Policy | None
    rules: tuple[Rule, ...]
    odrl: Mapping[str, Any]
    transfers: tuple[Transfer, ...]
    receipts: tuple[Receipt, ...]
    names: Mapping[str, str]


async def agreement_view(node: Node, identifier: str) -> AgreementView:
    """Collect one agreement."""
    store = node.store
    agreement = await store.get(Agreement, identifier)
    dataset = await store.peek(Dataset, agreement.dataset) if agreement.side is Side.PROVIDER else None
    return AgreementView(
        agreement=agreement,
        policy=await store.peek(Policy, dataset.policy) if dataset else None,
        rules=tuple(rules_of(agreement.policy)),
        odrl=agreement.policy,
        transfers=tuple(await store.find(Transfer, agreement=agreement.id, limit=50, newest=True)),
        receipts=tuple(await store.find(Receipt, agreement=agreement.id, limit=200, newest=True)),
        names=await names_of(node),
    )


async def names_of(node: Node) -> dict[str, str]:
    """Name every node this one knows, by DID."""
    names = {peer.id: peer.name for peer in await node.store.find(Peer, limit=2000)}
    return {**names, node.did: node.settings.name}


def rules_of(odrl: Mapping[str, Any]) -> list[Rule]:
    """Read an ODRL policy into rows; what is not understood is shown as it stands."""
    found = []
    for kind in ("permission", "prohibition", "obligation"):
        for rule in _many(odrl.get(kind)):
            if isinstance(rule, Mapping):
                constraints = tuple(_constraint(one) for one in _many(rule.get("constraint")))
                found.append(Rule(kind=kind, action=_last(rule.get("action", "use")), constraints=constraints))
    return found


def _constraint(constraint: object) -> tuple[str, str, str]:
    if not isinstance(constraint, Mapping) or "leftOperand" not in constraint:
        return ("", "", str(constraint))
    right = [str(one) for one in _many(constraint.get("rightOperand"))]
    operator = _last(constraint.get("operator", ""))
    return (_last(constraint["leftOperand"]), OPERATORS.get(operator, operator), ", ".join(right))


def _many(value: object) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _last(name: object) -> str:
    text = str(name.get("@id", "")) if isinstance(name, Mapping) else str(name)
    return text.rpartition("/")[2].rpartition("#")[2] or text


async def index(request: Request) -> Response:
    """Show every agreement, those in force first."""
    await require(request, *MAY["read"])
    node = node_of(request)
    found = await node.store.find(Agreement, limit=LISTED_MAX)
    found.sort(key=lambda one: (one.state.value != "active", -one.agreed_at.timestamp()))
    counts: dict[str, int] = {}
    for receipt in await node.store.find(Receipt, limit=10_000):
        counts[receipt.agreement] = counts.get(receipt.agreement, 0) + receipt.items
    offers = await node.store.find(Dataset, is_withdrawn=False, limit=LISTED_MAX, newest=True)
    total = await node.store.count(Agreement)
    return await render(request, "agreements.html", agreements=found, counts=counts, all=total, offers=offers)


async def show(request: Request) -> Response:
    """Show one agreement."""
    await require(request, *MAY["read"])
    view = await agreement_view(node_of(request), request.path_params["id"])
    return await render(request, "agreement.html", view=view)


async def terminate(request: Request) -> Response:
    """End an agreement; the peer is told, and nothing crosses any more."""
    visitor = await require(request, *MAY["agree"])
    node = node_of(request)
    identifier = request.path_params["id"]
    reason = (await request.form()).get("reason")
    text = reason.strip()[:500] if isinstance(reason, str) else ""
    await node.federation.terminate(identifier, reason=text or f"ended by {visitor.name}", actor=visitor.id)
    return RedirectResponse(f"/agreements/{identifier}", status_code=303)


async def withdraw(request: Request) -> Response:
    """Take an offer out of the catalog; agreements made on it stay in force."""
    visitor = await require(request, *MAY["agree"])
    await node_of(request).federation.withdraw(request.path_params["id"], actor=visitor.id)
    return RedirectResponse("/agreements#offers", status_code=303)
