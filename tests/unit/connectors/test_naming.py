"""What makers' words are taken to mean; a person confirms it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.connectors.naming import execution_word, meaning_of, short_names, unece_code, unit_code, words_of
from interwork.core.errors import BadInput
from interwork.core.resource import Meaning
from interwork.core.units import convert

AGREED = [
    ("Execution", "", True, Meaning.EXECUTION),
    ("MachineState", "", True, Meaning.EXECUTION),
    ("PartCount", "1", False, Meaning.PART_COUNT),
    ("parts_made_total", "", False, Meaning.PART_COUNT),
    ("Power", "kW", False, Meaning.POWER),
    ("Active power L1-L3", "W", False, Meaning.POWER),
    ("Energy", "kW.h", False, Meaning.ENERGY),
    ("SpindleSpeed", "{rpm}", False, Meaning.SPINDLE_SPEED),
    ("S1/Spindle/Speed", "", False, Meaning.SPINDLE_SPEED),
    ("SpindleLoad", "%", False, Meaning.SPINDLE_LOAD),
    ("FeedRate", "mm/min", False, Meaning.FEED_RATE),
    ("CoolantLevel", "%", False, Meaning.COOLANT_LEVEL),
    ("CoolantTemperature", "Cel", False, Meaning.TEMPERATURE),
    ("ToolWear", "%", False, Meaning.TOOL_WEAR),
    ("Water", "L", False, Meaning.WATER),
    ("Program", "", True, Meaning.PROGRAM),
    ("ActiveAlarm", "", True, Meaning.ALARM),
]
OTHERS = [
    ("SpindleSpeedOverride", "%", False),
    ("ProgrammedFeedRate", "mm/min", False),
    ("BadPartCount", "", False),
    ("PowerFactor", "", False),
    ("PowerState", "", True),
    ("AlarmCount", "", False),
    ("SpindleSpeed", "Cel", False),
    ("Execution", "", False),
    ("ProgramComment", "", True),
    ("Power", "", True),
    ("", "", None),
]


@pytest.mark.parametrize(("name", "unit", "is_text", "meaning"), AGREED)
def test_a_usual_name_proposes_its_meaning(name, unit, is_text, meaning):
    assert meaning_of(name, unit, is_text=is_text) is meaning
    assert meaning_of(name, unit) is meaning


@pytest.mark.parametrize(("name", "unit", "is_text"), OTHERS)
def test_a_name_that_only_sounds_alike_proposes_nothing(name, unit, is_text):
    assert meaning_of(name, unit, is_text=is_text) is Meaning.OTHER


@given(st.text(max_size=60), st.text(max_size=10))
def test_any_name_has_some_meaning(name, unit):
    assert meaning_of(name, unit) in Meaning


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("rpm", "{rpm}"),
        ("1/min", "{rpm}"),
        ("REVOLUTION/MINUTE", "{rpm}"),
        ("kWh", "kW.h"),
        ("KWH", "kW.h"),
        ("WATT_SECOND", "J"),
        ("°C", "Cel"),
        ("CELSIUS", "Cel"),
        ("Percent", "%"),
        ("MILLIMETER/SECOND", "mm/s"),
        ("kW.h", "kW.h"),
        ("", ""),
        ("  ", ""),
        ("furlong", "{furlong}"),
        ("{rpm}", "{rpm}"),
    ],
)
def test_a_unit_text_becomes_the_code_of_the_same_unit(text, code):
    assert unit_code(text) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [("mW", "mW"), ("MW", "MW"), ("mw", "{mw}"), ("MV", "{MV}"), ("kva", "kV.A"), ("°F", "[degF]"), ("hPa", "mbar")],
)
def test_milli_and_mega_are_told_apart_by_how_they_are_written(text, code):
    assert unit_code(text) == code


@pytest.mark.parametrize(
    ("value", "text", "other", "expected"),
    [(212, "°F", "°C", 100), (2, "MWh", "MJ", 7200), (60, "m³/h", "L/min", 1000), (1, "psi", "kPa", 6.894757293168)],
)
def test_units_of_plants_convert_to_one_another(value, text, other, expected):
    assert convert(value, unit_code(text), unit_code(other)) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text", ["rpm", "kWh", "kW", "W", "%", "°C", "mm/min", "mm/s", "J", "L", "ml", "pcs", "bar", "Nm"]
)
def test_the_codes_are_those_that_core_converts(text):
    code = unit_code(text)
    assert convert(convert(1.0, code, code), code, code) == 1.0
    with pytest.raises(BadInput, match="measures"):
        convert(1.0, code, "A")


@given(st.text(max_size=40))
def test_any_unit_text_becomes_a_short_code_without_loose_braces(text):
    code = unit_code(text)
    assert len(code) <= 40 or code == text.strip()
    assert unit_code(code) == code


def test_a_unece_number_is_three_letters_packed():
    assert unece_code(int.from_bytes(b"KWH", "big")) == "KWH"
    assert unece_code(int.from_bytes(b"\0P1", "big")) == "P1"
    assert unece_code(-1) == unece_code(0) == unece_code(1 << 30) == ""


@pytest.mark.parametrize(
    ("word", "ours"),
    [
        ("ACTIVE", "ACTIVE"),
        ("Executing", "ACTIVE"),
        ("In cycle", "ACTIVE"),
        ("PROGRAM_COMPLETED", "READY"),
        ("idle", "READY"),
        ("FEED_HOLD", "STOPPED"),
        ("INTERRUPTED", "STOPPED"),
        ("E-Stop", "FAULT"),
        ("Aborted", "FAULT"),
        ("UNAVAILABLE", "UNAVAILABLE"),
        ("", "UNAVAILABLE"),
        ("Warming up", "WARMING UP"),
    ],
)
def test_a_makers_state_word_becomes_ours_or_is_passed_on(word, ours):
    assert execution_word(word) == ours


def test_words_are_split_at_capitals_digits_and_marks():
    assert words_of("S1_CNCTemp-actualValue") == ("s", "cnc", "temp", "actual", "value")


def test_a_name_is_short_where_it_is_the_only_one():
    assert short_names(["A/Load", "B/Load", "B/Speed"]) == ["A/Load", "B/Load", "Speed"]
