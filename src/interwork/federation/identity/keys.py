"""Who we are: a did:web made from the node's address, the keys behind it, and what they sign.

Private keys stay in one file that nobody else can read; neither they nor tokens ever reach a log.
"""

import hashlib
import hmac
import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

import msgspec
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import ECKey, OKPKey
from joserfc.jws import JWSRegistry

from interwork.core.clock import Clock, now
from interwork.core.errors import BadInput, Unusable
from interwork.core.ids import new_id
from interwork.federation import wire

ALGORITHMS = ("ES256", "Ed25519", "EdDSA")
"""What signatures may be made with; EdDSA is Ed25519 under the name that older peers use."""
NAME = wire.OURS + "name"
KEY_FILE = "identity.pem"
TOKEN_S = 120
"""Life of a token of ours."""


class Accepted(JWSRegistry):
    """Exactly our list of algorithms."""

    def get_alg(self, name: str) -> JWSAlgModel:
        """Find an algorithm of the list."""
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError(f"Algorithm {name!r} is not accepted")
        return self.algorithms[name]


REGISTRY = Accepted(strict_check_header=False)
Key = ECKey | OKPKey


def did_of(root: str) -> str:
    """Make the did:web of an address; BadInput where no document could be served under it."""
    parts = urlsplit(root)
    is_local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme not in ("https", "http") or not parts.netloc or (parts.scheme == "http" and not is_local):
        raise BadInput(f"{root!r} cannot name a node.", remedy="Give an https address, or http://localhost:<port>.")
    path = [quote(segment, safe="") for segment in parts.path.split("/") if segment]
    return ":".join(["did:web", quote(parts.netloc, safe=""), *path])


def document_url(did: str, *, allow_loopback: bool) -> str:
    """Tell where a did:web keeps its document; BadInput for anything else."""
    method, _, name = did.partition("did:web:")
    host, *path = [unquote(part) for part in name.split(":")]
    if method or not host or any(letter in host for letter in "/@?#\\ ") or len(did) > 500:
        raise BadInput(f"{did[:100]!r} is no did:web.")
    if any(not part or part in (".", "..") or "/" in part for part in path):
        raise BadInput(f"{did[:100]!r} has a path that leads nowhere.")
    is_local = host.partition(":")[0] in ("localhost", "127.0.0.1") or host.startswith("[::1]")
    scheme = "http" if is_local and allow_loopback else "https"
    folder = "/".join(quote(part, safe="") for part in path) or ".well-known"
    return f"{scheme}://{host}/{folder}/did.json"


