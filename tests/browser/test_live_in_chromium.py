"""Live values in a real browser: they move, pause, survive a restart, and come by events where sockets are blocked."""

import time

from world import MILL

from interwork.core.blueprint import LinkState
from interwork.core.clock import now
from interwork.flows.links import Link

LOAD = 'live-chart live-value[signal="2"]'
VALUE = f"document.querySelector('{LOAD}').textContent"


def moving(page, seconds=30):
    """Wait until the value on the page changes."""
    before = page.evaluate(VALUE)
    deadline = time.monotonic() + seconds
    while page.evaluate(VALUE) == before:
        assert time.monotonic() < deadline, f"the value stayed {before} for {seconds} s"
        page.wait_for_timeout(100)


def test_values_move_by_themselves(visit):
    with visit() as page:
        page.goto(f"/machines/{MILL}")
        moving(page)
        moving(page)
        assert page.faults == []


def test_a_pause_holds_every_value_still(visit):
    with visit() as page:
        page.goto(f"/machines/{MILL}")
        moving(page)
        page.click("pause-button button")
        page.wait_for_timeout(400)
        still = page.evaluate(VALUE)
        page.wait_for_timeout(1200)
        assert page.evaluate(VALUE) == still
        page.click("pause-button button")
        moving(page)


def test_values_come_by_events_where_sockets_are_blocked(visit):
    with visit() as page:
        page.add_init_script("window.WebSocket = class { constructor() { throw new Error('blocked'); } };")
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"/machines/{MILL}")
        moving(page)
    assert any("/live/events" in url for url in asked)


def test_a_restarted_server_is_found_again_and_the_page_says_so_meanwhile(visit, running):
    with visit() as page:
        page.goto(f"/machines/{MILL}")
        moving(page)
        running.stop()
        page.wait_for_selector(".banner:not([hidden])", timeout=30_000)
        running.start()
        page.wait_for_selector(".banner", state="hidden", timeout=30_000)
        moving(page)


def test_a_machine_that_falls_silent_shows_stale_values(visit, running):
    with visit() as page:
        page.goto(f"/machines/{MILL}")
        moving(page)
        running.is_speaking = False
        try:
            page.wait_for_selector("live-value[data-stale]", timeout=30_000)
        finally:
            running.is_speaking = True
        page.wait_for_selector(f"{LOAD}:not([data-stale])", timeout=30_000)


def test_values_that_stand_still_on_a_link_that_is_up_are_not_stale(visit, running):
    with visit() as page:
        page.goto(f"/machines/{MILL}")
        moving(page)
        link = Link(resource=MILL, name="Mill", endpoint="opc.tcp://mill", state=LinkState.CONNECTED)
        running.node.links.by_resource[MILL] = link
        running.is_speaking = False
        try:
            page.wait_for_timeout(17_000)
            assert page.locator("live-value[data-stale]").count() == 0
            link.stand(LinkState.DEGRADED, now())
            page.wait_for_selector("live-value[data-stale]", timeout=30_000)
        finally:
            running.is_speaking = True
            del running.node.links.by_resource[MILL]
        page.wait_for_selector(f"{LOAD}:not([data-stale])", timeout=30_000)


def test_a_live_page_is_light(visit):
    kinds, sizes = {}, {}
    with visit() as page:
        client = page.context.new_cdp_session(page)
        client.send("Network.enable")
        client.on("Network.responseReceived", lambda event: kinds.update({event["requestId"]: event["type"]}))
        client.on(
            "Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]})
        )
        page.goto(f"/machines/{MILL}")
        page.wait_for_timeout(1500)
    own = [size for request, size in sizes.items() if kinds.get(request) in ("Document", "Stylesheet", "Script")]
    assert len(own) > 3
    assert sum(own) < 60_000  # what the page weighs; readings come on top for as long as it is open
