"""Units by their UCUM codes, and the conversions between those of one dimension."""

import math

from interwork.core.errors import BadInput

_SCALE: dict[str, tuple[str, float, float]] = {
    # code: (dimension, factor to the base unit, offset to the base unit)
    "m": ("length", 1.0, 0.0),
    "km": ("length", 1e3, 0.0),
    "cm": ("length", 1e-2, 0.0),
    "mm": ("length", 1e-3, 0.0),
    "um": ("length", 1e-6, 0.0),
    "[in_i]": ("length", 0.0254, 0.0),
    "[ft_i]": ("length", 0.3048, 0.0),
    "m2": ("area", 1.0, 0.0),
    "cm2": ("area", 1e-4, 0.0),
    "mm2": ("area", 1e-6, 0.0),
    "s": ("time", 1.0, 0.0),
    "ms": ("time", 1e-3, 0.0),
    "us": ("time", 1e-6, 0.0),
    "min": ("time", 60.0, 0.0),
    "h": ("time", 3600.0, 0.0),
    "d": ("time", 86400.0, 0.0),
    "kg": ("mass", 1.0, 0.0),
    "g": ("mass", 1e-3, 0.0),
    "mg": ("mass", 1e-6, 0.0),
    "t": ("mass", 1000.0, 0.0),
    "[lb_av]": ("mass", 0.45359237, 0.0),
    "W": ("power", 1.0, 0.0),
    "mW": ("power", 1e-3, 0.0),
    "kW": ("power", 1e3, 0.0),
    "MW": ("power", 1e6, 0.0),
    "V.A": ("apparent power", 1.0, 0.0),
    "kV.A": ("apparent power", 1e3, 0.0),
    "J": ("energy", 1.0, 0.0),
    "kJ": ("energy", 1e3, 0.0),
    "MJ": ("energy", 1e6, 0.0),
    "GJ": ("energy", 1e9, 0.0),
    "W.h": ("energy", 3600.0, 0.0),
    "kW.h": ("energy", 3.6e6, 0.0),
    "MW.h": ("energy", 3.6e9, 0.0),
    "L": ("volume", 1e-3, 0.0),
    "mL": ("volume", 1e-6, 0.0),
    "m3": ("volume", 1.0, 0.0),
    "cm3": ("volume", 1e-6, 0.0),
    "mm3": ("volume", 1e-9, 0.0),
    "[gal_us]": ("volume", 3.785411784e-3, 0.0),
    "L/min": ("flow", 1e-3 / 60, 0.0),
    "L/s": ("flow", 1e-3, 0.0),
    "L/h": ("flow", 1e-3 / 3600, 0.0),
    "mL/min": ("flow", 1e-6 / 60, 0.0),
    "m3/h": ("flow", 1 / 3600, 0.0),
    "kg/h": ("mass flow", 1 / 3600, 0.0),
    "kg/s": ("mass flow", 1.0, 0.0),
    "K": ("temperature", 1.0, 0.0),
    "Cel": ("temperature", 1.0, 273.15),
    "[degF]": ("temperature", 5 / 9, 459.67 * 5 / 9),
    "{rpm}": ("speed", 1.0, 0.0),
    "mm/min": ("feed", 1.0, 0.0),
    "mm/s": ("feed", 60.0, 0.0),
    "m/min": ("feed", 1e3, 0.0),
    "m/s": ("feed", 6e4, 0.0),
    "deg": ("angle", 1.0, 0.0),
    "rad": ("angle", 180 / math.pi, 0.0),
    "deg/s": ("angular speed", 1.0, 0.0),
    "rad/s": ("angular speed", 180 / math.pi, 0.0),
    "Pa": ("pressure", 1.0, 0.0),
    "kPa": ("pressure", 1e3, 0.0),
    "MPa": ("pressure", 1e6, 0.0),
    "mbar": ("pressure", 100.0, 0.0),
    "bar": ("pressure", 1e5, 0.0),
    "[psi]": ("pressure", 6894.757293168, 0.0),
    "Hz": ("frequency", 1.0, 0.0),
    "kHz": ("frequency", 1e3, 0.0),
    "MHz": ("frequency", 1e6, 0.0),
    "N": ("force", 1.0, 0.0),
    "kN": ("force", 1e3, 0.0),
    "N.m": ("torque", 1.0, 0.0),
    "%": ("ratio", 0.01, 0.0),
    "1": ("ratio", 1.0, 0.0),
    "[ppm]": ("ratio", 1e-6, 0.0),
    "V": ("voltage", 1.0, 0.0),
    "mV": ("voltage", 1e-3, 0.0),
    "kV": ("voltage", 1e3, 0.0),
    "A": ("current", 1.0, 0.0),
    "mA": ("current", 1e-3, 0.0),
    "Ohm": ("resistance", 1.0, 0.0),
}

SYMBOLS = {
    "[in_i]": "in",
    "[ft_i]": "ft",
    "[lb_av]": "lb",
    "[psi]": "psi",
    "[degF]": "°F",
    "[gal_us]": "gal",
    "[ppm]": "ppm",
    "MW.h": "MWh",
    "V.A": "VA",
    "kV.A": "kVA",
    "us": "µs",
    "m2": "m²",
    "cm2": "cm²",
    "mm2": "mm²",
    "cm3": "cm³",
    "m3/h": "m³/h",
    "Ohm": "Ω",
    "kW.h": "kWh",
    "W.h": "Wh",
    "Cel": "°C",
    "{rpm}": "rpm",
    "um": "µm",
    "mm3": "mm³",
    "m3": "m³",
    "deg": "°",
    "deg/s": "°/s",
    "N.m": "N·m",
    "1": "",
}
"""How a code is shown to people, where that differs from the code."""


def convert(value: float, source: str, target: str) -> float:
    """Convert a value between two units of one dimension; raise BadInput for others."""
    if source == target:
        return value
    for code in (source, target):
        if code not in _SCALE:
            raise BadInput(f"The unit {code!r} is unknown.", remedy=f"Use one of {', '.join(sorted(_SCALE))}.")
    kind, factor, offset = _SCALE[source]
    other, other_factor, other_offset = _SCALE[target]
    if kind != other:
        raise BadInput(f"{source} measures {kind} and {target} measures {other}; they do not convert.")
    return (value * factor + offset - other_offset) / other_factor


def known_units() -> frozenset[str]:
    """List the UCUM codes that convert."""
    return frozenset(_SCALE)


def symbol(code: str) -> str:
    """Tell how a unit is shown to people."""
    return SYMBOLS.get(code, code)
