"""A model's run as a table for a spreadsheet: its points, or how it went in time; units and digest stand with it."""

import csv
import io
from collections.abc import Iterable, Sequence

from interwork.core.design import ModelRun


def points_csv(run: ModelRun) -> str:
    """Write every point of a run: inputs, outputs at the end."""
    names = [*run.inputs[0], *run.outputs[0]]
    rows = ([*given.values(), *gave.values()] for given, gave in zip(run.inputs, run.outputs, strict=True))
    return _table(run, [f"{name} [{run.units[name]}]" for name in names], rows)


def course_csv(run: ModelRun) -> str:
    """Write how the outputs went in time, point by point; every communication point, or each so-many-th."""
    names = list(run.outputs[0])
    rows: Iterable[list[float]] = (
        [one.point + 1, at, *(one.values[name][row] for name in names)]
        for one in run.courses
        for row, at in enumerate(one.times_s)
    )
    return _table(run, ["point", "time [s]", *(f"{name} [{run.units[name]}]" for name in names)], rows)


def _table(run: ModelRun, heads: Sequence[str], rows: Iterable[Sequence[float]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_plain(one) for one in heads)
    writer.writerows(rows)
    steps = f"start {run.start_s:g} s, end {run.stop_s:g} s, step {run.step_s:g} s" if run.step_s else "no time"
    for told in (f"model {run.model_name}", f"model digest {run.model_digest}", f"result {run.digest}", steps):
        writer.writerow([_plain(f"# {told}")])
    return out.getvalue()


def _plain(text: str) -> str:
    """Keep a spreadsheet from taking a name for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
