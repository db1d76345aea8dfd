"""Guesses what a signal means, its unit and a machine's state from the words makers use; a person confirms them.

Nothing is converted: a unit text becomes the UCUM code of the same unit, and a text without a code is kept as a
UCUM annotation in braces. A state word that is not in the table is passed on in capitals rather than guessed.
"""

import re
from collections import Counter

import msgspec

from interwork.core.resource import Meaning

ACTIVE, READY, STOPPED, FAULT, UNAVAILABLE = "ACTIVE", "READY", "STOPPED", "FAULT", "UNAVAILABLE"

_STATE_WORDS: dict[str, tuple[str, ...]] = {
    # MTConnect EXECUTION, PackML states, OPC 40001 and 40501 (umati) item and machine states, and common panel words
    ACTIVE: (
        *("active", "execute", "executing", "running", "run", "cycle", "incycle", "automatic", "auto"),
        *("starting", "processing", "producing", "machining", "started", "working", "busy"),
    ),
    READY: (
        *("ready", "idle", "programcompleted", "completed", "complete", "finished", "notexecuting", "standby"),
        *("waiting", "resetting", "completing", "ended", "initialized", "reset"),
    ),
    STOPPED: (
        *("stopped", "stopping", "interrupted", "feedhold", "hold", "held", "holding", "unholding", "paused"),
        *("optionalstop", "programstopped", "programoptionalstop", "wait", "suspended", "suspending"),
        *("unsuspending", "stop", "manual", "setup", "maintenance", "notready", "outofservice", "clearing"),
    ),
    FAULT: ("fault", "faulted", "alarm", "error", "aborted", "aborting", "emergencystop", "estop", "failure"),
    UNAVAILABLE: ("unavailable", "notavailable", "offline", "unknown", "off", "undefined", "disconnected"),
}
_STATES = {word: state for state, words in _STATE_WORDS.items() for word in words}


def execution_word(text: str) -> str:
    """Map a maker's word for what the machine does to ACTIVE, READY, STOPPED, FAULT or UNAVAILABLE."""
    plain = re.sub(r"[^a-z]", "", text.lower())
    return _STATES.get(plain, text.strip().upper() or UNAVAILABLE)


