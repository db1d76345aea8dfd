"""OPC UA security against asyncua's server: policies, trust, users, and what is refused."""

import asyncio
import json
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from asyncua import ua
from asyncua.crypto import cert_gen
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from machines.running import Server, free_port

from interwork.cli import main
from interwork.connectors import Point
from interwork.connectors.opcua import OpcUaConnector, pki
from interwork.connectors.opcua.security import CarefulClient
from interwork.core.errors import BadInput, MachineUnreachable, Refused
from interwork.core.resource import GOOD

pytestmark = pytest.mark.peer
POINT = Point(number=1, address="nsu=urn:test:machine;s=Power")
SECURE = [
    "Basic256Sha256_Sign",
    "Basic256Sha256_SignAndEncrypt",
    "Aes128Sha256RsaOaep_SignAndEncrypt",
    "Aes256Sha256RsaPss_SignAndEncrypt",
]


def server_files(folder):
    """Make a server's certificate and key for the host machine.test."""
    key = cert_gen.generate_private_key()
    names = [x509.UniformResourceIdentifier("urn:test:server"), x509.DNSName("machine.test")]
    certificate = cert_gen.generate_self_signed_app_certificate(
        key, "machine", {}, names, [ExtendedKeyUsageOID.SERVER_AUTH], days=365
    )
    (folder / "server.der").write_bytes(certificate.public_bytes(Encoding.DER))
    (folder / "server.pem").write_bytes(cert_gen.dump_private_key_as_pem(key))
    return {"certificate": str(folder / "server.der"), "key": str(folder / "server.pem")}


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    files = server_files(tmp_path_factory.mktemp("server"))
    options = {**files, "policies": ["NoSecurity", *SECURE], "user": "u", "password": "p"}
    server = Server("opcua_server.py", port := free_port(), json.dumps(options))
    yield f"opc.tcp://127.0.0.1:{port}/machine"
    server.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("node")


@pytest.fixture
def options(secure, folder):
    """A node's folder in which the server is trusted."""
    path = folder / "keys" / "opcua"
    wanted = {"pki": str(path), "username": "u", "password": "p"}
    if not pki.trusted(path):
        with pytest.raises(Refused):
            asyncio.run(enter(secure, wanted))
        pki.trust(path, pki.rejected(path)[0].thumbprint)
    return wanted


async def enter(endpoint, options):
    async with OpcUaConnector(endpoint, options) as connector:
        return connector.remarks


async def first(endpoint, options):
    async with OpcUaConnector(endpoint, options) as connector, aclosing(connector.readings([POINT])) as batches:
        batch = await anext(batches)
        return batch.value[0], batch.quality[0], connector._client.security_policy


async def test_an_unknown_server_certificate_is_refused_until_a_person_trusts_it(secure, tmp_path, capsys):
    """machines 3: SignAndEncrypt with user and password; an unknown server certificate is refused until trusted."""
    path = tmp_path / "keys" / "opcua"
    wanted = {"pki": str(path), "username": "u", "password": "p"}
    with pytest.raises(Refused) as caught:
        await enter(secure, wanted)
    (seen,) = pki.rejected(path)
    assert caught.value.rule == "opcua.trust"
    assert f"interwork trust {seen.thumbprint}" in caught.value.remedy
    assert "machine.test, not 127.0.0.1" in caught.value.remedy
    assert main(["trust", seen.thumbprint[:12], "--data", str(tmp_path)]) == 0
    assert "trusted" in capsys.readouterr().out
    value, quality, policy = await first(secure, wanted)
    assert (value, quality) == (1.5, GOOD)
    assert (type(policy).__name__, policy.Mode.name) == ("SecurityPolicyAes256Sha256RsaPss", "SignAndEncrypt")
    assert main(["trust", seen.thumbprint, "--remove", "--data", str(tmp_path)]) == 0
    with pytest.raises(Refused, match="not trusted"):
        await enter(secure, wanted)


@pytest.mark.parametrize("security", [name.replace("_", ",") for name in SECURE])
def test_each_policy_and_mode_carries_data(secure, options, security):
    value, _, policy = asyncio.run(first(secure, options | {"security": security}))
    assert value == 1.5
    assert f"{type(policy).__name__.removeprefix('SecurityPolicy')},{policy.Mode.name}" == security


def test_a_wrong_password_is_refused_and_not_shown(secure, options):
    with pytest.raises(Refused) as caught:
        asyncio.run(enter(secure, options | {"password": "wrong-one"}))
    assert caught.value.rule == "opcua.user"
    assert "wrong-one" not in str(caught.value)


def test_a_password_does_not_travel_unprotected_unless_a_person_says_so(tmp_path):
    server = Server("opcua_server.py", port := free_port(), json.dumps({"user": "u", "password": "p"}))
    endpoint, wanted = f"opc.tcp://127.0.0.1:{port}/machine", {"username": "u", "password": "p"}
    try:
        with pytest.raises(Refused) as caught:
            asyncio.run(enter(endpoint, wanted | {"pki": str(tmp_path)}))
        assert caught.value.rule == "opcua.password"
        said = asyncio.run(enter(endpoint, wanted | {"security": "None"}))
    finally:
        server.stop()
    assert any("unprotected" in one for one in said)


