"""Messages: read strictly, written so that their own schema takes them."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.core.clock import now
from interwork.core.errors import (
    BadInput,
    Conflict,
    LimitReached,
    NotFound,
    NotSignedIn,
    PeerUnreachable,
    Refused,
    WrongState,
)
from interwork.core.exchange import Negotiation, NegotiationState, Side, Transfer, TransferState
from interwork.federation import negotiation, transfer, wire

CONTEXT = [wire.CONTEXT]


def held(side=Side.PROVIDER):
    return Negotiation(
        id="own",
        side=side,
        peer="did:web:x",
        peer_pid="urn:uuid:theirs/1",
        callback="https://x.example/dsp",
        state=NegotiationState.REQUESTED,
        dataset="d",
        offer={},
        updated_at=now(),
    )


def running():
    return Transfer(
        id="own",
        side=Side.CONSUMER,
        peer="did:web:x",
        peer_pid="theirs",
        callback="https://x.example/dsp",
        agreement="a",
        dataset="d",
        format=wire.PULL,
        state=TransferState.STARTED,
        updated_at=now(),
    )


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'"x"', b"\xff", b'{"a":' * 5000 + b"1" + b"}" * 5000])
def test_what_is_no_json_object_is_bad_input(content):
    with pytest.raises(BadInput):
        wire.decode(content)


def test_what_is_nested_too_deep_is_refused():
    with pytest.raises(BadInput, match="nested deeper"):
        wire.decode(b'{"a":' * 70 + b"1" + b"}" * 70)


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(content):
    try:
        assert isinstance(wire.decode(content), dict)
    except BadInput as fault:
        assert fault.message  # noqa: PT017 - either outcome is right, a crash is not


@pytest.mark.parametrize(
    "change",
    [
        {"@context": wire.CONTEXT},
        {"@context": [{"x": "y"}, wire.CONTEXT]},
        {"@context": []},
        {"@type": "ContractOfferMessage"},
        {"providerPid": "both"},
        {"consumerPid": None},
        {"offer": {"@id": "o", "@type": "Offer", "permission": []}},
        {"offer": {"@id": "o", "permission": [{"action": "use"}]}},
        {"offer": {"@id": "o", "@type": "Offer", "obligation": [{"action": "use"}]}},
        {"offer": {"@id": "o", "@type": "Offer", "permission": [{"action": {"@id": "use"}}]}},
    ],
)
def test_a_contract_request_with_a_fault_is_refused(change):
    message = {
        "@context": CONTEXT,
        "@type": "ContractRequestMessage",
        "consumerPid": "c",
        "callbackAddress": "https://c.example",
        "offer": {"@id": "o", "@type": "Offer", "permission": [{"action": "use", "constraint": []}]},
    }
    assert wire.step_of("negotiations", "request", message) is negotiation.Step.REQUEST
    with pytest.raises(BadInput, match="ContractRequestMessage"):
        wire.step_of("negotiations", "request", {**message, **change})


@pytest.mark.parametrize("right", [5, True, None])
def test_a_number_as_right_operand_is_refused(right):
    constraint = {"leftOperand": "x", "operator": "eq", "rightOperand": right}
    offer = {"@id": "o", "@type": "Offer", "permission": [{"action": "use", "constraint": [constraint]}]}
    body = {"@id": "d", "hasPolicy": [offer], "distribution": [{"format": "f", "accessService": "s"}]}
    with pytest.raises(BadInput):
        wire.check({"@context": CONTEXT, **body}, "Dataset")


def test_the_fault_is_named_with_its_path():
    message = wire.compose("TransferRequestMessage", consumerPid="c", agreementId="a", format="f")
    with pytest.raises(BadInput, match="callbackAddress"):
        wire.step_of("transfers", "request", message)


@pytest.mark.parametrize("step", [one for one in negotiation.Step if one is not negotiation.Step.REQUEST])
def test_every_negotiation_message_we_write_is_read_back_as_its_step(step):
    terms = {"permission": [{"action": "use"}]}
    offer = {"@id": "o", "@type": "Offer", "target": "d", **terms}
    agreed = wire.odrl_agreement("agreement-1", terms, "d", ("did:web:a", "did:web:b"), now())
    fields = {negotiation.Step.OFFER: {"offer": offer}, negotiation.Step.AGREE: {"agreement": agreed}}.get(step, {})
    message = wire.step_message(step, held(), **fields)
    if step is negotiation.Step.OFFER:
        assert "callbackAddress" not in message
    assert wire.step_of("negotiations", wire.PATHS[step], message) is step


@pytest.mark.parametrize("step", [one for one in transfer.Step if one is not transfer.Step.REQUEST])
def test_every_transfer_message_we_write_is_read_back_as_its_step(step):
    message = wire.step_message(step, running())
    assert wire.step_of("transfers", wire.PATHS[step], message) is step


def test_a_start_message_carries_endpoint_and_token():
    address = wire.data_address("https://x.example/data/t", "secret")
    message = wire.step_message(transfer.Step.START, running(), dataAddress=address)
    wire.check(message, "TransferStartMessage")
    assert wire.read_address(message) == ("https://x.example/data/t", "secret")


def test_an_unknown_path_is_not_found():
    with pytest.raises(NotFound):
        wire.step_of("transfers", "explosion", {})


def test_the_peers_pid_is_quoted_in_its_address():
    assert wire.url_of(held(), negotiation.Step.AGREE).endswith("/negotiations/urn:uuid:theirs%2F1/agreement")


def test_an_error_has_the_pids_that_were_given_and_a_placeholder_for_the_other():
    body = wire.error_body("negotiations", BadInput("No.", remedy="Do."), {"consumerPid": "c", "providerPid": 5})
    wire.check(body, "ContractNegotiationError")
    assert (body["consumerPid"], body["providerPid"]) == ("c", wire.UNKNOWN_PID)
    assert body["reason"] == ["No.", "Remedy: Do."]


@pytest.mark.parametrize("family", ["negotiations", "transfers", "catalog"])
def test_an_error_without_a_message_is_valid_too(family):
    body = wire.error_body(family, NotFound("Nothing."), {}, "pid-1")
    wire.check(body, body["@type"])
    assert family == "catalog" or body["providerPid"] == "pid-1"


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (NotSignedIn("x"), 401),
        (Refused("x"), 403),
        (NotFound("x"), 404),
        (WrongState("x"), 400),
        (BadInput("x"), 400),
        (LimitReached("x"), 429),
        (Conflict("x"), 503),
    ],
)
def test_statuses_are_those_of_the_protocol(fault, status):
    assert wire.status_of(fault) == status


def test_a_refusal_crosses_with_rule_and_remedy():
    sent = wire.compose("TransferError", reason=wire.reasons(Refused("No.", rule="members only", remedy="Join.")))
    read = wire.refusal(wire.reason_texts(sent))
    assert isinstance(read, Refused)
    assert (read.message, read.rule, read.remedy) == ("No.", "members only", "Join.")


def test_what_ended_for_want_of_an_answer_can_be_tried_again():
    fault = wire.refusal([f"{wire.UNREACHABLE}did:web:x could not be told."])
    assert isinstance(fault, PeerUnreachable)
    assert fault.retryable


def test_reasons_of_any_shape_become_bounded_texts():
    texts = wire.reason_texts({"reason": ["x" * 9000, {"@value": "y"}, 5, *["z"] * 50]})
    assert len(texts) == 10
    assert texts[1] == '{"@value":"y"}'
    assert all(len(text) <= 500 for text in texts)
    assert msgspec.json.encode(texts)
