"""The Asset Administration Shell face: a Resource as a Shell, a Facet as a Submodel (IDTA-01001/01002 3.1)."""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

from interwork.core.errors import BadInput
from interwork.core.resource import Facet, Resource


def identifier_of(encoded: str) -> str:
    """Decode an identifier from a path: base64url of UTF-8 without padding (IDTA-01002, 11.3)."""
    try:
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        return raw.decode()
    except ValueError as fault:  # not ASCII, not base64, not UTF-8
        raise BadInput(
            f"{encoded!r} is not a base64url identifier.", remedy="Encode the id, without padding."
        ) from fault


def _id_short(name: str) -> str:
    """Make an idShort: letters, digits and underscore, starting with a letter (constraint AASd-002)."""
    cleaned = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_") or "x"
    return cleaned if cleaned[0].isalpha() else f"x_{cleaned}"


def shell(resource: Resource, facets: Sequence[Facet]) -> dict[str, Any]:
    """Project a resource onto a shell."""
    made: dict[str, Any] = {
        "modelType": "AssetAdministrationShell",
        "id": resource.id,
        "idShort": _id_short(resource.name),
        "displayName": [{"language": "en", "text": resource.name[:64]}],
        "assetInformation": {"assetKind": "Instance", "globalAssetId": f"urn:interwork:asset:{resource.id}"},
    }
    if facets:
        made["submodels"] = [
            {"type": "ModelReference", "keys": [{"type": "Submodel", "value": facet.id}]} for facet in facets
        ]
    return made


def submodel(facet: Facet) -> dict[str, Any]:
    """Project a facet onto a submodel."""
    made: dict[str, Any] = {
        "modelType": "Submodel",
        "id": facet.id,
        "idShort": _id_short(facet.name),
        "kind": "Instance",
        "semanticId": {
            "type": "ExternalReference",
            "keys": [{"type": "GlobalReference", "value": facet.semantic_id}],
        },
    }
    elements = [_element(name, value) for name, value in facet.values.items() if value not in (None, "", [], {})]
    if elements:
        made["submodelElements"] = elements
    return made


def _element(name: str | None, value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    head = {"idShort": _id_short(name)} if name is not None else {}
    if isinstance(value, Mapping):
        parts = [_element(key, one) for key, one in value.items() if one not in (None, "", [], {})]
        return {"modelType": "SubmodelElementCollection", **head, **({"value": parts} if parts else {})}
    if isinstance(value, list | tuple):
        return {
            "modelType": "SubmodelElementList",
            **head,
            "orderRelevant": True,
            "typeValueListElement": "Property",
            "valueTypeListElement": _type(value[0]),
            "value": [_element(None, one) for one in value],
        }
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return {"modelType": "Property", **head, "valueType": _type(value), "value": text}


def _type(value: Any) -> str:  # noqa: ANN401 - any JSON scalar
    if isinstance(value, bool):
        return "xs:boolean"
    if isinstance(value, int):
        return "xs:long"
    return "xs:double" if isinstance(value, float) else "xs:string"


def value_only(facet: Facet) -> dict[str, Any]:
    """Project a facet onto the value-only form, which is its values under their idShorts (IDTA-01001, 11.4.2)."""
    return {_id_short(name): _plain(value) for name, value in facet.values.items() if value not in (None, "", [], {})}


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, Mapping):
        return {_id_short(key): _plain(one) for key, one in value.items() if one not in (None, "", [], {})}
    return list(value) if isinstance(value, tuple) else value
