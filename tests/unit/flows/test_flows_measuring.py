"""Results and gauge readings that people type or paste."""

import pytest

from interwork.core.design import Characteristic
from interwork.core.errors import BadInput
from interwork.core.making import QualityRecord
from interwork.design.quality import by_word
from interwork.flows.rnd import measuring, quality

ROWS = """\
# first article
Characteristic, Part, Value, Lower, Upper
length, 1, 80.02, 79.9, 80.1
length\t2\t79.98\t79.9\t80.1

bore; 1; 12.003; 11.9;
"""


async def test_typed_results_become_a_record_with_their_limits(shop):
    """design 40: results entered by hand are judged as those of a file."""
    held = await measuring.record_typed(shop, measuring.Typed(title="Bracket 1", rows=ROWS), actor="test")
    length, bore = held.series
    assert (length.parts, length.values, length.lower, length.upper) == (("1", "2"), (80.02, 79.98), 79.9, 80.1)
    assert (bore.values, bore.lower, bore.upper) == ((12.003,), 11.9, None)
    assert shop.files.get(held.digest) == ROWS.encode()
    again = await measuring.record_typed(shop, measuring.Typed(title="Bracket 1", rows=ROWS), actor="test")
    assert (again, await shop.store.count(QualityRecord)) == (held, 1)
    _, found = await quality.judged(shop, held.id)
    assert {one.series.name for one in found} == {"length", "bore"}


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("", "No result"),
        ("length, 1", "Line 1 has 2 fields"),
        ("length,1,80,02", "Line 1 has 4 fields, so it names one limit or has a decimal comma"),
        ("length; 1; 80,02", "'80,02' is no number"),
        ("length, 1, eighty", "'eighty' is no number"),
        ("length, 1, nan", "is no number"),
        ("length, 1, 80, 81, 79", "above the upper"),
        ("length, 1, 80, 79, 81\nlength, 2, 80, 78, 81", "different limits"),
        ("length, 1, 80\nlength, 1, 81", "given twice"),
        (", 1, 80", "Line 1"),
        ("x\n" * 10_001, "more than 10,000 lines"),
    ],
)
async def test_a_line_that_cannot_be_read_is_named_and_nothing_is_kept(shop, rows, says):
    with pytest.raises(BadInput, match=says):
        await measuring.record_typed(shop, measuring.Typed(title="x", rows=rows), actor="test")
    assert await shop.store.count(QualityRecord) == 0


def test_the_limits_are_the_designs_where_it_states_the_characteristic():
    stated = Characteristic(
        id="char-1", key="#1", kind="diameter", name="bore", nominal=12.0, lower=-0.01, upper=0.02, unit="mm"
    )
    rows = [("bore", "1", 12.003, 0.0, 99.0)]
    made = measuring._series("bore", rows, stated, "mm")
    assert (made.characteristic, made.lower, made.upper) == ("char-1", 11.99, 12.02)


def test_readings_of_a_gauge_are_a_crossed_table_with_their_names():
    text = "operator, part, value\nAnn, b, 1\nAnn, a, 2\nBob, a, 3\nBob, b, 4\nAnn, b, 1.5\n"
    draft = measuring.read_study("Caliper", "mm", text, 0.1)
    assert draft.readings == (((1.0, 1.5), (2.0,)), ((4.0,), (3.0,)))
    assert (draft.people, draft.pieces) == (("Ann", "Bob"), ("b", "a"))


async def test_a_part_only_the_second_person_measured_is_not_dropped(shop):
    text = "Ann,1,1\nAnn,1,2\nBob,1,1\nBob,1,2\nBob,2,5\nBob,2,5"
    with pytest.raises(BadInput, match="not crossed"):
        await quality.study_gauge(shop, measuring.read_study("Caliper", "mm", text, None), actor="test")


@pytest.mark.parametrize("line", ["Ann, 1", "Ann, 1, 2, 3", "Ann, , 2", "Ann, 1, inf"])
def test_a_reading_that_is_none_is_named(line):
    with pytest.raises(BadInput, match="Line 1"):
        measuring.read_study("Caliper", "mm", line, None)


@pytest.mark.parametrize("tolerance", [0.0, -1.0, float("nan")])
async def test_a_tolerance_without_width_is_refused(shop, tolerance):
    text = "\n".join(f"{who},{part},{part + turn / 10}" for who in "AB" for part in (1, 2) for turn in (0, 1))
    with pytest.raises(BadInput, match="tolerance"):
        await quality.study_gauge(shop, measuring.read_study("Caliper", "mm", text, tolerance), actor="test")


def test_a_name_that_several_characteristics_share_is_asked_about():
    stated = [
        Characteristic(id=f"char-{n}", key=f"#12{n}", kind="diameter", name="diameter", nominal=n, unit="mm")
        for n in (1, 2)
    ]
    words = by_word(stated)
    with pytest.raises(BadInput, match="2 characteristics called «diameter»") as refused:
        measuring._meant("diameter", words)
    assert "#121, #122" in refused.value.remedy
    assert measuring._meant("#122", words).id == "char-2"
    assert measuring._meant("length", words) is None
