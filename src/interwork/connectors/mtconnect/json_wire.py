"""MTConnect JSON documents to the same values as XML: both shapes reference agents write. Pure.

Version 1 wraps every object in a list of one-key objects (`[{"Position": {…}}]`), version 2 lists them by name
(`{"Position": [{…}]}`). Neither is told apart here: an object with a `dataItemId` is an observation, one with an `id`
under `DataItem` a data item, and the names on the way to it are what it stands in.
"""

from collections.abc import Container, Iterator
from operator import itemgetter
from typing import Any

import msgspec

from interwork.connectors.mtconnect.model import (
    MAX_DOCUMENT,
    AgentError,
    Assets,
    Cells,
    DataItem,
    Detail,
    Header,
    Line,
    MalformedDocument,
    Node,
    Seen,
    data_items,
    moment_us,
    number_of,
    whole,
)

_DEEPEST = 64
"""Most objects and lists in one another; a device model of the reference agent has about 30."""
_Place = tuple[tuple[str, dict[str, Any]], ...]


class JsonDocument:
    """One document of an agent that was asked for `application/json`."""

    def __init__(self, content: bytes) -> None:
        """Parse it; raise MalformedDocument."""
        if len(content) > MAX_DOCUMENT:
            raise MalformedDocument(f"The agent's document has more than {MAX_DOCUMENT} octets.")
        try:
            whole_document = msgspec.json.decode(content, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as fault:
            raise MalformedDocument(f"The agent's document is not JSON: {str(fault)[:120]}.") from fault
        self._kind = next((name for name in whole_document if name.startswith("MTConnect")), "")
        body = whole_document.get(self._kind)
        self._body: dict[str, Any] = body if isinstance(body, dict) else {}

    def errors(self) -> list[AgentError]:
        """List the errors of an MTConnectError document; empty for any other."""
        if self._kind != "MTConnectError":
            return []
        listed = [
            AgentError(code=str(one["errorCode"]), text=str(one.get("value") or one.get("ErrorMessage") or ""))
            for one, _ in _objects(self._body, "errorCode")
        ]
        return listed or [AgentError(code="UNKNOWN", text="The agent named no error.")]

    def devices(self) -> dict[str, DataItem]:
        """Read the device model: data items by id, in the document's order."""
        self._expect("MTConnectDevices", "/probe")
        listed = _objects(self._body, "id")
        return data_items([_line(place) for _, place in listed if place[-1][0] == "DataItem"])

    def plate(self) -> dict[str, str]:
        """Read the first device's description: maker, model, serial number."""
        for one, place in _objects(self._body, "manufacturer"):
            if place[-1][0] == "Description":
                return {name: _text(value) for name, value in one.items()}
        return {}

    def streams(self, special: Container[str]) -> tuple[Header, list[Seen]]:
        """Read a stream document in order of sequence; the items of `special` with what they say beyond a value."""
        self._expect("MTConnectStreams", "a stream request")
        header = self._header()
        seen: list[Seen] = []
        for one, place in _objects(self._body.get("Streams"), "dataItemId"):
            item, value, sequence = str(one["dataItemId"]), one.get("value"), one.get("sequence")
            detail = _detail(one, value, place) if item in special else None
            known = sequence if isinstance(sequence, int) and 0 <= sequence < 1 << 63 else 0
            seen.append((known, item, str(one.get("timestamp", "")), _text(value), detail))
        seen.sort(key=itemgetter(0))
        return header, seen

    def assets(self) -> Assets:
        """Read /assets: how many the agent keeps, and which changed last."""
        self._expect("MTConnectAssets", "/assets")
        listed = list(_objects(self._body.get("Assets"), "assetId"))
        newest = max(listed, key=lambda one: moment_us(str(one[0].get("timestamp", ""))), default=None)
        head = self._body.get("Header")
        count = head.get("assetCount", len(listed)) if isinstance(head, dict) else len(listed)
        return Assets(
            count=whole(count),
            newest="" if newest is None else f"{newest[1][-1][0]} {newest[0]['assetId']}",
            newest_us=0 if newest is None else moment_us(str(newest[0].get("timestamp", ""))),
        )

    def _expect(self, kind: str, request: str) -> None:
        if self._kind != kind:
            raise MalformedDocument(f"The agent answered {request} with {self._kind or 'nothing'}, not with {kind}.")

    def _header(self) -> Header:
        head = self._body.get("Header")
        if not isinstance(head, dict):
            raise MalformedDocument("The agent's stream document has no header.")
        return Header(
            instance=str(head.get("instanceId", "")),
            next_sequence=whole(head.get("nextSequence", "")),
            first_sequence=whole(head.get("firstSequence", 0)),
            buffer_size=whole(head.get("bufferSize", 0)),
            created_us=moment_us(str(head.get("creationTime", ""))),
            model_changed=str(head.get("deviceModelChangeTime", "")),
        )


def _objects(node: object, key: str) -> Iterator[tuple[dict[str, Any], _Place]]:
    """Walk to every object that has a key; with each, the named objects it stands in, itself last."""
    waiting: list[tuple[object, str, _Place, int]] = [(node, "", (), 0)]
    while waiting:
        one, name, place, depth = waiting.pop()
        if depth > _DEEPEST:
            raise MalformedDocument(f"The agent's document has more than {_DEEPEST} objects in one another.")
        if isinstance(one, list):
            waiting += [(inner, name, place, depth + 1) for inner in reversed(one)]
        elif isinstance(one, dict):
            here = (*place, (name, one))
            if key in one:
                yield one, here
            if key not in one or key == "id":
                waiting += [(inner, inner_name, here, depth + 1) for inner_name, inner in reversed(one.items())]


def _line(place: _Place) -> Line:
    """Turn the way to a data item into the item and what it stands in, up to its device."""
    line: list[Node] = []
    for name, one in reversed(place):
        line.append(Node(name, {key: _text(value) for key, value in one.items()}))
        if name == "Device":
            break
    return tuple(line)


def _text(value: object) -> str:
    """Write a JSON value as the XML document would have it."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return " ".join(_text(one) for one in value) if isinstance(value, list) else ""


def _detail(one: dict[str, Any], value: object, place: _Place) -> Detail:
    is_condition = any(name == "Condition" for name, _ in place)
    count = one.get("sampleCount")
    return Detail(
        level=place[-1][0].upper() if is_condition else "",
        code=_text(one.get("conditionId") or one.get("nativeCode")),
        entries=_entries(value) if isinstance(value, dict) else None,
        is_reset=bool(one.get("resetTriggered")),
        rate=number_of(_text(one.get("sampleRate"))) or 0.0,
        count=count if isinstance(count, int) else None,
    )


def _entries(value: dict[str, Any]) -> Cells:
    entries: Cells = {}
    for key, one in value.items():
        if isinstance(one, dict):
            cells = {name: _text(cell) for name, cell in one.items()}
            entries[key] = None if one.get("removed") is True else cells
        else:
            entries[key] = _text(one)
    return entries
