"""Rendering: addresses of records, short ids, how a job stands, lines drawn from values, what a requirement says."""

import msgspec
import pytest
import world_records as records
from asgi import Browser

from interwork.core.making import JobStep
from interwork.web.assets import Assets
from interwork.web.pages.agreements import rules_of
from interwork.web.pages.thread import RECORDS
from interwork.web.render import ADDRESSES, STEPS, address_of, pretty, short, sparkline, standing, step_is, step_number


@pytest.mark.parametrize(
    ("identifier", "address"),
    [
        ("rev-bracket0000", "/designs/rev-bracket0000"),
        ("evidence-mill0000", "/thread/evidence-mill0000"),
        ("urn:uuid:0-1", "/agreements/urn:uuid:0-1"),
        ("did:web:localhost%3A8702", ""),
        ("al-6061", ""),
        ("Sensor bracket", ""),
        ('need-"><script>', ""),
    ],
)
def test_a_record_is_linked_by_the_kind_in_its_id(identifier, address):
    assert address_of(identifier) == address


def test_every_record_that_is_linked_has_a_word_behind_it():
    assert ADDRESSES.keys() <= RECORDS.keys()
    assert all(address_of(f"{kind}-0123456789") for kind in RECORDS)


def test_long_ids_are_shown_by_kind_and_end():
    assert short("evidence-01m80tbg1yy4f7afgdca2z3d6w") == "evidence…2z3d6w"
    assert short("ab" * 32) == "…ababab"
    assert short("did:web:localhost%3A8702") == "did:web:localhost%3A8702"


def test_a_job_s_arrows_are_past_now_and_next():
    job = records._job("job-x", "x", JobStep.PLAN, "running")
    assert [step_is(job, step) for step in STEPS[5:8]] == ["past", "now", "next"]
    assert step_is(msgspec.structs.replace(job, state="failed"), JobStep.PLAN) == "fault"
    assert step_number(job) == 7


def test_a_job_stopped_on_purpose_waits_for_somebody():
    job = records._job("job-x", "x", JobStep.AGREE, "done")
    assert standing(job) == "waiting"
    assert standing(msgspec.structs.replace(job, step=JobStep.DONE)) == "done"


def test_a_line_stays_in_its_box_and_leaves_out_what_is_no_number():
    points = [tuple(map(float, point.split(","))) for point in sparkline([1.0, float("nan"), 5.0, 3.0]).split()]
    assert points == [(0.0, 19.0), (50.0, 1.0), (100.0, 10.0)]
    assert sparkline([1.0]) == ""


def test_a_policy_is_read_into_rows():
    rules = rules_of(
        {
            "permission": [
                {
                    "action": "use",
                    "constraint": [
                        {
                            "leftOperand": "https://w3id.org/interwork/policy/membership",
                            "operator": "isAnyOf",
                            "rightOperand": ["did:web:a", "did:web:b"],
                        }
                    ],
                }
            ],
            "prohibition": {"action": {"@id": "odrl:distribute"}},
            "obligation": ["what?"],
        }
    )
    assert [(rule.kind, rule.action) for rule in rules] == [("permission", "use"), ("prohibition", "odrl:distribute")]
    assert rules[0].constraints == (("membership", "∈", "did:web:a, did:web:b"),)


def test_odrl_is_shown_indented():
    assert pretty({"a": [1]}) == '{\n  "a": [\n    1\n  ]\n}'


async def test_a_static_file_is_kept_for_ever_under_its_build_and_never_under_another(app):
    browser, assets = Browser(app), Assets()
    kept = await browser.get(assets.address("style.css"), accept_encoding="gzip")
    old = await browser.get("/static/000000000000/style.css")
    again = await browser.get(assets.address("style.css"), if_none_match=kept.headers["etag"])
    assert "immutable" in kept.headers["cache-control"]
    assert kept.headers["content-encoding"] == "gzip"
    assert old.headers["cache-control"] == "no-cache"
    assert again.status == 304


@pytest.mark.parametrize("name", ["../access.py", "..%2faccess.py", "nothing.js", "", "elements"])
async def test_only_static_files_are_served_as_static(app, name):
    assert (await Browser(app).get(f"/static/x/{name}")).status == 404


def test_an_install_without_libraries_says_what_to_do(tmp_path, capsys):
    (tmp_path / "style.css").write_text("a{}")
    assets = Assets(tmp_path)
    assert assets.libraries() == []
    assert "hatch_build.py" in capsys.readouterr().out


def test_every_library_has_its_licence_text():
    assets = Assets()
    libraries = assets.libraries()
    assert {"uplot", "three", "d3-geo", "htmx.org", "@dagrejs/dagre", "topojson-client", "world-atlas"} <= {
        one.name for one in libraries
    }
    assert all(f"lib/{one.text}" in assets._files for one in libraries)
