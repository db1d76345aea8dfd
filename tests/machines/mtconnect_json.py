"""MTConnect XML as the JSON that reference agents write: version 1 wraps each object, version 2 lists them by name."""

from lxml import etree

LISTS = {"Events", "Samples", "Condition", "Assets", "Devices", "Streams", "Components", "DataItems", "Errors"}
LISTS |= {"ComponentStreams"}
WHOLE = {"sequence", "nextSequence", "firstSequence", "lastSequence", "bufferSize", "assetCount", "assetBufferSize"}
WHOLE |= {"instanceId", "sampleCount"}


def json_of(text, version):
    root = etree.fromstring(text.encode())
    body = {"jsonVersion": version, "schemaVersion": "2.0"}
    for child in root.iterchildren("*"):
        name = etree.QName(child).localname
        body[name] = attributes(child) if name == "Header" else contents(child, version)
    return {etree.QName(root).localname: body}


def attributes(element):
    return {name: int(text) if name in WHOLE else text for name, text in element.attrib.items()}


def contents(element, version):
    """Write the objects in a list element."""
    named = [(etree.QName(one).localname, object_of(one, version)) for one in element.iterchildren("*")]
    if version == 1:
        return [{name: one} for name, one in named]
    listed = {}
    for name, one in named:
        listed.setdefault(name, []).append(one)
    return listed


def object_of(element, version):
    made = attributes(element)
    if element.get("dataItemId"):
        return made | {"value": value_of(element)}
    if element.get("errorCode"):
        return made | {"value": (element.text or "").strip()}
    streams = [one for one in element.iterchildren("*") if etree.QName(one).localname == "ComponentStream"]
    if streams:
        listed = [object_of(one, version) for one in streams]
        one_key = {"ComponentStreams": [{"ComponentStream": one} for one in listed]}
        return made | (one_key if version == 1 else {"ComponentStream": listed})
    for child in element.iterchildren("*"):
        name = etree.QName(child).localname
        made[name] = contents(child, version) if name in LISTS else object_of(child, version)
    return made


def value_of(element):
    entries = list(element.iterchildren("*"))
    if entries:
        return {one.get("key"): entry(one) for one in entries}
    text = (element.text or "").strip()
    if element.get("sampleCount"):
        return [float(word) for word in text.split()]
    try:
        return float(text)
    except ValueError:
        return text


def entry(element):
    if element.get("removed") == "true":
        return {"removed": True}
    cells = {one.get("key"): one.text for one in element.iterchildren("*")}
    return cells or element.text