_UNIT_TEXTS: dict[str, tuple[str, ...]] = {
    # code: texts in use, UNECE Recommendation 20 codes (OPC UA), MTConnect units
    "m": ("metre", "meter", "MTR", "METER"),
    "km": ("kilometre", "kilometer", "KMT"),
    "cm": ("centimetre", "centimeter", "CMT", "CENTIMETER"),
    "mm": ("millimetre", "millimeter", "MMT", "MILLIMETER"),
    "um": ("µm", "micrometre", "micrometer", "micron", "4H", "MICRON"),
    "[in_i]": ("in", "inch", "INH", "INCH"),
    "[ft_i]": ("ft", "foot", "feet", "FOT", "FOOT"),
    "m2": ("m²", "m^2", "MTK"),
    "cm2": ("cm²", "cm^2", "CMK"),
    "mm2": ("mm²", "mm^2", "MMK"),
    "s": ("sec", "second", "seconds", "SEC", "SECOND"),
    "ms": ("msec", "millisecond", "milliseconds", "C26", "MILLISECOND"),
    "us": ("µs", "microsecond", "microseconds", "B98"),
    "min": ("minute", "minutes", "MIN", "MINUTE"),
    "h": ("hour", "hours", "HUR", "HOUR"),
    "d": ("day", "days", "DAY"),
    "kg": ("kilogram", "KGM", "KILOGRAM"),
    "g": ("gram", "GRM", "GRAM"),
    "mg": ("milligram", "MGM"),
    "t": ("tonne", "TNE"),
    "[lb_av]": ("lb", "lbs", "pound", "LBR", "POUND"),
    "W": ("watt", "WTT", "WATT"),
    "mW": ("milliwatt", "C31"),
    "kW": ("kilowatt", "KWT", "KILOWATT"),
    "MW": ("megawatt", "MAW"),
    "V.A": ("VA", "D46", "VOLT_AMPERE"),
    "kV.A": ("kVA", "KVA"),
    "J": ("joule", "JOU", "JOULE", "Ws", "WATT_SECOND"),
    "kJ": ("kilojoule", "KJO"),
    "MJ": ("megajoule",),
    "GJ": ("gigajoule",),
    "W.h": ("Wh", "watt hour", "WHR", "WATT_HOUR"),
    "kW.h": ("kWh", "kilowatt hour", "KWH", "KILOWATT_HOUR"),
    "MW.h": ("MWh", "megawatt hour", "MWH"),
    "L": ("l", "litre", "liter", "LTR", "LITER"),
    "mL": ("ml", "millilitre", "milliliter", "MLT", "MILLILITER"),
    "m3": ("m³", "m^3", "cubic metre", "MTQ", "CUBIC_METER"),
    "cm3": ("cm³", "cm^3", "ccm", "CMQ"),
    "mm3": ("mm³", "mm^3", "CUBIC_MILLIMETER"),
    "[gal_us]": ("gal", "gallon", "GLL", "GALLON"),
    "L/min": ("l/min", "L2"),
    "L/s": ("l/s", "G51", "LITER/SECOND"),
    "L/h": ("l/h", "E32"),
    "mL/min": ("ml/min",),
    "m3/h": ("m³/h", "m^3/h", "MQH"),
    "kg/h": ("E93",),
    "kg/s": ("KGS",),
    "K": ("kelvin", "KEL", "KELVIN"),
    "Cel": ("°C", "degC", "deg C", "celsius", "CEL", "CELSIUS"),
    "[degF]": ("°F", "degF", "deg F", "fahrenheit", "FAH", "FAHRENHEIT"),
    "{rpm}": ("rpm", "r/min", "1/min", "min-1", "/min", "rev/min", "RPM", "REVOLUTION/MINUTE"),
    "mm/min": ("H81", "MILLIMETER/MINUTE"),
    "mm/s": ("C16", "MILLIMETER/SECOND"),
    "m/min": ("METER/MINUTE",),
    "m/s": ("MTS", "METER/SECOND"),
    "%": ("percent", "pct", "P1", "PERCENT"),
    "1": ("count", "pcs", "pieces", "parts", "each", "piece", "C62", "H87", "COUNT"),
    "[ppm]": ("ppm",),
    "V": ("volt", "VLT", "VOLT"),
    "mV": ("millivolt",),
    "kV": ("kilovolt", "KVT"),
    "A": ("ampere", "amp", "AMP", "AMPERE"),
    "mA": ("milliampere",),
    "Ohm": ("Ω", "ohm", "OHM"),
    "deg": ("°", "degree", "DD", "DEGREE"),
    "rad": ("radian", "C81", "RADIAN"),
    "deg/s": ("DEGREE/SECOND",),
    "rad/s": ("RADIAN/SECOND",),
    "Pa": ("pascal", "PAL", "PASCAL"),
    "kPa": ("kilopascal", "KPA"),
    "MPa": ("megapascal", "MPA", "N/mm2", "N/mm²"),
    "mbar": ("hPa", "millibar", "MBR", "A97"),
    "bar": ("BAR",),
    "[psi]": ("psi",),
    "Hz": ("hertz", "HTZ", "HERTZ"),
    "kHz": ("kilohertz", "KHZ"),
    "MHz": ("megahertz", "MHZ"),
    "N": ("newton", "NEW", "NEWTON"),
    "kN": ("kilonewton", "B47"),
    "N.m": ("Nm", "NU", "NEWTON_METER"),
}
_UNITS = {code: code for code in _UNIT_TEXTS} | {text: code for code, texts in _UNIT_TEXTS.items() for text in texts}
_CASE_TELLS = re.compile(r"[mM](W|V|A|Pa|PA|J|Hz|HZ|g|s)")
"""Milli or mega: only as it is written."""
_UNITS_ANY_CASE = {text.casefold(): code for text, code in _UNITS.items() if not _CASE_TELLS.fullmatch(text)}


def unit_code(text: str) -> str:
    """Name a maker's unit by its UCUM code; keep a text without one as an annotation in braces."""
    text = text.strip()
    if text.startswith("{") and text.endswith("}"):
        return text
    code = _UNITS.get(text) or _UNITS_ANY_CASE.get(text.casefold())
    if code or not text:
        return code or ""
    kept = "".join(mark for mark in text if "!" <= mark <= "~" and mark not in "{}")[:32]
    return f"{{{kept}}}" if kept else ""


def unece_code(number: int) -> str:
    """Write the UNECE code an OPC UA unitId packs into a number (OPC UA Part 8, 5.6.3); empty where there is none."""
    if not 0 < number < 1 << 24:
        return ""
    return "".join(chr(octet) for octet in number.to_bytes(3, "big") if 33 <= octet <= 126)


