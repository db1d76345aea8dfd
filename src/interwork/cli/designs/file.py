"""Looking at a design file on this machine: measures, stated values, findings, a plan; and two files side by side."""

import argparse
from pathlib import Path
from typing import Any

import anyio
import msgspec

from interwork.cli.calls import Remote, show
from interwork.core.clock import now
from interwork.core.design import Characteristic, Geometry, ProcessPlan, Revision
from interwork.core.errors import BadInput
from interwork.core.ids import derived_id, digest_of
from interwork.design import Analysis, Known, Reading, draft_process_plan, read_file
from interwork.design.files.revision import Difference, compare


def _read(path: Path) -> tuple[bytes, Reading]:
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise BadInput(f"{path} cannot be read: {fault.strerror}.", remedy="Give the path of a design file.") from fault
    return content, anyio.run(read_file, content, path.name)


def look(arguments: argparse.Namespace) -> int:
    """Measure one file and print what is found; with a material, plan it too."""
    _, reading = _read(Path(arguments.what))
    plan = _plan(arguments, reading.analysis) if reading.analysis and arguments.material else None
    if arguments.json:
        show(_plain(reading, plan))
        return 0
    if reading.quality is not None:
        quality = reading.quality
        print(f"QIF {quality.version}  {quality.product}  in {quality.unit}")
        print(f"{len(quality.items)} items, {len(quality.results)} values on {len(quality.parts)} parts")
        _print_stated(quality.characteristics)
    if reading.model is not None:
        model = reading.model
        print(f"FMU  {model.name}  FMI {model.fmi_version}  {', '.join(model.kinds)}  by {model.tool}")
        for one in model.variables:
            print(f"  {one.causality:<10} {one.name} {one.unit}")
    if reading.analysis is not None:
        _print_measures(reading.analysis.geometry)
        _print_stated(reading.analysis.characteristics)
    if plan is not None:
        print_plan(msgspec.to_builtins(plan))
    return 0


def _plan(arguments: argparse.Namespace, analysis: Analysis) -> ProcessPlan:
    known = Known(
        characteristics=analysis.characteristics,
        process_class=arguments.process_class,
        thickness_mm=arguments.thickness,
    )
    geometry = analysis.geometry
    if arguments.body is not None:
        if not 1 <= arguments.body <= len(geometry.distinct):
            raise BadInput(f"There is no body {arguments.body}.", remedy=f"Give 1 to {len(geometry.distinct)}.")
        alone = geometry.distinct[arguments.body - 1].geometry
        geometry = Geometry(**msgspec.structs.asdict(alone)) if alone else geometry
    return draft_process_plan(
        "here", geometry, arguments.material, arguments.quantity, arguments.tolerance, at=now(), known=known
    )


def _plain(reading: Reading, plan: ProcessPlan | None) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": reading.kind, "media_type": reading.media_type}
    if reading.analysis is not None:
        found |= {
            "geometry": msgspec.to_builtins(reading.analysis.geometry),
            "text": reading.analysis.text,
            "characteristics": msgspec.to_builtins(reading.analysis.characteristics),
        }
    if reading.quality is not None:
        found["quality"] = msgspec.to_builtins(reading.quality)
    if reading.model is not None:
        found["model"] = msgspec.to_builtins(reading.model)
    if plan is not None:
        found["plan"] = msgspec.to_builtins(plan)
    return found


def _print_measures(shape: Geometry) -> None:
    size = " × ".join(f"{side:.5g}" for side in shape.box_mm)
    print(f"Size        {size} mm   (the file's unit: {shape.unit})")
    if shape.flat is not None:
        flat = shape.flat
        print(f"Flat        {flat.outline_area_mm2:.6g} mm², {flat.cut_length_mm:.6g} mm to cut, {flat.holes} holes")
    else:
        print(f"Volume      {shape.volume_mm3 / 1000:.6g} cm³   area {shape.area_mm2 / 100:.6g} cm²")
    print(f"Bodies      {shape.bodies}{'' if shape.is_closed else ', not closed'}")
    for one in shape.distinct if shape.bodies > 1 else ():
        print(f"  {one.count} × {one.name or 'body'}  {one.volume_mm3 / 1000:.5g} cm³")
    if shape.holes is not None:
        print(f"Holes       {len(shape.holes)}")
    if shape.wall_mm is not None:
        print(f"Walls       thinnest {shape.wall_mm[0]:.3g} mm, typical {shape.wall_mm[1]:.3g} mm")
        ways = ", ".join(shape.approaches)
        print(f"Set-ups     {shape.setups} ({ways}), {shape.unreached_share:.1%} out of reach")
    for note in shape.notes:
        print(f"  - {note}")


