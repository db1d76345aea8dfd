"""A mapping: what is said of each signal of a device: proposed by the device, edited and confirmed by a person."""

import json
import math
import tomllib
from collections.abc import Iterable
from fnmatch import fnmatchcase

import msgspec
from msgspec.structs import replace

from interwork.core.blueprint import Keeping, TrafficClass
from interwork.core.errors import BadInput
from interwork.core.resource import Meaning
from interwork.core.units import known_units
from interwork.flows.ingest.probing import Proposed

DEADBANDS = ("none", "offered")


class Mapped(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One signal as a person confirmed it."""

    address: str
    name: str = ""
    """Empty = as the device calls it."""
    unit: str | None = None
    """UCUM code, or a text in braces; None = as proposed."""
    meaning: Meaning | None = None
    deadband: float | None = None
    """In the signal's unit; None = as it is, 0 for a new one."""
    keeping: Keeping | None = None
    period_s: float | None = None
    priority: TrafficClass | None = None
    """0 to 3; None = by its meaning."""
    read: bool = True
    """False leaves it out."""


def mapping_of(signals: Iterable[Proposed], *, only: str = "", deadbands: str = "none") -> tuple[Mapped, ...]:
    """Turn a proposal into a mapping: `only` is a pattern of names, deadbands are taken where that is asked for."""
    if deadbands not in DEADBANDS:
        raise BadInput(f"deadbands={deadbands!r}.", remedy=f"Use one of {', '.join(DEADBANDS)}.")
    return tuple(
        Mapped(
            address=one.address,
            name=one.name,
            unit=one.unit,
            meaning=one.meaning,
            deadband=one.offered_deadband if deadbands == "offered" else None,
            read=not only or fnmatchcase(one.name.lower(), only.lower()) or fnmatchcase(one.address, only),
        )
        for one in signals
    )


def budget_of(signals: Iterable[Proposed], mapping: Iterable[Mapped]) -> tuple[float, float]:
    """Tell the samples per second of what a mapping reads, and the share of them that is kept."""
    said = {one.address: one for one in mapping}
    reading = [(one, said[one.address]) for one in signals if one.address in said and said[one.address].read]
    samples = math.fsum(one.changes_per_s for one, _ in reading)
    kept = math.fsum(
        one.offered_kept_per_s if of.deadband and of.deadband == one.offered_deadband else one.kept_per_s
        for one, of in reading
    )
    return samples, min(1.0, kept / samples) if samples else 1.0


def edit(mapping: Iterable[Mapped], settings: Iterable[str]) -> tuple[Mapped, ...]:
    """Apply `NAME.field=value` settings to a mapping; BadInput names the one that fits nothing."""
    held = list(mapping)
    for setting in settings:
        target, _, value = setting.partition("=")
        name, _, field = target.strip().rpartition(".")
        at = [place for place, one in enumerate(held) if name and name in (one.name, one.address)]
        if not at or not value:
            raise BadInput(
                f"{setting!r} sets nothing.",
                remedy="Write NAME.unit=kW, NAME.meaning=power, NAME.deadband=0.5 with a NAME of the proposal.",
            )
        try:
            fresh = msgspec.convert({"address": "", field: value.strip()}, Mapped, strict=False)
        except msgspec.ValidationError as fault:
            raise BadInput(f"{setting!r}: {fault}.", remedy=f"Fields are {', '.join(_FIELDS)}.") from fault
        for place in at:
            held[place] = replace(held[place], **{field: getattr(fresh, field)})
    return checked(held)


def checked(mapping: Iterable[Mapped]) -> tuple[Mapped, ...]:
    """Check a mapping; BadInput names the signal and what is wrong with it."""
    held = tuple(mapping)
    for one in held:
        where = one.name or one.address
        if one.unit and one.unit not in known_units() and not (one.unit.startswith("{") and one.unit.endswith("}")):
            raise BadInput(
                f"{where}: the unit {one.unit[:40]!r} is unknown.",
                remedy=f"Use one of {', '.join(sorted(known_units()))}, or your own in braces.",
            )
        if one.deadband is not None and not 0 <= one.deadband < math.inf:
            raise BadInput(f"{where}: the deadband is {one.deadband}.", remedy="Give 0 or more.")
        if one.period_s is not None and not 0.001 <= one.period_s <= 86_400:
            raise BadInput(f"{where}: the period is {one.period_s} s.", remedy="Give 0.001 to 86,400 s.")
        if len(one.name) > 200:
            raise BadInput(f"{where[:60]}…: the name has {len(one.name)} characters.", remedy="Use 200 at the most.")
    if len({one.address for one in held}) < len(held):
        raise BadInput("The mapping names an address twice.", remedy="Name each once.")
    return held


def write(mapping: Iterable[Mapped], *, endpoint: str) -> str:
    """Write a mapping as TOML, to be edited and given back."""
    lines = [f"# What is read from {endpoint}. Edit, then: interwork connect ENDPOINT --mapping THIS-FILE", ""]
    for one in mapping:
        lines.append("[[signal]]")
        for name, value in msgspec.to_builtins(one).items():
            if value is not None:
                lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
        lines.append("")
    return "\n".join(lines)


def read(text: str, *, where: str = "") -> tuple[Mapped, ...]:
    """Read a mapping from TOML; BadInput says where it is wrong."""
    try:
        held = tomllib.loads(text)
        return checked(msgspec.convert(held.get("signal", []), tuple[Mapped, ...]))
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as fault:
        raise BadInput(f"The mapping cannot be read: {fault}.", where=where, remedy="Mend it at that place.") from fault


_FIELDS = tuple(name for name in Mapped.__struct_fields__ if name != "address")