class Identity:
    """A node's own keys, the first of which signs; older ones only keep what they once signed verifiable.

    They are read again when their file has changed, so that a new key counts at once in a node that runs.
    """

    def __init__(self, path: Path, root: str, clock: Clock) -> None:
        self.root = root.rstrip("/")
        self.did = did_of(self.root)
        self._path = path
        self._clock = clock
        self._changed = path.stat().st_mtime_ns
        self._held = _read(path)

    @property
    def _keys(self) -> Sequence[Key]:
        try:
            changed = self._path.stat().st_mtime_ns
        except OSError:  # what is held serves on: a node that runs does not need the file
            return self._held
        if changed != self._changed:
            self._held, self._changed = _read(self._path), changed
        return self._held

    @classmethod
    def open(cls, folder: Path, root: str, *, algorithm: str = "ES256", clock: Clock = now) -> Self:
        """Read the keys kept in a folder, making the first one where there is none."""
        path = folder / KEY_FILE
        if not path.exists():
            _write(path, [_generate(algorithm)])
        if path.stat().st_mode & 0o077:
            raise Unusable(f"{path} can be read by others.", remedy=f"Run chmod 600 {path}")
        return cls(path, root, clock)

    @staticmethod
    def rotate(folder: Path, *, algorithm: str = "ES256") -> None:
        """Put a new key before the ones kept in a folder."""
        path = folder / KEY_FILE
        _write(path, [_generate(algorithm), *_read(path)])

    @property
    def kid(self) -> str:
        """Name the key that signs."""
        return self._kid(self._keys[0])

    def _kid(self, key: Key) -> str:
        return f"{self.did}#{key.thumbprint()}"

    def document(self, name: str = "") -> dict[str, Any]:
        """Write the DID document, with the name of the node in words."""
        keys = {self._kid(key): key.as_dict(private=False) for key in self._keys}
        signs, *_ = keys
        methods = [
            {"id": kid, "type": "JsonWebKey2020", "controller": self.did, "publicKeyJwk": key}
            for kid, key in keys.items()
        ]
        return {
            "@context": [
                "https://www.w3.org/ns/did/v1",
                "https://w3id.org/security/suites/jws-2020/v1",
                wire.CONTEXT,
            ],
            "id": self.did,
            NAME: name,
            "verificationMethod": methods,
            "capabilityInvocation": [signs],
            "authentication": [signs],
            "assertionMethod": list(keys),
            "service": [
                {
                    "id": f"{self.did}#dsp",
                    "type": "DataService",
                    "serviceEndpoint": f"{self.root}/.well-known/dspace-version",
                },
                {
                    "id": f"{self.did}#catalog",
                    "type": "CatalogService",
                    "serviceEndpoint": f"{self.root}{wire.PATH}/catalog",
                },
            ],
        }

    def mint(self, audience: str, credentials: Sequence[str] = ()) -> str:
        """Issue a token for one request to one peer."""
        at = int(self._clock().timestamp())
        claims: dict[str, Any] = {"iss": self.did, "sub": self.did, "aud": audience, "jti": secrets.token_urlsafe(16)}
        claims |= {"iat": at, "nbf": at, "exp": at + TOKEN_S}
        if credentials:
            claims["credentials"] = list(credentials)
        return self._signed(msgspec.json.encode(claims), typ="JWT")

    def issue_membership(self, subject: str, facts: Mapping[str, str], expires: datetime | None = None) -> str:
        """Issue a membership credential (VC 2.0, secured as a JWT) about another node."""
        at = self._clock()
        until = expires or at + timedelta(days=365)
        credential = {
            "@context": ["https://www.w3.org/ns/credentials/v2", wire.OURS + "credentials/v1"],
            "id": f"urn:interwork:{new_id('credential')}",
            "type": ["VerifiableCredential", "MembershipCredential"],
            "issuer": self.did,
            "validFrom": stamp(at),
            "validUntil": stamp(until),
            "credentialSubject": {**{name: text for name, text in facts.items() if text}, "id": subject},
            "iss": self.did,
            "sub": subject,
            "iat": int(at.timestamp()),
            "nbf": int(at.timestamp()),
            "exp": int(until.timestamp()),
        }
        return self._signed(msgspec.json.encode(credential), typ="vc+jwt")

    def sign(self, digest: str) -> str:
        """Sign a digest: a JWS whose payload is left out, for whoever checks it computes the digest again."""
        return str(jws.detach_content(self._signed(digest.encode())))

    def data_token(self, transfer_id: str) -> str:
        """Make the bearer token of a transfer; always the same one, so that it need not be kept."""
        secret = hashlib.sha256(b"interwork data tokens" + self._keys[0].as_der(private=True)).digest()
        code = hmac.digest(secret, transfer_id.encode(), "sha256")
        return urlsafe_b64encode(code).rstrip(b"=").decode()

    def _signed(self, content: bytes, **more: str) -> str:
        key = self._keys[0]
        header = {"alg": "ES256" if isinstance(key, ECKey) else "Ed25519", "kid": self._kid(key), **more}
        return jws.serialize_compact(header, content, key, registry=REGISTRY)


def _generate(algorithm: str) -> Key:
    return ECKey.generate_key("P-256") if algorithm == "ES256" else OKPKey.generate_key("Ed25519")


def _write(path: Path, keys: Sequence[Key]) -> None:
    """Put keys into a file that nobody else can read, whole or not at all."""
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(b"".join(key.as_pem(private=True) for key in keys))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as fault:
        raise Unusable(f"{path} cannot be written: {fault}.", remedy="Free space, or mend permissions.") from fault


def _read(path: Path) -> list[Key]:
    end = b"-----END PRIVATE KEY-----\n"
    try:
        blocks = [block + end for block in path.read_bytes().split(end) if block.strip()]
        keys = [ECKey.import_key(one) if len(one) > 200 else OKPKey.import_key(one) for one in blocks]
    except (JoseError, ValueError, OSError) as fault:
        raise Unusable(f"The key in {path} cannot be read: {fault}.", remedy="Restore it from a backup.") from fault
    if not keys:
        raise Unusable(f"{path} holds no key.", remedy="Restore it from a backup.")
    return list(keys)


def stamp(at: datetime) -> str:
    """Write a moment as W3C credentials do, to the second."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
