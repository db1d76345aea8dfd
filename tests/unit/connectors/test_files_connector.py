"""Watched files: what grows, what is replaced, what is broken, and the real tables people have."""

import os
from contextlib import aclosing
from pathlib import Path

import anyio
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.connectors import BAD_TYPE, Point
from interwork.connectors.files import FilesConnector
from interwork.connectors.files.source import Source
from interwork.connectors.files.table import Shape, cell_reading, found_in
from interwork.core.errors import BadInput, InterworkError, MachineUnreachable, Refused
from interwork.core.resource import BAD_NO_DATA, GOOD, Meaning

SHARED = Path(os.environ.get("INTERWORK_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data"))
HEAD = "time,Spindle speed [rpm],Execution\n"
ROWS = "2026-01-05T08:00:00Z,1200,running\n2026-01-05T08:00:01Z,,idle\n"


def connector(path, **options):
    return FilesConnector(f"file://{path}", {"interval_s": 0.05, "folders": [Path(path).parent], **options})


POINTS = [
    Point(number=1, address="Spindle speed [rpm]"),
    Point(number=2, address="Execution", is_text=True),
]


async def taken(reader, points, count):
    """Collect (signal, seconds, value or text, quality) until there are so many."""
    got = []
    with anyio.fail_after(30):
        async with aclosing(reader.readings(points)) as batches:
            while len(got) < count:
                got += rows_of(await anext(batches))
    return got


