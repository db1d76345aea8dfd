"""Files of the field's formats become problems; files that are not are refused with the line where they are wrong."""

import gzip
from pathlib import Path

import msgspec
import pytest
from allocation_problems import ALL, ARCS, FJSP, FJSP_FROM_0, GAP, GRID, MPLIB, PATTERSON, PSPLIB, two_steps
from hypothesis import given, settings
from hypothesis import strategies as st

from interwork.allocation import Limits, solve
from interwork.allocation.problem import Kind, ResourceKind, Size, generate, read, write
from interwork.allocation.problem.assignment import is_maximum
from interwork.allocation.problem.best import read_best
from interwork.allocation.problem.reading import parse, parse_all
from interwork.core.errors import BadInput


@pytest.mark.parametrize("name", ALL)
def test_a_format_is_recognised_by_its_content(name):
    """allocation 31: Brandimarte, Hurink, PSPLIB, MPLIB and GAP formats are told apart without a name."""
    text, kind = ALL[name]
    assert parse(text, "x").kind is kind


def test_machines_counted_from_0_or_from_1_give_the_same_shop():
    """allocation 31: both ways of counting machines are read."""
    one, other = parse(FJSP, "x"), parse(FJSP_FROM_0, "x")
    assert one == other


def test_times_between_machines_are_read_with_the_arcs():
    problem = parse(ARCS, "x")
    assert problem.transport is not None
    assert problem.transport.time == ((0, 7), (7, 0))
    assert [len(each.after) for each in problem.activities] == [0, 1, 1]


def test_capacities_durations_and_followers_of_a_project_are_read():
    problem = parse(PATTERSON, "x")
    assert problem.resources[0].capacity == 2
    assert [each.modes[0].duration for each in problem.activities] == [0, 3, 2, 0]
    assert [link.before for link in problem.activities[3].after] == [1, 2]


def test_modes_and_stocks_of_psplib_are_read_and_a_mode_beyond_a_stock_falls_away():
    problem = parse(PSPLIB, "x")
    assert [each.kind for each in problem.resources] == [ResourceKind.CUMULATIVE, ResourceKind.CONSUMABLE]
    assert [each.duration for each in problem.activities[1].modes] == [6]


def test_release_dates_and_shared_resources_of_many_projects_are_read():
    problem = parse(MPLIB, "x")
    assert [each.release for each in problem.demands] == [0, 5]
    assert problem.activities[4].demand == 1


def test_due_dates_of_many_projects_are_read_and_the_makespan_stays_what_is_asked():
    """allocation 31: MPLIB's files with due dates have one number more in the head of a project."""
    text = MPLIB.replace("3 0\n", "3 0 40\n").replace("3 5\n", "3\t5\t77\n")
    problem = parse(text, "x")
    assert [each.due for each in problem.demands] == [40, 77]
    bare = tuple(msgspec.structs.replace(each, due=None) for each in problem.demands)
    assert msgspec.structs.replace(problem, demands=bare) == parse(MPLIB, "x")
    assert solve(problem, Limits(effort=1)).objective == solve(parse(MPLIB, "x"), Limits(effort=1)).objective


def test_costs_sizes_and_capacities_of_an_assignment_are_read():
    problem = parse(GAP, "x")
    assert [mode.price for mode in problem.activities[1].modes] == [9.0, 1.0]
    assert [each.capacity for each in problem.resources] == [4, 2]


UNTIDY = {
    "white space at the ends": lambda text: text.replace("\n", " \t\n"),
    "line ends of Windows": lambda text: text.replace("\n", "\r\n"),
    "line ends of old Macs": lambda text: text.replace("\n", "\r"),
    "tabs": lambda text: text.replace(" ", "\t"),
    "empty lines after it": lambda text: text + "\n\n  \n\t\n",
    "no line end": str.rstrip,
    "a byte order mark": lambda text: "\ufeff" + text,
    "an end mark of DOS": lambda text: text + "\x1a",
    "a title": lambda text: "Instance drawn by N. N.\nsizes in minutes:\n\n" + text,
    "comments": lambda text: "# drawn\n" + text.replace("\n", "  # a comment\n", 1) + "# end\n",
    "a title with accents in Latin-1": lambda text: ("Caf\u00e9\n" + text).encode("latin-1"),
}


