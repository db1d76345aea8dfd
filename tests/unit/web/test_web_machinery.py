"""The blueprint page, the connect dialogue and write-back, as a browser uses them."""

import html
import re
import sys
from pathlib import Path

import msgspec
import pytest
from asgi import Browser

sys.path.insert(0, str(Path(__file__).parents[1] / "flows"))

import wooden_machine
from wooden_shop import device, install

from interwork.core.blueprint import CommandState, LinkState, WriteCommand, WritePoint
from interwork.core.event import Tag
from interwork.core.ids import derived_id
from interwork.core.organisation import Role
from interwork.core.resource import Blueprint, Meaning, Resource, Signal
from interwork.flows.links import Link
from interwork.store import Change
from interwork.web import create_app
from interwork.web.access import issue_token


@pytest.fixture(autouse=True)
def wood(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch)


async def send(browser, page, address, **fields):
    """Fill in a form of a page as the browser would."""
    token = field((await browser.get(page)).text, "csrf")
    return await browser.post(address, {"csrf": token, **fields})


def field(page, name):
    """Read a form's hidden field as the browser would send it."""
    return html.unescape(re.search(f'name="{name}" value="([^"]*)"', page).group(1))


async def test_the_blueprint_shows_power_storage_and_traffic_of_devices_connected_or_not(owner, node):
    """machines 37: an unconnected machine counts in the power totals of the page."""
    page = (await owner.get("/blueprint")).text
    assert "Unconnected power" in page
    for one in await node.store.find(Blueprint, limit=100):
        assert html.escape((await node.store.get(Resource, one.resource)).name) in page
    assert (await owner.get("/blueprint?hours=1")).status == 200
    assert (await owner.get("/blueprint?hours=x")).status == 400


async def test_the_blueprint_of_a_node_that_holds_nothing_says_so(empty):
    page = Browser(create_app(empty), token=await issue_token(empty.store, "test", Role.OWNER))
    assert "No device has a blueprint yet" in (await page.get("/blueprint")).text


async def test_a_machine_is_looked_at_edited_and_connected_as_the_person_said(owner, node):
    asked = device(1.0, name="New saw")
    page = await send(
        owner, "/machines/connect", "/machines/connect", act="look", name=asked.name, endpoint=asked.endpoint, rated="3"
    )
    assert page.status == 200
    assert "samples/s" in page.text
    sent = {"act": "connect", "connection": field(page.text, "connection")}
    sent |= {f"a{row}": field(page.text, f"a{row}") for row in (0, 1)}
    sent |= {"r0": "on", "n0": "Drive power", "u0": "W", "m0": "power", "d0": "0.25"}
    sent |= {"n1": "Parts", "u1": "1", "m1": "part-count", "d1": ""}
    answer = await send(owner, "/machines/connect", "/machines/connect", **sent)
    assert answer.status == 303
    resource = await found(node, "New saw")
    signals = await node.store.find(Signal, resource=resource.id)
    assert [(one.name, one.unit, one.meaning, one.deadband) for one in signals] == [
        ("Drive power", "W", Meaning.POWER, 0.25)
    ]
    blueprint = await node.store.get(Blueprint, derived_id("blueprint", resource.id))
    assert (blueprint.rated_power_kw, blueprint.is_measured) == (3.0, True)


async def found(node, name):
    return next(one for one in await node.store.find(Resource, limit=1000) if one.name == name)


async def test_a_device_that_does_not_answer_is_told_on_the_page_and_what_was_typed_stays(owner):
    page = await send(
        owner,
        "/machines/connect",
        "/machines/connect",
        act="look",
        name="Saw",
        endpoint="steam://boiler",
        maker="Ada & Co",
    )
    assert page.status == 400
    assert "no machine endpoint" in page.text
    assert "Ada &amp; Co" in page.text


async def test_a_refused_look_keeps_the_options_that_were_typed(owner):
    """The first look at a server with certificates is always refused: nothing is typed twice for that."""
    typed = {"act": "look", "name": "Saw", "endpoint": "steam://x", "username": "ann", "options": "interval_s = 0.5"}
    page = await send(owner, "/machines/connect", "/machines/connect", **typed)
    assert page.status == 400
    assert 'name="username" maxlength="200" autocomplete="off" value="ann"' in page.text
    assert ">interval_s = 0.5</textarea>" in page.text
    page = await send(owner, "/machines/connect", "/machines/connect", **typed | {"options": "interval_s = "})
    assert "are no TOML" in page.text
    assert ">interval_s =</textarea>" in page.text


