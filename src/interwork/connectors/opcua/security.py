"""Which of a server's endpoints is used: the strongest it offers that the options allow, never less in silence.

A password never travels unprotected and a server is never believed unseen, unless the option security says None: it
is protected by an encrypted channel, or encrypted itself for the server's certificate (Part 4, 7.41.4). The list of
endpoints comes unprotected, so a server that was met with security before (`known.json` in the pki folder) is not
spoken to without.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import msgspec
from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto import security_policies
from asyncua.crypto.uacrypto import CertProperties
from asyncua.ua.uaerrors import UaError

from interwork.connectors.endpoint import Endpoint, ends_soon, text_option
from interwork.connectors.opcua import pki
from interwork.core.errors import BadInput, Refused

POLICIES = ("Aes256Sha256RsaPss", "Basic256Sha256", "Aes128Sha256RsaOaep")
"""The security policies used, strongest first; older ones are deprecated by OPC UA."""
MODES = ("None", "Sign", "SignAndEncrypt")
_CLASSES = {name: getattr(security_policies, f"SecurityPolicy{name}") for name in POLICIES}
_NAMES = {cls.URI: name for name, cls in _CLASSES.items()} | {security_policies.SecurityPolicyNone.URI: "None"}
_KNOWN = "known.json"
_RENEW = "renew it at the server, and trust the new one here"
_NAMED, _ANONYMOUS = ua.UserTokenType.UserName, ua.UserTokenType.Anonymous


class Choice(msgspec.Struct, frozen=True):
    """What the options allow."""

    exact: tuple[str, str] | None = None
    """Policy and mode that must be used; None = the strongest."""
    least: str = "None"
    """The weakest mode that is used."""
    is_open: bool = False
    """Whether a person asked for no security by name."""


class Secured(msgspec.Struct, frozen=True):
    """How a link is secured, and what a person should know of it."""

    mode: str
    remarks: tuple[str, ...] = ()


class CarefulClient(Client):
    """A client that gives a password only as the trusted endpoint said it is given."""

    sealed_for = b""
    """The certificate that the password is encrypted for; empty where the channel is."""

    def server_policy(self, token_type: ua.UserTokenType) -> ua.UserTokenPolicy:
        """Find how a user is told; what comes over an open channel may be anybody's word and is held to the list."""
        policy = super().server_policy(token_type)
        is_as_said = self.security_policy.peer_certificate == self.sealed_for and _NAMES.get(policy.SecurityPolicyUri)
        if self.sealed_for and token_type == _NAMED and is_as_said not in POLICIES:
            raise UaError("it asks for the password in another way than its list of endpoints says")
        return policy


