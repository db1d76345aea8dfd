"""Revisions as Merkle nodes: a manifest over parents, files and characteristics, whose digest shows any change.

The manifest is canonical JSON (sorted keys, no spaces, NFC texts, numbers as decimal texts), so that anybody can
build it again from its parts; verifying needs nothing but the stored bytes. Comparing two revisions names what changed.
"""

import json
import unicodedata
from collections.abc import Callable, Iterator, Sequence

import msgspec

from interwork.core.design import Attachment, Characteristic, Geometry, ProcessPlan, Revision
from interwork.core.errors import Damaged
from interwork.core.ids import digest_of
from interwork.core.taxonomy import material_of
from interwork.design.files.pairing import pair
from interwork.design.geometry.shape import differences, is_same

FORMAT = "interwork-revision-1"
_DEEP = 10_000
_AGREE = 1e-6


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What changed from one revision to another."""

    is_same_shape: bool | None
    """None = one of them has no signature (open surfaces, drawings)."""
    shape: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    characteristics: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    cost: tuple[str, ...] = ()


def manifest(parents: Sequence[str], files: Sequence[Attachment], characteristics: Sequence[Characteristic]) -> bytes:
    """Write the manifest of a revision."""
    content = {
        "format": FORMAT,
        "parents": list(parents),
        "files": [{"name": _nfc(one.name), "digest": one.digest, "media_type": one.media_type} for one in files],
        "characteristics": [_plain(one) for one in characteristics],
    }
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(one: Characteristic) -> dict[str, object]:
    figures = {"nominal": one.nominal, "zone": one.zone, "lower": one.lower, "upper": one.upper}
    stated = {name: f"{value:.10g}" for name, value in figures.items() if value is not None}
    return {
        "id": one.id,
        "kind": one.kind,
        "name": _nfc(one.name),
        "key": one.key,
        "unit": one.unit,
        "datums": list(one.datums),
        **stated,
    }


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def files_of(revision: Revision) -> tuple[Attachment, ...]:
    """List the files of a revision, the design itself first."""
    own = Attachment(name=revision.file_name, digest=revision.file_digest, media_type=revision.media_type)
    return (own, *revision.attachments)


def verify(revision: Revision, read: Callable[[str], bytes], parents: Sequence[str]) -> None:
    """Hold a stored revision against its manifest, and every file against its digest; Damaged says what differs."""
    if not revision.manifest:
        raise Damaged(f"Revision {revision.id} has no manifest.", remedy="Record its file again.")
    held = read(revision.manifest)
    if digest_of(held) != revision.manifest:
        raise Damaged(f"The manifest of {revision.id} no longer has the content {revision.manifest}.")
    if manifest(parents, files_of(revision), revision.characteristics) != held:
        raise Damaged(
            f"The record of revision {revision.id} ({revision.file_name}) is not what its manifest says.",
            remedy="Restore the record from a backup; the manifest and the files are the truth.",
        )
    for one in files_of(revision):
        if digest_of(read(one.digest)) != one.digest:
            raise Damaged(f"{one.name} of revision {revision.id} no longer has the content {one.digest}.")


def history(digest: str, read: Callable[[str], bytes]) -> Iterator[str]:
    """Walk from a manifest to all before it, each held against its digest; needs the stored bytes and nothing else."""
    todo, seen = [digest], {digest}
    while todo and len(seen) < _DEEP:
        name = todo.pop()
        content = read(name)
        if digest_of(content) != name:
            raise Damaged(f"The manifest {name} no longer has its content.")
        try:
            parents = [str(one) for one in json.loads(content)["parents"]]
        except (ValueError, KeyError, TypeError) as fault:
            raise Damaged(f"The manifest {name} is none: {fault}.") from fault
        yield name
        todo += [one for one in parents if one not in seen]
        seen |= set(parents)


def compare(
    one: Revision, other: Revision, plans: tuple[ProcessPlan | None, ProcessPlan | None] = (None, None)
) -> Difference:
    """Tell what changed from one revision to another: files, stated values, figures, findings, cost."""
    before, after = one.geometry.signature, other.geometry.signature
    return Difference(
        is_same_shape=is_same(before, after) and _has_same_holes(one, other) if before and after else None,
        shape=tuple(differences(before, after)) if before and after else (),
        files=tuple(_files(one, other)),
        characteristics=tuple(_stated(one.characteristics, other.characteristics)),
        figures=tuple(_figures(one.geometry, other.geometry)),
        findings=tuple(_findings(*plans)),
        cost=tuple(_cost(*plans)),
    )


def _has_same_holes(one: Revision, other: Revision) -> bool:
    """Tell whether as many holes were recognised: a small one hardly moves the figures of a large part."""
    counts = _count(one.geometry), _count(other.geometry)
    return None in counts or counts[0] == counts[1]


def _files(one: Revision, other: Revision) -> Iterator[str]:
    before, after = ({file.digest: file.name for file in files_of(each)} for each in (one, other))
    for digest, name in before.items():
        if digest not in after:
            yield f"{name} ({digest[7:15]}…) is no longer there."
    for digest, name in after.items():
        if digest not in before:
            yield f"{name} ({digest[7:15]}…) is new."


def _stated(one: Sequence[Characteristic], other: Sequence[Characteristic]) -> Iterator[str]:
    paired = pair(one, other)
    left, right = list(paired.only_one), list(paired.only_other)
    for each in left:
        partner = next((found for found in right if (found.kind, found.name) == (each.kind, each.name)), None)
        if partner is None:
            yield f"{_named(each)} is gone: {_said(each)}."
            continue
        right.remove(partner)
        yield f"{_named(each)}: {_said(each)} → {_said(partner)}."
    for each in right:
        yield f"{_named(each)} is new: {_said(each)}."
    for both in paired.pairs:
        if both.differs:
            former, latter = "|".join(both.one.datums) or "none", "|".join(both.other.datums) or "none"
            yield f"{_named(both.one)}: datums {former} → {latter}."


def _named(one: Characteristic) -> str:
    return f"{one.kind.replace('_', ' ')} «{one.name}»"


def _said(one: Characteristic) -> str:
    if one.zone is not None:
        return f"{one.zone:g} {one.unit}" + (f" to {'|'.join(one.datums)}" if one.datums else "")
    limits = "" if one.lower is None or one.upper is None else f" {one.lower:+g}/{one.upper:+g}"
    return f"{one.nominal if one.nominal is not None else 0.0:g}{limits} {one.unit}"


def _figures(one: Geometry, other: Geometry) -> Iterator[str]:
    pairs: list[tuple[str, float | None, float | None, str]] = [
        ("volume", one.volume_mm3, other.volume_mm3, "mm³"),
        ("area", one.area_mm2, other.area_mm2, "mm²"),
        ("bodies", one.bodies, other.bodies, ""),
        ("set-ups", one.setups, other.setups, ""),
        ("typical wall", one.wall_mm and one.wall_mm[1], other.wall_mm and other.wall_mm[1], "mm"),
        ("smallest inside radius", one.corner_mm, other.corner_mm, "mm"),
        ("bends", one.bends, other.bends, ""),
        ("holes", _count(one), _count(other), ""),
    ]
    pairs += [(f"size along {axis}", a, b, "mm") for axis, a, b in zip("XYZ", one.box_mm, other.box_mm, strict=True)]
    for name, before, after, unit in pairs:
        if before is None or after is None:
            if before is not after:
                yield f"{name}: {_shown(before, unit)} → {_shown(after, unit)}."
        elif abs(after - before) > _AGREE * max(abs(before), abs(after)):
            share = f" ({after / before - 1:+.2%})" if before else ""
            yield f"{name}: {_shown(before, unit)} → {_shown(after, unit)}{share}."


def _count(one: Geometry) -> int | None:
    return None if one.holes is None else len(one.holes)


def _shown(value: float | None, unit: str) -> str:
    return "not recognised" if value is None else f"{value:.6g} {unit}".strip()


def _findings(one: ProcessPlan | None, other: ProcessPlan | None) -> Iterator[str]:
    if one is None or other is None:
        return
    before, after = {each.text for each in one.found}, {each.text for each in other.found}
    for each in one.found:
        if each.text not in after:
            yield f"No longer: {each.text}"
    for each in other.found:
        if each.text not in before:
            yield f"New: {each.text}"


def _cost(one: ProcessPlan | None, other: ProcessPlan | None) -> Iterator[str]:
    """Compare what two plans take; the price of the material is an assumption of its table."""
    if one is None or other is None:
        return
    after = {each.what: each for each in other.estimates}
    for each in one.estimates:
        partner = after.get(each.what)
        if partner is not None and partner.likely != each.likely:
            share = f" ({partner.likely / each.likely - 1:+.1%})" if each.likely else ""
            yield f"{each.what}: {each.likely:.4g} → {partner.likely:.4g} {each.unit}{share}."
    prices = [plan.stock_mass_kg * material_of(plan.material).price_eur_kg for plan in (one, other)]
    if abs(prices[0] - prices[1]) > 0.005:
        yield f"material per part: {prices[0]:.2f} → {prices[1]:.2f} EUR (assumed prices)."
