"""One signal's sealed rows, read from their files without the database: it would plan longer than it reads.

A file is sorted, so its footer tells which row groups can hold a signal, and only those are read. That is done where
nothing else has a say in the answer: the files are on this disk, whole, and nothing unsealed is asked for. Any other
question goes to the database, which gives the same answer.
"""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from interwork.core.errors import Damaged
from interwork.stream.historian.lake import Sealed

ROWS_MAX = 2_000_000
"""Rows of row groups read for a question at the most; where there are more the database is asked."""
GROUPS_KEPT = 20_000
"""Row groups whose footers are kept: some 20 MB."""

Figures = dict[str, npt.NDArray[Any]]
"""Columns by name."""
Wanted = dict[str, tuple[int, int]]
"""By name of a column of whole numbers, the first and the last value wanted, both inclusive."""
LEAST, GREATEST = -(1 << 63), (1 << 63) - 1


class Footer(NamedTuple):
    """What a file's end tells: its own words, and per row group the least and greatest of some columns."""

    metadata: pq.FileMetaData
    least: Figures
    greatest: Figures
    rows: npt.NDArray[np.int64]

    def groups(self, wanted: Wanted) -> npt.NDArray[np.int64]:
        """List the row groups that may hold wanted values."""
        may = np.ones(len(self.rows), np.bool_)
        for name, (first, last) in wanted.items():
            may &= (self.least[name] <= last) & (self.greatest[name] >= first)
        return np.flatnonzero(may)

    def unsure(self, groups: npt.NDArray[np.int64], wanted: Wanted) -> Wanted:
        """Leave out of what is wanted the columns of which row groups hold nothing else."""
        return {
            name: (first, last)
            for name, (first, last) in wanted.items()
            if (self.least[name][groups] < first).any() or (self.greatest[name][groups] > last).any()
        }


class Direct:
    """Reads sealed files, and remembers their footers."""

    def __init__(self) -> None:
        self._footers: dict[Path, Footer] = {}

    def read(self, sealed: Sealed, table: str, columns: Sequence[str], wanted: Wanted) -> Figures | None:
        """Read columns of the rows that hold wanted values, `time_us` among them; None where the database is to."""
        first, last = wanted["time_us"]
        files = sealed.of(table, first, last + 1)
        if sealed.store or any(file.has_drops for file in files):
            return None
        footers = [self._footer(sealed.path(file), tuple(wanted)) for file in files]
        groups = [footer.groups(wanted) for footer in footers]
        if sum(int(footer.rows[some].sum()) for footer, some in zip(footers, groups, strict=True)) > ROWS_MAX:
            return None
        parts = [dict.fromkeys(columns, np.empty(0))]
        for file, footer, some in zip(files, footers, groups, strict=True):
            if len(some):
                unsure = footer.unsure(some, wanted)
                names = list(dict.fromkeys([*columns, *unsure]))
                parts.append(_kept(_rows(sealed.path(file), footer, some, names), columns, unsure))
        return together(parts)

    def _footer(self, path: Path, names: Iterable[str]) -> Footer:
        found = self._footers.get(path)
        if found is None:
            found = _footer_of(path, names)
            if sum(len(footer.rows) for footer in tuple(self._footers.values())) > GROUPS_KEPT:
                self._footers.clear()
            self._footers[path] = found
        return found


def _footer_of(path: Path, names: Iterable[str]) -> Footer:
    with _telling(path):
        metadata = pq.read_metadata(path)
        groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
        places = {name: metadata.schema.names.index(name) for name in names}
        bounds = {name: [group.column(place).statistics for group in groups] for name, place in places.items()}
    return Footer(
        metadata,
        {name: np.array([LEAST if one is None else one.min for one in some]) for name, some in bounds.items()},
        {name: np.array([GREATEST if one is None else one.max for one in some]) for name, some in bounds.items()},
        np.array([group.num_rows for group in groups]),
    )


def _rows(path: Path, footer: Footer, groups: npt.NDArray[np.int64], names: list[str]) -> pa.Table:
    with _telling(path), pq.ParquetFile(path, metadata=footer.metadata) as file:
        return file.read_row_groups(groups.tolist(), columns=names, use_threads=False)


@contextmanager
def _telling(path: Path) -> Generator[None, None, None]:
    """Say that a file is no whole Parquet file; faults of the disk go on as they are."""
    try:
        yield
    except (pa.ArrowException, OSError) as fault:
        if isinstance(fault, OSError) and fault.errno is not None:
            raise
        raise Damaged(
            f"{path} cannot be read: {str(fault)[:200]}.", remedy="Restore the folder of readings from a backup."
        ) from fault


def _kept(table: pa.Table, columns: Sequence[str], unsure: Wanted) -> Figures:
    """Keep the wanted rows of what was read."""
    figures = {name: table[name].to_numpy() for name in columns}
    keep = np.ones(len(table), np.bool_)
    for name, (first, last) in unsure.items():
        column = table[name].to_numpy()
        keep &= (column >= first) & (column <= last)
    return chosen(figures, keep)


def chosen(figures: Figures, keep: npt.NDArray[np.bool_]) -> Figures:
    """Keep some rows; without a copy where they lie side by side."""
    if keep.all():
        return figures
    rows = np.flatnonzero(keep)
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        return {name: column[rows[0] : rows[-1] + 1] for name, column in figures.items()}
    return {name: column[rows] for name, column in figures.items()}


def together(parts: Sequence[Figures]) -> Figures:
    """Put the rows of several behind one another; those without rows tell no types."""
    some = [part for part in parts if len(next(iter(part.values())))] or list(parts[:1])
    if len(some) == 1:
        return some[0]
    return {name: np.concatenate([part[name] for part in some]) for name in some[0]}