class _Rule(msgspec.Struct, frozen=True):
    """A meaning is proposed where a name has one word of each group, none of the barred, and a unit that fits."""

    meaning: Meaning
    groups: tuple[frozenset[str], ...]
    units: frozenset[str]


def _rule(meaning: Meaning, *groups: str, units: str = "") -> _Rule:
    return _Rule(meaning, tuple(frozenset(group.split()) for group in groups), frozenset({"", *units.split()}))


_BARRED_WORDS = (
    "override ovr target setpoint limit maximum minimum max min programmed commanded nominal rated factor supply "
    "good bad scrap remaining planned comment line edit block voltage current pressure mode ratio number"
)
_BARRED = frozenset(_BARRED_WORDS.split())
_RULES = (
    _rule(Meaning.PART_COUNT, "part parts piece pieces workpiece workpieces", "count counter total made", units="1"),
    _rule(Meaning.PART_COUNT, "partcount partscount partcounter piececount", units="1"),
    _rule(Meaning.TOOL_WEAR, "tool", "wear", units="% 1 mm um"),
    _rule(Meaning.TOOL_WEAR, "toolwear", units="% 1 mm um"),
    _rule(Meaning.COOLANT_LEVEL, "coolant", "level fill", units="% 1 L mm"),
    _rule(Meaning.COOLANT_LEVEL, "coolantlevel", units="% 1 L mm"),
    _rule(Meaning.SPINDLE_LOAD, "spindle", "load", units="% 1"),
    _rule(Meaning.SPINDLE_LOAD, "spindleload", units="% 1"),
    _rule(Meaning.SPINDLE_SPEED, "spindle rotary", "speed velocity rpm", units="{rpm}"),
    _rule(Meaning.SPINDLE_SPEED, "spindlespeed", units="{rpm}"),
    _rule(Meaning.FEED_RATE, "feed", "rate velocity speed", units="mm/min mm/s m/min"),
    _rule(Meaning.FEED_RATE, "feed feedrate", units="mm/min mm/s m/min"),
    _rule(Meaning.TEMPERATURE, "temperature temp", units="Cel K [degF]"),
    _rule(Meaning.EXECUTION, "execution"),
    _rule(Meaning.EXECUTION, "machine run operating cycle", "state status"),
    _rule(Meaning.EXECUTION, "machinestate runstate machinestatus"),
    _rule(Meaning.ALARM, "alarm alarms fault faults"),
    _rule(Meaning.ENERGY, "energy", units="kW.h W.h MW.h J kJ MJ GJ"),
    _rule(Meaning.POWER, "power wattage", units="kW W MW"),
    _rule(Meaning.WATER, "water", units="L mL m3 L/min"),
    _rule(Meaning.PROGRAM, "program"),
)
_NEVER_NUMERIC = (Meaning.EXECUTION, Meaning.ALARM, Meaning.PROGRAM)
_NOT_WITH = {
    Meaning.ALARM: frozenset({"count"}),
    Meaning.POWER: frozenset({"state", "status", "on"}),
    Meaning.PROGRAM: frozenset({"state", "status"}),
    Meaning.EXECUTION: frozenset({"time", "duration"}),
}


def words_of(name: str) -> tuple[str, ...]:
    """Split a signal's name into lower-case words at capitals, digits and punctuation."""
    return tuple(word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name))


def meaning_of(name: str, unit: str = "", *, is_text: bool | None = None) -> Meaning:
    """Propose what a signal means from its name and its UCUM unit; OTHER where nothing speaks for a meaning.

    `is_text` None means it is not known whether the value is a text.
    """
    words = frozenset(words_of(name))
    if words & _BARRED:
        return Meaning.OTHER
    for rule in _RULES:
        fits = unit in rule.units and all(words & group for group in rule.groups)
        fits = fits and not words & _NOT_WITH.get(rule.meaning, frozenset())
        if fits and is_text in (None, rule.meaning in _NEVER_NUMERIC):
            return rule.meaning
    return Meaning.OTHER


def short_names(paths: list[str]) -> list[str]:
    """Name each path by its last part, or by the whole path where two share it."""
    last = [path.rpartition("/")[2] for path in paths]
    uses = Counter(last)
    return [path if uses[short] > 1 else short for path, short in zip(paths, last, strict=True)]
