"""The verb `trust`: which OPC UA servers' certificates the node accepts, in the node's own folder `keys/opcua`.

It works on the folder itself, so it needs no running node: the next connection, within two minutes, goes by it.
"""

import argparse
from pathlib import Path
from typing import Any

import msgspec

from interwork.cli.calls import add_data, show
from interwork.connectors.opcua import pki
from interwork.core.errors import BadInput

FOLDER = Path("keys") / "opcua"
"""Where a node keeps its OPC UA certificates, in its data folder."""


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verb of this file."""
    verb = verbs.add_parser(
        "trust",
        help="see and decide which OPC UA servers' certificates are accepted",
        description="A server with a certificate that nobody trusted is refused. Compare the thumbprint with the one "
        "shown at the server itself before trusting it. Without a thumbprint, both lists are printed.",
    )
    add_data(verb)
    verb.add_argument("thumbprint", nargs="?", default="", help="trust this refused certificate; its start is enough")
    verb.add_argument("--list", action="store_true", help="print the trusted and the refused certificates")
    verb.add_argument("--remove", action="store_true", help="trust the thumbprint no longer")
    verb.add_argument("--file", type=Path, help="trust the certificate in this file (DER)")
    verb.add_argument("--own", action="store_true", help="show the node's own certificate, to be trusted at servers")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show or change whom the node trusts."""
    folder: Path = arguments.data / FOLDER
    if arguments.own:
        return _show_own(folder, as_json=arguments.json)
    if arguments.file:
        found = [pki.add_trusted(folder, _octets(arguments.file))]
    elif arguments.thumbprint and not arguments.list:
        change = pki.distrust if arguments.remove else pki.trust
        found = [change(folder, arguments.thumbprint)]
    elif arguments.remove:
        raise BadInput("Which certificate is not said.", remedy="Give its thumbprint.")
    else:
        found = [*pki.trusted(folder), *pki.rejected(folder)]
        if not found and not arguments.json:
            print("No OPC UA server has shown a certificate yet.")
    if arguments.json:
        show(msgspec.to_builtins(found))
    else:
        for one in found:
            print(_line(one))
    return 0


def _show_own(folder: Path, *, as_json: bool) -> int:
    path, _, uri = pki.own_files(folder)
    certificate = pki.own(folder)
    if as_json:
        show({"file": str(path), "uri": uri, "thumbprint": certificate.thumbprint if certificate else ""})
    elif certificate:
        print(f"{_line(certificate)}\nCopy {path} to the servers that are to let this node in.")
    return 0


def _octets(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as fault:
        raise BadInput(f"{path} cannot be read: {fault.strerror}.", remedy="Give a file in DER form.") from fault


def _line(one: pki.Certificate) -> str:
    state = "trusted" if one.is_trusted else "refused"
    return f"{state}  {one.thumbprint}  {one.name or one.uri}  on {', '.join(one.hosts)}  until {one.valid_to:%Y-%m-%d}"
