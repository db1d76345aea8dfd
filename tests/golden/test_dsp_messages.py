"""Our schemas against the official ones of DSP 2025-1: the same verdict on every example and every mutation of it."""

import copy
import json
import os
from pathlib import Path

import jsonschema_rs
import pytest

from interwork.federation import wire

DATA = Path(os.environ.get("INTERWORK_SHARED_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
FOLDER = DATA / "dsp-2025-1"
BASE = "https://w3id.org/dspace/2025/1/"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the official schemas are not on this machine")

SCHEMAS = {
    "VersionResponse": "common/protocol-version-schema.json",
    "CatalogRequestMessage": "catalog/catalog-request-message-schema.json",
    "DatasetRequestMessage": "catalog/dataset-request-message-schema.json",
    "Catalog": "catalog/catalog-schema.json",
    "Dataset": "catalog/dataset-schema.json",
    "CatalogError": "catalog/catalog-error-schema.json",
    "ContractRequestMessage": "negotiation/contract-request-message-schema.json",
    "ContractOfferMessage": "negotiation/contract-offer-message-schema.json",
    "ContractAgreementMessage": "negotiation/contract-agreement-message-schema.json",
    "ContractAgreementVerificationMessage": "negotiation/contract-agreement-verification-message-schema.json",
    "ContractNegotiationEventMessage": "negotiation/contract-negotiation-event-message-schema.json",
    "ContractNegotiationTerminationMessage": "negotiation/contract-negotiation-termination-message-schema.json",
    "ContractNegotiationError": "negotiation/contract-negotiation-error-schema.json",
    "ContractNegotiation": "negotiation/contract-negotiation-schema.json",
    "TransferRequestMessage": "transfer/transfer-request-message-schema.json",
    "TransferStartMessage": "transfer/transfer-start-message-schema.json",
    "TransferCompletionMessage": "transfer/transfer-completion-message-schema.json",
    "TransferSuspensionMessage": "transfer/transfer-suspension-message-schema.json",
    "TransferTerminationMessage": "transfer/transfer-termination-message-schema.json",
    "TransferError": "transfer/transfer-error-schema.json",
    "TransferProcess": "transfer/transfer-process-schema.json",
}
REPLACEMENTS = (None, 5, True, "", "text", [], ["text"], {}, [{}], {"@id": "x"}, "2023-01-01T01:00:00Z")


def kind_of(example):
    return "VersionResponse" if "protocolVersions" in example else example["@type"]


def examples():
    if not FOLDER.is_dir():
        return []
    found = [path for path in sorted(FOLDER.glob("*/example/*.json")) if "did-service" not in path.name]
    return [pytest.param(json.loads(path.read_text()), id=path.stem) for path in found]


@pytest.fixture(scope="module")
def official():
    """Load the official schemas, with the reference that lacks its slash mended."""
    texts = [path.read_text() for path in FOLDER.glob("*/*-schema.json")]
    documents = [json.loads(text.replace(".json#definitions/", ".json#/definitions/")) for text in texts]
    registry = jsonschema_rs.Registry([(one["$id"], one) for one in documents])
    return {
        kind: jsonschema_rs.Draft201909Validator({"$ref": BASE + path}, registry=registry)
        for kind, path in SCHEMAS.items()
    }


def mutations(value):
    """Give every document that differs from one in a single place: a part gone, replaced, added or repeated."""
    if isinstance(value, dict):
        yield from _changed_object(value)
    elif isinstance(value, list):
        yield [*value, *copy.deepcopy(value)]
        for index, inner in enumerate(value):
            yield [*value[:index], *value[index + 1 :]]
            for changed in (*REPLACEMENTS, *mutations(inner)):
                yield [*value[:index], changed, *value[index + 1 :]]


def _changed_object(value):
    for key, inner in value.items():
        yield {name: one for name, one in value.items() if name != key}
        for changed in (*REPLACEMENTS, *mutations(inner)):
            yield {**value, key: changed}
    for name, one in EXTRA.items():
        if name not in value:
            yield {**value, name: one}


RULE = {"action": "use", "constraint": []}
ATOM = {"leftOperand": "x", "operator": "eq", "rightOperand": "y"}
EXTRA = {
    "anything": "else",
    "@id": "urn:x",
    "target": "urn:target",
    "callbackAddress": "https://x.example",
    "providerPid": "p",
    "consumerPid": "c",
    "reason": ["x"],
    "code": "1",
    "permission": [RULE],
    "prohibition": [RULE],
    "obligation": [RULE],
    "constraint": [ATOM],
    "and": [ATOM],
    "or": [ATOM, {"xone": [ATOM]}],
    "hasPolicy": [{"@id": "o", "permission": [RULE]}],
    "distribution": [{"format": "f", "accessService": "s"}],
    "profile": ["a", "b"],
    "timestamp": "2023-01-01T01:00:00+01:00",
    "endpointProperties": [{"@type": "EndpointProperty", "name": "n", "value": "v"}],
    "servesDataset": [{"@id": "d"}],
    "filter": [],
}


@pytest.mark.parametrize("example", examples())
def test_every_official_example_is_valid_for_both(official, example):
    kind = kind_of(example)
    assert official[kind].is_valid(example)
    assert wire.VALIDATORS[kind].is_valid(example)


@pytest.mark.parametrize("example", examples())
def test_every_mutation_of_an_example_gets_the_same_verdict(official, example):
    kind = kind_of(example)
    theirs, ours = official[kind], wire.VALIDATORS[kind]
    different = [one for one in mutations(example) if theirs.is_valid(one) != ours.is_valid(one)]
    assert different == []


@pytest.mark.parametrize("example", examples())
def test_every_example_gets_the_same_verdict_as_every_other_type(official, example):
    verdicts = {kind: official[kind].is_valid(example) for kind in SCHEMAS}
    assert {kind: wire.VALIDATORS[kind].is_valid(example) for kind in SCHEMAS} == verdicts


def test_every_message_type_of_the_protocol_has_a_schema_of_ours():
    assert set(SCHEMAS) | {"AgreementTermination"} == set(wire.VALIDATORS)