async def test_a_table_of_registers_is_a_file_to_choose(owner):
    fields = {"csrf": field((await owner.get("/machines/connect")).text, "csrf"), "act": "look", "name": "Press"}
    fields |= {"endpoint": "modbus://127.0.0.1:1?unit=1", "options": ""}
    page = await owner.upload("/machines/connect", fields, "press.csv", b"address;name;type\n7;Power;f32\n", part="map")
    assert "does not answer as a Modbus server" in page.text, "the map was read, the machine is not there"
    page = await owner.upload(
        "/machines/connect", fields, "press.csv", b"address,name,type\nseven,Power,f32\n", part="map"
    )
    assert "registers[0]" in page.text


async def test_the_dialogue_is_for_people_who_operate(app, program):
    guest = await program(Role.MEMBER)
    assert (await guest.get("/machines/connect")).status == 403
    assert (await guest.post("/machines/connect", {"act": "look"})).status == 403


async def test_a_point_is_permitted_asked_for_and_refused_on_its_page(owner, node):
    asked = device(1.0, name="Oven")
    page = await send(
        owner, "/machines/connect", "/machines/connect", act="look", name=asked.name, endpoint=asked.endpoint
    )
    body = field(page.text, "connection")
    await send(owner, "/machines/connect", "/machines/connect", act="connect", connection=body)
    oven = await found(node, "Oven")
    signal = (await node.store.find(Signal, resource=oven.id))[0]
    address = f"/machines/{oven.id}/write"
    assert "Nothing of it is written" in (await owner.get(address)).text
    rules = {"low": "0", "high": "50", "needs_second": "on"}
    assert (await send(owner, address, address, act="permit", signal=signal.id, **rules)).status == 303
    assert (await node.store.find(WritePoint, resource=oven.id))[0].high == 50.0
    assert (await send(owner, address, address, act="ask", signal=signal.id, value="70", reason="Try")).status == 403
    assert (await send(owner, address, address, act="ask", signal=signal.id, value="20", reason="Warm")).status == 303
    states = [one.state for one in await node.store.find(WriteCommand, resource=oven.id)]
    assert sorted(states) == [CommandState.ASKED, CommandState.REFUSED]
    shown = (await owner.get(address)).text
    assert "Warm" in shown
    assert (await send(owner, address, address, act="close", signal=signal.id)).status == 303
    assert wooden_machine.WRITTEN == {}


async def test_a_connection_is_switched_off_and_on_from_the_page(owner, node):
    asked = device(1.0, name="Lathe 9")
    page = await send(
        owner, "/machines/connect", "/machines/connect", act="look", name=asked.name, endpoint=asked.endpoint
    )
    await send(
        owner, "/machines/connect", "/machines/connect", act="connect", connection=field(page.text, "connection")
    )
    lathe = await found(node, "Lathe 9")
    assert (await send(owner, "/blueprint", f"/machines/{lathe.id}/link", act="off")).status == 303
    assert (await node.store.get(Resource, lathe.id)).is_disabled
    assert (await send(owner, "/blueprint", f"/machines/{lathe.id}/link", act="on")).status == 303
    assert (await send(owner, "/blueprint", f"/machines/{lathe.id}/link", act="explode")).status == 400


async def test_a_program_looks_at_a_device_and_gets_all_that_was_found_with_a_proposal(program):
    engineer = await program(Role.ENGINEER)
    asked = device(1.0, name="Planer", rated_power_kw=2.0)
    answer = await engineer.send("POST", "/api/probe", msgspec.json.encode(asked), content_type="application/json")
    found = msgspec.json.decode(answer.body)
    assert [(one["address"], one["meaning"]) for one in found["found"]] == [("power", "power"), ("parts", "part-count")]
    assert (found["nameplate"], found["remarks"], found["broken"]) == ({}, [], [])
    assert [one["address"] for one in found["connection"]["signals"]] == ["power", "parts"]
    assert "kW" in found["forecast"]


class Telling:
    """An open connector that tells of itself what `connectors.Telling` and `Identifying` name."""

    counters = {"overflows": 7, "gaps": 0}
    remarks = ("The link is not encrypted.",)

    async def nameplate(self):
        return {"ManufacturerName": "Test works", "FirmwareVersion": "2.1"}


async def test_a_machine_s_page_shows_what_its_connection_knows(owner, node):
    mill = await node.store.get(Resource, "resource-mill000000")
    link = Link(resource=mill.id, name=mill.name, endpoint=mill.endpoint, connector=Telling(), reconnects=2)
    link.stand(LinkState.CONNECTED, node.clock())
    node.links.by_resource[mill.id] = link
    await node.store.commit(Change().event(Tag.MACHINE_LOST, mill.id, fault="it went away"))
    page = (await owner.get(f"/machines/{mill.id}")).text
    for said in ("The link is not encrypted.", "Test works", "Firmware", "2.1", "overflows", "2 times since the node"):
        assert said in page
    assert "was lost" in page
    assert ">gaps<" not in page
    assert link.plate == {"ManufacturerName": "Test works", "FirmwareVersion": "2.1"}
