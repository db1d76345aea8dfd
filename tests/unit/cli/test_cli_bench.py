"""`interwork bench allocation`: a checked line for each file, whatever is wrong with another."""

import json
import random
import signal
import subprocess
import sys

import pytest

from interwork.cli import main

SHOP = "2 2\n2 1 1 3 2 1 4 2 2\n1 2 1 6 2 5\n"
ASSIGNMENT = "2 3\n1 9 4\n9 1 5\n2 2 2\n2 2 2\n4 2\n"


@pytest.fixture
def files(tmp_path):
    shop, assignment = tmp_path / "shop.txt", tmp_path / "items"
    shop.write_text(SHOP)
    assignment.write_text(ASSIGNMENT)
    return shop, assignment


def rows(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_each_file_gets_a_line_with_its_gap_to_the_best_known(files, capsys):
    """allocation 31: the runner prints instance, objective, bound, gap_to_best and seconds."""
    assert main(["bench", "allocation", *map(str, files), "--seconds", "3", "--best", "8,6", "--json"]) == 0
    first, second = rows(capsys)
    assert {"instance", "objective", "bound", "gap_to_best", "seconds"} <= set(first)
    assert (first["instance"], first["checked"], first["status"]) == ("shop", "ok", "optimal")
    assert (second["objective"], second["gap_to_best"], second["checked"]) == (6, 0.0, "ok")


def test_a_file_that_cannot_be_read_is_told_and_the_others_are_solved(files, tmp_path, capsys):
    bad = tmp_path / "bad.txt"
    bad.write_text("2 2\n1 1 one 4\n1 1 1 4\n")
    assert main(["bench", "allocation", str(bad), str(files[1]), "--seconds", "2", "--json"]) == 1
    first, second = rows(capsys)
    assert (first["instance"], first["status"], first["objective"]) == ("bad", "not read", None)
    assert "line 2" in first["error"]
    assert "--help" in first["remedy"]
    assert second["checked"] == "ok"


def test_progress_tells_each_better_plan_and_bound_and_ends_where_the_line_does(files, capsys):
    """allocation 17: as time goes on the objective only falls, the bound only rises and never passes it."""
    words = ["bench", "allocation", str(files[0]), "--seconds", "3", "--json", "--progress"]
    assert main(words) == 0
    told = capsys.readouterr()
    steps = [json.loads(line) for line in told.err.splitlines()]
    row = json.loads(told.out)
    found = [each["objective"] for each in steps if each["objective"] is not None]
    assert found == sorted(found, reverse=True)
    assert all(each["bound"] <= each["objective"] for each in steps if None not in (each["bound"], each["objective"]))
    assert (steps[-1]["objective"], steps[-1]["bound"]) == (row["objective"], row["bound"])


def test_ctrl_c_ends_a_long_search_with_the_best_plan_so_far(tmp_path):
    """allocation 20: interrupted from outside, every kind of search returns its best plan, checked, at once."""
    shop, items = tmp_path / "shop.txt", tmp_path / "items"
    chance = random.Random(1)
    jobs = [[(chance.randrange(6), chance.randint(1, 40)) for _ in range(8)] for _ in range(12)]
    shop.write_text("12 6\n" + "".join("8 " + " ".join(f"1 {m} {d}" for m, d in job) + "\n" for job in jobs))
    sizes = [[chance.randint(1, 100) for _ in range(40)] for _ in range(5)]
    costs = [[111 - size + chance.randint(-10, 10) for size in row] for row in sizes]
    table = [[5, 40], *costs, *sizes, [int(0.8 * sum(row) / 5) for row in sizes]]
    items.write_text("\n".join(" ".join(map(str, row)) for row in table))
    for path in (shop, items):
        words = [sys.executable, "-m", "interwork", "bench", "allocation", str(path), "--seconds", "600"]
        with subprocess.Popen(
            [*words, "--json", "--progress"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr.readline()  # there is a plan
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
        row = json.loads(out)
        assert (process.returncode, row["checked"]) == (0, "ok")
        assert row["seconds"] < 60


SEVERAL = """2
2 3
9 1 5
4 8 6
2 2 2
2 2 2
4 2
2 2
3 7
5 1
1 1
1 1
1 1
"""


@pytest.mark.parametrize(
    ("name", "sense", "best", "senses"),
    [
        ("gap3", "auto", "22,12", "max"),
        ("gap3", "min", "10,4", "min"),
        ("gapa", "auto", "10,4", "min"),
        ("gapa", "max", "22,12", "max"),
    ],
)
def test_a_file_of_several_problems_has_a_line_for_each_in_the_sense_of_its_library(
    name, sense, best, senses, tmp_path, capsys
):
    """allocation 31: OR-Library's gap1 to gap12 ask for the most, gapa to gapd for the least."""
    path = tmp_path / f"{name}.txt"
    path.write_text(SEVERAL)
    words = ["bench", "allocation", str(path), "--seconds", "3", "--json", "--sense", sense, "--best", best]
    assert main(words) == 0
    found = rows(capsys)
    assert [each["instance"] for each in found] == [f"{name}-1", f"{name}-2"]
    assert [each["objective"] for each in found] == [float(each) for each in best.split(",")]
    assert [each["bound"] for each in found] == [each["objective"] for each in found]
    assert {(each["sense"], each["status"], each["checked"], each["gap_to_best"]) for each in found} == {
        (senses, "optimal", "ok", 0.0)
    }


def test_the_most_of_a_shop_is_refused(files, capsys):
    assert main(["bench", "allocation", str(files[0]), "--sense", "max", "--json"]) == 1
    assert "of which the least is asked for" in rows(capsys)[0]["error"]


def test_best_values_must_be_as_many_as_the_problems(files, tmp_path, capsys):
    """allocation 31: two files, three problems: two values fit neither."""
    path = tmp_path / "gapb"
    path.write_text(SEVERAL)
    assert main(["bench", "allocation", str(path), str(files[0]), "--best", "11,4"]) == 1
    assert "2 best values for 3 problems" in capsys.readouterr().err


def test_two_files_of_one_name_keep_their_own_best_values(tmp_path, capsys):
    """allocation 31: la01 is in every set of Hurink's."""
    paths = [tmp_path / folder / "la01.txt" for folder in ("edata", "rdata")]
    for path, text in zip(paths, (SHOP, SHOP.replace("6", "9")), strict=True):
        path.parent.mkdir()
        path.write_text(text)
    assert main(["bench", "allocation", *map(str, paths), "--seconds", "2", "--best", "8,9", "--json"]) == 0
    assert [(each["best"], each["file"]) for each in rows(capsys)] == [(8, str(paths[0])), (9, str(paths[1]))]


def test_a_best_value_that_the_bound_rules_out_is_told_to_be_of_another_problem(files, tmp_path, capsys):
    """allocation 31: beside the gap stands that this problem cannot have such a value."""
    assert main(["bench", "allocation", str(files[0]), "--seconds", "2", "--best", "4", "--json"]) == 0
    row = rows(capsys)[0]
    assert row["gap_to_best"] == (row["objective"] - 4) / 4
    assert "No plan of this problem comes to 4" in row["note"]
    table = tmp_path / "best.txt"
    table.write_text("elsewhere/shop 8\n")
    assert main(["bench", "allocation", str(files[0]), "--seconds", "2", "--best", str(table)]) == 0
    assert "The table has elsewhere/shop, which is in another folder." in capsys.readouterr().out


def test_people_get_a_table(files, capsys):
    assert main(["bench", "allocation", str(files[1]), "--seconds", "2", "--best", "6"]) == 0
    out = capsys.readouterr().out
    assert "gap_to_best" in out
    assert "0.00 %" in out


def test_a_network_is_written_and_solved(tmp_path, capsys):
    path = tmp_path / "net.json"
    assert main(["bench", "allocation", "--generate", "5,8,2,1", "-o", str(path)]) == 0
    assert main(["bench", "allocation", str(path), "--effort", "1", "--json"]) == 0
    row = rows(capsys)[0]
    assert (row["kind"], row["checked"]) == ("network allocation", "ok")
    assert row["bound"] <= row["objective"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Which files"),
        (["x", "--seconds", "0"], "no search"),
        (["--generate", "1,2"], "no size"),
        (["--generate", "1,2,3,4"], "not drawn"),
        (["x", "--best", "none-such"], "neither a number nor a table"),
    ],
)
def test_words_that_make_no_sense_are_refused_with_a_remedy(words, said, capsys):
    assert main(["bench", "allocation", *words]) == 1
    assert said in capsys.readouterr().err
