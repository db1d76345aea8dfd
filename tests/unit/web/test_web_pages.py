"""Pages: each answers, says what it holds without scripts, and is closed to whom it is closed."""

import re

import pytest
import world_records as records
from asgi import Browser
from world import FAR, MILL, PASSWORD

PAGES = {
    "/": "Northfield",
    "/network": "America Makes",
    "/network/org-alder00000": "Alder Precision",
    "/machines": "Mill 1",
    f"/machines/{MILL}": "Spindle load",
    "/machines/connect": "Say where it answers",
    f"/machines/{MILL}/write": "Nothing of it is written",
    "/blueprint": "Unconnected power",
    "/designs": "bracket.step",
    f"/designs/{records.REVISION}": "120 × 80 × 25",
    f"/plans/{records.PLAN}": "Mill, first side",
    "/jobs": "Camera mount",
    f"/jobs/{records.MOVING}": "Process plan",
    "/agreements": "Quotes and orders",
    f"/agreements/{records.READINGS}": "18,240",
    "/thread": "Sensor bracket",
    f"/thread/{records.NEED}": "1,642 EUR by two plants",
    f"/thread/{records.NEED}/{records.EVIDENCE}": "Cpk",
    f"/thread/{records.EVIDENCE}": "12 of 12 good",
    "/programme": "TRL",
    "/report": "€120,000",
    "/report/rows/runs": "Mill, first side",
    "/admin": "The chain verifies",
    "/about": "uplot",
}
OPEN = ("/", "/network", "/network/org-alder00000", "/report", "/report/rows/runs", "/about", "/sign-in")


async def test_every_page_answers_and_says_what_it_holds(owner):
    for path, words in PAGES.items():
        answer = await owner.get(path)
        assert answer.status == 200, (path, answer.text[:500])
        assert words in answer.text, path


async def test_every_page_answers_on_a_node_that_holds_nothing(empty):
    from interwork.core.organisation import Role
    from interwork.web import create_app
    from interwork.web.access import issue_token

    browser = Browser(create_app(empty), token=await issue_token(empty.store, "test", Role.OWNER))
    for path in PAGES:
        if path.count("/") == 1:
            answer = await browser.get(path)
            assert answer.status == 200, (path, answer.text[:500])


@pytest.mark.parametrize("path", OPEN)
async def test_anybody_may_look_at_the_open_pages(stranger, path):
    assert (await stranger.get(path)).status == 200


async def test_the_other_pages_ask_a_person_to_sign_in(stranger):
    for path in PAGES.keys() - set(OPEN):
        answer = await stranger.get(path)
        assert (answer.status, answer.headers["location"].partition("?")[0]) == (303, "/sign-in"), path


async def test_home_shows_a_stranger_figures_but_no_records(stranger):
    text = (await stranger.get("/")).text
    assert "Agreements in force" in text
    assert "Quotes and orders" not in text


async def test_a_page_in_chinese_says_nothing_in_english_but_records(owner):
    text = (await owner.get("/programme?lang=zh")).text
    assert '<html lang="zh-Hans"' in text
    assert "发展计划" in text
    assert "Technologies" not in text


async def test_the_language_asked_for_is_remembered(owner):
    await owner.get("/?lang=zh")
    assert "机器" in (await owner.get("/machines")).text


async def test_the_browser_s_language_is_used_where_none_is_chosen(stranger):
    assert "登录" in (await stranger.get("/sign-in", accept_language="zh-CN,zh;q=0.9,en;q=0.8")).text


async def test_times_are_written_in_the_reader_s_zone(owner):
    owner.cookies["zone"] = "Asia/Shanghai"
    assert "Times in Asia/Shanghai" in (await owner.get("/jobs")).text


async def test_no_page_has_an_inline_script_style_or_handler(owner):
    for path in PAGES:
        text = (await owner.get(path)).text
        assert not re.search(r"<script(?![^>]*(src=|application/json))", text), path
        assert not re.search(r"<[^>]+\s(style|on\w+)=", text), path
        assert "<style" not in text, path


