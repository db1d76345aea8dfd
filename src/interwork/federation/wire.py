"""The messages of DSP 2025-1: bytes to checked dictionaries and back, and the typed bodies of its errors.

The compact JSON form is the only one; JSON-LD processing never happens. Everything is checked here against
`schemas.json` (written from the specification) before anybody looks inside; unknown properties are kept and ignored.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import resources
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import msgspec

from interwork.core.clock import rfc3339
from interwork.core.errors import (
    BadInput,
    Conflict,
    InterworkError,
    NotFound,
    PeerError,
    PeerUnreachable,
    Refused,
    WrongState,
)
from interwork.core.exchange import Agreement, Negotiation, Side, Transfer
from interwork.federation import negotiation, transfer

CONTEXT = "https://w3id.org/dspace/2025/1/context.jsonld"
VERSION = "2025-1"
PATH = "/dsp/2025-1"
OURS = "https://w3id.org/interwork/"
AGREEMENT_TERMINATION = OURS + "AgreementTermination"
PULL = "HttpData-PULL"
DEEPEST = 64
"""Documents nested deeper than this are refused unread."""
UNREACHABLE = "Unreachable: "
"""Begins the reason of a process that ended because nobody answered."""
UNKNOWN_PID = "urn:interwork:unknown"
"""Stands in an error for the pid that nobody gave."""

Message = dict[str, Any]


def _validators() -> Mapping[str, jsonschema_rs.Draft201909Validator]:
    document = msgspec.json.decode(resources.files(__package__).joinpath("schemas.json").read_bytes())
    names = [name for name in document["$defs"] if name[0].isupper()]
    return MappingProxyType(
        {name: jsonschema_rs.Draft201909Validator({"$ref": f"#/$defs/{name}", **document}) for name in names}
    )


VALIDATORS = _validators()
"""One validator per message type, built once."""


def decode(content: bytes, *, where: str = "") -> Message:
    """Read a JSON object; BadInput for anything else."""
    try:
        read = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise BadInput(f"The body is not JSON: {fault}.", where=where) from fault
    if not isinstance(read, dict):
        raise BadInput("The body is not a JSON object.", where=where)
    layer: list[Any] = [read]
    for _ in range(DEEPEST):
        layer = [inner for one in layer for inner in (one.values() if isinstance(one, dict) else one)]
        layer = [one for one in layer if isinstance(one, dict | list)]
        if not layer:
            return read
    raise BadInput(f"The body is nested deeper than {DEEPEST}.", where=where)


def check(message: Message, kind: str, *, where: str = "") -> Message:
    """Hold a message against the schema of its type; BadInput names each fault with its path."""
    validator = VALIDATORS[kind]
    if validator.is_valid(message):
        return message
    faults = [
        f"{'/'.join(map(str, one.instance_path)) or 'body'}: {one.message}" for one in validator.iter_errors(message)
    ]
    raise BadInput(f"This is no valid {kind}: {'; '.join(fault[:200] for fault in faults[:5])}.", where=where)


def parse(content: bytes, kind: str, *, where: str = "") -> Message:
    """Read a message of one type from bytes."""
    return check(decode(content, where=where), kind, where=where)


Step = negotiation.Step | transfer.Step
FAMILIES: Mapping[str, type[negotiation.Step] | type[transfer.Step]] = MappingProxyType(
    {"negotiations": negotiation.Step, "transfers": transfer.Step}
)
"""The two protocols under the names their paths begin with."""
PATHS: Mapping[Step, str] = MappingProxyType(
    {
        negotiation.Step.REQUEST: "request",
        negotiation.Step.OFFER: "offers",
        negotiation.Step.AGREE: "agreement",
        negotiation.Step.VERIFY: "agreement/verification",
        negotiation.Step.ACCEPT: "events",
        negotiation.Step.FINALIZE: "events",
        negotiation.Step.TERMINATE: "termination",
        transfer.Step.REQUEST: "request",
        transfer.Step.START: "start",
        transfer.Step.COMPLETE: "completion",
        transfer.Step.SUSPEND: "suspension",
        transfer.Step.TERMINATE: "termination",
    }
)
"""Where each message is sent, below the process it is about."""


def step_of(family: str, path: str, message: Message) -> Step:
    """Check a message that came to a path of a protocol and tell its step."""
    steps = [step for step in FAMILIES[family] if PATHS[step] == path]
    if not steps:
        raise NotFound(f"There is no {family}/…/{path}.")
    check(message, steps[0].partition(" ")[0])
    return next(one for one in steps if len(steps) == 1 or one.endswith(message["eventType"]))


def compose(kind: str, **fields: object) -> Message:
    """Write a message; fields that are empty are left out, for the protocol has no empty lists."""
    return {"@context": [CONTEXT], "@type": kind, **{key: value for key, value in fields.items() if value}}


def pids(held: Negotiation | Transfer) -> dict[str, str]:
    """Name both ends of a process."""
    own, other = ("consumerPid", "providerPid") if held.side is Side.CONSUMER else ("providerPid", "consumerPid")
    return {own: held.id, other: held.peer_pid or UNKNOWN_PID}


def process(held: Negotiation | Transfer, state: str = "") -> Message:
    """Write where a process stands."""
    kind = "ContractNegotiation" if isinstance(held, Negotiation) else "TransferProcess"
    return compose(kind, **pids(held), state=state or held.state.value)


def step_message(step: Step, held: Negotiation | Transfer, **fields: object) -> Message:
    """Write a message about a process that both sides know."""
    kind, _, event = step.partition(" ")
    return compose(kind, **pids(held), eventType=event, **fields)


def data_address(endpoint: str, token: str) -> Message:
    """Write where data are pulled from and with what bearer token."""
    pairs = (("authorization", token), ("authType", "bearer"))
    properties = [{"@type": "EndpointProperty", "name": name, "value": value} for name, value in pairs]
    return {
        "@type": "DataAddress",
        "endpointType": "https://w3id.org/idsa/v4.1/HTTP",
        "endpoint": endpoint,
        "endpointProperties": properties,
    }


def read_address(message: Message) -> tuple[str, str]:
    """Read endpoint and token of a start message; empty where it carries none."""
    address = message.get("dataAddress", {})
    found = {one["name"]: one["value"] for one in address.get("endpointProperties", ())}
    token = found.get("authorization", "")
    return address.get("endpoint", ""), token.removeprefix("Bearer ").removeprefix("bearer ")


def odrl_agreement(
    agreement_id: str, terms: Mapping[str, Any], dataset: str, parties: tuple[str, str], at: datetime
) -> Message:
    """Write an ODRL agreement: the rules of an offer with its parties (assigner, assignee) and moment."""
    return {
        **{key: value for key, value in terms.items() if key not in ("@id", "@type", "target")},
        "@id": agreement_id,
        "@type": "Agreement",
        "target": dataset,
        "assigner": parties[0],
        "assignee": parties[1],
        "timestamp": rfc3339(at),
    }


def url_of(held: Negotiation | Transfer, step: Step) -> str:
    """Tell where the peer takes a message about a process; without its pid, the one that begins it."""
    family = "negotiations" if isinstance(held, Negotiation) else "transfers"
    pid = [quote(held.peer_pid, safe=":")] if held.peer_pid else []
    return "/".join([held.callback, family, *pid, PATHS[step]])


def bare_offer(offer: Mapping[str, Any]) -> Message:
    """Strip an offer of what only this node keeps with it."""
    return {key: value for key, value in offer.items() if not key.startswith(OURS)}


def reasons(fault: InterworkError) -> list[str]:
    """Write why something was refused: what, by which rule, what would satisfy it; one text each."""
    rule = fault.rule if isinstance(fault, Refused) else ""
    return [
        fault.message,
        *([f"Rule: {rule}"] if rule else []),
        *([f"Remedy: {fault.remedy}"] if fault.remedy else []),
    ]


def reason_texts(message: Mapping[str, Any]) -> list[str]:
    """Read the reasons a peer gave, as texts of bounded length."""
    given = message.get("reason") or [message.get("code") or "no reason was given"]
    texts = [one if isinstance(one, str) else msgspec.json.encode(one).decode() for one in given]
    return [text[:500] for text in texts[:10]]


def refusal(lines: Sequence[str], *, where: str = "") -> InterworkError:
    """Turn reasons back into the error they were written from."""
    rule = next((line.removeprefix("Rule: ") for line in lines if line.startswith("Rule: ")), "")
    remedy = next((line.removeprefix("Remedy: ") for line in lines if line.startswith("Remedy: ")), "")
    plain = " ".join(line for line in lines if not line.startswith(("Rule: ", "Remedy: ")))
    if plain.startswith(UNREACHABLE):
        return PeerUnreachable(plain.removeprefix(UNREACHABLE), remedy="Try again later.", where=where)
    return Refused(plain or "no reason was given", rule=rule, remedy=remedy, where=where)


_STATUS: tuple[tuple[type[InterworkError], int], ...] = ((WrongState, 400), (PeerError, 400), (Conflict, 503))
"""Where DSP wants another status than ours: illegal steps and unusable addresses are 400, races are retried."""


def status_of(fault: InterworkError) -> int:
    """Tell the HTTP status an error has on a DSP path."""
    return next((status for kind, status in _STATUS if isinstance(fault, kind)), fault.status)


def error_body(family: str, fault: InterworkError, message: Mapping[str, Any], pid: str = "") -> Message:
    """Write the typed error of a family (catalog, negotiations, transfers) with the pids that are known."""
    if family == "catalog":
        return compose("CatalogError", code=fault.code, reason=reasons(fault))
    kind = "ContractNegotiationError" if family == "negotiations" else "TransferError"
    known = {
        name: message[name] if isinstance(message.get(name), str) else UNKNOWN_PID
        for name in ("providerPid", "consumerPid")
    }
    if pid and pid not in known.values():
        known["providerPid" if known["providerPid"] == UNKNOWN_PID else "consumerPid"] = pid
    return compose(kind, **known, code=fault.code, reason=reasons(fault))


def terminated(agreement: Agreement, lines: Sequence[str]) -> Message:
    """Write that an agreement has ended; our own message, for DSP has none."""
    return compose(AGREEMENT_TERMINATION, agreementId=agreement.id, reason=list(lines))
