"""Identity: did:web, self-issued tokens, membership credentials, signatures; ours and other nodes'."""

from interwork.federation.identity.keys import NAME as NAME
from interwork.federation.identity.keys import Identity as Identity
from interwork.federation.identity.keys import did_of as did_of
from interwork.federation.identity.keys import document_url as document_url
from interwork.federation.identity.verifier import Caller as Caller
from interwork.federation.identity.verifier import Verifier as Verifier
from interwork.federation.identity.verifier import claims_at as claims_at