def _print_stated(stated: tuple[Characteristic, ...]) -> None:
    for one in stated:
        zone = "" if one.zone is None else f"{one.zone:g} {one.unit}"
        limits = "" if one.lower is None or one.upper is None else f" {one.lower:+g}/{one.upper:+g}"
        nominal = "" if one.nominal is None else f"{one.nominal:g}{limits} {one.unit}"
        print(f"  {one.key:<8} {one.kind:<18} {zone}{nominal}  {'|'.join(one.datums)}  {one.name}")


def print_plan(plan: dict[str, Any]) -> None:
    """Print a plan for people."""
    print(f"\n{plan['process_class'].capitalize()}, version {plan['version']}  {plan['id']}")
    for reason in plan["reasons"]:
        print(f"  {reason}")
    for number, one in enumerate(plan["operations"], 1):
        span = f"{one['machining_low_s']:.0f} – {one['machining_s']:.0f} – {one['machining_high_s']:.0f} s"
        print(f"  {number:>2}. {one['name']:<34} {one['process']:<18} {span:<28} {one['id']}")
    for one in plan["estimates"]:
        print(f"  {one['what']:<12} {one['low']:.4g} – {one['likely']:.4g} – {one['high']:.4g} {one['unit']}")
    for one in plan["found"]:
        print(f"  [{one['severity']}, {one['limit_of']}] {one['text']}")


def diff(arguments: argparse.Namespace, more: list[str]) -> int:
    """Compare two files here, or two revisions of the node."""
    if len(more) != 2:
        raise BadInput("Two are compared.", remedy="Give two files, or two revisions by their ids.")
    if Path(more[0]).exists() and Path(more[1]).exists():
        found = msgspec.to_builtins(_diff_files(arguments, Path(more[0]), Path(more[1])))
    else:
        found = Remote(arguments.data).get(f"/api/designs/{more[0]}/diff/{more[1]}")
    if arguments.json:
        show(found)
        return 0
    same = {True: "the same shape", False: "another shape", None: "shapes that cannot be compared"}
    print(f"They have {same[found['is_same_shape']]}.")
    for name in ("shape", "files", "characteristics", "figures", "findings", "cost"):
        for line in found[name]:
            print(f"  {name:<16} {line}")
    return 0


def _diff_files(arguments: argparse.Namespace, one: Path, other: Path) -> Difference:
    made = [_as_revision(path) for path in (one, other)]
    plans: list[ProcessPlan | None] = [None, None]
    if arguments.material:
        plans = [
            draft_process_plan(
                revision.id,
                revision.geometry,
                arguments.material,
                arguments.quantity,
                arguments.tolerance,
                at=now(),
                known=Known(characteristics=revision.characteristics, thickness_mm=arguments.thickness),
            )
            for revision in made
        ]
    return compare(made[0], made[1], (plans[0], plans[1]))


def _as_revision(path: Path) -> Revision:
    content, reading = _read(path)
    if reading.analysis is None:
        raise BadInput(f"{path.name} has no shape to compare.", remedy="Give STEP, IGES, STL, 3MF or DXF files.")
    digest = digest_of(content)
    return Revision(
        id=derived_id("rev", digest),
        design="",
        file_name=path.name,
        file_digest=digest,
        media_type=reading.media_type,
        created_at=now(),
        geometry=reading.analysis.geometry,
        characteristics=reading.analysis.characteristics,
    )
