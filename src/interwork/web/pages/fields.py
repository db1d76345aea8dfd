"""Fields of a form: a text, a number; what is too long, no number or can be read in two ways is refused, never cut."""

import math
import re

from starlette.datastructures import FormData

from interwork.core.errors import BadInput

TEXT_MAX = 100_000
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+")
"""Thousands in English, three decimals elsewhere."""


def text_of(form: FormData, name: str, *, most: int = TEXT_MAX) -> str:
    """Read a field of a form; empty where it is not there, BadInput where it is too long."""
    value = form.get(name, "")
    text = value.strip() if isinstance(value, str) else ""
    if len(text) > most:
        raise BadInput(f"{name} has {len(text):,} letters.", where=name, remedy=f"Give at most {most:,}.")
    return text


def number_of(form: FormData, name: str, default: float | None = None) -> float:
    """Read a number of a form, the default where the field is empty; BadInput names the field."""
    text = text_of(form, name)
    if not text and default is not None:
        return default
    return number(text, name)


def whole_of(form: FormData, name: str, default: float | None = None) -> int:
    """Read a whole number of a form; BadInput where it is none: 1,5 parts are neither 1 nor 2."""
    value = number_of(form, name, default)
    if value != int(value):
        raise BadInput(f"{name} is {value:g}, which is no whole number.", where=name, remedy="Write it as 12.")
    return int(value)


def number(text: str, name: str) -> float:
    """Read a number with a decimal point or comma; BadInput where it is none, or could be two."""
    if _GROUPED.fullmatch(text):
        plain, decimal = text.replace(",", ""), text.replace(",", ".", 1).replace(",", "")
        raise BadInput(
            f"{name} is {text!r}: {plain} or {decimal}?", where=name, remedy="Write thousands without a comma."
        )
    try:
        value = float(text.replace(",", "."))
    except ValueError as fault:
        raise BadInput(
            f"{name} is {text[:40]!r}, which is no number.", where=name, remedy="Write it as 25 or 0.1."
        ) from fault
    if not math.isfinite(value):
        raise BadInput(f"{name} is not finite.", where=name, remedy="Write it as 25 or 0.1.")
    return value
