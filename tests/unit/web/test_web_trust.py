"""Certificates of OPC UA servers on a page and by the API: seen, trusted, refused again, forgotten; by the owner."""

import msgspec
import pytest
from asyncua.crypto import cert_gen
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from interwork.connectors.opcua import pki
from interwork.core.blueprint import LinkState
from interwork.core.event import Tag
from interwork.core.organisation import Role
from interwork.flows.ingest.trusting import folder_of
from interwork.flows.links import Link


@pytest.fixture(scope="module")
def certificate():
    key = cert_gen.generate_private_key()
    names = [x509.UniformResourceIdentifier("urn:test:oven"), x509.DNSName("oven.test")]
    made = cert_gen.generate_self_signed_app_certificate(
        key, "Oven controller", {}, names, [ExtendedKeyUsageOID.SERVER_AUTH], days=30
    )
    return made.public_bytes(Encoding.DER)


@pytest.fixture
def waiting(node, certificate):
    """Let a server have shown its certificate."""
    pki.reject(folder_of(node), certificate)
    return pki.thumbprint_of(certificate)


async def send(owner, act, thumbprint):
    token = await owner.csrf("/machines/trust")
    return await owner.post("/machines/trust", {"csrf": token, "act": act, "thumbprint": thumbprint})


async def test_a_refused_certificate_is_trusted_refused_again_and_forgotten(owner, node, waiting):
    """machines 3: an unknown server certificate is refused until a person trusts it, in the portal too."""
    page = (await owner.get("/machines/trust")).text
    assert "Oven controller" in page
    assert " ".join(waiting[at : at + 4] for at in range(0, 40, 4)) in page
    link = Link(resource="resource-oven000000", name="Oven", endpoint="opc.tcp://oven.test", state=LinkState.FAILED)
    node.links.by_resource[link.resource] = link
    assert (await send(owner, "trust", waiting)).status == 303
    assert [one.thumbprint for one in pki.trusted(folder_of(node))] == [waiting]
    assert link.kick.is_set()  # tried at once
    assert (await send(owner, "distrust", waiting)).status == 303
    assert (await send(owner, "forget", waiting)).status == 303
    assert (pki.trusted(folder_of(node)), pki.rejected(folder_of(node))) == ([], [])
    told = await node.store.events(tag=Tag.CERTIFICATE_DECIDED)
    assert [one.detail["state"] for one in told] == ["trusted", "refused", "forgotten"]
    assert (await send(owner, "trust", waiting)).status == 404
    assert (await send(owner, "explode", waiting)).status == 400


async def test_an_operator_sees_certificates_and_decides_on_none(program, waiting):
    operator = await program(Role.OPERATOR)
    found = msgspec.json.decode((await operator.get("/api/certificates")).body)
    assert [one["thumbprint"] for one in found["rejected"]] == [waiting]
    assert found["own"] is None
    body = msgspec.json.encode({"act": "trust"})
    refused = await operator.send("POST", f"/api/certificates/{waiting}", body, content_type="application/json")
    assert refused.status == 403


async def test_a_program_of_the_owner_decides_by_the_api(program, node, waiting):
    owner = await program(Role.OWNER)
    body = msgspec.json.encode({"act": "trust"})
    made = await owner.send("POST", f"/api/certificates/{waiting}", body, content_type="application/json")
    assert made.status == 200
    assert pki.is_trusted(folder_of(node), (folder_of(node) / "trusted" / f"{waiting}.der").read_bytes())
