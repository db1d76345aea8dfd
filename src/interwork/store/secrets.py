"""Secrets of a node: kept encrypted in its keys folder, named in options as `secret:NAME`, resolved at the last moment.

Each secret is a JWE (RFC 7516, dir with A256GCM) bound to its name; the key lies beside it, readable by its owner
only, and neither is ever exported. Nothing here logs, and no error says more of a secret than its name.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from interwork.core.errors import BadInput, DiskFull, NotFound, Unusable

PREFIX = "secret:"
KEY_FILE, SECRETS_FILE = "secrets.key", "secrets.json"
SECRET_MAX = 64 * 2**10
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Secrets:
    """The secrets of one keys folder; read anew at each use, so that a change counts at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def set(self, name: str, value: str) -> None:
        """Keep a secret under a name; one of the same name is replaced."""
        if not _NAME.fullmatch(name):
            raise BadInput(f"{name[:40]!r} cannot name a secret.", remedy="Use letters, digits, dot, dash, underscore.")
        if not value or len(value.encode()) > SECRET_MAX:
            raise BadInput(f"The secret {name} is empty or longer than {SECRET_MAX} bytes.", remedy="Give its value.")
        header = {"alg": "dir", "enc": "A256GCM", "sub": name}
        kept = self._read()
        kept[name] = jwe.encrypt_compact(header, value.encode(), self._key(), registry=_REGISTRY)
        self._write(SECRETS_FILE, msgspec.json.encode(kept))

    def remove(self, name: str) -> None:
        """Forget a secret."""
        kept = self._read()
        if kept.pop(name, None) is None:
            raise self._unknown(name)
        self._write(SECRETS_FILE, msgspec.json.encode(kept))

    def names(self) -> tuple[str, ...]:
        """List the names secrets are kept under."""
        return tuple(sorted(self._read()))

    def get(self, name: str) -> str:
        """Decrypt a secret; NotFound where none is kept under the name."""
        sealed = self._read().get(name)
        if sealed is None:
            raise self._unknown(name)
        try:
            opened = jwe.decrypt_compact(sealed, self._key(), registry=_REGISTRY)
            value = (opened.plaintext or b"").decode()
        except (JoseError, ValueError) as fault:
            raise self._sealed(name) from fault
        if opened.headers().get("sub") != name:
            raise self._sealed(name)
        return value

    def resolve(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Put secrets in the place of their references, at any depth; the answer is not to be kept or shown."""
        return {name: self._resolved(value) for name, value in options.items()}

    def _resolved(self, value: Any) -> Any:  # noqa: ANN401 - any option
        if isinstance(value, str) and value.startswith(PREFIX):
            return self.get(value.removeprefix(PREFIX))
        if isinstance(value, Mapping):
            return {name: self._resolved(one) for name, one in value.items()}
        return [self._resolved(one) for one in value] if isinstance(value, list | tuple) else value

    def _sealed(self, name: str) -> Unusable:
        return Unusable(
            f"The secret {name} cannot be opened with {self._folder / KEY_FILE}.",
            remedy=f"Set it again with `interwork secret set {name}`.",
        )

    def _unknown(self, name: str) -> NotFound:
        return NotFound(
            f"This node keeps no secret named {name[:64]!r}.", remedy=f"Set it with `interwork secret set {name[:64]}`."
        )

    def _read(self) -> dict[str, str]:
        path = self._folder / SECRETS_FILE
        try:
            return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError) as fault:
            raise Unusable(f"{path} cannot be read: {fault}.", remedy="Set the secrets again.") from fault

    def _key(self) -> OctKey:
        path = self._folder / KEY_FILE
        try:
            if not path.exists():
                self._write(KEY_FILE, os.urandom(32))
            if path.stat().st_mode & 0o077:
                raise Unusable(f"{path} can be read by others.", remedy=f"Run chmod 600 {path}")
            return OctKey.import_key(path.read_bytes())
        except OSError as fault:
            raise Unusable(f"{path} cannot be read: {fault.strerror}.", remedy="Mend its permissions.") from fault

    def _write(self, name: str, content: bytes) -> None:
        """Put a file that nobody else can read, whole or not at all."""
        new = self._folder / f"{name}.new"
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)  # a node that never ran has none yet
            new.unlink(missing_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._folder / name)
        except OSError as fault:
            raise DiskFull(f"{self._folder / name} cannot be written: {fault.strerror}.") from fault


_REGISTRY = jwe.JWERegistry(algorithms=["dir", "A256GCM"], strict_check_header=False)


def plain_secrets(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the options that carry a secret in plain text; they are to be references."""
    return tuple(
        name
        for name, value in options.items()
        if isinstance(value, str) and value and not value.startswith(PREFIX) and _SECRET_NAME.search(name.lower())
    )


_SECRET_NAME = re.compile(r"password|passwd|passphrase|secret|token|private_key$|api_key")