@pytest.fixture
def half_open(tmp_path):
    """A controller whose channel is open and whose users' passwords are encrypted for its certificate."""
    options = {**server_files(tmp_path), "user": "u", "password": "p", "only": "None_"}
    options["policies"] = ["NoSecurity", "Basic256Sha256_SignAndEncrypt"]
    server = Server("opcua_server.py", port := free_port(), json.dumps(options))
    yield f"opc.tcp://127.0.0.1:{port}/machine"
    server.stop()


def test_an_open_channel_takes_a_password_that_is_encrypted_for_a_trusted_certificate(half_open, tmp_path):
    wanted = {"pki": str(tmp_path / "pki"), "username": "u", "password": "p"}
    with pytest.raises(Refused) as caught:
        asyncio.run(enter(half_open, wanted))
    assert caught.value.rule == "opcua.trust", "a stranger's certificate may be a thief's"
    pki.trust(tmp_path / "pki", pki.rejected(tmp_path / "pki")[0].thumbprint)
    said = asyncio.run(enter(half_open, wanted))
    assert said[:2] == [
        "The server offers no security: the link is neither signed nor encrypted.",
        "The password is encrypted for the server's certificate.",
    ]
    with pytest.raises(Refused) as caught:
        asyncio.run(enter(half_open, wanted | {"password": "other"}))
    assert caught.value.rule == "opcua.user"


def test_a_server_that_wants_a_user_says_so_where_none_is_given(half_open, tmp_path):
    with pytest.raises(Refused, match="without a user name") as caught:
        asyncio.run(enter(half_open, {"pki": str(tmp_path / "pki")}))
    assert "username" in caught.value.remedy


def test_a_password_is_kept_back_where_the_session_asks_for_it_in_another_way_than_the_list_said():
    client = CarefulClient("opc.tcp://127.0.0.1:1")
    client._policy_ids = [ua.UserTokenPolicy(PolicyId="u", TokenType=ua.UserTokenType.UserName)]
    assert client.server_policy(ua.UserTokenType.UserName).PolicyId == "u"
    client.sealed_for = b"trusted"
    with pytest.raises(ua.UaError, match="another way"):
        client.server_policy(ua.UserTokenType.UserName)
    client._policy_ids[0].SecurityPolicyUri = "http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256"
    with pytest.raises(ua.UaError, match="another way"):
        client.server_policy(ua.UserTokenType.UserName)
    client.security_policy.peer_certificate = b"trusted"
    assert client.server_policy(ua.UserTokenType.UserName).PolicyId == "u"


def test_a_server_without_security_is_used_and_that_is_said_but_not_after_it_had_some(tmp_path):
    server = Server("opcua_server.py", port := free_port())
    endpoint, wanted = f"opc.tcp://127.0.0.1:{port}/machine", {"pki": str(tmp_path)}
    try:
        assert "neither signed nor encrypted" in asyncio.run(enter(endpoint, wanted))[0]
        (tmp_path / "known.json").write_text(json.dumps({f"127.0.0.1:{port}": "SignAndEncrypt"}))
        with pytest.raises(Refused) as caught:
            asyncio.run(enter(endpoint, wanted))
        assert caught.value.rule == "opcua.downgrade"
        with pytest.raises(Refused, match="at least Sign"):
            asyncio.run(enter(endpoint, wanted | {"security": "Sign"}))
    finally:
        server.stop()


def test_a_trusted_certificate_that_does_not_name_the_host_is_remarked(secure, options):
    assert any("machine.test, not 127.0.0.1" in one for one in asyncio.run(enter(secure, options)))


async def test_the_security_options_are_checked_before_a_socket_is_opened():
    for wrong in ({"security": "Sign"}, {"security": "Basic128Rsa15,Sign", "pki": "x"}, {"security": "sign"}):
        with pytest.raises(BadInput):
            OpcUaConnector("opc.tcp://127.0.0.1:1", wrong)


async def test_a_server_that_is_not_there_is_unreachable_with_security_too(tmp_path):
    with pytest.raises(MachineUnreachable), anyio.fail_after(30):
        await enter(f"opc.tcp://127.0.0.1:{free_port()}", {"pki": str(tmp_path)})


def test_the_faults_of_a_certificate_are_named(tmp_path):
    server_files(tmp_path)
    der = (tmp_path / "server.der").read_bytes()
    later = datetime.now(UTC) + timedelta(days=400)
    faults = pki.faults_of(der, "10.0.0.1", "urn:other", now=later)
    assert [one.split()[1] for one in faults] == ["expired", "names", "is"]
    assert pki.faults_of(der, "MACHINE.test", "urn:test:server") == []
    assert pki.is_expired(der, now=later)
    assert not pki.is_expired(der)