class Security:
    """The security options of one connector, applied to its client."""

    def __init__(self, endpoint: Endpoint, options: Mapping[str, Any]) -> None:
        self._endpoint = endpoint
        folder = text_option(options, "pki")
        self._pki = Path(folder) if folder else None
        self._choice = _choice(text_option(options, "security"))
        self._allows_expired = options.get("allow_expired", False) is True
        self._user, self._password = text_option(options, "username"), text_option(options, "password")
        needs = self._choice.exact is not None or self._choice.least != "None"
        if needs and self._pki is None:
            raise BadInput("Security needs a folder for certificates.", remedy="Give the option pki.")

    @property
    def is_plain(self) -> bool:
        """Tell whether nothing has to be asked before connecting: no certificates, no password, or None by name."""
        return self._choice.is_open or (self._pki is None and not self._user)

    async def apply(self, client: CarefulClient, scout: Client) -> Secured:
        """Choose the endpoint and make the client ready for it; raise Refused where nothing acceptable is offered."""
        if self._user:
            client.set_user(self._user)
            client.set_password(self._password)
        if self.is_plain:
            return Secured("None", self._plain_remarks())
        offered = await scout.connect_and_get_server_endpoints()
        chosen = self._chosen(offered)
        name = _NAMES[chosen.SecurityPolicyUri]
        if self._user and _mode(chosen) != "SignAndEncrypt" and not _is_sealed(chosen):
            raise self._unprotected()
        if name == "None" and not self._user:
            return self._without(chosen)
        folder = self._pki
        if folder is None:
            raise self._refused("opcua.security", f"offers {name} only", "Give the option pki, a folder of the node.")
        certificate = pki.first_of(chosen.ServerCertificate or b"")
        remarks = await anyio.to_thread.run_sync(self._examine, folder, certificate, chosen.Server.ApplicationUri or "")
        if self._user and _mode(chosen) != "SignAndEncrypt":
            client.sealed_for = certificate
        if name == "None":
            said = "The password is encrypted for the server's certificate."
            return Secured("None", (*self._without(chosen).remarks, said, *remarks))
        ours, key, uri = await anyio.to_thread.run_sync(pki.own_files, folder)
        remarks += await anyio.to_thread.run_sync(self._own_end, folder)
        client.application_uri = uri
        await client.set_security(
            _CLASSES[name],
            CertProperties(ours, "der"),
            CertProperties(key, "pem"),
            server_certificate=CertProperties(certificate, "der"),
            mode=ua.MessageSecurityMode(chosen.SecurityMode),
        )
        mode = _mode(chosen)
        await anyio.to_thread.run_sync(self._remember, folder, mode)
        return Secured(mode, remarks)

    def _plain_remarks(self) -> tuple[str, ...]:
        said = ["The link is neither signed nor encrypted."]
        if self._user:
            said.append("The password may travel unprotected: the option security is None.")
        return tuple(said) if self._choice.is_open else ()

    def _chosen(self, offered: Sequence[ua.EndpointDescription]) -> ua.EndpointDescription:
        fitting = [one for one in offered or () if self._fits(one)]
        if not fitting and offered and not self._user and not any(_takes(one, _ANONYMOUS) for one in offered):
            remedy = "Give the options username and password; where the server wants a certificate, allow a user there."
            raise self._refused("opcua.user", "lets nobody in without a user name", remedy)
        if not fitting:
            said = ", ".join(sorted({f"{_policy(one)},{_mode(one)}" for one in offered or ()})) or "nothing"
            if offered and not any(_policy(one) in (*POLICIES, "None") for one in offered):
                remedy = f"Switch on {POLICIES[1]} at the server: older policies are broken, newer ones not known here."
                raise self._refused(
                    "opcua.security", f"offers {said}, and here is spoken {', '.join(POLICIES)}", remedy
                )
            wanted = ",".join(self._choice.exact) if self._choice.exact else f"at least {self._choice.least}"
            raise self._refused(
                "opcua.security",
                f"offers {said}; asked for is {wanted}" + (" with a user name" if self._user else ""),
                "Change the option security, or what the server offers.",
            )
        return max(fitting, key=lambda one: (MODES.index(_mode(one)), -(*POLICIES, "None").index(_policy(one))))

    def _fits(self, offer: ua.EndpointDescription) -> bool:
        policy, mode = _policy(offer), _mode(offer)
        is_usable = policy in (*POLICIES, "None") and mode in MODES and (policy == "None") == (mode == "None")
        is_tcp = (offer.EndpointUrl or "").startswith("opc.tcp://")
        is_allowed = _takes(offer, _NAMED if self._user else _ANONYMOUS)
        if self._choice.exact:
            return is_usable and is_tcp and is_allowed and (policy, mode) == self._choice.exact
        return is_usable and is_tcp and is_allowed and MODES.index(mode) >= MODES.index(self._choice.least)

    def _without(self, chosen: ua.EndpointDescription) -> Secured:
        """Accept an endpoint without security where that gives nothing away."""
        met = self._met()
        if met != "None":
            raise self._refused(
                "opcua.downgrade",
                f"offered {met} before and now none ({chosen.EndpointUrl})",
                "Find out why; set the option security to None to go on without.",
            )
        return Secured("None", ("The server offers no security: the link is neither signed nor encrypted.",))

    def _unprotected(self) -> Refused:
        return self._refused(
            "opcua.password",
            f"offers no protection for the password of {self._user!r}",
            "Switch on security at the server, or set the option security to None to send it all the same.",
        )

    def _examine(self, folder: Path, der: bytes, uri: str) -> tuple[str, ...]:
        """Refuse a certificate that nobody trusted or whose time is over; tell what else is odd about it."""
        try:
            thumbprint, faults = pki.thumbprint_of(der), pki.faults_of(der, self._endpoint.host, uri)
        except BadInput as fault:
            raise self._refused(
                "opcua.certificate",
                f"shows no readable certificate ({fault.message})",
                "Mend the server's certificate.",
            ) from fault
        odd = f" Note: {'; '.join(faults)}." if faults else ""
        if not pki.is_trusted(folder, der):
            pki.reject(folder, der)
            odd += self._predecessor(folder, uri)
            raise self._refused(
                "opcua.trust",
                f"shows a certificate that is not trusted, thumbprint {thumbprint}",
                f"Compare it with the one shown at the server, then `interwork trust {thumbprint}`.{odd}",
            )
        if pki.is_expired(der) and not self._allows_expired:
            raise self._refused(
                "opcua.expired",
                f"shows a certificate out of its time: {'; '.join(faults)}",
                "Renew it at the server, or set the option allow_expired.",
            )
        said = ends_soon("The server's certificate", pki.described(der, is_trusted=True).valid_to, _RENEW)
        trusted = [f"The server's certificate {thumbprint} is trusted although {'; '.join(faults)}."] if faults else []
        return (*trusted, *said)

    def _predecessor(self, folder: Path, uri: str) -> str:
        """Say that this application showed another certificate before, which a person trusted."""
        with suppress(BadInput):
            known = [one for one in pki.trusted(folder) if uri and one.uri == uri]
            ends = [f"{one.thumbprint} (until {one.valid_to:%Y-%m-%d})" for one in known[:3]]
            return (
                f" The same application is trusted with {', '.join(ends)}: ask whether it was renewed." if ends else ""
            )
        return ""

    def _own_end(self, folder: Path) -> tuple[str, ...]:
        ours = pki.own(folder)
        remedy = f"move {folder / pki.OWN} away for a new one to be made, and let servers trust that"
        return tuple(ends_soon("The node's own certificate", ours.valid_to, remedy)) if ours else ()

    def remedy(self) -> str:
        """Say what to do where a server refuses our certificate."""
        ours = pki.own(self._pki) if self._pki else None
        said = " ".join(self._own_end(self._pki)) if self._pki else ""
        times = f" It is valid from {ours.valid_from:%Y-%m-%d} to {ours.valid_to:%Y-%m-%d}." if ours else ""
        return f"{said} Let the server trust our certificate: `interwork trust --own` shows it.{times}".strip()

    def _refused(self, rule: str, what: str, remedy: str) -> Refused:
        place = f"{self._endpoint.host}:{self._endpoint.port}"
        return Refused(f"{place} {what}.", rule=rule, remedy=remedy, where=self._endpoint.text)

    def _met(self) -> str:
        """Tell the mode this server was last met with."""
        known = _read_known(self._pki) if self._pki else {}
        mode = known.get(f"{self._endpoint.host}:{self._endpoint.port}", "None")
        return mode if mode in MODES else "None"

    def _remember(self, folder: Path, mode: str) -> None:
        known = _read_known(folder)
        place = f"{self._endpoint.host}:{self._endpoint.port}"
        if known.get(place) != mode:
            written = folder / f"{_KNOWN}.{place.replace('/', '_').replace(':', '_')}.new"
            written.write_bytes(msgspec.json.format(msgspec.json.encode(known | {place: mode})))
            written.replace(folder / _KNOWN)


