"""XML from outside: no document type, no entities, no network, within the parser's own limits."""

from lxml import etree

from interwork.core.errors import UnreadableDesign

Element = etree._Element  # noqa: SLF001 -- lxml has no public name for the class of an element


def parse(content: bytes, what: str) -> Element:
    """Parse XML; raise UnreadableDesign where it is not sound or carries a document type."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as fault:
        raise UnreadableDesign(f"The XML of {what} is not sound: {fault}.", remedy="Export it again.") from fault
    if getattr(root.getroottree().docinfo, "doctype", ""):
        raise UnreadableDesign(f"{what[:1].upper()}{what[1:]} carries a document type definition; it was not read.")
    return root
