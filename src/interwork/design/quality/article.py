"""First article inspection after AS9102 (revision C): part, product and characteristic accountability as data."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from interwork.core.design import ProcessPlan, Requirement, Revision
from interwork.core.making import MeasuredSeries, Nonconformance
from interwork.design.quality.series import limits_of

NOT_MEASURED = "not measured"


class Accountability(msgspec.Struct, frozen=True, kw_only=True):
    """Form 1: the part, its files, who made it."""

    part_name: str
    part_number: str
    serial_numbers: tuple[str, ...]
    revision: str
    drawing: str
    file_digest: str
    manifest: str
    organisation: str
    process_reference: str
    is_full: bool
    """False where not every characteristic was measured (partial first article)."""
    at: datetime
    prepared_by: str


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """One line of form 2: a material or a special process."""

    kind: str
    """`material` or `process`."""
    name: str
    specification: str
    source: str


class Accounted(msgspec.Struct, frozen=True, kw_only=True):
    """One line of form 3: a characteristic with its requirement and its results."""

    number: int
    reference: str
    designator: str
    requirement: str
    results: tuple[float, ...]
    unit: str
    verdict: str
    """`conforms`, `does not conform` or `not measured`."""
    tooling: str = ""
    nonconformance: str = ""


class FirstArticle(msgspec.Struct, frozen=True, kw_only=True):
    """The three forms."""

    form1: Accountability
    form2: tuple[Product, ...]
    form3: tuple[Accounted, ...]
    is_accepted: bool
    """Every characteristic was measured and conforms."""


def first_article(
    revision: Revision,
    plan: ProcessPlan | None,
    measured: Sequence[MeasuredSeries],
    nonconformances: Sequence[Nonconformance],
    *,
    organisation: str,
    by: str,
    at: datetime,
) -> FirstArticle:  # fmt: skip
    """Fill the three forms from what is held: nothing is put in that was not recorded."""
    form3 = tuple(_lines(revision, plan, measured, nonconformances))
    verdicts = {line.verdict for line in form3}
    serials = tuple(dict.fromkeys(part for one in measured for part in one.parts))
    return FirstArticle(
        form1=Accountability(
            part_name=revision.file_name,
            part_number=revision.design,
            serial_numbers=serials[:100],
            revision=revision.id,
            drawing=revision.file_name,
            file_digest=revision.file_digest,
            manifest=revision.manifest,
            organisation=organisation,
            process_reference=plan.id if plan else "",
            is_full=NOT_MEASURED not in verdicts and bool(form3),
            at=at,
            prepared_by=by,
        ),
        form2=tuple(_products(plan)),
        form3=form3,
        is_accepted=verdicts == {"conforms"},
    )


def _products(plan: ProcessPlan | None) -> list[Product]:
    if plan is None:
        return []
    stock = " × ".join(f"{side:g}" for side in plan.stock_mm)
    lines = [Product(kind="material", name=plan.material, specification=f"stock {stock} mm", source=plan.id)]
    return lines + [
        Product(
            kind="process",
            name=one.name,
            specification=", ".join(_specified(need) for need in one.requirements) or one.process,
            source=one.id,
        )
        for one in plan.operations
    ]


def _specified(need: Requirement) -> str:
    """Write a requirement as a form has it: `envelope 124 × 84 × 29 mm`."""
    name, _, unit = need.name.rpartition("_") if need.name.endswith(("_mm", "_kg")) else (need.name, "", "")
    value = need.value
    if isinstance(value, tuple):
        value = " × ".join(f"{side:.5g}" for side in value)
    elif isinstance(value, float):
        value = f"{value:.5g}"
    return f"{name} {value} {unit}".rstrip()


def _lines(
    revision: Revision,
    plan: ProcessPlan | None,
    measured: Sequence[MeasuredSeries],
    nonconformances: Sequence[Nonconformance],
) -> list[Accounted]:  # fmt: skip
    by_id = {one.characteristic: one for one in measured if one.characteristic}
    by_name = {one.name: one for one in measured}
    tools = {item.characteristic: item.instrument for item in plan.inspection} if plan else {}
    open_ones = {one.characteristic: one.id for one in nonconformances if one.state.value != "closed"}
    lines, used = [], set()
    for number, wanted in enumerate(revision.characteristics, 1):
        found = by_id.get(wanted.id) or by_name.get(wanted.name)
        lower, upper = limits_of(wanted)
        if found is not None:
            used.add(id(found))
        stated = f" {wanted.nominal:g}" if wanted.nominal is not None else ""
        lines.append(
            Accounted(
                number=number,
                reference=wanted.key,
                designator=wanted.kind,
                requirement=f"{wanted.name}{stated}: {_requirement(lower, upper, wanted.unit)}",
                results=found.values if found else (),
                unit=wanted.unit,
                verdict=_verdict(found.values if found else (), lower, upper),
                tooling=tools.get(wanted.id, ""),
                nonconformance=open_ones.get(wanted.id, "") or open_ones.get(wanted.name, ""),
            )
        )
    extra = [one for one in measured if id(one) not in used]
    return lines + [_extra(number, one, open_ones) for number, one in enumerate(extra, len(lines) + 1)]


def _extra(number: int, one: MeasuredSeries, open_ones: dict[str, str]) -> Accounted:
    """Account for what was measured though the revision does not state it."""
    return Accounted(
        number=number,
        reference="inspection record",
        designator=one.kind,
        requirement=f"{one.name}: {_requirement(one.lower, one.upper, one.unit)}",
        results=one.values,
        unit=one.unit,
        verdict=_verdict(one.values, one.lower, one.upper),
        nonconformance=open_ones.get(one.characteristic, "") or open_ones.get(one.name, ""),
    )


def _requirement(lower: float | None, upper: float | None, unit: str) -> str:
    if lower is None and upper is None:
        return "no limit is stated"
    if lower is None:
        return f"at most {upper:g} {unit}"
    return f"at least {lower:g} {unit}" if upper is None else f"{lower:g} to {upper:g} {unit}"


def _verdict(values: Sequence[float], lower: float | None, upper: float | None) -> str:
    if not values:
        return NOT_MEASURED
    fits = all((lower is None or lower <= one) and (upper is None or one <= upper) for one in values)
    return "conforms" if fits else "does not conform"
