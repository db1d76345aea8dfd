"""Who they are: DIDs resolved, tokens and membership credentials verified.

Only asymmetric algorithms of one list are accepted; audience, times, the key's purpose and the token's uniqueness are
checked always. Uniqueness is kept in memory, so a token from before this process began is refused, but for the clock
skew that is forgiven.
"""

import hashlib
import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
from joserfc import jwk, jws
from joserfc.errors import JoseError

from interwork.core.clock import Clock, now
from interwork.core.errors import BadInput, InterworkError, LimitReached, NotSignedIn, PeerError
from interwork.federation import policy, terms, wire
from interwork.federation.client import PeerClient
from interwork.federation.identity.keys import ALGORITHMS, NAME, REGISTRY, Identity, document_url, stamp

LONGEST_TOKEN_S = 3600
"""Life of a token we accept."""
SKEW_S = 30
"""Difference of clocks that is forgiven."""
REMEMBERED = 200_000
"""Tokens remembered at a time; when all of them still live, new ones wait."""
DOCUMENT_BYTES = 2**16
FRESH_S = 60.0
"""A DID document is asked for again after this, so that a key taken out dies within it."""
FAULT_S = 5.0
"""An address that failed is left alone this long."""
NEW_KEY_S = 0.5
"""A key nobody listed is looked for again after this: the pause bounds what unknown keys can make this node ask."""
STALE_S = 86_400.0
"""How long an issuer's last good document serves while the issuer is away."""
DOCUMENTS = 2_000
CREDENTIALS = 10
"""Credentials looked at in one token."""
_FACTS = ("tier", "organisationKind", "country")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What one verified membership credential says."""

    issuer: str
    facts: dict[str, str]
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A peer whose token was verified, and what it proved."""

    did: str
    name: str = ""
    """What its DID document calls it."""
    proofs: tuple[Proof, ...] = ()
    notes: tuple[str, ...] = ()
    """Credentials that do not count, and why."""

    def kept(self, purposes: Sequence[str] = ()) -> dict[str, Any]:
        """Write what is kept with a negotiation: the claims, and the proofs with the times they hold until."""
        proofs = [{"issuer": one.issuer, "facts": one.facts, "expires": stamp(one.expires)} for one in self.proofs]
        declared = {terms.PURPOSE: list(purposes)} if purposes else {}
        kept = {policy.PARTICIPANT: [self.did], **declared, "proofs": proofs}
        return {**claims_at(kept, datetime.min.replace(tzinfo=UTC)), "proofs": proofs}


def claims_at(kept: Mapping[str, Any], at: datetime) -> dict[str, list[str]]:
    """Read kept claims as they hold at a moment: what rests on an expired credential is gone."""
    claims: dict[str, list[str]] = {name: kept[name] for name in (policy.PARTICIPANT, terms.PURPOSE) if name in kept}
    for proof in kept.get("proofs", ()):
        if datetime.fromisoformat(proof["expires"]) <= at:
            continue
        issuer, facts = proof["issuer"], proof["facts"]
        pairs = [(policy.MEMBERSHIP, issuer), *((terms.VOCABULARY + name, text) for name, text in facts.items())]
        if "tier" in facts:
            pairs.append((f"{policy.TIER}@{issuer}", facts["tier"]))
        for name, text in pairs:
            claims.setdefault(name, [])
            if text not in claims[name]:
                claims[name].append(text)
    return claims


