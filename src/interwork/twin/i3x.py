"""The i3X 1.0 face: resources as objects of few types, signals as their components, values with quality and time."""

from datetime import datetime
from typing import Any

from interwork.core.clock import rfc3339
from interwork.core.resource import Resource, Signal, is_good

NAMESPACE = "https://w3id.org/interwork/i3x"
_TYPES = {
    "Machine": {"type": "object", "additionalProperties": {"type": ["number", "string", "null"]}},
    "NumberSignal": {"type": ["number", "null"]},
    "TextSignal": {"type": ["string", "null"]},
}


def object_types() -> list[dict[str, Any]]:
    """List the types objects have, each with the JSON Schema its values keep."""
    return [
        {
            "elementId": f"type-{name}",
            "displayName": name,
            "namespaceUri": NAMESPACE,
            "sourceTypeId": name,
            "version": "1.0",
            "schema": schema,
        }
        for name, schema in _TYPES.items()
    ]


def object_of(thing: Resource | Signal) -> dict[str, Any]:
    """Project a resource, or one of its signals, onto an object."""
    if isinstance(thing, Resource):
        return {
            "elementId": thing.id,
            "displayName": thing.name,
            "typeElementId": "type-Machine",
            "parentId": None,
            "isComposition": True,
            "isExtended": False,
        }
    return {
        "elementId": thing.id,
        "displayName": thing.name,
        "typeElementId": "type-TextSignal" if thing.is_text else "type-NumberSignal",
        "parentId": thing.resource,
        "isComposition": False,
        "isExtended": False,
    }


def value_of(value: float | str | None, quality: int, at: datetime) -> dict[str, Any]:
    """Write a reading as value, quality and timestamp; no value is GoodNoData or Bad, never a made-up one."""
    if value is None or value != value:  # noqa: PLR0124 - NaN is the one value that is not itself
        return {"value": None, "quality": "GoodNoData" if is_good(quality) else "Bad", "timestamp": rfc3339(at)}
    word = "Good" if is_good(quality) else "Uncertain" if quality >> 30 == 1 else "Bad"
    return {"value": None if word == "Bad" else value, "quality": word, "timestamp": rfc3339(at)}
