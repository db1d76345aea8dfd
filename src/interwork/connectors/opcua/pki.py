"""The node's OPC UA certificates: its own, made at first use, and those of servers, trusted one by one.

A folder holds `own/` (certificate.der and its key), `trusted/` and `rejected/` (one .der per server certificate, named
by its thumbprint). A server certificate that is not in `trusted/` is refused and put into `rejected/`, from where a
person moves it by its thumbprint after comparing it with what the server shows. Certificates of authorities are not
followed: a server is trusted by itself or not at all, so no revocation list is needed.
"""

import os
import shutil
import socket
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from asyncua.crypto.cert_gen import (
    dump_private_key_as_pem,
    generate_private_key,
    generate_self_signed_app_certificate,
)
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from interwork.core.errors import BadInput, NotFound

OWN, TRUSTED, REJECTED = "own", "trusted", "rejected"
CERTIFICATE, KEY = "certificate.der", "key.pem"
_VALID_DAYS = 5 * 365
_MOST_REJECTED = 100
"""Refused certificates that are kept; the oldest go first."""
_THUMBPRINT = 40


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate as a person compares it."""

    thumbprint: str
    """SHA-1 over the DER form in capitals, as OPC UA programs show it."""
    name: str
    uri: str
    """The application URI; empty where the certificate names none."""
    hosts: tuple[str, ...]
    valid_from: datetime
    valid_to: datetime
    is_trusted: bool


def thumbprint_of(der: bytes) -> str:
    """Tell a certificate's thumbprint."""
    return parsed(der).fingerprint(SHA1()).hex().upper()  # noqa: S303 - the name OPC UA gives it, not a proof


def first_of(chain: bytes) -> bytes:
    """Cut the first certificate out of a chain: the server's own (Part 6, 6.2.6)."""
    if len(chain) < 4 or chain[0] != 0x30:
        return chain
    short = chain[1]
    octets = 0 if short < 0x80 else short & 0x7F
    length = short if short < 0x80 else int.from_bytes(chain[2 : 2 + octets], "big")
    return chain[: 2 + octets + length]


def parsed(der: bytes) -> x509.Certificate:
    """Read a certificate; raise BadInput for what is none."""
    try:
        return x509.load_der_x509_certificate(der)
    except (ValueError, TypeError) as fault:
        raise BadInput(
            f"{len(der)} octets are no X.509 certificate: {fault}.", remedy="Give the certificate in DER form."
        ) from fault


def described(der: bytes, *, is_trusted: bool) -> Certificate:
    """Read what a person compares out of a certificate."""
    certificate = parsed(der)
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    uris, hosts = _alternatives(certificate)
    return Certificate(
        thumbprint=thumbprint_of(der),
        name=str(names[0].value) if names else "",
        uri=uris[0] if uris else "",
        hosts=hosts,
        valid_from=certificate.not_valid_before_utc,
        valid_to=certificate.not_valid_after_utc,
        is_trusted=is_trusted,
    )


def _alternatives(certificate: x509.Certificate) -> tuple[list[str], tuple[str, ...]]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return [], ()
    addresses = [str(one) for one in names.get_values_for_type(x509.IPAddress)]
    return names.get_values_for_type(x509.UniformResourceIdentifier), (
        *names.get_values_for_type(x509.DNSName),
        *addresses,
    )


def trusted(pki: Path) -> list[Certificate]:
    """List the server certificates that are trusted."""
    return _list(pki / TRUSTED, is_trusted=True)


def rejected(pki: Path) -> list[Certificate]:
    """List the server certificates that were refused, last seen first."""
    return _list(pki / REJECTED, is_trusted=False)


def own(pki: Path) -> Certificate | None:
    """Describe the node's own certificate, which a server may ask its administrator about; None before first use."""
    try:
        return described((pki / OWN / CERTIFICATE).read_bytes(), is_trusted=True)
    except FileNotFoundError:
        return None


def _list(folder: Path, *, is_trusted: bool) -> list[Certificate]:
    found = sorted(folder.glob("*.der"), key=lambda path: path.stat().st_mtime, reverse=True)
    certificates = []
    for path in found:
        try:
            certificates.append(described(path.read_bytes(), is_trusted=is_trusted))
        except BadInput as fault:
            raise BadInput(fault.message, where=str(path), remedy="Remove the file.") from fault
    return certificates


def is_trusted(pki: Path, der: bytes) -> bool:
    """Tell whether exactly this certificate is trusted."""
    try:
        return (pki / TRUSTED / f"{thumbprint_of(der)}.der").read_bytes() == der
    except FileNotFoundError:
        return False


def reject(pki: Path, der: bytes) -> None:
    """Keep a refused certificate for a person to look at."""
    folder = pki / REJECTED
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / f"{thumbprint_of(der)}.der", der)
    for path in sorted(folder.glob("*.der"), key=lambda one: one.stat().st_mtime)[:-_MOST_REJECTED]:
        path.unlink(missing_ok=True)