class Verifier:
    """Checks what others sign, resolving their DIDs."""

    def __init__(self, own: Identity, client: PeerClient, trusted: Collection[str], *, clock: Clock = now) -> None:
        self._own = own
        self._client = client
        self._trusted = trusted
        self._clock = clock
        self._began = clock()
        self._documents: dict[str, tuple[float, dict[str, Any] | InterworkError]] = {}
        self._good: dict[str, tuple[float, dict[str, Any]]] = {}
        self._seen: dict[str, float] = {}
        self._proofs: dict[str, tuple[float, Proof]] = {}

    async def document(self, did: str, *, newer_than_s: float = FRESH_S) -> dict[str, Any]:
        """Resolve a did:web, from the cache while it is fresh."""
        if did == self._own.did:
            return self._own.document()
        held = self._documents.get(did)
        age = time.monotonic() - held[0] if held else 0.0
        if held and age < (FAULT_S if isinstance(held[1], InterworkError) else newer_than_s):
            if isinstance(held[1], InterworkError):
                raise type(held[1])(held[1].message, remedy=held[1].remedy)
            return held[1]
        url = document_url(did, allow_loopback=self._client.allow_loopback)
        found: dict[str, Any] | InterworkError
        try:
            answer = await self._client.request("GET", url, limit_bytes=DOCUMENT_BYTES, timeout_s=5.0)
            found = wire.decode(answer.expect(did).content, where=did)
            if found.get("id") != did:
                raise PeerError(f"{url} is the document of {found.get('id')!r}, not of {did}.")
        except InterworkError as fault:
            self._remember(did, fault)
            raise
        self._remember(did, found)
        return found

    def _remember(self, did: str, found: dict[str, Any] | InterworkError) -> None:
        for cache in (self._documents, self._good):
            while len(cache) >= DOCUMENTS:
                cache.pop(next(iter(cache)))
        self._documents[did] = (time.monotonic(), found)
        if isinstance(found, dict):
            self._good[did] = (time.monotonic(), found)

    async def caller(self, header: str) -> Caller:
        """Verify the Authorization header of a peer's request; NotSignedIn says what is wrong with it."""
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise NotSignedIn(
                "No bearer token was given.", remedy="Send a self-issued token, signed with your DID's key."
            )
        try:
            claims = await self._claims(token.strip())
        except (NotSignedIn, LimitReached):
            raise
        except InterworkError as fault:
            raise NotSignedIn(f"The token cannot be verified: {fault.message}", remedy=fault.remedy) from fault
        proofs, notes = [], []
        for credential in _listed(claims.get("credentials"))[:CREDENTIALS]:
            try:
                proofs.append(await self._proof(credential, claims["iss"]))
            except InterworkError as fault:
                notes.append(f"A credential does not count: {fault.message}")
        name = self._good.get(claims["iss"], (0.0, {}))[1].get(NAME)
        name = name[:200] if isinstance(name, str) else ""
        return Caller(did=claims["iss"], name=name, proofs=tuple(proofs), notes=tuple(notes))

    async def _claims(self, token: str) -> dict[str, Any]:
        """Check a self-issued token in every respect."""
        claims = _body(token)
        issuer, at = claims.get("iss"), self._clock().timestamp()
        times = [claims.get(name) for name in ("iat", "exp")]
        if not isinstance(issuer, str) or claims.get("sub") != issuer:
            raise NotSignedIn("The token's issuer and subject are not the same DID.")
        if self._own.did not in _listed(claims.get("aud")):
            raise NotSignedIn(f"The token is not meant for {self._own.did}.")
        if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in times):
            raise NotSignedIn("The token says not when it was issued and when it expires.")
        issued, expires = (float(one) for one in times if one is not None)
        begins = claims.get("nbf", issued)
        if not isinstance(begins, int | float) or max(issued, begins) > at + SKEW_S:
            raise NotSignedIn("The token is from the future.", remedy="Set the clock.")
        if expires + SKEW_S <= at or expires - issued > LONGEST_TOKEN_S:
            raise NotSignedIn("The token has expired, or lives too long.", remedy="Issue one for this request.")
        if issued < self._began.timestamp() - SKEW_S - 1:
            raise NotSignedIn("The token was issued before this node began.", remedy="Issue one for this request.")
        await self._verified(token, issuer, "capabilityInvocation")
        self._must_be_new(claims, expires)
        return claims

    def _must_be_new(self, claims: Mapping[str, Any], expires: float) -> None:
        jti = claims.get("jti")
        if not isinstance(jti, str) or not jti or len(jti) > 500:
            raise NotSignedIn("The token has no jti.")
        at = self._clock().timestamp()
        if len(self._seen) >= REMEMBERED:
            self._seen = {key: until for key, until in self._seen.items() if until > at}
        if len(self._seen) >= REMEMBERED:
            raise LimitReached(f"{REMEMBERED} tokens are remembered already.", remedy="Try again in a minute.")
        key = f"{claims['iss']} {jti}"
        if self._seen.get(key, 0.0) > at:
            raise NotSignedIn("The token was used before.", remedy="Issue a new one for each request.")
        self._seen[key] = expires + SKEW_S

    async def _proof(self, credential: str, holder: str) -> Proof:
        key = hashlib.sha256(f"{holder} {credential}".encode()).hexdigest()
        held = self._proofs.get(key)
        if held and time.monotonic() - held[0] < FRESH_S and held[1].expires > self._clock():
            return held[1]
        proof = await self.membership(credential, holder)
        while len(self._proofs) >= DOCUMENTS:
            self._proofs.pop(next(iter(self._proofs)))
        self._proofs[key] = (time.monotonic(), proof)
        return proof

    async def membership(self, credential: str, holder: str) -> Proof:
        """Verify a membership credential presented by its subject; BadInput says why it does not count."""
        claims = _body(credential)
        body = claims["vc"] if isinstance(claims.get("vc"), dict) else claims
        issuer = terms.term(body.get("issuer") or claims.get("iss"))
        if isinstance(body.get("issuer"), dict):
            issuer = str(body["issuer"].get("id", ""))
        if claims.get("iss", issuer) != issuer or not (issuer in self._trusted or issuer == self._own.did):
            raise BadInput(f"its issuer {issuer[:100]!r} is not trusted here.")
        subjects = _listed(body.get("credentialSubject"))
        subject = subjects[0] if len(subjects) == 1 and isinstance(subjects[0], dict) else {}
        if "MembershipCredential" not in _listed(body.get("type")):
            raise BadInput("it is no membership credential.")
        if subject.get("id") != holder or claims.get("sub", holder) != holder:
            raise BadInput(f"it is about {str(subject.get('id'))[:100]!r}, not about its holder.")
        if subject.get("membership", issuer) != issuer:
            raise BadInput("it speaks of another institute than its issuer.")
        begins, expires = _period(claims, body)
        if begins > self._clock() + timedelta(seconds=SKEW_S):
            raise BadInput(f"it is valid only from {stamp(begins)}.")
        if expires <= self._clock():
            raise BadInput(f"it expired at {stamp(expires)}.")
        await self._verified(credential, issuer, "assertionMethod")
        facts = {name: subject[name] for name in _FACTS if isinstance(subject.get(name), str) and subject[name]}
        return Proof(issuer=issuer, facts=facts, expires=expires)

    async def signature(self, did: str, digest: str, signature: str) -> None:
        """Check a signature over a digest; PeerError where it is not by a key of that DID."""
        try:
            await self._verified(signature, did, "assertionMethod", payload=digest.encode())
        except (BadInput, NotSignedIn) as fault:
            raise PeerError(f"The signature of {did} over {digest} does not hold: {fault.message}") from fault

    async def _verified(self, compact: str, did: str, purpose: str, *, payload: bytes | None = None) -> None:
        """Check a signature with the key its header names, if the DID's document lists that key for the purpose."""
        header = _part(compact, 0)
        kid = header.get("kid")
        if header.get("alg") not in ALGORITHMS or "crit" in header:
            raise NotSignedIn(f"The algorithm {header.get('alg')!r} is not accepted; use {', '.join(ALGORITHMS)}.")
        if kid is not None and (not isinstance(kid, str) or kid.partition("#")[0] not in ("", did)):
            raise NotSignedIn(f"The key {str(kid)[:100]!r} is not one of {did}.")
        key = await self._key(did, kid or "", purpose)
        try:
            jws.deserialize_compact(compact, key, registry=REGISTRY, payload=payload)
        except (JoseError, ValueError, TypeError) as fault:
            raise NotSignedIn(f"The signature of {did} does not verify.") from fault

    async def _key(self, did: str, kid: str, purpose: str) -> jwk.Key:
        try:
            found = _method(await self.document(did), did, kid, purpose)
            if found is None:  # a key may just have been put in
                await anyio.sleep(NEW_KEY_S)
                found = _method(await self.document(did, newer_than_s=NEW_KEY_S), did, kid, purpose)
        except PeerError:
            kept = self._good.get(did)
            if purpose != "assertionMethod" or kept is None or time.monotonic() - kept[0] > STALE_S:
                raise
            found = _method(kept[1], did, kid, purpose)
        if found is None:
            raise NotSignedIn(f"{did} lists no key {kid.partition('#')[2] or '(unnamed)'} under {purpose}.")
        try:
            return jwk.import_key({name: text for name, text in found.items() if name != "d"})
        except (JoseError, ValueError, TypeError) as fault:
            raise NotSignedIn(f"The key of {did} cannot be read: {fault}.") from fault


