"""The verb `design` on files: measures, stated values, findings, a plan, and a comparison."""

import json

import pytest

from interwork.cli import main
from interwork.core.design import Geometry
from interwork.design.solid import SENSOR_BRACKET, samples, write_step


@pytest.fixture(scope="module")
def bracket(tmp_path_factory):
    path = tmp_path_factory.mktemp("designs") / "bracket.step"
    path.write_bytes(samples()["bracket.step"])
    return path


def said(capsys, *words):
    code = main(["design", *map(str, words)])
    out = capsys.readouterr().out
    return code, out


def test_a_file_is_measured_and_planned_without_a_node(bracket, capsys):
    code, out = said(capsys, bracket, "--material", "al-6061", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["geometry"]["box_mm"] == [120.0, 80.0, 25.0]
    assert set(found["geometry"]) <= set(Geometry.__struct_fields__)
    assert found["plan"]["process_class"] == "milled"
    assert found["plan"]["estimates"]


def test_people_read_sizes_findings_and_ranges(bracket, capsys):
    _, out = said(capsys, bracket, "--material", "al-6061")
    assert "120 × 80 × 25 mm" in out
    assert "time-part" in out


def test_two_files_are_compared_with_what_they_cost(bracket, tmp_path, capsys):
    from dataclasses import replace

    thicker = tmp_path / "thicker.step"
    thicker.write_bytes(write_step(replace(SENSOR_BRACKET, height_mm=30.0)))
    code, out = said(capsys, "diff", bracket, thicker, "--material", "al-6061")
    assert code == 0
    assert "another shape" in out
    assert "size along Z: 25 mm → 30 mm" in out
    assert "material per part" in out


@pytest.mark.parametrize(
    ("words", "word"),
    [(("nowhere.step",), "cannot be read"), (("frobnicate", "x"), "no act"), (("diff", "one"), "Two are compared")],
)
def test_what_cannot_be_done_is_told_with_a_remedy(words, word, capsys):
    assert main(["design", *words]) == 1
    assert word in capsys.readouterr().err


def test_the_help_teaches_every_act(capsys):
    with pytest.raises(SystemExit):
        main(["design", "--help"])
    out = capsys.readouterr().out
    for act in ("diff", "add", "attach", "plan", "fit", "edit", "template", "learnt", "verify", "same"):
        assert f"interwork design {act}" in out or f"| {act} " in out
