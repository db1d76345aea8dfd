"""What is said of certificates and policies that will not do, or not for long: which, until when, and what to do."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from asyncua import ua
from asyncua.crypto import cert_gen
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from interwork.connectors.endpoint import ends_soon, parse_endpoint
from interwork.connectors.opcua import pki
from interwork.connectors.opcua.security import Security
from interwork.core.errors import Refused

URI = "urn:test:server"
KEY = cert_gen.generate_private_key()


def certificate(days_from, days_to):
    """A server's certificate, valid from and to so many days from now on."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "machine")])
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(URI), x509.DNSName("machine.test")])
    day = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(day + timedelta(days=days_from))
    signed = made.not_valid_after(day + timedelta(days=days_to)).add_extension(names, critical=False)
    return signed.sign(KEY, SHA256()).public_bytes(Encoding.DER)


def on(days):
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"


@pytest.fixture
def security(tmp_path):
    return Security(parse_endpoint("opc.tcp://machine.test:4840", "opc.tcp", 4840), {"pki": str(tmp_path)})


def test_a_trusted_certificate_that_ends_within_a_month_is_told_with_the_day(security, tmp_path):
    long, short = certificate(-1, 60), certificate(-1, 9.5)
    for der in (long, short):
        pki.add_trusted(tmp_path, der)
    assert security._examine(tmp_path, long, URI) == ()
    (said,) = security._examine(tmp_path, short, URI)
    assert said == (
        f"The server's certificate ends on {on(9.5)}, in 9 days: renew it at the server, and trust the new one here."
    )


@pytest.mark.parametrize(
    ("days", "says"), [((-9, -2), f"it expired on {on(-2)}"), ((3, 9), f"it is valid only from {on(3)}")]
)
def test_a_trusted_certificate_out_of_its_time_is_refused_with_the_day(security, tmp_path, days, says):
    der = certificate(*days)
    pki.add_trusted(tmp_path, der)
    with pytest.raises(Refused, match=says) as caught:
        security._examine(tmp_path, der, URI)
    assert "Renew it at the server" in caught.value.remedy


def test_another_certificate_of_an_application_that_is_trusted_says_which_it_had(security, tmp_path):
    known = pki.add_trusted(tmp_path, certificate(-9, 40))
    with pytest.raises(Refused, match="not trusted") as caught:
        security._examine(tmp_path, certificate(-1, 60), URI)
    assert f"is trusted with {known.thumbprint} (until {on(40)}): ask whether it was renewed" in caught.value.remedy
    (tmp_path / pki.TRUSTED / "broken.der").write_bytes(b"x")
    with pytest.raises(Refused, match="not trusted"):
        security._examine(tmp_path, certificate(-1, 61), URI)


def test_a_server_that_refuses_our_own_expired_certificate_gets_us_to_say_so(security, tmp_path):
    assert security.remedy() == "Let the server trust our certificate: `interwork trust --own` shows it."
    (tmp_path / pki.OWN).mkdir()
    (tmp_path / pki.OWN / pki.CERTIFICATE).write_bytes(certificate(-400, -2))
    said = security.remedy()
    assert said.startswith(f"The node's own certificate ended on {on(-2)}: move {tmp_path}{os.sep}own away")
    assert f"It is valid from {on(-400)} to {on(-2)}." in said


@pytest.mark.parametrize("name", ["ECC_nistP256", "Basic256"])
def test_a_server_with_policies_that_are_only_newer_or_older_than_ours_is_told_what_would_do(security, name):
    offer = ua.EndpointDescription(
        EndpointUrl="opc.tcp://machine.test:4840",
        SecurityMode=ua.MessageSecurityMode.SignAndEncrypt,
        SecurityPolicyUri=f"http://opcfoundation.org/UA/SecurityPolicy#{name}",
    )
    with pytest.raises(Refused, match=f"offers {name},SignAndEncrypt, and here is spoken Aes256") as caught:
        security._chosen([offer])
    assert caught.value.remedy.startswith("Switch on Basic256Sha256 at the server")


def test_a_certificate_is_spoken_of_a_month_before_its_end_and_after():
    here = datetime.now(UTC)
    assert ends_soon("X", here + timedelta(days=31), "renew it") == []
    assert ends_soon("X", here + timedelta(hours=5), "renew it")[0].endswith("in 0 days: renew it.")
    assert "X ended on" in ends_soon("X", here - timedelta(hours=5), "renew it")[0]
