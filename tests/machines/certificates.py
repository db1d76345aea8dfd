"""A certificate authority for a test, a server's certificate for 127.0.0.1 and a client's: PEM files in a folder."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat


def make(folder, *, passphrase=None, start=None):
    """Write ca.pem, server.pem, server.key, client.pem, client.key (and locked.key with a passphrase).

    They are valid for two days; from now on, or those of server and client from a start.
    """
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("the tests' authority", ca_key, None, ca_key)
    _write(folder / "ca.pem", ca.public_bytes(Encoding.PEM))
    for name in ("server", "client"):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(f"the tests' {name}", key, ca, ca_key, start)
        _write(folder / f"{name}.pem", certificate.public_bytes(Encoding.PEM))
        _write(folder / f"{name}.key", _key(key, NoEncryption()))
        if passphrase:
            _write(folder / "locked.key", _key(key, BestAvailableEncryption(passphrase)))
    return folder


def _key(key, encryption):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def _write(path, octets):
    path.write_bytes(octets)
    path.chmod(0o644)


def _certificate(name, key, ca, ca_key, start=None):
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    start = start or datetime.now(UTC) - timedelta(hours=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(ca.subject if ca else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=ca is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    if ca is None:
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    else:
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(ca_key, hashes.SHA256())