def trust(pki: Path, thumbprint: str) -> Certificate:
    """Trust a refused certificate from now on."""
    return _move(pki, thumbprint, REJECTED, TRUSTED)


def distrust(pki: Path, thumbprint: str) -> Certificate:
    """Trust a certificate no longer; its server is refused at its next connection."""
    return _move(pki, thumbprint, TRUSTED, REJECTED)


def forget(pki: Path, thumbprint: str) -> Certificate:
    """Take a refused certificate off the list; a server that still shows it is refused and listed anew."""
    path = _find(pki, thumbprint, REJECTED)
    found = described(path.read_bytes(), is_trusted=False)
    path.unlink(missing_ok=True)
    return found


def add_trusted(pki: Path, der: bytes) -> Certificate:
    """Trust a certificate that a person has as a file."""
    certificate = described(der, is_trusted=True)
    (pki / TRUSTED).mkdir(parents=True, exist_ok=True)
    _write(pki / TRUSTED / f"{certificate.thumbprint}.der", der)
    (pki / REJECTED / f"{certificate.thumbprint}.der").unlink(missing_ok=True)
    return certificate


def _find(pki: Path, thumbprint: str, source: str) -> Path:
    plain = "".join(mark for mark in thumbprint.upper() if mark in "0123456789ABCDEF")
    found = [path for path in (pki / source).glob("*.der") if plain and path.stem.startswith(plain)]
    if len(found) != 1 or len(plain) > _THUMBPRINT:
        raise NotFound(
            f"{len(found) or 'no'} {source} certificate{'s have' if len(found) > 1 else ' has'} the thumbprint "
            f"{thumbprint!r}.",
            remedy="List them with `interwork trust --list` and give one thumbprint in full.",
        )
    return found[0]


def _move(pki: Path, thumbprint: str, source: str, target: str) -> Certificate:
    found = _find(pki, thumbprint, source)
    (pki / target).mkdir(parents=True, exist_ok=True)
    path = found.replace(pki / target / found.name)
    return described(path.read_bytes(), is_trusted=target == TRUSTED)


def _write(path: Path, octets: bytes) -> None:
    """Write a file whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".new")
    with os.fdopen(handle, "wb") as file:
        file.write(octets)
    Path(name).replace(path)


def own_files(pki: Path) -> tuple[Path, Path, str]:
    """Find the node's own certificate, its key and its application URI; make them where there are none yet."""
    folder = pki / OWN
    if not (folder / CERTIFICATE).exists():
        _make_own(pki, folder)
    uris, _ = _alternatives(parsed((folder / CERTIFICATE).read_bytes()))
    return folder / CERTIFICATE, folder / KEY, uris[0] if uris else ""


def _make_own(pki: Path, folder: Path) -> None:
    """Make key and certificate in a new folder and put it in place in one step: another may do so at the same time."""
    pki.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=pki, prefix="own."))
    host = "".join(mark for mark in socket.gethostname() if mark.isascii() and (mark.isalnum() or mark in "-."))
    host = host[:60] or "localhost"
    key = generate_private_key()
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(f"urn:{host}:interwork:node:{os.urandom(4).hex()}"),
        x509.DNSName(host),
    ]
    certificate = generate_self_signed_app_certificate(
        key, f"Interwork@{host}"[:64], {}, names, [ExtendedKeyUsageOID.CLIENT_AUTH], days=_VALID_DAYS
    )
    (made / CERTIFICATE).write_bytes(certificate.public_bytes(Encoding.DER))
    (made / KEY).touch(mode=0o600)
    (made / KEY).write_bytes(dump_private_key_as_pem(key))
    try:
        made.rename(folder)
    except OSError:
        shutil.rmtree(made)
        if not (folder / CERTIFICATE).exists():
            raise


def faults_of(der: bytes, host: str, uri: str, *, now: datetime | None = None) -> list[str]:
    """Name what speaks against a server's certificate (Part 4, 6.1.3), whoever trusts it."""
    certificate, found = parsed(der), described(der, is_trusted=False)
    here = now or datetime.now(UTC)
    faults = []
    if here > found.valid_to:
        faults.append(f"it expired on {found.valid_to:%Y-%m-%d}")
    if here < found.valid_from:
        faults.append(f"it is valid only from {found.valid_from:%Y-%m-%d}")
    if host.lower() not in (one.lower() for one in found.hosts):
        faults.append(f"it names {', '.join(found.hosts) or 'no host'}, not {host}")
    if uri and found.uri != uri:
        faults.append(f"it is for {found.uri or 'no application'}, not {uri}")
    bits = getattr(certificate.public_key(), "key_size", 0)
    if bits < 2048:
        faults.append(f"its key has {bits} bits, less than 2048")
    return faults


def is_expired(der: bytes, *, now: datetime | None = None) -> bool:
    """Tell whether a certificate's time is over or not yet come."""
    certificate = parsed(der)
    return not certificate.not_valid_before_utc <= (now or datetime.now(UTC)) <= certificate.not_valid_after_utc
