"""Keys, DID documents, tokens, credentials and signatures; every way a token can be wrong."""

import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey
from multidict import CIMultiDict

from interwork.core.errors import BadInput, LimitReached, NotSignedIn, PeerError, PeerUnreachable, Unusable
from interwork.federation import policy, terms
from interwork.federation.client import Answer
from interwork.federation.identity import Identity, Verifier, claims_at, did_of, document_url, keys, verifier

ROOT, HOLDER, ISSUER = "https://me.example", "https://holder.example", "https://institute.example"


class Moment:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.at = datetime(2026, 11, 22, 12, tzinfo=UTC)

    def __call__(self):
        return self.at


class Web:
    """Serves DID documents from memory, and counts how often it is asked."""

    allow_loopback = False

    def __init__(self):
        self.documents = {}
        self.asked = []

    def hold(self, identity):
        self.documents[document_url(identity.did, allow_loopback=False)] = identity.document("Somebody")

    async def request(self, method, url, **_):
        self.asked.append(url)
        if url not in self.documents:
            raise PeerUnreachable(f"{url} did not answer.")
        content = msgspec.json.encode(self.documents[url])
        return Answer(url=url, status=200, headers=CIMultiDict(), content=content)


@pytest.fixture
def clock():
    return Moment()


@pytest.fixture
def web():
    return Web()


@pytest.fixture
def holder(tmp_path, clock, web):
    identity = Identity.open(tmp_path / "holder", HOLDER, clock=clock)
    web.hold(identity)
    return identity


@pytest.fixture
def issuer(tmp_path, clock, web):
    identity = Identity.open(tmp_path / "issuer", ISSUER, clock=clock)
    web.hold(identity)
    return identity


@pytest.fixture
def me(tmp_path, clock, web, issuer):
    return Verifier(Identity.open(tmp_path / "me", ROOT, clock=clock), web, {issuer.did}, clock=clock)


def forged(identity, key=None, header=None, **changes):
    """Sign a token with claims of one's choice; None takes a claim out."""
    own = identity._keys[0]
    claims = json.loads(jws.extract_compact(identity.mint("did:web:me.example").encode()).payload)
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    written = {"alg": "ES256", "kid": identity.kid, **(header or {})}
    written = {name: value for name, value in written.items() if value is not None}
    signed = jws.serialize_compact(written, json.dumps(claims), key or own, algorithms=[written["alg"]])
    return f"Bearer {signed}"


def unsigned(claims, header):
    parts = [urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in (header, claims)]
    return f"Bearer {'.'.join(parts)}."


@pytest.mark.parametrize(
    ("root", "did"),
    [
        ("http://localhost:8711", "did:web:localhost%3A8711"),
        ("https://node.example", "did:web:node.example"),
        ("https://node.example:8443/acme/", "did:web:node.example%3A8443:acme"),
    ],
)
def test_a_did_is_made_from_the_address_and_leads_back_to_it(root, did):
    assert did_of(root) == did
    assert document_url(did, allow_loopback=True).startswith(root.rstrip("/"))


@pytest.mark.parametrize("root", ["http://node.example", "ftp://x", "node.example", "http://10.0.0.5:8711"])
def test_an_address_others_cannot_trust_names_no_node(root):
    with pytest.raises(BadInput, match="cannot name a node"):
        did_of(root)


@pytest.mark.parametrize(
    "did",
    [
        "did:key:z6Mk",
        "did:web:",
        "did:web:x.example:..:y",
        "did:web:a%2Fb",
        "did:web:u%40h",
        "did:web:x:",
        "did:web:%23",
    ],
)
def test_a_did_that_leads_astray_is_refused(did):
    with pytest.raises(BadInput):
        document_url(did, allow_loopback=True)


def test_loopback_is_plain_http_only_where_allowed():
    assert document_url("did:web:localhost%3A1", allow_loopback=True) == "http://localhost:1/.well-known/did.json"
    assert document_url("did:web:localhost%3A1", allow_loopback=False).startswith("https://")


