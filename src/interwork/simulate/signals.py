"""What a simulated machine shows, in one table all faces share: name, unit, meaning, type, resolution.

A face sends a value only when it changes at the resolution given here, as a real controller would.
"""

from collections.abc import Callable

import msgspec

from interwork.core.resource import Meaning
from interwork.simulate.model import State
from interwork.simulate.profiles import Profile

Value = str | int | float | bool
"""What a signal can carry; the type of a signal never changes."""


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """One live variable of a simulated machine."""

    name: str
    read: Callable[[State], Value]
    meaning: Meaning = Meaning.OTHER
    unit: str = ""
    """UCUM code."""
    text: str
    """What it is, for people."""


def _has_spindle(profile: Profile) -> bool:
    return profile.top_speed_rpm > 0


def _has_coolant(profile: Profile) -> bool:
    return profile.water_l_per_h > 0


def _has_tool(profile: Profile) -> bool:
    return profile.tool_life_min > 0


VARIABLES = (
    Variable(
        name="Execution",
        read=lambda state: state.execution.value,
        meaning=Meaning.EXECUTION,
        text="READY, ACTIVE, STOPPED or FAULT",
    ),
    Variable(name="Program", read=lambda state: state.program, meaning=Meaning.PROGRAM, text="Program loaded"),
    Variable(
        name="PartCount",
        read=lambda state: state.part_count,
        meaning=Meaning.PART_COUNT,
        unit="1",
        text="Parts made since switched on; never falls",
    ),
    Variable(
        name="Power",
        read=lambda state: round(state.power_kw, 3),
        meaning=Meaning.POWER,
        unit="kW",
        text="Electrical power drawn",
    ),
    Variable(
        name="Energy",
        read=lambda state: round(state.energy_kwh, 4),
        meaning=Meaning.ENERGY,
        unit="kW.h",
        text="Energy used since switched on; never falls",
    ),
    Variable(
        name="SpindleSpeed",
        read=lambda state: round(state.spindle_speed_rpm, 0),
        meaning=Meaning.SPINDLE_SPEED,
        unit="{rpm}",
        text="Speed of the main spindle",
    ),
    Variable(
        name="SpindleLoad",
        read=lambda state: round(state.spindle_load_pct, 1),
        meaning=Meaning.SPINDLE_LOAD,
        unit="%",
        text="Load of the main spindle",
    ),
    Variable(
        name="FeedRate",
        read=lambda state: round(state.feed_mm_min, 0),
        meaning=Meaning.FEED_RATE,
        unit="mm/min",
        text="Feed along the path",
    ),
    Variable(
        name="CoolantLevel",
        read=lambda state: round(state.coolant_level_pct, 2),
        meaning=Meaning.COOLANT_LEVEL,
        unit="%",
        text="Fill level of the coolant tank",
    ),
    Variable(
        name="CoolantTemperature",
        read=lambda state: round(state.coolant_temperature_cel, 2),
        meaning=Meaning.TEMPERATURE,
        unit="Cel",
        text="Temperature of the coolant",
    ),
    Variable(
        name="ToolWear",
        read=lambda state: round(state.tool_wear_pct, 2),
        meaning=Meaning.TOOL_WEAR,
        unit="%",
        text="Wear of the tool in use; 100 % = changed",
    ),
    Variable(
        name="Water",
        read=lambda state: round(state.water_l, 2),
        meaning=Meaning.WATER,
        unit="L",
        text="Water filled up since switched on; never falls",
    ),
    Variable(name="Alarm", read=lambda state: state.alarm, meaning=Meaning.ALARM, text="Alarm text; empty = none"),
    Variable(name="Simulated", read=lambda _: True, text="True: this machine is simulated"),
)

_NEEDS: dict[str, Callable[[Profile], bool]] = {
    "SpindleSpeed": _has_spindle,
    "SpindleLoad": _has_spindle,
    "CoolantLevel": _has_coolant,
    "CoolantTemperature": _has_coolant,
    "Water": _has_coolant,
    "ToolWear": _has_tool,
}


def variables_of(profile: Profile) -> tuple[Variable, ...]:
    """List what a machine of this profile has; a machine without a spindle has no spindle speed."""
    return tuple(v for v in VARIABLES if v.name not in _NEEDS or _NEEDS[v.name](profile))


class Changes:
    """Picks the variables whose value differs from what was last picked (report by exception)."""

    def __init__(self, variables: tuple[Variable, ...]) -> None:
        self.variables = variables
        self._last: dict[str, Value] = {}

    def take(self, state: State) -> dict[str, Value]:
        """Return the changed values by name; everything the first time."""
        changed = {}
        for variable in self.variables:
            value = variable.read(state)
            if self._last.get(variable.name) != value:
                changed[variable.name] = self._last[variable.name] = value
        return changed

    def forget(self) -> None:
        """Report everything the next time."""
        self._last.clear()