async def test_a_page_names_no_other_origin(owner):
    for path in PAGES:
        text = (await owner.get(path)).text
        assert not re.search(r'(src|href|action)="(https?:)?//', text), path


async def test_a_simulated_machine_says_so_with_its_time_scale(owner):
    text = (await owner.get("/machines")).text
    assert text.count("Simulated × 60") == 3


async def test_readings_under_an_ended_agreement_are_not_shown(owner, node):
    import msgspec

    from interwork.core.exchange import Agreement, AgreementState
    from interwork.store import Change

    agreement = await node.store.get(Agreement, records.READINGS)
    ended = msgspec.structs.replace(agreement, state=AgreementState.TERMINATED)
    await node.store.commit(Change().put(ended))
    page = await owner.get(f"/machines/{FAR}")
    series = await owner.get(f"/machines/{FAR}/series.json?signals=201")
    assert "may not be seen" in page.text
    assert (series.status, series.json()["code"]) == (403, "refused")


async def test_series_are_columns_of_equal_length(owner):
    found = (await owner.get(f"/machines/{MILL}/series.json?signals=2,4&minutes=60")).json()
    assert [one["name"] for one in found["series"]] == ["Spindle load", "Power"]
    assert all(len(one["time"]) == len(one["mean"]) == len(one["high"]) > 10 for one in found["series"])


@pytest.mark.parametrize(
    "query",
    [
        "signals=",
        "signals=9999",
        "signals=2&minutes=0",
        "signals=2&minutes=1e9",
        "signals=2&minutes=" + "9" * 5000,
        "signals=" + "9" * 5000,
    ],
)
async def test_series_refuse_what_cannot_be_drawn(owner, query):
    assert (await owner.get(f"/machines/{MILL}/series.json?{query}")).status == 400


async def test_the_directory_is_filtered_by_words_and_kind(stranger):
    text = (await stranger.get("/network?q=photonics+albany&kind=research-institute")).text
    assert "AIM Photonics" in text
    assert "America Makes" not in text


async def test_a_crowd_on_a_thread_is_shown_in_part_with_a_way_to_more(owner, node):
    await node.store.commit(records.with_neighbours(1000))
    nearest = (await owner.get("/thread/need-crowd000000")).text
    everything = (await owner.get("/thread/need-crowd000000?all=1")).text
    assert nearest.count("<tr data-id") == 200
    assert "Show more" in nearest
    assert everything.count("<tr data-id") == 1001


async def test_the_model_of_a_part_is_sent_once(owner):
    first = await owner.get(f"/designs/{records.REVISION}/model.glb")
    again = await owner.get(f"/designs/{records.REVISION}/model.glb", if_none_match=first.headers["etag"])
    assert first.body[:4] == b"glTF"
    assert again.status == 304


async def test_a_moving_job_answers_its_moving_part_alone(owner):
    part = (await owner.get(f"/jobs/{records.MOVING}", hx_request="true")).text
    assert "<html" not in part
    assert "Process plan" in part


@pytest.mark.parametrize(("role", "sees"), [("Guest", 303), ("Member", 303), ("Officer", 200)])
async def test_the_administration_is_for_owners_and_officers(app, role, sees):
    browser = Browser(app)
    await browser.enter(f"{role} of the lab", PASSWORD)
    answer = await browser.get("/admin")
    assert answer.status == (200 if sees == 200 else 403)


async def test_a_refusal_is_told_in_the_reader_s_language_with_who_what_and_what_helps(app):
    browser = Browser(app)
    await browser.enter("Guest of the lab", PASSWORD)
    text = (await browser.get("/admin?lang=zh")).text
    assert "Guest of the lab 在这里的角色是访客。" in text
    assert "请向节点所有者申请其他角色。" in text
    assert "is guest here" not in text


async def test_the_export_has_every_table_and_no_secret(owner):
    text = (await owner.get("/admin/export.jsonl")).text
    assert '"table":"plans"' in text
    assert "argon2" not in text
