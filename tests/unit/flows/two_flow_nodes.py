"""Two whole nodes of the stories that reach each other over real HTTP: an institute, and a member of it."""

from contextlib import asynccontextmanager

import anyio
from flows_world import START, opened
from loopback_nodes import bound_socket, served
from starlette.applications import Starlette

from interwork.core.errors import InterworkError
from interwork.core.organisation import Membership, MembershipState
from interwork.store import Change
from interwork.web.dsp import routes
from interwork.web.problem import on_error


def membership(member, institute, name, credential=""):
    return Membership(
        id=f"member-{name}",
        organisation=f"org-{name}",
        organisation_name=name,
        did=member.did,
        institute=institute.did,
        tier="small",
        state=MembershipState.GRANTED,
        requested_at=START,
        credential=credential,
    )


@asynccontextmanager
async def reachable(node):
    """Serve a node's dataspace face on its port and run its federation."""
    app = Starlette(routes=routes(node.federation), exception_handlers={InterworkError: on_error})
    async with served(app, bound_socket(node.settings.port)), anyio.create_task_group() as tasks:
        tasks.start_soon(node.federation.run)
        yield
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def institute_and_member(folder):
    """Open both; the member holds a credential of the institute."""
    async with (
        opened(folder / "lab", name="Lakeside", roles=("institute",)) as lab,
        opened(folder / "shop", name="Alder") as shop,
    ):
        credential = lab.identity.issue_membership(shop.did, {"tier": "small"})
        await shop.store.commit(Change("test").put(membership(shop, lab, "Alder", credential)))
        await shop.store.commit(Change("test").delete(Membership, "member-1"))
        await lab.store.commit(Change("test").put(membership(shop, lab, "Alder")))
        shop.issuers.add(lab.did)
        async with reachable(lab), reachable(shop):
            yield lab, shop
