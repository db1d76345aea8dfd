"""FMU (FMI 2.0 and 3.0): told by its `modelDescription.xml`; nothing in the package is unpacked to disk or run here."""

import io
import zipfile
import zlib

import msgspec
from lxml import etree

from interwork.core.errors import UnreadableDesign
from interwork.design.files.xml import parse

_DESCRIPTION = "modelDescription.xml"
_LIMIT = 16 * 1024 * 1024
_VARIABLES_MAX = 20_000


class ModelVariable(msgspec.Struct, frozen=True, kw_only=True):
    """One named variable of a model."""

    name: str
    causality: str
    unit: str = ""
    start: str = ""


class ModelFile(msgspec.Struct, frozen=True, kw_only=True):
    """What an FMU says of itself."""

    name: str
    fmi_version: str
    guid: str
    tool: str
    kinds: tuple[str, ...]
    """`CoSimulation`, `ModelExchange`, `ScheduledExecution`."""
    variables: tuple[ModelVariable, ...]


def is_fmu(content: bytes) -> bool:
    """Tell whether a zip names a model description at its root."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            return _DESCRIPTION in package.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def read(content: bytes) -> ModelFile:
    """Read what an FMU says of itself, within limits."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package, package.open(_DESCRIPTION) as part:
            text = part.read(_LIMIT + 1)
    except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as fault:
        raise UnreadableDesign(f"The FMU cannot be unpacked: {fault}.", remedy="Export it again.") from fault
    if len(text) > _LIMIT:
        raise UnreadableDesign(f"The FMU's model description has over {_LIMIT >> 20} MiB.")
    root = parse(text, "the FMU's model description")
    if root.tag != "fmiModelDescription":
        raise UnreadableDesign("The FMU's model description is none by FMI 2.0 or 3.0.")
    listed = root.find("ModelVariables")
    kinds = ("CoSimulation", "ModelExchange", "ScheduledExecution")
    return ModelFile(
        name=root.get("modelName", ""),
        fmi_version=root.get("fmiVersion", ""),
        guid=root.get("guid", "") or root.get("instantiationToken", ""),
        tool=root.get("generationTool", ""),
        kinds=tuple(kind for kind in kinds if root.find(kind) is not None),
        variables=tuple(_variable(one) for one in ([] if listed is None else list(listed)[:_VARIABLES_MAX])),
    )


def _variable(element: etree._Element) -> ModelVariable:
    typed = next(iter(element), element) if element.tag == "ScalarVariable" else element
    return ModelVariable(
        name=element.get("name", ""),
        causality=element.get("causality", "local"),
        unit=typed.get("unit", ""),
        start=typed.get("start", ""),
    )
