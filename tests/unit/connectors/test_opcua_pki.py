"""The node's OPC UA certificates: its own, trusted and refused ones, and the verb `trust`."""

import json
import stat

import anyio
import pytest
from asyncua.crypto import cert_gen
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from interwork.cli import main
from interwork.connectors.opcua import pki
from interwork.core.errors import BadInput, NotFound


@pytest.fixture(scope="module")
def key():
    return cert_gen.generate_private_key()


def certificate(key, name):
    names = [x509.UniformResourceIdentifier(f"urn:{name}"), x509.DNSName(name)]
    made = cert_gen.generate_self_signed_app_certificate(key, name, {}, names, [])
    return made.public_bytes(Encoding.DER)


def test_the_own_certificate_is_made_once_and_its_key_is_for_the_owner_alone(tmp_path):
    first, second = pki.own_files(tmp_path), pki.own_files(tmp_path)
    assert first == second
    path, secret, uri = first
    assert uri.startswith("urn:")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    described = pki.own(tmp_path)
    assert described.uri == uri
    assert (described.valid_to - described.valid_from).days == 5 * 365
    assert [one.name for one in tmp_path.iterdir()] == [path.parent.name]


async def test_two_connectors_at_first_use_end_up_with_one_certificate(tmp_path):
    found = []

    async def make():
        found.append(await anyio.to_thread.run_sync(pki.own_files, tmp_path))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(make)
        tasks.start_soon(make)
    assert found[0] == found[1]
    assert [one.name for one in tmp_path.iterdir()] == ["own"]


def test_a_refused_certificate_is_trusted_and_distrusted_by_its_thumbprint(tmp_path, key):
    der = certificate(key, "machine")
    pki.reject(tmp_path, der)
    (seen,) = pki.rejected(tmp_path)
    assert (seen.name, seen.hosts, seen.is_trusted) == ("machine", ("machine",), False)
    assert not pki.is_trusted(tmp_path, der)
    spaced = " ".join(seen.thumbprint[at : at + 2].lower() for at in range(0, 40, 2))
    assert pki.trust(tmp_path, spaced).is_trusted
    assert pki.is_trusted(tmp_path, der)
    pki.distrust(tmp_path, seen.thumbprint)
    assert not pki.is_trusted(tmp_path, der)
    assert (len(pki.trusted(tmp_path)), len(pki.rejected(tmp_path))) == (0, 1)


def test_another_certificate_under_a_trusted_name_is_not_trusted(tmp_path, key):
    first, second = certificate(key, "machine"), certificate(key, "machine")
    pki.add_trusted(tmp_path, first)
    (tmp_path / "trusted" / f"{pki.thumbprint_of(second)}.der").write_bytes(first)
    assert not pki.is_trusted(tmp_path, second)


@pytest.mark.parametrize("thumbprint", ["", "zz", "00", "F" * 50])
def test_a_thumbprint_that_names_no_certificate_or_several_changes_nothing(tmp_path, key, thumbprint):
    pki.reject(tmp_path, certificate(key, "machine"))
    with pytest.raises(NotFound):
        pki.trust(tmp_path, thumbprint)
    assert pki.trusted(tmp_path) == []


def test_refused_certificates_do_not_fill_the_disk(tmp_path, key, monkeypatch):
    monkeypatch.setattr(pki, "_MOST_REJECTED", 3)
    for number in range(5):
        pki.reject(tmp_path, certificate(key, f"m{number}"))
    assert len(pki.rejected(tmp_path)) == 3


def test_the_first_certificate_of_a_chain_is_the_servers(key):
    first, second = certificate(key, "machine"), certificate(key, "issuer")
    assert pki.first_of(first + second) == first
    assert pki.first_of(b"") == b""


@pytest.mark.parametrize("octets", [b"", b"no certificate", b"\x30\x82\xff\xff"])
def test_octets_that_are_no_certificate_are_bad_input(tmp_path, octets):
    with pytest.raises(BadInput):
        pki.described(octets, is_trusted=False)
    with pytest.raises(BadInput):
        pki.add_trusted(tmp_path, octets)


def test_the_verb_trust_shows_adds_and_removes(tmp_path, key, capsys):
    data, file = ["--data", str(tmp_path)], tmp_path / "server.der"
    file.write_bytes(certificate(key, "machine"))
    assert main(["trust", *data]) == 0
    assert "No OPC UA server" in capsys.readouterr().out
    assert main(["trust", "--file", str(file), "--json", *data]) == 0
    (added,) = json.loads(capsys.readouterr().out)
    assert main(["trust", "--list", "--json", *data]) == 0
    assert json.loads(capsys.readouterr().out) == [added]
    assert main(["trust", "--remove", added["thumbprint"], *data]) == 0
    assert capsys.readouterr().out.startswith("refused")
    assert main(["trust", "--own", "--json", *data]) == 0
    assert json.loads(capsys.readouterr().out)["uri"].startswith("urn:")
    assert main(["trust", "--remove", *data]) == 1
    assert main(["trust", "--file", str(tmp_path / "none"), *data]) == 1
