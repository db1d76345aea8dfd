"""A product is recorded: its items, each with a process plan or one operation named, and what it is made of."""

import msgspec

from interwork.allocation.supply.bill import root_of, tiers
from interwork.core.design import EdgeKind, Operation, ProcessPlan, Requirement
from interwork.core.errors import BadInput
from interwork.core.event import Tag
from interwork.core.ids import derived_id, new_id
from interwork.core.network.supply import Item, Part, Product
from interwork.core.taxonomy import PROCESSES, material_of
from interwork.flows.node import Node
from interwork.flows.weave import Knot, knot, tie
from interwork.store import Change

TITLE_MAX = 200


class ItemDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One item as somebody describes it: by a process plan, or by one process with its time."""

    key: str
    title: str
    process_plan: str = ""
    """The id of a process plan held here."""
    process: str = ""
    """Instead: one operation, as `assembly` or `turning`."""
    minutes: float = 0.0
    """Of that operation, per piece on the reference machine."""
    material: str = ""
    mass_kg: float = 0.0
    requirements: tuple[Requirement, ...] = ()
    made_of: tuple[Part, ...] = ()


class ProductDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A product as somebody describes it."""

    title: str
    items: tuple[ItemDraft, ...]
    requirements: tuple[Requirement, ...] = ()
    """Of every item: certificates, region."""


async def record(node: Node, draft: ProductDraft, *, actor: str) -> Product:
    """Keep a product; BadInput where its items are not the parts of one product, or one cannot be made as said."""
    if not 1 <= len(draft.title.strip()) <= TITLE_MAX:
        raise BadInput("A product needs a title.", where="title", remedy=f"Give one of 1 to {TITLE_MAX} letters.")
    product_id = new_id("product")
    drafted = [(each, _drafted(node, product_id, each)) for each in draft.items if not each.process_plan]
    plans = {each.key: plan.id for each, plan in drafted}
    items = tuple(
        Item(
            key=each.key.strip(),
            title=each.title.strip()[:TITLE_MAX] or each.key,
            process_plan=each.process_plan or plans[each.key],
            made_of=each.made_of,
        )
        for each in draft.items
    )
    root, depth = root_of(items), tiers(items)
    product = Product(
        id=product_id,
        title=draft.title.strip(),
        owner=node.settings.organisation,
        items=items,
        requirements=draft.requirements,
        created_at=node.clock(),
    )
    change = Change(actor).put(product)
    for _, plan in drafted:
        change.put(plan)
    knot(node, change, Knot(id=product.id, kind="product", label=product.title))
    for each in draft.items:
        if each.process_plan:
            await node.store.get(ProcessPlan, each.process_plan)
            tie(node, change, each.process_plan, EdgeKind.DERIVES, product.id)
    change.event(Tag.PRODUCT_RECORDED, product.id, items=len(items), tiers=max(depth.values()) + 1, root=root.key)
    await node.store.commit(change)
    return product


def _drafted(node: Node, product: str, draft: ItemDraft) -> ProcessPlan:
    """Write an item of one operation down as a process plan."""
    if draft.process not in PROCESSES:
        raise BadInput(
            f"{draft.title or draft.key} names no process plan and {draft.process!r} is no process.",
            where="items",
            remedy=f"Name a process plan held here, or one of {', '.join(PROCESSES)}.",
        )
    if not 0 < draft.minutes <= 100_000 or not 0 <= draft.mass_kg <= 100_000:
        raise BadInput(
            f"{draft.title or draft.key} takes {draft.minutes} minutes and weighs {draft.mass_kg} kg.",
            where="items",
            remedy="Give minutes above 0 and a mass from 0 up.",
        )
    material = material_of(draft.material).id if draft.material else ""
    stated = (Requirement(name="material", value=material, source="stated"),) if material else ()
    operation = Operation(
        id=f"{draft.key}-1",
        name=f"{draft.process.replace('-', ' ').capitalize()} {draft.title or draft.key}",
        process=draft.process,
        requirements=(*stated, *draft.requirements),
        machining_s=60 * draft.minutes,
        basis="stated with the product",
    )
    return ProcessPlan(
        id=derived_id("process", product, draft.key),
        revision="",
        process_class=draft.process,
        reasons=("stated with the product",),
        material=material,
        quantity=1,
        stock_mm=(0.0, 0.0, 0.0),
        part_mass_kg=draft.mass_kg,
        stock_mass_kg=draft.mass_kg if material else 0.0,
        operations=(operation,),
        created_at=node.clock(),
    )