@pytest.mark.parametrize("how", UNTIDY)
@pytest.mark.parametrize("name", ALL)
def test_an_untidy_file_reads_as_the_tidy_one(name, how, tmp_path):
    """allocation 31: white space, line ends, titles, comments and compression make no difference."""
    text = ALL[name][0]
    if name == "psplib" and how in {"comments", "tabs"}:
        pytest.skip("PSPLIB has its own comments, and the columns of its titles are spaces")
    body = UNTIDY[how](text)
    body = body if isinstance(body, bytes) else body.encode()
    plain, packed = tmp_path / "x.txt", tmp_path / "x.txt.gz"
    plain.write_bytes(body)
    packed.write_bytes(gzip.compress(body))
    assert read(plain) == read(packed) == parse(text, "x")


@pytest.mark.parametrize("head", ["2 2 1.5", "2 2 2", "2\t2\t1,5", "2, 2", "2 2 1.5 9 9"])
def test_a_head_with_more_than_jobs_and_machines_is_read(head):
    """allocation 31: the flexibility in the head of a shop may be whole, fractional, or there may be more."""
    assert parse(FJSP.replace("2 2", head, 1), "x") == parse(FJSP, "x")


def test_durations_written_with_a_point_are_whole_numbers_where_they_are():
    assert parse(FJSP.replace("1 1 1 6", "1 1 1 6.0"), "x") == parse(FJSP, "x")
    with pytest.raises(BadInput, match=r"line 3: a duration should be a whole number, not '6\.5'"):
        parse(FJSP.replace("1 1 1 6", "1 1 1 6.5"), "x")


def test_arcs_without_the_name_of_a_job_and_shops_without_flexibility_are_read():
    """allocation 31: the variants of the two job shop texts."""
    bare = "".join(line.partition("\tJ")[0] + "\n" for line in ARCS.splitlines())
    assert parse(bare, "x") == parse(ARCS, "x")
    numbered = ARCS.replace("J1", "0")
    assert parse(numbered, "x") == parse(ARCS, "x")
    assert parse(numbered.partition("0\t7")[0], "x").transport is None
    plain = parse("2 2\n0 3 1 5\n1 4 0 6\n", "x")
    assert [each.modes[0].uses[0][0] for each in plain.activities] == [0, 1, 1, 0]
    assert [each.modes[0].duration for each in plain.activities] == [3, 5, 4, 6]


def test_a_shop_as_a_grid_of_durations_is_read():
    """allocation 31: a row per operation and a column per machine, 0 where a machine cannot."""
    assert parse(GRID, "x") == parse(FJSP, "x")
    with pytest.raises(BadInput, match="an operation of job 1 can go to no machine"):
        parse("1\n2\n1\n0 0\n", "x")


def test_several_problems_in_a_file_are_read_one_by_one():
    """allocation 31: OR-Library's assignment files; a problem cut off is refused with its line."""
    problems = parse_all(f"2\n{GAP}{GAP}", "gapa")
    assert [each.name for each in problems] == ["gapa-1", "gapa-2"]
    assert problems[1].activities == parse(GAP, "x").activities
    with pytest.raises(BadInput, match="gapa holds 2 problems"):
        parse(f"2\n{GAP}{GAP}", "gapa")
    with pytest.raises(BadInput, match="line 7: the file ends where the number of agents should stand"):
        parse_all(f"2\n{GAP}", "gapa")
    with pytest.raises(BadInput, match="line 9: '336' follows where the file should end"):
        parse_all(f"1\n{GAP}\n336\n", "gapa")


@pytest.mark.parametrize(
    ("name", "most"), [("gap1", True), ("GAP12", True), ("gap3-4", True), ("c1030-1", True), ("c05100", False)]
)
def test_names_of_or_library_tell_where_the_most_is_asked_for(name, most):
    assert is_maximum(name) is most
    assert not is_maximum("gap13")
    assert not is_maximum("gapa")


def test_the_section_titles_of_another_library_are_read():
    """allocation 31: MMLIB writes RESOURCE AVAILABILITIES apart."""
    assert parse(PSPLIB.replace("RESOURCEAVAIL", "RESOURCE AVAIL"), "x") == parse(PSPLIB, "x")