def rows_of(batch):
    texts = batch.text or [None] * len(batch)
    columns = zip(batch.signal, batch.time_us, batch.value, texts, batch.quality, strict=True)
    return [(signal, time_us // 1_000_000, text or value, quality) for signal, time_us, value, text, quality in columns]


async def test_headings_become_signals_with_units_and_meanings(tmp_path):
    (tmp_path / "a.csv").write_text(HEAD + ROWS)
    async with connector(tmp_path / "*.csv") as reader:
        speed, execution = await reader.browse()
    assert (speed.name, speed.unit, speed.meaning) == ("Spindle speed", "{rpm}", Meaning.SPINDLE_SPEED)
    assert (execution.is_text, execution.meaning) == (True, Meaning.EXECUTION)


async def test_what_the_file_holds_comes_first_and_an_empty_cell_is_no_data(tmp_path):
    (tmp_path / "a.csv").write_text(HEAD + ROWS)
    async with connector(tmp_path / "*.csv") as reader:
        got = await taken(reader, POINTS, 4)
    start = 1_767_600_000
    assert got[0] == (1, start, 1200.0, GOOD)
    assert got[1] == (2, start, "ACTIVE", GOOD)
    assert (got[2][1], got[2][3]) == (start + 1, BAD_NO_DATA)


async def test_a_line_without_its_end_waits_for_it(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text(HEAD + "2026-01-05T08:00:00Z,1,idle\n2026-01-05T08:00:01Z,2")
    async with connector(file) as reader, aclosing(reader.readings(POINTS[:1])) as batches:
        with anyio.fail_after(30):
            assert [row[2] for row in rows_of(await anext(batches))] == [1.0]
            with file.open("a") as more:
                more.write("2,idle\n2026-01-05T08:00:02Z,3,idle\n")
            assert [row[2] for row in rows_of(await anext(batches))] == [22.0, 3.0]


async def test_a_file_that_was_replaced_is_read_from_its_beginning_and_a_new_one_is_found(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text(HEAD + ROWS)
    async with connector(tmp_path / "*.csv") as reader, aclosing(reader.readings(POINTS[:1])) as batches:
        with anyio.fail_after(30):
            await anext(batches)
            file.unlink()
            file.write_text(HEAD + "2026-01-05T09:00:00Z,7,idle\n")
            assert rows_of(await anext(batches))[0][2] == 7.0
            (tmp_path / "b.csv").write_text(HEAD + "2026-01-05T10:00:00Z,8,idle\n")
            assert rows_of(await anext(batches))[0][2] == 8.0


@pytest.mark.parametrize(
    "anew",
    [
        pytest.param(HEAD + "2026-01-05T09:00:00Z,7,idle\n" * 3, id="longer"),
        pytest.param(HEAD + ROWS.replace("1200", "7   ").replace("idle", "hold"), id="as long"),
    ],
)
async def test_a_file_that_is_written_anew_in_its_place_is_read_from_its_beginning(tmp_path, anew):
    """Loggers that keep the last rows, and rotation by copy and truncate, leave the file's number as it is."""
    file = tmp_path / "a.csv"
    file.write_text(HEAD + ROWS)
    number = file.stat().st_ino
    async with connector(file) as reader, aclosing(reader.readings(POINTS[:1])) as batches:
        with anyio.fail_after(30):
            await anext(batches)
            file.write_text(anew)
            os.utime(file, (0, 0))  # another time of change, whatever the clock's grain
            assert rows_of(await anext(batches))[0][2] == 7.0
            with file.open("a") as more:
                more.write("2026-01-05T09:30:00Z,8,idle\n")
            assert [row[2] for row in rows_of(await anext(batches))] == [8.0]
    assert (file.stat().st_ino, dict(reader.counters)) == (number, {})


async def test_a_place_is_gone_on_from_only_where_the_file_is_still_the_one_that_was_read(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text(HEAD + ROWS)
    async with connector(file) as reader:
        await taken(reader, POINTS[:1], 2)
        place = reader.place()
    for added, value in (
        (HEAD + ROWS + "2026-01-05T08:00:02Z,3,idle\n", 3.0),
        (HEAD + ROWS.replace("1200", "5") * 2, 5.0),
    ):
        file.write_text(added)
        os.utime(file, (0, 0))
        other = connector(file)
        other.go_on(place)
        async with other:
            assert (await taken(other, POINTS[:1], 1))[0][2] == value


def test_a_file_that_is_cut_off_while_it_is_read_ends_the_look(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text(HEAD + ROWS)
    os.utime(file, (0, 0))  # untouched for long: its last line is whole
    source = Source(file, Shape())
    lines = source._lines(file.stat().st_size * 2, is_ripe=True)
    assert len([row for row in lines if row]) == 2


async def test_empty_cells_that_end_every_row_are_nothing_and_double_headings_are_named(tmp_path):
    (tmp_path / "a.csv").write_text("time;x;y\n2026-01-05T08:00:00Z;1;2;\n2026-01-05T08:00:01Z;3;4; ;\n")
    (tmp_path / "b.csv").write_text("time;x;y;;\n2026-01-05T08:00:02Z;5;6;;\n")
    async with connector(tmp_path / "*.csv") as reader:
        assert {one.name for one in await reader.browse()} == {"x", "y"}
        got = await taken(reader, [Point(number=1, address="x")], 3)
        assert ([row[2] for row in got], dict(reader.counters)) == ([1.0, 3.0, 5.0], {})
    (tmp_path / "c.csv").write_text("time;x;y;x\n2026-01-05T08:00:00Z;1;2;3\n")
    async with connector(tmp_path / "c.csv") as reader:
        with pytest.raises(MachineUnreachable, match="'x' more than once"):
            await reader.browse()


@pytest.mark.parametrize(
    ("time", "options", "is_said"),
    [
        ("2026-01-05 08:00", {}, True),
        ("05.01.2026 08:00", {"time_format": "%d.%m.%Y %H:%M"}, True),
        ("2026-01-05 08:00", {"zone": "UTC"}, False),
        ("2026-01-05T08:00:00+01:00", {}, False),
        ("1767600000", {}, False),
    ],
)
async def test_times_without_a_zone_are_said_to_be_taken_as_utc_until_a_person_says_which(
    tmp_path, time, options, is_said
):
    (tmp_path / "a.csv").write_text(f"time;x\n{time};1\n")
    async with connector(tmp_path / "a.csv", **options) as reader:
        await reader.browse()
        assert any("taken as UTC" in one for one in reader.remarks) == is_said


async def test_from_the_end_only_what_is_added_is_taken(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text(HEAD + ROWS)
    async with connector(file, **{"from": "end"}) as reader, aclosing(reader.readings(POINTS[:1])) as batches:
        with file.open("a") as more:
            more.write("2026-01-05T08:00:09Z,9,idle\n")
        with anyio.fail_after(30):
            assert [row[2] for row in rows_of(await anext(batches))] == [9.0]


async def test_rows_that_are_none_are_counted_and_stop_nothing(tmp_path):
    broken = "yesterday,5,idle\n2026-01-05T08:00:01Z,5\n2026-01-05T08:00:02Z,fast,idle\n2026-01-05T08:00:03Z,6,idle\n"
    (tmp_path / "a.csv").write_text(HEAD + broken)
    async with connector(tmp_path / "*.csv") as reader:
        got = await taken(reader, POINTS[:1], 2)
        assert dict(reader.counters) == {"mistimed": 1, "malformed": 1}
    assert [quality for _, _, _, quality in got] == [BAD_TYPE, GOOD]


async def test_json_lines_and_parquet_are_read_as_csv_is(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        '{"ts": 1767600000, "speed": 5, "ok": true}\nnonsense\n{"ts": 1767600001, "speed": 6}\n'
    )
    moments = pa.array([1_767_600_002_000_000], pa.timestamp("us"))
    pq.write_table(pa.table({"ts": moments, "speed": [7.0]}), tmp_path / "b.parquet")
    async with connector(tmp_path / "*") as reader:
        assert {one.name for one in await reader.browse()} == {"speed", "ok"}
        got = await taken(reader, [Point(number=1, address="speed")], 3)
        assert reader.counters["malformed"] == 1
    assert [(row[1] - 1_767_600_000, row[2]) for row in got] == [(0, 5.0), (1, 6.0), (2, 7.0)]


async def test_a_long_table_names_its_signals_in_a_column(tmp_path):
    (tmp_path / "a.csv").write_text("when;tag;reading\n2026-01-05 08:00;oil;1,5\n2026-01-05 08:00;air;2,5\n")
    options = {"time": "when", "signal": "tag", "value": "reading", "decimal": ","}
    async with connector(tmp_path / "a.csv", **options) as reader:
        found = await reader.browse()
        got = await taken(reader, [Point(number=4, address="air")], 1)
    assert [one.address for one in found] == ["oil", "air"]
    assert got[0][2] == 2.5


@pytest.mark.parametrize("endpoint", ["file://", "file:///", "file://host/a.csv", "file:///a*/b.csv", "file:relative"])
def test_an_endpoint_that_names_no_files_is_bad_input(endpoint):
    with pytest.raises(BadInput):
        FilesConnector(endpoint, {})


async def test_a_folder_that_is_not_there_and_one_without_tables_say_so(tmp_path):
    with pytest.raises(MachineUnreachable, match="is no folder"):
        await connector(tmp_path / "none" / "*.csv").__aenter__()
    (tmp_path / "a.csv").write_text("no time here,x\n1,2\n")
    async with connector(tmp_path / "*.csv") as reader:
        with pytest.raises(MachineUnreachable, match=r"a\.csv: No column of no time here, x is a time"):
            await reader.browse()


@given(st.one_of(st.text(), st.floats(), st.integers(), st.booleans(), st.none(), st.lists(st.text())), st.booleans())
def test_no_cell_whatever_it_holds_raises(cell, is_text):
    value, _ = cell_reading(cell, is_text=is_text)
    assert value is None or isinstance(value, str if is_text else float)


@given(st.binary(max_size=400))
def test_no_file_whatever_it_holds_crashes(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("any")
    for suffix in (".csv", ".jsonl", ".parquet"):
        (folder / f"a{suffix}").write_bytes(content)
        try:
            rows, columns = Source(folder / f"a{suffix}", Shape()).sample(50)
            found_in(rows, columns, Shape())
        except InterworkError:
            continue


@pytest.mark.skipif(not (SHARED / "plant").exists(), reason="the plant's real tables are not on this machine")
async def test_a_years_steel_works_energy_is_read_whole():
    table = SHARED / "plant" / "steel-energy" / "Steel_industry_data.csv"
    async with connector(table) as reader:
        with pytest.raises(MachineUnreachable, match=r"'1/1/2018 0:15' in the column date is no time that is known"):
            await reader.browse()
    async with connector(table, time_format="%d/%m/%Y %H:%M", zone="Asia/Seoul") as reader:
        assert "Usage_kWh" in {one.name for one in await reader.browse()}
        got = await taken(reader, [Point(number=1, address="Usage_kWh")], 35_040)
    assert (got[0][1:], sum(row[2] for row in got)) == ((1_514_733_300, 3.17, GOOD), pytest.approx(959_637.0, abs=1))
    assert not reader.counters


async def test_a_time_in_a_zone_is_the_moment_it_was_there(tmp_path):
    (tmp_path / "a.csv").write_text("time,x\n2026-07-01 08:00,1\n2026-01-01 08:00,2\n")
    async with connector(tmp_path / "a.csv", zone="Europe/Berlin") as reader:
        got = await taken(reader, [Point(number=1, address="x")], 2)
    assert [row[1] % 86_400 // 3600 for row in got] == [6, 7]


@pytest.mark.parametrize(
    "options", [{"zone": "Mars/Base"}, {"time_format": "yesterday"}, {"signal": "x"}, {"from": "x"}]
)
def test_an_option_that_is_none_is_bad_input(tmp_path, options):
    with pytest.raises(BadInput):
        connector(tmp_path / "a.csv", **options)


async def test_a_folder_that_the_configuration_does_not_name_is_refused_with_the_setting(tmp_path):
    (tmp_path / "secret.csv").write_text(HEAD + ROWS)
    for folders in ([], [tmp_path / "inbox"]):
        with pytest.raises(Refused, match=r"outside the folders .*file_folders in node\.toml"):
            async with connector(tmp_path / "*.csv", folders=folders):
                pass


async def test_neither_dots_nor_links_lead_out_of_the_folders_that_are_allowed(tmp_path):
    (tmp_path / "secret.csv").write_text(HEAD + ROWS)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "a.csv").write_text(HEAD + ROWS)
    (inbox / "b.csv").symlink_to(tmp_path / "secret.csv")
    (inbox / "up").symlink_to(tmp_path)
    for pattern in (inbox / ".." / "*.csv", inbox / "up" / "*.csv"):
        with pytest.raises(Refused, match="outside the folders"):
            async with connector(pattern, folders=[inbox]):
                pass
    async with connector(inbox / "*.csv", folders=[inbox]) as reader:
        got = await taken(reader, POINTS, 4)
    assert len(got) == 4
    assert reader.counters["outside"] == 1


SPREADSHEET = (
    "sep=;\r\nZeit;Temperatur [°C];Stück;Vermerk\r\n"
    "2026-01-05 08:00:00;21,5;1;kühl\r\n2026-01-05 08:00:01;22;2;über\r\n"
)
PLAIN = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}
"""How such a file goes on, without another mark."""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-be"])
async def test_what_spreadsheets_write_is_read_in_each_of_their_encodings(tmp_path, encoding):
    """A first line sep=, semicolons, decimal commas, a byte order mark or none, and the code page of Western Europe."""
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / "a.csv").write_bytes((mark + SPREADSHEET).encode(encoding))
    async with connector(tmp_path / "*.csv", time="Zeit") as reader:
        temperature, pieces, note = await reader.browse()
        assert (temperature.name, temperature.unit, temperature.is_text) == ("Temperatur", "Cel", False)
        assert (pieces.is_text, note.is_text) == (False, True)
        points = [Point(number=1, address=temperature.address), Point(number=2, address=note.address, is_text=True)]
        got = await taken(reader, points, 4)
        with (tmp_path / "a.csv").open("ab") as more:
            more.write("2026-01-05 08:00:02;23,25;3;Öl\r\n".encode(PLAIN.get(encoding, encoding)))
        got += await taken(reader, points, 2)
    assert [row[2] for row in got] == [21.5, "kühl", 22.0, "über", 23.25, "Öl"]
    assert not reader.counters


@given(st.text(st.characters(codec="utf-16-le"), max_size=40), st.integers(0, 3))
def test_the_last_whole_line_of_wide_characters_is_found_wherever_the_octets_end(text, cut):
    source = Source(Path("a.csv"), Shape())
    source._encoding = "utf-16-le"
    content = text.encode("utf-16-le")
    content = content[: max(len(content) - cut, 0)]
    end = source._end(content)
    assert (
        content[:end].decode("utf-16-le").endswith("\n") if end else "\n" not in content.decode("utf-16-le", "ignore")
    )


async def test_a_comma_with_a_point_is_no_number_rather_than_a_wrong_one(tmp_path):
    (tmp_path / "a.csv").write_text("time;a;b\n2026-01-05T08:00:00Z;1.234,5;1.5\n")
    async with connector(tmp_path / "a.csv") as reader:
        got = await taken(reader, [Point(number=1, address="a"), Point(number=2, address="b")], 2)
    assert [(row[2], row[3]) for row in got][1] == (1.5, GOOD)
    assert got[0][3] == BAD_TYPE


async def test_the_last_line_of_a_finished_file_is_read_though_nothing_ends_it(tmp_path):
    """Many programs leave the end of the last line out; after a minute untouched nobody is writing it any more."""
    file = tmp_path / "a.csv"
    file.write_text(HEAD + "2026-01-05T08:00:00Z,1,idle\n2026-01-05T08:00:01Z,2,idle")
    os.utime(file, (file.stat().st_mtime - 120,) * 2)
    async with connector(file) as reader:
        got = await taken(reader, POINTS[:1], 2)
    assert [row[2] for row in got] == [1.0, 2.0]


async def test_a_mark_before_the_first_json_line_costs_nothing(tmp_path):
    lines = b'\xef\xbb\xbf{"time": "2026-01-05T08:00:00Z", "x": 1}\nno\n{"time": 1767600001, "x": 2}\n'
    (tmp_path / "a.jsonl").write_bytes(lines)
    async with connector(tmp_path / "a.jsonl") as reader:
        got = await taken(reader, [Point(number=1, address="x")], 2)
    assert [row[2] for row in got] == [1.0, 2.0]
    assert reader.counters == {"malformed": 1}


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
async def test_times_of_parquet_without_a_zone_are_of_the_zone_a_person_said(tmp_path, unit):
    moments = pa.array([1_767_600_000], pa.timestamp("s")).cast(pa.timestamp(unit))
    pq.write_table(pa.table({"time": moments, "x": [1.5]}), tmp_path / "a.parquet")
    for zone, seconds in (("UTC", 0), ("Europe/Berlin", -3600)):
        async with connector(tmp_path / "a.parquet", zone=zone) as reader:
            got = await taken(reader, [Point(number=1, address="x")], 1)
        assert got == [(1, 1_767_600_000 + seconds, 1.5, GOOD)]
