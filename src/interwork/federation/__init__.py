"""Agreements with other nodes over the Eclipse Dataspace Protocol 2025-1, and the proof they were kept.

`Federation` is what the flows and the HTTP face call; `Identity` and `PeerClient` are opened by the wiring and handed
to it; `DataSource` is what the node answers with under an agreement.
"""

from interwork.federation.client import PeerClient as PeerClient
from interwork.federation.crawling import Crawled as Crawled
from interwork.federation.dataplane import DataRequest as DataRequest
from interwork.federation.dataplane import DataResponse as DataResponse
from interwork.federation.dataplane import DataSource as DataSource
from interwork.federation.dataplane import Fetched as Fetched
from interwork.federation.identity import Caller as Caller
from interwork.federation.identity import Identity as Identity
from interwork.federation.policy import Decision as Decision
from interwork.federation.policy import check_policy as check_policy
from interwork.federation.policy import evaluate as evaluate
from interwork.federation.processes import Reply as Reply
from interwork.federation.service import Federation as Federation
