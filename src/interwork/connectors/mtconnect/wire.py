"""MTConnect XML documents to values: device model, observations, assets, errors. Pure.

XML from a machine is foreign input: no DTD, no entities, no network, bounded size. A document that is not what the
standard says raises MalformedDocument; a single observation that cannot be read gets a bad quality later on.
"""

from collections.abc import Container
from operator import itemgetter

from lxml import etree

from interwork.connectors.mtconnect.model import (
    DEVICES,
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

_Element = etree._Element  # noqa: SLF001 - lxml names its element class with an underscore
_ERRORS = ("{*}Error", "{*}OutOfRange", "{*}NoDevice", "{*}InvalidRequest", "{*}InvalidURI", "{*}InvalidParameterValue")


class XmlDocument:
    """One document of an agent, parsed without entities, DTD or network."""

    def __init__(self, content: bytes) -> None:
        """Parse it; raise MalformedDocument."""
        if len(content) > MAX_DOCUMENT:
            raise MalformedDocument(f"The agent's document has more than {MAX_DOCUMENT} octets.")
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
        try:
            self._root = etree.fromstring(content, parser)
        except (etree.XMLSyntaxError, ValueError) as fault:
            raise MalformedDocument(f"The agent's document is not XML: {str(fault)[:120]}.") from fault
        if self._root.getroottree().docinfo.internalDTD is not None:
            raise MalformedDocument("The agent's document carries a DTD, which MTConnect has no use for.")
        self._kind = _tag(self._root)

    def errors(self) -> list[AgentError]:
        """List the errors of an MTConnectError document; empty for any other."""
        if self._kind != "MTConnectError":
            return []
        listed = [
            AgentError(code=element.get("errorCode") or _code(_tag(element)), text=_message(element))
            for element in self._root.iter(*_ERRORS)
        ]
        return listed or [AgentError(code="UNKNOWN", text="The agent named no error.")]

    def devices(self) -> dict[str, DataItem]:
        """Read the device model: data items by id, in the document's order."""
        self._expect("MTConnectDevices", "/probe")
        return data_items([_line(one) for one in self._root.iter("{*}DataItem") if one.get("id")])

    def plate(self) -> dict[str, str]:
        """Read the first device's description (MTConnect Part 2, 4.4.2): maker, model, serial number."""
        found = next((one for device in self._root.iter("{*}Device") for one in device.iter("{*}Description")), None)
        return {} if found is None else {str(name): str(text) for name, text in found.attrib.items()}

    def streams(self, special: Container[str]) -> tuple[Header, list[Seen]]:
        """Read a stream document in order of sequence; the items of `special` with what they say beyond a value."""
        self._expect("MTConnectStreams", "a stream request")
        header = self._header()
        seen: list[Seen] = []
        for element in self._root.iter("*"):
            get = element.get
            item = get("dataItemId")
            if item is None:
                continue
            detail = _detail(element) if item in special else None
            seen.append((_sequence(get("sequence", "")), item, get("timestamp", ""), element.text or "", detail))
        seen.sort(key=itemgetter(0))
        return header, seen

    def assets(self) -> Assets:
        """Read /assets: how many the agent keeps, and which changed last."""
        self._expect("MTConnectAssets", "/assets")
        head, listed = self._root.find("{*}Header"), self._root.find("{*}Assets")
        elements = [one for one in (listed if listed is not None else ()) if one.get("assetId")]
        newest = max(elements, key=lambda one: moment_us(one.get("timestamp", "")), default=None)
        return Assets(
            count=whole(head.get("assetCount", len(elements))) if head is not None else len(elements),
            newest="" if newest is None else f"{_tag(newest)} {newest.get('assetId')}",
            newest_us=0 if newest is None else moment_us(newest.get("timestamp", "")),
        )

    def _expect(self, kind: str, request: str) -> None:
        if self._kind != kind:
            raise MalformedDocument(f"The agent answered {request} with {self._kind or 'nothing'}, not with {kind}.")

    def _header(self) -> Header:
        head = self._root.find("{*}Header")
        if head is None:
            raise MalformedDocument("The agent's stream document has no header.")
        return Header(
            instance=head.get("instanceId", ""),
            next_sequence=whole(head.get("nextSequence", "")),
            first_sequence=whole(head.get("firstSequence", "0")),
            buffer_size=whole(head.get("bufferSize", "0")),
            created_us=moment_us(head.get("creationTime", "")),
            model_changed=head.get("deviceModelChangeTime", ""),
        )


def _sequence(text: str) -> int:
    """Read a sequence number; 0, before all others, for what is none."""
    try:
        return int(text) if len(text) < 20 else 0
    except ValueError:
        return 0


def _tag(element: _Element) -> str:
    name = element.tag
    return name.rpartition("}")[2] if isinstance(name, str) else ""


def _code(tag: str) -> str:
    """Write the 2.0 error element OutOfRange as the code OUT_OF_RANGE."""
    return "".join(f"_{mark}" if mark.isupper() and position else mark for position, mark in enumerate(tag)).upper()


def _message(element: _Element) -> str:
    inner = element.find("{*}ErrorMessage")
    return ((element if inner is None else inner).text or "").strip()


def _line(element: _Element) -> Line:
    """List a data item and its ancestors up to its device."""
    line = [_node(element)]
    for ancestor in element.iterancestors():
        line.append(_node(ancestor))
        if line[-1].tag in DEVICES:
            break
    return tuple(line)


def _node(element: _Element) -> Node:
    return Node(_tag(element), {str(name): str(value) for name, value in element.attrib.items()})


def _detail(element: _Element) -> Detail:
    parent, count = element.getparent(), element.get("sampleCount", "")
    is_condition = parent is not None and _tag(parent) == "Condition"
    return Detail(
        level=_tag(element).upper() if is_condition else "",
        code=element.get("conditionId") or element.get("nativeCode") or "",
        entries=_entries(element),
        is_reset=bool(element.get("resetTriggered")),
        rate=number_of(element.get("sampleRate", "")) or 0.0,
        count=int(count) if count.isdecimal() and len(count) < 10 else None,
    )


def _entries(element: _Element) -> Cells | None:
    """Read the entries of a data set, or of a table whose entries hold cells."""
    if not len(element) and not element.get("count"):
        return None
    entries: Cells = {}
    for entry in element.iterchildren("{*}Entry"):
        cells = {cell.get("key", ""): (cell.text or "").strip() for cell in entry.iterchildren("{*}Cell")}
        is_removed = entry.get("removed") == "true"
        entries[entry.get("key", "")] = None if is_removed else cells or (entry.text or "").strip()
    return entries