@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519"])
def test_a_key_is_made_once_kept_and_readable_by_nobody_else(tmp_path, algorithm):
    first = Identity.open(tmp_path / "keys", ROOT, algorithm=algorithm)
    assert Identity.open(tmp_path / "keys", ROOT).kid == first.kid
    assert (tmp_path / "keys" / keys.KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_a_key_others_can_read_is_not_used(tmp_path):
    Identity.open(tmp_path, ROOT)
    (tmp_path / keys.KEY_FILE).chmod(0o644)
    with pytest.raises(Unusable, match="read by others") as caught:
        Identity.open(tmp_path, ROOT)
    assert "chmod 600" in caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"junk", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_damaged_key_file_is_said_to_be_so(tmp_path, content):
    path = tmp_path / keys.KEY_FILE
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Unusable, match=r"key"):
        Identity.open(tmp_path, ROOT)


def test_the_document_lists_the_key_under_every_purpose_and_both_services(holder):
    document = holder.document("Acme")
    assert document["capabilityInvocation"] == document["authentication"] == document["assertionMethod"] == [holder.kid]
    assert [one["type"] for one in document["service"]] == ["DataService", "CatalogService"]
    assert "d" not in document["verificationMethod"][0]["publicKeyJwk"]
    assert document[keys.NAME] == "Acme"


@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519"])
async def test_a_token_of_ours_is_accepted_by_the_one_it_is_meant_for(tmp_path, clock, web, me, algorithm):
    identity = Identity.open(tmp_path / "other", "https://other.example", algorithm=algorithm, clock=clock)
    web.hold(identity)
    caller = await me.caller(f"Bearer {identity.mint('did:web:me.example')}")
    assert caller.did == "did:web:other.example"


async def test_the_older_name_of_ed25519_is_accepted_too(tmp_path, clock, web, me):
    identity = Identity.open(tmp_path / "other", "https://other.example", algorithm="Ed25519", clock=clock)
    web.hold(identity)
    token = identity.mint("did:web:me.example")
    payload = jws.extract_compact(token.encode()).payload
    old = jws.serialize_compact(
        {"alg": "EdDSA", "kid": identity.kid}, payload, identity._keys[0], registry=keys.REGISTRY
    )
    assert (await me.caller(f"Bearer {old}")).did == identity.did


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer ", "Bearer x", "Bearer a.b.c", "Bearer e30.e30.e30"])
async def test_what_is_no_token_is_not_signed_in(me, header):
    with pytest.raises(NotSignedIn):
        await me.caller(header)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "did:web:somebody.else"},
        {"aud": None},
        {"sub": "did:web:somebody.else"},
        {"iss": "did:web:institute.example", "sub": "did:web:institute.example"},
        {"iss": 5, "sub": 5},
        {"iss": "did:key:x", "sub": "did:key:x"},
        {"exp": 1},
        {"exp": None},
        {"exp": True},
        {"exp": 10**12},
        {"iat": None},
        {"iat": 4_000_000_000},
        {"iat": 1_000_000_000},
        {"nbf": 4_000_000_000},
        {"nbf": "soon"},
        {"jti": None},
        {"jti": ""},
        {"jti": 5},
    ],
)
async def test_a_token_with_a_wrong_claim_is_refused(me, holder, changes):
    with pytest.raises(NotSignedIn):
        await me.caller(forged(holder, **changes))


@pytest.mark.parametrize(
    "header",
    [{"kid": "did:web:holder.example#nobody"}, {"kid": "did:web:institute.example#x"}, {"kid": 5}, {"crit": ["x"]}],
)
async def test_a_token_with_a_wrong_header_is_refused(me, holder, header):
    text = forged(holder).removeprefix("Bearer ")
    claims, own = jws.extract_compact(text.encode()).payload, holder._keys[0]
    parts = {"alg": "ES256", "kid": holder.kid, **header}
    encoded = urlsafe_b64encode(json.dumps(parts).encode()).rstrip(b"=") + b"." + urlsafe_b64encode(claims).rstrip(b"=")
    signature = jws.serialize_compact({"alg": "ES256"}, claims, own).rpartition(".")[2]
    with pytest.raises(NotSignedIn):
        await me.caller(f"Bearer {encoded.decode()}.{signature}")


async def test_a_token_without_signature_is_refused(me, holder):
    claims = json.loads(jws.extract_compact(holder.mint("did:web:me.example").encode()).payload)
    with pytest.raises(NotSignedIn, match="not accepted"):
        await me.caller(unsigned(claims, {"alg": "none", "kid": holder.kid}))


