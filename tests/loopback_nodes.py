"""Real federation nodes on loopback for tests: own store, own key, own HTTP server, nothing replaced."""

import socket
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from interwork.core.clock import now
from interwork.core.errors import InterworkError
from interwork.core.exchange import Dataset, DatasetKind, Policy
from interwork.federation import DataRequest, DataResponse, Federation, Identity, PeerClient, terms
from interwork.store import Change, Store
from interwork.web.dsp import routes
from interwork.web.problem import on_error


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self):
        yield


class Answers:
    """A data source that answers every call and remembers it."""

    def __init__(self):
        self.asked: list[DataRequest] = []
        self.give: Callable[[DataRequest], DataResponse] = lambda request: DataResponse(
            content=b"hello " + request.body, media_type="text/plain", items=3, what="greetings"
        )

    async def answer(self, request):
        self.asked.append(request)
        return self.give(request)


@dataclass(kw_only=True)
class LoopbackNode:
    root: str
    store: Store
    identity: Identity
    client: PeerClient
    federation: Federation
    source: Answers
    trusted: set[str]
    credentials: list[str] = field(default_factory=list)

    @property
    def did(self):
        return self.identity.did

    @property
    def base(self):
        return self.root + "/dsp/2025-1"

    async def publish(self, title="Bracket", *, odrl=None, access=None, name="one", **properties):
        """Offer a dataset under rules of its own; open to all unless told."""
        held = Policy(id=f"policy-{name}", name=name, text=f"Clause {name}.", odrl=odrl or open_rules())
        change = Change().put(held)
        if access:
            change.put(Policy(id=f"access-{name}", name=name, text="Who sees it.", odrl=access))
        await self.store.commit(change)
        return await self.federation.offer(
            Dataset(
                id=f"dataset-{name}",
                kind=DatasetKind.FILE,
                title=title,
                policy=held.id,
                access=f"access-{name}" if access else "",
                properties=properties,
                changed_at=now(),
            )
        )


def open_rules():
    return {"permission": [{"action": "use"}]}


def only(operand, operator, right):
    full = operand if operand == "dateTime" else terms.VOCABULARY + operand
    return {
        "permission": [
            {"action": "use", "constraint": [{"leftOperand": full, "operator": operator, "rightOperand": right}]}
        ]
    }


def bound_socket(port=0):
    # The protocol is named, or asyncio would not switch Nagle's algorithm off for what is accepted.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


@asynccontextmanager
async def loopback_node(
    folder: Path, name: str, *, port=0, attempts=10, clock=now, is_running=True, margin_s=0.01
) -> AsyncGenerator[LoopbackNode, None]:
    """Open a node, serve it, and run it until the block is left."""
    listener = bound_socket(port)
    root = f"http://localhost:{listener.getsockname()[1]}"
    identity = Identity.open(folder / name, root, clock=clock)
    source, trusted, credentials = Answers(), set(), []

    async def claims():
        return credentials

    async with (
        await Store.open(f"sqlite:///{folder / name / 'state.db'}") as store,
        PeerClient(allow_loopback=True, timeout_s=5) as client,
    ):
        federation = Federation(
            store=store,
            identity=identity,
            client=client,
            root=root,
            name=name,
            trusted_issuers=trusted,
            claims=claims,
            source=source,
            clock=clock,
            attempts=attempts,
            margin_s=margin_s,
        )
        app = Starlette(routes=routes(federation), exception_handlers={InterworkError: on_error})
        async with served(app, listener), anyio.create_task_group() as tasks:
            if is_running:
                tasks.start_soon(federation.run)
            yield LoopbackNode(
                root=root,
                store=store,
                identity=identity,
                client=client,
                federation=federation,
                source=source,
                trusted=trusted,
                credentials=credentials,
            )
            tasks.cancel_scope.cancel()