def _method(document: Mapping[str, Any], did: str, kid: str, purpose: str) -> dict[str, Any] | None:
    """Find the one key of a document that is listed for a purpose under a name."""

    def full(name: object) -> str:
        return f"{did}{name}" if isinstance(name, str) and name.startswith("#") else str(name)

    listed = _listed(document.get(purpose))
    names = {full(one) for one in listed if isinstance(one, str)}
    methods = [one for one in _listed(document.get("verificationMethod")) if isinstance(one, dict)]
    usable = [one for one in methods if full(one.get("id")) in names] + [one for one in listed if isinstance(one, dict)]
    wanted = full(kid if "#" in kid else f"#{kid}")
    chosen = [one for one in usable if full(one.get("id")) == wanted] if kid else usable
    key = chosen[0].get("publicKeyJwk") if len(chosen) == 1 else None
    return key if isinstance(key, dict) else None


def _listed(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _part(compact: object, index: int) -> dict[str, Any]:
    """Read header or payload of a compact JWS, unverified."""
    try:
        parts = str(compact).split(".")
        text = urlsafe_b64decode(parts[index] + "=" * (-len(parts[index]) % 4)) if len(parts) == 3 else b""
        read = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise NotSignedIn("The token is no signed JWT.") from fault
    if not isinstance(read, dict):
        raise NotSignedIn("The token is no signed JWT.")
    return read


def _body(compact: object) -> dict[str, Any]:
    return _part(compact, 1)


def _period(claims: Mapping[str, Any], body: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """Read when a credential begins and ends to hold: the narrowest of what its two vocabularies say."""
    try:
        begins = [terms.moment(body[name], is_end=False) for name in ("validFrom", "issuanceDate") if name in body]
        ends = [terms.moment(body[name], is_end=True) for name in ("validUntil", "expirationDate") if name in body]
        begins += [datetime.fromtimestamp(claims[name], UTC) for name in ("nbf",) if name in claims]
        ends += [datetime.fromtimestamp(claims[name], UTC) for name in ("exp",) if name in claims]
        return max(begins), min(ends)
    except (ValueError, TypeError, OverflowError) as fault:
        raise BadInput("it says not from when until when it is valid.") from fault
