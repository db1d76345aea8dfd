"""The work of an item that has no design file, in words: what the shop that makes it is sent."""

from collections.abc import Sequence

from interwork.core.design import Operation, ProcessPlan
from interwork.core.network.supply import Item, Product
from interwork.core.part.plan import Requirement
from interwork.core.units import symbol


def description(product: Product, item: Item, process: ProcessPlan) -> str:
    """Write down one item of a product: what it is made of, each operation, what it has to fulfil."""
    titles = {one.key: one.title for one in product.items}
    parts = [f"  {one.quantity} x {titles.get(one.item, one.item)}" for one in item.made_of]
    said = [
        f"Work description: {item.title} ({item.key}), an item of {product.title}",
        "There is no design file; this is all that is stated.",
        f"Material: {process.material or 'not stated'}",
        f"Mass: {process.part_mass_kg:g} kg a piece" if process.part_mass_kg else "Mass: not stated",
        *(["Made of, per piece:", *parts] if parts else []),
        "Operations:",
        *(line for number, one in enumerate(process.operations, start=1) for line in _operation(number, one)),
        *_wants(product.requirements, "For the whole product"),
    ]
    return "\n".join(said) + "\n"


def _operation(number: int, one: Operation) -> list[str]:
    settings = ", ".join(f"{each.name} {each.value:g} {symbol(each.unit)}".strip() for each in one.settings)
    minutes = f", {one.machining_s / 60:g} min a piece on the reference machine" if one.machining_s else ""
    said = [f"  {number}. {one.name} ({one.process}){minutes}"]
    if settings:
        said.append(f"     set: {settings}")
    return said + [f"     {line}" for line in _wants(one.requirements, "wants")]


def _wants(requirements: Sequence[Requirement], head: str) -> list[str]:
    listed = [f"{one.name} {_said(one.value)}" for one in requirements if one.name != "process"]
    return [f"{head}: {', '.join(listed)}"] if listed else []


def _said(value: str | float | tuple[float, ...]) -> str:
    if isinstance(value, tuple):
        return " x ".join(f"{one:g}" for one in value)
    return value if isinstance(value, str) else f"{value:g}"
