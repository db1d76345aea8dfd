"""Tables in a watched folder: CSV and JSON lines that grow, Parquet that arrives; every column is a signal.

`file:///folder/pattern*.csv` names what is read; new files are found, and what is added to old ones is taken. An
address is the column's heading (in long tables the signal's name), so that a file a day is one set of signals.
Only files below the folders of the option `folders` are read, wherever a link leads: it is the configuration's word,
not the endpoint's, so that who may connect a machine cannot read what else the node can.
Lines are read in pieces of bounded size; a cell that does not fit is bad, a row without a time is counted.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

import anyio
import msgspec
from anyio import to_thread

from interwork.connectors import FLUSH_READINGS, Found, Point
from interwork.connectors.endpoint import check_options, number_option, text_option
from interwork.connectors.files.source import Place, Source, Unreadable
from interwork.connectors.files.table import Reader, Row, Shape, found_in, readers, take_row
from interwork.connectors.leaves import time_rule
from interwork.core.errors import BadInput, MachineUnreachable, Refused
from interwork.core.resource import Batch, BatchBuilder

FILES_MAX = 1_000
SAMPLE_ROWS = 200
_OPTIONS = ("interval_s", "time", "time_format", "zone", "signal", "value", "delimiter", "decimal", "from", "folders")


class FilesConnector:
    """Reads `file:///absolute/folder/pattern`."""

    resumes = True
    """How far each file was read is kept between links."""

    def __init__(self, endpoint: str, options: Mapping[str, Any]) -> None:
        check_options(options, _OPTIONS)
        parts = urlsplit(endpoint.replace("?", "%3F").replace("#", "%23"))
        self._pattern = unquote(parts.path)
        folder, _, name = self._pattern.rpartition("/")
        is_file = parts.scheme == "file" and parts.netloc in ("", "localhost") and self._pattern.startswith("/")
        if not is_file or not name or set("*?[") & set(folder):
            raise BadInput(
                f"{endpoint!r} names no files.",
                remedy="Write file:///folder/*.csv: a path from the root, a pattern at its end.",
            )
        self._folders = [Path(one) for one in options.get("folders") or ()]
        self._interval_s = number_option(options, "interval_s", 2, low=0.05, high=86_400)
        where = text_option(options, "from", "beginning")
        if where not in ("beginning", "end"):
            raise BadInput(f"The option from is {where!r}.", remedy="Give beginning or end.")
        self._is_from_end = where == "end"
        self._shape = _shape(options)
        self._is_zone_said = "zone" in options
        self._is_zoneless = False
        """Times were found that name no zone."""
        self._sources: dict[str, Source] = {}
        self._outside: set[Path] = set()
        self._given: dict[str, Place] = {}
        self._is_first_look = True
        self._is_resumed = False
        self.counters: Counter[str] = Counter()
        """What was not read, and why: rows without a time, rows that are no rows, files that cannot be read."""

    async def __aenter__(self) -> Self:
        """Look at the folder; MachineUnreachable where it is not there."""
        self._is_resumed = bool(self._sources or self._given)
        await to_thread.run_sync(self._look)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave; no file is held open."""

    def _look(self) -> list[Source]:
        """List the files that match, oldest name first; what is new from now on is read from its beginning."""
        folder = Path(self._pattern).parent
        self._check_allowed(folder)
        if not folder.is_dir():
            raise MachineUnreachable(f"{folder} is no folder.", remedy="Make it, or name another.", where=self._pattern)
        names = sorted(str(path) for path in folder.glob(Path(self._pattern).name) if self._is_taken(path))
        if len(names) > FILES_MAX:
            raise MachineUnreachable(
                f"{self._pattern} matches {len(names)} files; {FILES_MAX} are watched at the most.",
                remedy="Move old files away, or narrow the pattern.",
            )
        for name in names:
            if name not in self._sources:
                self._sources[name] = Source(Path(name), self._shape)
                if name in self._given:
                    self._sources[name].go_on(self._given[name])
                elif self._is_first_look and self._is_from_end:
                    self._sources[name].skip()
        self._given, self._is_first_look = {}, False
        for gone in self._sources.keys() - set(names):
            del self._sources[gone]
        return [self._sources[name] for name in names]

    def place(self) -> str:
        """Tell how far each file was read."""
        return msgspec.json.encode({name: one.place() for name, one in self._sources.items()}).decode()

    def go_on(self, place: str) -> None:
        """Read on from where another one stopped, file by file."""
        try:
            self._given, self._is_first_look = msgspec.json.decode(place, type=dict[str, Place]), False
        except msgspec.MsgspecError as fault:
            raise BadInput(f"{place[:40]!r} says of no files how far they were read.", where=str(fault)) from fault

    def _check_allowed(self, folder: Path) -> None:
        """Refuse a folder that is not below one that may be read; links are followed first."""
        if self._is_allowed(folder):
            return
        allowed = ", ".join(str(one) for one in self._folders) or "none"
        raise Refused(
            f"{folder} is outside the folders that file:// machines may be read from ({allowed}).",
            rule="files.folder",
            where=self._pattern,
            remedy="Put the files there, or name their folder as file_folders in node.toml.",
        )

    def _is_allowed(self, path: Path) -> bool:
        place = path.resolve()
        return any(place.is_relative_to(one.resolve()) for one in self._folders)

    def _is_taken(self, path: Path) -> bool:
        """Tell whether a name is a file that may be read; links that lead out are counted."""
        if not path.is_file():
            return False
        if path.is_symlink() and not self._is_allowed(path):
            self._outside.add(path)
            self.counters["outside"] = len(self._outside)
            return False
        return True

    @property
    def remarks(self) -> list[str]:
        """Say what a person should know of these files."""
        if not self._is_zoneless or self._is_zone_said:
            return []
        return [
            "Its times name no zone and are taken as UTC. If they are local, name the zone: option zone=Europe/Berlin."
        ]

    async def browse(self) -> list[Found]:
        """Propose signals from the first rows of every file."""
        return await to_thread.run_sync(self._browse)

    def _browse(self) -> list[Found]:
        found: dict[str, Found] = {}
        faults = []
        for source in self._look():
            try:
                fresh = Source(source.path, self._shape)
                rows, columns = fresh.sample(SAMPLE_ROWS)
                self._is_zoneless |= any(self._shape.names_no_zone(row.get(fresh.time_column)) for row in rows)
                for one in found_in(rows, columns, self._shape, fresh.delimiter):
                    known = found.setdefault(one.address, one)
                    if one.is_text and not known.is_text:
                        found[one.address] = one
            except (Unreadable, BadInput) as fault:
                faults.append(f"{source.path.name}: {fault.message}")
        if not found:
            raise MachineUnreachable(
                f"{self._pattern} holds no table that can be read. {' '.join(faults)}".strip(),
                remedy="Give CSV with headings, JSON lines or Parquet, with a column of times.",
            )
        return list(found.values())

    async def readings(self, points: Sequence[Point]) -> AsyncGenerator[Batch, None]:
        """Yield what the files hold, then what is added, for ever."""
        wanted = readers(points)
        builder = BatchBuilder()
        if self._is_resumed:
            self._is_resumed = False
            yield builder.take()
        while True:
            for source in await to_thread.run_sync(self._look):
                pieces = self._pieces(source, wanted, builder)
                while await to_thread.run_sync(next, pieces, None) is not None:
                    if len(builder):
                        yield builder.take()
            await anyio.sleep(self._interval_s)

    def _pieces(self, source: Source, wanted: Mapping[str, list[Reader]], builder: BatchBuilder) -> Iterator[bool]:
        """Take one file's new rows a piece at a time; a file that cannot be read is counted and tried again."""
        try:
            for row in source.rows():
                self._take(row, source, wanted, builder)
                if len(builder) >= FLUSH_READINGS:
                    yield True
        except (Unreadable, BadInput):
            self.counters["unreadable"] += 1
        if len(builder):
            yield True

    def _take(self, row: Row | None, source: Source, wanted: Mapping[str, list[Reader]], builder: BatchBuilder) -> None:
        if row is None:
            self.counters["malformed"] += 1
        elif why := take_row(row, (source.time_column, source.decimal), self._shape, wanted, builder):
            self.counters[why] += 1


def _shape(options: Mapping[str, Any]) -> Shape:
    form = text_option(options, "time_format", "auto")
    pattern, zone = form if "%" in form else "", text_option(options, "zone", "UTC")
    try:
        ZoneInfo(zone)
        datetime(2026, 1, 1, tzinfo=UTC).strftime(pattern)
    except (ValueError, OSError, KeyError) as fault:
        raise BadInput(f"The zone {zone!r} or the time_format {form!r} is none: {fault}.") from fault
    shape = Shape(
        time=text_option(options, "time"),
        rule=time_rule("", "auto" if pattern else form),
        pattern=pattern,
        zone=zone,
        signal=text_option(options, "signal"),
        value=text_option(options, "value"),
        delimiter=text_option(options, "delimiter"),
        decimal=text_option(options, "decimal"),
    )
    if bool(shape.signal) != bool(shape.value):
        raise BadInput("Of signal and value one is missing.", remedy="A long table needs both columns named.")
    if shape.decimal not in ("", ".", ",") or len(shape.delimiter) > 1:
        raise BadInput("The decimal mark is a point or a comma, the delimiter one character.")
    return shape