async def test_a_token_keyed_with_the_public_key_is_refused(me, holder):
    secret = holder._keys[0].as_pem(private=False)
    head, body, _ = unsigned(
        json.loads(jws.extract_compact(holder.mint("did:web:me.example").encode()).payload), {"alg": "HS256"}
    ).split(".")
    code = hmac.digest(secret, f"{head.removeprefix('Bearer ')}.{body}".encode(), "sha256")
    with pytest.raises(NotSignedIn, match="not accepted"):
        await me.caller(f"{head}.{body}.{urlsafe_b64encode(code).rstrip(b'=').decode()}")


@pytest.mark.parametrize("key", [ECKey.generate_key("P-256")])
async def test_a_token_signed_by_another_key_is_refused(me, holder, key):
    with pytest.raises(NotSignedIn, match="does not verify"):
        await me.caller(forged(holder, key=key))


async def test_a_key_that_is_not_for_invocation_is_refused(me, holder, web):
    document = holder.document()
    web.documents[document_url(holder.did, allow_loopback=False)] = {**document, "capabilityInvocation": []}
    with pytest.raises(NotSignedIn, match="capabilityInvocation"):
        await me.caller(forged(holder))


async def test_several_keys_need_a_name(me, holder, web):
    document, more = holder.document(), OKPKey.generate_key("Ed25519").as_dict(private=False)
    method = {"id": f"{holder.did}#b", "publicKeyJwk": more}
    document["capabilityInvocation"].append(f"{holder.did}#b")
    document["verificationMethod"].append(method)
    web.documents[document_url(holder.did, allow_loopback=False)] = document
    with pytest.raises(NotSignedIn, match="unnamed"):
        await me.caller(forged(holder, header={"kid": None}))


async def test_one_key_needs_none(me, holder):
    assert (await me.caller(forged(holder, header={"kid": None}))).did == holder.did


async def test_a_token_is_used_once(me, holder):
    header = f"Bearer {holder.mint('did:web:me.example')}"
    await me.caller(header)
    with pytest.raises(NotSignedIn, match="used before"):
        await me.caller(header)


async def test_a_token_from_before_the_start_is_refused_whoever_remembered_it_is_gone(me, holder, clock):
    clock.at -= timedelta(seconds=80)
    header = f"Bearer {holder.mint('did:web:me.example')}"
    clock.at += timedelta(seconds=80)
    with pytest.raises(NotSignedIn, match="before this node began"):
        await me.caller(header)


async def test_the_memory_of_tokens_is_bounded_and_fails_closed(me, holder, clock, monkeypatch):
    monkeypatch.setattr(verifier, "REMEMBERED", 2)
    for _ in range(2):
        await me.caller(f"Bearer {holder.mint('did:web:me.example')}")
    with pytest.raises(LimitReached, match="remembered"):
        await me.caller(f"Bearer {holder.mint('did:web:me.example')}")
    clock.at += timedelta(minutes=10)
    assert await me.caller(f"Bearer {holder.mint('did:web:me.example')}")


async def test_a_document_that_is_somebody_elses_is_refused(me, holder, issuer, web):
    web.documents[document_url(holder.did, allow_loopback=False)] = issuer.document()
    with pytest.raises(NotSignedIn, match="is the document of"):
        await me.caller(forged(holder))


async def test_documents_are_cached_and_faults_too(me, holder, web):
    for _ in range(3):
        await me.caller(forged(holder, jti=str(_)))
    assert len(web.asked) == 1
    web.documents.clear()
    for _ in range(3):
        with pytest.raises(PeerUnreachable):
            await me.document("did:web:gone.example")
    assert len(web.asked) == 2


async def test_after_a_rotation_new_tokens_work_at_once_and_old_ones_die(tmp_path, me, holder, web):
    old, signed = f"Bearer {holder.mint('did:web:me.example')}", holder.sign("sha256:1")
    await me.caller(f"Bearer {holder.mint('did:web:me.example')}")
    Identity.rotate(tmp_path / "holder")
    web.hold(holder)
    assert (await me.caller(f"Bearer {holder.mint('did:web:me.example')}")).did == holder.did
    with pytest.raises(NotSignedIn):
        await me.caller(old)
    await me.signature(holder.did, "sha256:1", signed)


def test_a_node_that_runs_signs_on_with_what_it_holds_where_its_key_file_is_gone(tmp_path, holder):
    kid = holder.kid
    (tmp_path / "holder" / "identity.pem").unlink()
    assert (holder.kid, holder.document()["authentication"]) == (kid, [kid])


FACTS = {"membership": did_of(ISSUER), "tier": "full", "organisationKind": "start-up", "country": "DE", "name": "Acme"}