def _takes(offer: ua.EndpointDescription, kind: ua.UserTokenType) -> bool:
    """Tell whether an endpoint lets a kind of user in; one that lists no tokens says nothing about that."""
    tokens = [one.TokenType for one in offer.UserIdentityTokens or ()]
    return kind in tokens or not tokens


def _is_sealed(offer: ua.EndpointDescription) -> bool:
    """Tell whether an endpoint wants passwords encrypted for its certificate; a token without a policy has its own."""
    tokens = [one for one in offer.UserIdentityTokens or () if one.TokenType == _NAMED]
    uri = (tokens[0].SecurityPolicyUri if tokens else "") or offer.SecurityPolicyUri
    return _NAMES.get(uri) in POLICIES and bool(offer.ServerCertificate)


def _read_known(folder: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode((folder / _KNOWN).read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        return {}
    except msgspec.DecodeError as fault:
        raise BadInput(f"{folder / _KNOWN} cannot be read: {fault}.", remedy="Mend or remove it.") from fault


def _choice(text: str) -> Choice:
    """Read the option security."""
    policy, _, mode = text.partition(",")
    if not text:
        return Choice()
    if text == "None":
        return Choice(is_open=True)
    if text in MODES:
        return Choice(least=text)
    if policy in POLICIES and mode in MODES[1:]:
        return Choice(exact=(policy, mode))
    raise BadInput(
        f"The option security is {text!r}.",
        remedy=f"Leave it out for the strongest offered, or give None, Sign, SignAndEncrypt or {POLICIES[0]},Sign.",
    )


def _policy(offer: ua.EndpointDescription) -> str:
    uri = offer.SecurityPolicyUri or ""
    return _NAMES.get(uri) or uri.rpartition("#")[2] or "?"


def _mode(offer: ua.EndpointDescription) -> str:
    name = getattr(offer.SecurityMode, "name", "Invalid")
    return "None" if name == "None_" else str(name)
