"""`interwork bench allocation`: a checked line for each file, whatever is wrong with another."""

import json

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
    assert "line 2" in first["error"]
    assert second["checked"] == "ok"


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