async def presented(me, holder, *credentials):
    return await me.caller(f"Bearer {holder.mint('did:web:me.example', credentials)}")


async def test_a_membership_credential_becomes_claims(me, holder, issuer, clock):
    caller = await presented(me, holder, issuer.issue_membership(holder.did, FACTS))
    claims = claims_at(caller.kept(), clock())
    assert claims[policy.MEMBERSHIP] == [issuer.did]
    assert claims[policy.TIER] == claims[f"{policy.TIER}@{issuer.did}"] == ["full"]
    assert claims[terms.VOCABULARY + "country"] == ["DE"]
    assert claims[policy.PARTICIPANT] == [holder.did]


async def test_claims_end_when_their_credential_does(me, holder, issuer, clock):
    until = clock() + timedelta(hours=1)
    caller = await presented(me, holder, issuer.issue_membership(holder.did, FACTS, until))
    kept = caller.kept(["repair"])
    assert policy.MEMBERSHIP in kept
    assert policy.MEMBERSHIP not in claims_at(kept, until)
    assert claims_at(kept, until)[terms.PURPOSE] == ["repair"]


@pytest.mark.parametrize("change", ["expired", "stolen", "untrusted", "elsewhere", "tampered", "junk"])
async def test_a_credential_that_does_not_hold_proves_nothing_and_is_noted(me, holder, issuer, clock, change):
    good = issuer.issue_membership(holder.did, FACTS)
    head, body, signature = good.split(".")
    bad = {
        "expired": issuer.issue_membership(holder.did, FACTS, clock() - timedelta(seconds=1)),
        "stolen": issuer.issue_membership("did:web:somebody.else", FACTS),
        "untrusted": holder.issue_membership(holder.did, {"tier": "full"}),
        "elsewhere": issuer.issue_membership(holder.did, {**FACTS, "membership": "did:web:big.example"}),
        "tampered": f"{head}.{body[:-8]}{body[-4:]}{body[-8:-4]}.{signature}",
        "junk": "junk",
    }[change]
    caller = await presented(me, holder, bad)
    assert caller.proofs == ()
    assert len(caller.notes) == 1


async def test_an_issuer_that_is_away_still_counts_for_a_day(me, holder, issuer, web, monkeypatch):
    credential = issuer.issue_membership(holder.did, FACTS)
    await presented(me, holder, credential)
    del web.documents[document_url(issuer.did, allow_loopback=False)]
    monkeypatch.setattr(verifier, "FRESH_S", -1.0)
    me._documents.clear()
    assert (await presented(me, holder, credential)).proofs


async def test_the_credential_of_vc_1_1_is_read_too(me, holder, issuer, clock):
    vc = {
        "type": ["VerifiableCredential", "MembershipCredential"],
        "issuer": {"id": issuer.did},
        "credentialSubject": [{"id": holder.did, "tier": "full"}],
        "issuanceDate": "2026-11-01T00:00:00",
        "expirationDate": "2026-12-01",
    }
    claims = {"iss": issuer.did, "sub": holder.did, "vc": vc}
    signed = jws.serialize_compact({"alg": "ES256", "kid": issuer.kid}, json.dumps(claims), issuer._keys[0])
    assert (await me.membership(signed, holder.did)).expires == datetime(2026, 12, 1, 23, 59, 59, 999999, tzinfo=UTC)
    without = {**claims, "vc": {name: vc[name] for name in vc if name != "expirationDate"}}
    with pytest.raises(BadInput, match="from when until when"):
        await me.membership(
            jws.serialize_compact({"alg": "ES256", "kid": issuer.kid}, json.dumps(without), issuer._keys[0]), holder.did
        )


async def test_a_signature_holds_for_its_digest_and_its_signer_only(me, holder, issuer):
    signature = holder.sign("sha256:abc")
    await me.signature(holder.did, "sha256:abc", signature)
    for did, digest, text in (
        (holder.did, "sha256:abd", signature),
        (issuer.did, "sha256:abc", signature),
        (holder.did, "sha256:abc", "junk"),
    ):
        with pytest.raises(PeerError, match="does not hold"):
            await me.signature(did, digest, text)


def test_the_token_of_a_transfer_is_always_the_same_and_no_other_is(holder, issuer):
    assert holder.data_token("transfer-1") == holder.data_token("transfer-1")
    assert len({holder.data_token("transfer-1"), holder.data_token("transfer-2"), issuer.data_token("transfer-1")}) == 3