def test_a_damaged_or_swollen_compressed_file_is_refused(tmp_path):
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(FJSP.encode())[:-9])
    with pytest.raises(BadInput, match="damaged"):
        read(path)
    path.write_bytes(gzip.compress(b"1 " * (33 << 20)))
    with pytest.raises(BadInput, match="larger than 64 MiB"):
        read(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FJSP.replace("6", "six"), "line 3: a duration"),
        (FJSP.replace("2 1 3 2 5", "9 1 3 2 5"), "line 2: the number of machines of an operation is 9"),
        ("2 2\n1 1 0 4\n1 1 2 4\n", "machines 0 and 2"),
        (PATTERSON.replace("3 1 1 4", "3 7 1 4"), "line 4: an activity asks for 7 of R1"),
        (PATTERSON.replace("0 0 0\n", "0 0 1 1\n"), "circle"),
        (MPLIB.replace("2:3", "2:9"), "has no task 9"),
        (PSPLIB.replace("RESOURCEAVAILABILITIES", "RESOURCES"), "RESOURCEAVAILABILITIES is missing"),
        (
            PSPLIB.replace("   2        2          1           4", "   2        2          1           x"),
            "line 11: a successor",
        ),
        (PSPLIB.replace("supersource/sink ):  4", "supersource/sink ):  0"), "follows where the file should end"),
        (ARCS.replace("1\t2\tJ1", "1\t0\tJ1"), "circle"),
        ("5\n", "numbers"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(text, said):
    """allocation 31: a bad file is an error that names the line."""
    with pytest.raises(BadInput, match=said):
        parse(text, "x")


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(ALL)), st.integers(0, 400), st.text("0123456789-.:xJ \n\t", max_size=6))
def test_a_damaged_file_is_read_or_refused_and_never_crashes(name, at, rubbish):
    text = ALL[name][0]
    damaged = text[: at % len(text)] + rubbish + text[at % len(text) + len(rubbish) // 2 :]
    try:
        problem = parse(damaged, "x")
    except BadInput:
        return
    assert problem.activities


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        parse(text, "x")
    except BadInput:
        return


def test_what_is_written_reads_back_the_same(tmp_path):
    problem = generate(Size(needs=6, machines=9, sites=3, seed=5))
    path = tmp_path / "net.json"
    path.write_bytes(write(problem))
    assert msgspec.structs.replace(read(path), name=problem.name) == problem


def test_the_same_numbers_draw_the_same_network():
    """allocation 18: the benchmark's networks depend on their numbers alone."""
    assert generate(Size(needs=5, machines=8, sites=2, seed=3)) == generate(Size(needs=5, machines=8, sites=2, seed=3))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("demands", (), "nothing to allocate"),
        ("setups", ((0, 1),), "setup matrix"),
        ("resources", (), "resource there is not"),
    ],
)
def test_a_problem_that_contradicts_itself_is_refused(field, value, said):
    with pytest.raises(BadInput, match=said):
        parse(write(two_steps(**{field: value})).decode(), "x")


TABLES = {
    "best.md": "| instance | lower bound | best | by |\n|---|---|---|---|\n| set/mk01 | 40 | 40 | CPO in 2012 |\n"
    "| m0 | | 374 (heuristic) | |\n",
    "best.csv": "instance,best,year\nset/mk01,40,2012\nm0,374,2013\n",
    "best.txt": "set/mk01.txt 40\nm0   374\n",
    "best.json": '{"set/mk01": 40, "m0": 374}',
}


@pytest.mark.parametrize("name", TABLES)
def test_best_values_come_from_tables_of_several_forms(name, tmp_path):
    """allocation 31: the column that counts is the one with its head, not the last one with a year."""
    (tmp_path / name).write_text(TABLES[name])
    best = read_best(str(tmp_path / name))
    known = [best.of(Path(each), Path(each).stem, 0) for each in ("set/mk01.fjs", "x/M0.txt", "x/other")]
    assert known == [40, 374, None]


def test_a_best_value_with_a_folder_counts_in_that_folder_alone(tmp_path):
    """allocation 31: mk01 and MK01 are two instances, and la01 is in every set of Hurink's."""
    (tmp_path / "best").write_text("brandimarte/mk01 40\nhurink-edata/la01 609\nhurink-rdata/la01 570\n")
    best = read_best(str(tmp_path / "best"))
    assert best.of(Path("fjsp_transport/MK01.txt"), "MK01", 0) is None
    assert best.elsewhere("MK01") == "brandimarte/mk01"
    assert best.of(Path("a/Hurink-rdata/la01.txt"), "la01", 0) == 570
    assert best.of(Path("a/hurink-edata/la01.txt"), "la01", 0) == 609


def test_best_values_go_by_the_order_of_the_problems():
    assert [read_best("40,26").of(Path("same"), "same", position) for position in (0, 1)] == [40, 26]
    assert read_best("40").of(Path("b"), "b", 7) == 40


def test_best_values_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(BadInput, match="neither a number nor a table"):
        read_best(str(tmp_path / "none"))
    (tmp_path / "words").write_text("nothing to see\n")
    with pytest.raises(BadInput, match="no line of an instance"):
        read_best(str(tmp_path / "words"))


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        read(tmp_path / "none.txt")
    path = tmp_path / "binary"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(BadInput, match="not text"):
        read(path)


def test_a_problem_knows_its_kind():
    assert generate(Size(needs=2, machines=8, sites=1)).kind is Kind.NETWORK
