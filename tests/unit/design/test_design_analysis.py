"""The parent knows formats, bounds the child, and outlives whatever becomes of it."""

import resource

import anyio
import pytest

from interwork.core.errors import LimitReached, UnreadableDesign
from interwork.core.ids import digest_of
from interwork.design import analyse, analysis, child, format_of, revision_id
from interwork.design.solid import PIPE_FLANGE, write_stl


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (b"ISO-10303-21;", "a.step", "step"),
        (b"\xef\xbb\xbf\r\nISO-10303-21;", "no-suffix", "step"),
        (b"x".ljust(72) + b"S      1\n", "a.igs", "iges"),
        (write_stl(PIPE_FLANGE), "wrong-suffix.step", "stl"),
        (b"solid a\n facet normal 0 0 1", "a", "stl"),
        (b"PK\x03\x04", "a.3mf", "3mf"),
    ],
)
def test_a_format_is_told_by_content(content, name, kind):
    assert format_of(content, name) == kind


@pytest.mark.parametrize(
    ("content", "name", "word"),
    [
        (b"", "a.step", "a.step is empty"),
        (b"<!DOCTYPE html><p>Sign in", "a.step", "web page"),
        (b"%PDF-1.7", "a.pdf", "drawings on paper"),
        (b"AC1027", "a.dwg", "as DXF"),
        (b"\xd0\xcf\x11\xe0", "a.SLDPRT", "SolidWorks"),
        (b"PK\x03\x04", "a.stpz", "compressed STEP"),
        (b"PK\x03\x04", "a.docx", "not a design"),
        (b"\x00\x01", "a.bin", "Send STEP, IGES, STL, 3MF or DXF"),
    ],
)
def test_what_is_no_design_is_refused_in_clear_words(content, name, word):
    with pytest.raises(UnreadableDesign) as refusal:
        format_of(content, name)
    assert word in str(refusal.value)


def test_a_file_over_the_limit_is_refused_before_any_child_starts(monkeypatch):
    monkeypatch.setattr(analysis, "SIZE_LIMIT", 10)
    with pytest.raises(UnreadableDesign, match="at most"):
        format_of(b"ISO-10303-21;", "a.step")


def test_the_same_bytes_name_the_same_revision():
    assert revision_id(digest_of(b"a")) == revision_id(digest_of(b"a")) != revision_id(digest_of(b"b"))


async def test_the_bracket_is_read_in_a_child_that_takes_under_three_seconds_of_a_processor(bracket_step):
    for _ in range(3):  # a processor that is shared, or throttled, is slower
        begin = resource.getrusage(resource.RUSAGE_CHILDREN)
        read = await analyse(bracket_step, "bracket.step")
        end = resource.getrusage(resource.RUSAGE_CHILDREN)
        took = end.ru_utime + end.ru_stime - begin.ru_utime - begin.ru_stime
        if took < 3:
            break
    assert took < 3
    assert read.media_type == "model/step"
    assert read.text["products"] == ["Sensor bracket"]
    assert read.view.startswith(b"glTF")


async def test_a_child_that_takes_too_long_is_stopped(bracket_step):
    with pytest.raises(UnreadableDesign, match=r"not read within 0\.05 s"):
        await analyse(bracket_step, "bracket.step", timeout_s=0.05)


async def test_a_cancelled_analysis_leaves_at_once(bracket_step):
    with anyio.move_on_after(0.1) as scope:
        await analyse(bracket_step, "bracket.step")
    assert scope.cancelled_caught


async def test_two_analyses_run_beside_each_other(bracket_step):
    read = {}

    async def one(name):
        read[name] = await analyse(bracket_step, name)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one, "a.step")
        tasks.start_soon(one, "b.step")
    assert read["a.step"].geometry == read["b.step"].geometry


def test_the_child_gets_none_of_the_parent_s_secrets(monkeypatch):
    monkeypatch.setenv("INTERWORK_SECRET", "x")
    assert "INTERWORK_SECRET" not in child.environment("/folder")


async def test_a_process_that_cannot_start_is_no_fault_of_the_file(monkeypatch, bracket_step):
    monkeypatch.setattr(child.sys, "executable", "/nowhere/python")
    with pytest.raises(LimitReached, match="No process could be started"):
        await analyse(bracket_step, "bracket.step")


async def test_an_answer_over_the_limit_is_refused(monkeypatch, bracket_step):
    monkeypatch.setattr(analysis, "_ANSWER_LIMIT", 1000)
    with pytest.raises(UnreadableDesign, match="answered with more"):
        await analyse(bracket_step, "bracket.step")


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (-11, "crashed on it (SIGSEGV)"),
        (-9, "killed, most likely for its memory"),
        (-6, "gave up"),
        (-24, "more processor time"),
        (1, "code 1 (ValueError: no)"),
    ],
)
def test_every_end_of_a_child_has_its_words(code, word):
    assert word in analysis._cause(code, bytearray(b"Traceback\nValueError: no\n"))


def test_half_an_answer_is_refused():
    with pytest.raises(UnreadableDesign, match="no whole answer"):
        analysis._understand(b"\x81\xa4", "a.step", "step")