@dataclass(kw_only=True)
class ScriptedPeer:
    """A peer without any logic: it has an identity, says what the test says, and keeps what it is told."""

    root: str
    identity: Identity
    client: PeerClient
    received: list[tuple[str, dict]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    """Answers to give in turn; 200 when there are none left."""

    @property
    def did(self):
        return self.identity.did

    async def say(self, node, method, path, body=None, *, credentials=(), token=None, headers=None):
        minted = self.identity.mint(node.did, credentials) if token is None else token
        content = None if body is None else msgspec.json.encode(body)
        return await self.client.request(method, node.base + path, token=minted, body=content, headers=headers)

    async def post(self, node, path, body, **more):
        """Post a message and give the status and the body of the answer."""
        answer = await self.say(node, "POST", path, body, **more)
        return answer.status, msgspec.json.decode(answer.content) if answer.content else {}

    async def state(self, node, path):
        """Ask where a process stands."""
        answer = await self.say(node, "GET", path)
        return msgspec.json.decode(answer.content).get("state", answer.status)

    async def told(self, kind):
        """Wait until a message of a type has come and give it."""
        found = await eventually(self._received, lambda all_: any(one["@type"] == kind for _, one in all_))
        return next(one for _, one in found if one["@type"] == kind)

    async def _received(self):
        return list(self.received)

    async def did_document(self, request):
        return Response(msgspec.json.encode(self.identity.document("Scripted")), media_type="application/json")

    async def versions(self, request):
        spoken = [{"version": "2025-1", "path": "/dsp/2025-1", "binding": "HTTPS"}]
        return Response(msgspec.json.encode({"protocolVersions": spoken}), media_type="application/json")

    async def dataset(self, request):
        identifier = request.path_params["id"]
        body = {
            "@context": ["https://w3id.org/dspace/2025/1/context.jsonld"],
            "@id": identifier,
            "@type": "Dataset",
            "hasPolicy": [{"@id": f"offer-of-{identifier}", "@type": "Offer", **open_rules()}],
            "distribution": [{"@type": "Distribution", "format": "HttpData-PULL", "accessService": "s"}],
        }
        return Response(msgspec.json.encode(body), media_type="application/json")

    async def take(self, request):
        body = msgspec.json.decode(await request.body())
        self.received.append((request.url.path, body))
        status = self.statuses.pop(0) if self.statuses else 200
        if status >= 400 or not request.url.path.endswith("/request"):
            return Response(b"", status_code=status)
        kind = "ContractNegotiation" if "offer" in body else "TransferProcess"
        process = about(kind, body["consumerPid"], f"provider of {body['consumerPid']}", state="REQUESTED")
        return Response(msgspec.json.encode(process), status_code=201, media_type="application/json")


@asynccontextmanager
async def served(app, listener) -> AsyncGenerator[None, None]:
    """Serve an application until the block is left."""
    server = _Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [listener])
        with anyio.fail_after(30):
            while not server.started:  # noqa: ASYNC110 - uvicorn tells by a flag
                await anyio.sleep(0.005)
        yield
        for one in server.servers:
            one.close()
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        tasks.cancel_scope.cancel()
    listener.close()


@asynccontextmanager
async def scripted_peer(folder: Path, name: str) -> AsyncGenerator[ScriptedPeer, None]:
    listener = bound_socket()
    root = f"http://localhost:{listener.getsockname()[1]}"
    async with PeerClient(allow_loopback=True, timeout_s=5) as client:
        peer = ScriptedPeer(root=root, identity=Identity.open(folder / name, root), client=client)
        paths = [
            Route("/.well-known/did.json", peer.did_document),
            Route("/.well-known/dspace-version", peer.versions),
            Route("/dsp/2025-1/catalog/datasets/{id}", peer.dataset),
            Route("/{path:path}", peer.take, methods=["POST"]),
        ]
        async with served(Starlette(routes=paths), listener):
            yield peer


def request_message(peer, offer_id, dataset, **changes):
    """Write an initial ContractRequestMessage of a scripted consumer."""
    offer = {"@id": offer_id, "@type": "Offer", "target": dataset, **open_rules()}
    message = {
        "@context": ["https://w3id.org/dspace/2025/1/context.jsonld"],
        "@type": "ContractRequestMessage",
        "consumerPid": "urn:uuid:consumer-1",
        "offer": offer,
        "callbackAddress": peer.root,
    }
    return {**message, **changes}


def about(kind, consumer_pid, provider_pid, **fields):
    """Write a message about a process both sides know."""
    return {
        "@context": ["https://w3id.org/dspace/2025/1/context.jsonld"],
        "@type": kind,
        "consumerPid": consumer_pid,
        "providerPid": provider_pid,
        **fields,
    }


async def eventually(read, is_so, *, within_s=30.0):
    """Read again and again until something is so, or fail with what it was."""
    found = await read()
    with anyio.move_on_after(within_s):
        while not is_so(found):
            await anyio.sleep(0.01)
            found = await read()
    assert is_so(found), found
    return found


async def serve_alone(folder: str, name: str, port: str, margin_s: str) -> None:
    """Be one node in a process of its own, offering one dataset, until the process is killed."""
    async with loopback_node(Path(folder), name, port=int(port), margin_s=float(margin_s)) as node:
        await node.publish()
        sys.stdout.write(f"ready {node.root}\n")
        sys.stdout.flush()
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(serve_alone, *sys.argv[1:])
