"""The API of products: what they are made of, plans over tiers and periods, shortages, approvals, orders."""

from typing import Any

from starlette.requests import Request

from interwork.core.errors import BadInput
from interwork.core.network.supply import Product, SupplyPlan
from interwork.flows import supply
from interwork.web.access import Visitor, node_of
from interwork.web.api.reading import DIGITS_MAX, Entry, body_of, limit_of


async def _record(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401 - any JSON
    draft = await body_of(request, supply.ProductDraft)
    return await supply.record(node_of(request), draft, actor=visitor.id)


async def _products(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"products": await node_of(request).store.find(Product, limit=limit_of(request), newest=True)}


async def _product(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    store = node_of(request).store
    product = await store.get(Product, request.path_params["id"])
    plans = await store.find(SupplyPlan, product=product.id, limit=limit_of(request), newest=True)
    return {"product": product, "plans": plans}


async def _plan(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    node = node_of(request)
    product = await node.store.get(Product, request.path_params["id"])
    wish = await body_of(request, supply.PlanWish)
    return await supply.plan(node, product.id, wish, actor=visitor.id)


async def _shown(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return await node_of(request).store.get(SupplyPlan, request.path_params["id"])


async def _stress(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"cases": await supply.stress(node_of(request), request.path_params["id"])}


async def _shortage(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    node = node_of(request)
    plan = await node.store.get(SupplyPlan, request.path_params["id"])
    return await supply.shortage(node, plan.id, await body_of(request, supply.Missing))


async def _grant(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    node, number = node_of(request), request.path_params["number"]
    plan = await node.store.get(SupplyPlan, request.path_params["id"])
    if not number.isdecimal() or len(number) > DIGITS_MAX:
        raise BadInput(f"{number[:20]!r} is no approval.", remedy="Count the plan's approvals from 0.")
    return await supply.grant(node, plan.id, int(number), actor=visitor.id, by=visitor.name)


async def _order(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    plan = request.path_params["id"]
    return {"jobs": await supply.order(node_of(request), plan, actor=visitor.id, by=visitor.name)}


ROUTES: tuple[Entry, ...] = (
    ("GET", "/products", "read", _products),
    ("POST", "/products", "draw", _record),
    ("GET", "/products/{id}", "read", _product),
    ("POST", "/products/{id}/plans", "draw", _plan),
    ("GET", "/supply-plans/{id}", "read", _shown),
    ("GET", "/supply-plans/{id}/stress", "read", _stress),
    ("POST", "/supply-plans/{id}/shortage", "read", _shortage),
    ("POST", "/supply-plans/{id}/approvals/{number}", "draw", _grant),
    ("POST", "/supply-plans/{id}/order", "draw", _order),
)
