"""Units by their UCUM codes, and the conversions between those of one dimension."""

from interwork.core.errors import BadInput

_SCALE: dict[str, tuple[str, float, float]] = {
    # code: (dimension, factor to the base unit, offset to the base unit)
    "m": ("length", 1.0, 0.0),
    "mm": ("length", 1e-3, 0.0),
    "um": ("length", 1e-6, 0.0),
    "[in_i]": ("length", 0.0254, 0.0),
    "s": ("time", 1.0, 0.0),
    "min": ("time", 60.0, 0.0),
    "h": ("time", 3600.0, 0.0),
    "d": ("time", 86400.0, 0.0),
    "kg": ("mass", 1.0, 0.0),
    "g": ("mass", 1e-3, 0.0),
    "t": ("mass", 1000.0, 0.0),
    "W": ("power", 1.0, 0.0),
    "kW": ("power", 1e3, 0.0),
    "J": ("energy", 1.0, 0.0),
    "W.h": ("energy", 3600.0, 0.0),
    "kW.h": ("energy", 3.6e6, 0.0),
    "L": ("volume", 1e-3, 0.0),
    "mL": ("volume", 1e-6, 0.0),
    "m3": ("volume", 1.0, 0.0),
    "mm3": ("volume", 1e-9, 0.0),
    "L/min": ("flow", 1e-3 / 60, 0.0),
    "K": ("temperature", 1.0, 0.0),
    "Cel": ("temperature", 1.0, 273.15),
    "{rpm}": ("speed", 1.0, 0.0),
    "mm/min": ("feed", 1.0, 0.0),
    "mm/s": ("feed", 60.0, 0.0),
    "deg": ("angle", 1.0, 0.0),
    "deg/s": ("angular speed", 1.0, 0.0),
    "Pa": ("pressure", 1.0, 0.0),
    "bar": ("pressure", 1e5, 0.0),
    "Hz": ("frequency", 1.0, 0.0),
    "N": ("force", 1.0, 0.0),
    "N.m": ("torque", 1.0, 0.0),
    "%": ("ratio", 0.01, 0.0),
    "1": ("ratio", 1.0, 0.0),
    "V": ("voltage", 1.0, 0.0),
    "A": ("current", 1.0, 0.0),
}

SYMBOLS = {
    "[in_i]": "in",
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
