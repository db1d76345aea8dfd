"""Words: every sentence is translated, every word of core has a name, numbers and dates follow the language."""

import ast
import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from interwork.core import design, exchange, making, organisation, planning, programme, resource
from interwork.core.taxonomy import PROCESSES
from interwork.web import terms
from interwork.web.words import LABELS, TONES, Tongue, catalogue, folded

ROOT = Path(__file__).parents[3]
PO = ROOT / "src/interwork/web/locale/zh/LC_MESSAGES/interwork.po"
AT = datetime(2026, 11, 22, 4, 43, tzinfo=UTC)


def tongue(language="en", zone=UTC):
    return Tongue(language=language, zone=zone, texts=catalogue(language))


def said():
    """Extract every sentence from templates and sources."""
    with (ROOT / "babel.cfg").open() as text:
        methods, options = parse_mapping_cfg(text)
    keywords = {"_": None, "mark": None, "ngettext": (1, 2)}
    inside = [(pattern.removeprefix("src/interwork/web/"), method) for pattern, method in methods]
    changed = {pattern.removeprefix("src/interwork/web/"): value for pattern, value in options.items()}
    found = extract_from_dir(ROOT / "src/interwork/web", inside, changed, keywords=keywords)
    return {message if isinstance(message, str) else message[0] for _, _, message, _, _ in found}


def test_every_sentence_is_translated_and_no_translation_is_left_over():
    with PO.open("rb") as text:
        kept = {one.id if isinstance(one.id, str) else one.id[0]: one.string for one in read_po(text) if one.id}
    wanted = said()
    assert len(wanted) > 500
    assert wanted - kept.keys() == set()
    assert kept.keys() - wanted == set()
    assert [key for key, value in kept.items() if not (value if isinstance(value, str) else value[0])] == []


def test_a_translation_names_the_same_facts_as_its_sentence():
    with PO.open("rb") as text:
        faults = {one.id: list(one.check()) for one in read_po(text) if one.id}
    assert {key: value for key, value in faults.items() if value} == {}


def test_no_sentence_and_no_translation_has_a_bare_percent_sign():
    """A page fails where it shows one: every text is formatted, with facts or without; a sign is written twice."""
    with PO.open("rb") as text:
        kept = [one.string for one in read_po(text) if one.id]
    shown = [*said(), *(text for one in kept for text in ([one] if isinstance(one, str) else one))]
    assert [one for one in shown if "%" in re.sub(r"%%|%\(\w+\)s", "", one)] == []


def shapes_of(path):
    """Write every text of a source, with {} where a fact stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)


def test_every_sentence_pages_know_by_its_shape_is_one_a_craft_or_a_face_makes():
    own = ROOT / "src/interwork/web/terms.py"
    made = {one for path in (ROOT / "src/interwork").rglob("*.py") if path != own for one in shapes_of(path)}
    assert {one for one in terms.SHAPES if re.sub(r"%\(\w+\)s", "{}", one) not in made} == set()


def test_a_sentence_of_a_known_shape_is_told_in_the_reader_s_language_with_its_facts():
    told = partial(terms.said, {"tongue": tongue("zh")})
    assert told("Saw said nothing for 12 s.") == "Saw 已有 12 秒没有任何消息。"
    assert told("Ada (A) is operator here.") == "Ada (A) 在这里的角色是操作员。"
    assert told("Ada said: 100 % of it") == "Ada said: 100 % of it"


def test_every_word_of_core_has_a_name():
    words = [
        member
        for module in (design, exchange, making, organisation, planning, programme, resource)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, StrEnum) and kind.__module__ == module.__name__
        for member in kind
    ]
    assert len(words) > 90
    assert {str(word) for word in [*words, *PROCESSES]} == {str(w) for w in [*words, *PROCESSES] if folded(w) in LABELS}


def test_every_tone_is_of_a_word_that_has_a_name():
    assert TONES.keys() <= LABELS.keys()


def test_an_unlisted_word_is_shown_as_it_is():
    assert tongue("zh").label("WARMING_UP") == "WARMING_UP"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1234567, "1,234,567"),
        (7803.4, "7,803"),
        (46.25, "46.2"),
        (4.756, "4.76"),
        (3.0, "3"),
        (None, "–"),
        (float("nan"), "–"),
        (-0.126, "-0.13"),
    ],
)
def test_numbers_have_separators_and_sensible_digits(value, shown):
    assert tongue().number(value) == shown


def test_money_has_cents_only_where_they_matter():
    assert [tongue().money(value) for value in (2.0, 90.4, 120_000.0, None)] == ["€2.00", "€90", "€120,000", "–"]


def test_moments_follow_language_and_zone():
    shanghai = ZoneInfo("Asia/Shanghai")
    assert tongue(zone=shanghai).moment(AT) == "22 Nov 2026, 12:43"
    assert tongue("zh", shanghai).moment(AT) == "2026-11-22 12:43"
    assert tongue("zh").day(AT) == "2026-11-22"


def test_the_ends_of_the_calendar_are_written_too():
    assert tongue(zone=ZoneInfo("Asia/Shanghai")).day(datetime.max.replace(tzinfo=UTC)) == "31 Dec 9999"


def test_spans_are_told_in_the_language():
    assert tongue().ago(AT - timedelta(hours=3), AT) == "3 hours ago"
    assert tongue("zh").ago(AT + timedelta(days=2), AT) == "2天后"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.41, "410 ms"), (3.1, "3.1 s"), (504, "8.4 min"), (10_410, "2.9 h"), (1_728_000, "20 days")],
)
def test_durations_use_their_largest_fitting_unit(seconds, shown):
    assert tongue().duration(seconds) == shown


def test_a_box_and_a_share_are_written_out():
    assert tongue().box((120.0, 80.0, 25.456)) == "120 × 80 × 25.5"
    assert tongue().percent(0.0354) == "3.5 %"


@pytest.mark.parametrize(
    ("share", "digits", "said"),
    [(0.0, 0, "0 %"), (0.001, 0, "< 1 %"), (0.0001, 1, "< 0.1 %"), (0.9999, 1, "> 99.9 %"), (1.0, 0, "100 %")],
)
def test_a_share_is_never_rounded_to_nothing_or_to_all(share, digits, said):
    assert tongue().percent(share, digits) == said
