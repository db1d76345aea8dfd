"""Revisions are immutable: the manifest shows any change, and a comparison names what changed."""

import json

import pytest
from design_shapes import AT, geometry, hole
from msgspec.structs import replace

from interwork.core.design import Attachment, Characteristic, Revision, Signature
from interwork.core.errors import Damaged
from interwork.core.ids import digest_of
from interwork.design import draft_process_plan
from interwork.design.files.pairing import pair
from interwork.design.files.revision import compare, files_of, history, manifest, verify

BORE = Characteristic(id="c1", kind="diameter", name="Bore", key="#7", nominal=30.0, lower=-0.1, upper=0.1)
FLAT = Characteristic(id="c2", kind="flatness", name="Top", key="#9", zone=0.2, datums=("A",))
SIGNATURE = Signature(volume_mm3=1e5, area_mm2=2e4, box_mm=(10.0, 20.0, 30.0), moments_mm5=(1e7, 2e7, 3e7))


class Bytes(dict):
    """Stored bytes by digest."""

    def put(self, content):
        self[digest_of(content)] = content
        return digest_of(content)


def recorded(held, *, parents=(), file=b"step", characteristics=(BORE, FLAT), shape=None):
    revision = Revision(
        id=f"rev-{digest_of(file)[7:15]}",
        design="design-1",
        file_name="part.step",
        file_digest=held.put(file),
        media_type="model/step",
        created_at=AT,
        geometry=shape or geometry(signature=SIGNATURE),
        characteristics=characteristics,
    )
    return replace(revision, manifest=held.put(manifest(parents, files_of(revision), characteristics)))


def test_the_manifest_is_canonical_and_holds_no_binary_fraction():
    held = Bytes()
    text = held[recorded(held).manifest]
    assert text == json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    assert json.loads(text)["characteristics"][0]["upper"] == "0.1"
    assert recorded(held).manifest == recorded(held).manifest


def test_a_change_of_any_stored_byte_is_detected():
    """design 32: manifest, file or record."""
    held = Bytes()
    revision = recorded(held)
    verify(revision, held.__getitem__, ())
    for name in (revision.manifest, revision.file_digest):
        broken = Bytes({**held, name: held[name].replace(b"e", b"E", 1)})
        with pytest.raises(Damaged):
            verify(revision, broken.__getitem__, ())
    for changed in (
        replace(revision, characteristics=(replace(BORE, upper=0.2), FLAT)),
        replace(revision, file_name="other.step"),
        replace(revision, attachments=(Attachment(name="x", digest="y", media_type="z"),)),
        replace(revision, manifest=""),
    ):
        with pytest.raises(Damaged):
            verify(changed, held.__getitem__, ())


def test_the_history_is_verified_offline_from_the_stored_bytes_alone():
    """design 32: every manifest before it is held against its digest."""
    held = Bytes()
    one = recorded(held)
    two = recorded(held, parents=(one.manifest,), file=b"newer")
    assert list(history(two.manifest, held.__getitem__)) == [two.manifest, one.manifest]
    held[one.manifest] = held[one.manifest] + b" "
    with pytest.raises(Damaged):
        list(history(two.manifest, held.__getitem__))


def test_a_comparison_names_changed_tolerances_figures_findings_and_cost():
    """design 33: what changed, with both numbers."""
    held = Bytes()
    old = recorded(held)
    shape = geometry(
        box_mm=(130.0, 80.0, 25.0), holes=(hole(0.5, 1.0),), signature=replace(SIGNATURE, volume_mm3=1.1e5)
    )
    new = recorded(held, file=b"new", shape=shape, characteristics=(replace(BORE, upper=0.05), replace(FLAT, zone=0.1)))
    plans = tuple(draft_process_plan(one.id, one.geometry, "al-6061", 5, 0.1, at=AT) for one in (old, new))
    found = compare(old, new, plans)
    assert found.is_same_shape is False
    assert any("volume 100000 → 110000 mm³ (+10.000%)" in line for line in found.shape)
    assert "diameter «Bore»: 30 -0.1/+0.1 mm → 30 -0.1/+0.05 mm." in found.characteristics
    assert "flatness «Top»: 0.2 mm to A → 0.1 mm to A." in found.characteristics
    assert any(line.startswith("size along X: 120 mm → 130 mm") for line in found.figures)
    assert any(line.startswith("New: Holes under Ø1 mm") for line in found.findings)
    assert any(line.startswith("material per part:") for line in found.cost)
    assert len(found.files) == 2


def test_the_same_shape_in_other_bytes_is_told_and_a_lost_hole_is_not_overlooked():
    """design 31: another header is another revision of the same shape."""
    held = Bytes()
    one, other = recorded(held), recorded(held, file=b"other header")
    assert one.id != other.id
    assert compare(one, other).is_same_shape
    fewer = replace(other, geometry=geometry(signature=SIGNATURE, holes=()))
    assert not compare(one, fewer).is_same_shape
    assert compare(one, replace(other, geometry=geometry())).is_same_shape is None


def test_characteristics_pair_one_to_one_and_say_where_datums_differ():
    found = pair((BORE, BORE, FLAT), (replace(BORE, id="x"), replace(FLAT, datums=("B",))))
    assert [(one.is_interchangeable, one.differs) for one in found.pairs] == [(True, ()), (False, ("datums",))]
    assert len(found.only_one) == 1
