"""Pages in a real browser: accessible in both themes and languages, on their own origin, and without scripts."""

import time

import pytest
import world_records as records
from axe_playwright_python.sync_playwright import Axe
from world import MILL

PAGES = (
    "/",
    "/network",
    "/network/org-alder00000",
    "/machines",
    f"/machines/{MILL}",
    "/machines/connect",
    f"/machines/{MILL}/write",
    "/blueprint",
    "/designs",
    f"/designs/{records.REVISION}",
    f"/plans/{records.PLAN}",
    f"/plans/{records.PLAN}/volume",
    f"/needs/{records.NEED}?certificate=90",
    "/products",
    "/quality",
    "/jobs",
    f"/jobs/{records.MOVING}",
    f"/jobs/{records.FAILED}",
    "/gaps",
    "/investment",
    "/together",
    "/models",
    "/trials",
    "/machines/trust",
    "/agreements",
    f"/agreements/{records.READINGS}",
    "/thread",
    f"/thread/{records.NEED}",
    f"/thread/{records.NEED}/{records.EVIDENCE}",
    "/programme",
    "/report",
    "/report/rows/runs",
    "/admin",
    "/about",
    "/sign-in",
)
BROKEN = ("/nothing-here", "/designs/rev-none", "/agreements?limit=x")
"""What is not there, and what cannot be asked: told on a page of its own."""
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}
BRIGHTEST = """() => {
  const canvas = document.querySelector("canvas");
  const dots = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let most = 0;
  for (let at = 0; at < dots.length; at += 4) {
    if (dots[at + 3] > 200) most = Math.max(most, dots[at] + dots[at + 1] + dots[at + 2]);
  }
  return most / 3;
}"""
SIZES = {"wide": {"width": 1440, "height": 900}, "narrow": {"width": 390, "height": 844}}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_no_page_breaks_an_accessibility_rule(visit, scheme, locale):
    found = {}
    with visit(color_scheme=scheme, locale=locale, viewport=SIZES["wide"], reduced_motion="reduce") as page:
        for path in (*PAGES, *BROKEN):
            page.goto(path)
            page.wait_for_timeout(700)  # charts, map and graph draw themselves
            for violation in Axe().run(page, options=RULES).response["violations"]:
                found.setdefault(path, []).append(
                    (violation["id"], [node["html"][:160] for node in violation["nodes"]])
                )
    assert found == {}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("size", SIZES)
def test_every_page_fits_its_screen_logs_no_fault_and_stays_on_its_origin(visit, running, size):
    asked, wide = set(), {}
    with visit(viewport=SIZES[size]) as page:
        page.on("request", lambda request: asked.add(request.url))
        for path in PAGES:
            page.goto(path)
            page.wait_for_timeout(400)
            over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if over > 0:
                wide[path] = over
        assert page.faults == []
    assert wide == {}
    assert [url for url in asked if not url.startswith((running.address, "blob:", "data:"))] == []


def test_everything_can_be_read_without_scripts(visit):
    with visit(java_script_enabled=False) as page:
        page.goto(f"/plans/{records.PLAN}")
        assert page.locator("tr[data-start]").count() == 7
        page.goto(f"/machines/{MILL}")
        assert page.locator("live-value").first.inner_text() == "Active"
        page.goto("/network")
        assert page.locator("tr[data-latitude] a").count() == 29
        page.goto(f"/thread/{records.NEED}")
        page.click("text=1,642 EUR by two plants")
        assert page.locator("h1").inner_text() == "1,642 EUR by two plants"


def test_a_form_works_without_scripts(visit):
    with visit(java_script_enabled=False) as page:
        page.goto("/network")
        page.fill("#q", "photonics")
        page.click("button:has-text('Filter')")
        assert page.locator("tr[data-latitude]").count() == 1


@pytest.mark.parametrize("path", [f"/machines/{MILL}", f"/plans/{records.PLAN}"])
def test_the_axes_of_a_canvas_can_be_read_on_dark(visit, path):
    with visit(color_scheme="dark", viewport=SIZES["wide"]) as page:
        page.goto(path)
        page.wait_for_selector("canvas")
        deadline = time.monotonic() + 30
        while (brightest := page.evaluate(BRIGHTEST)) <= 140 and time.monotonic() < deadline:
            page.wait_for_timeout(100)  # until it is drawn
    assert brightest > 140


def test_the_theme_is_switched_and_remembered(visit):
    with visit(color_scheme="light", viewport=SIZES["wide"]) as page:
        page.goto("/")
        before = page.evaluate(
            "getComputedStyle(document.body).backgroundColor + getComputedStyle(document.body).color"
        )
        page.click("theme-toggle button")
        page.goto("/jobs")
        after = page.evaluate("getComputedStyle(document.body).backgroundColor + getComputedStyle(document.body).color")
    assert before != after


def test_the_menu_opens_on_a_phone_by_keyboard(visit):
    with visit(viewport=SIZES["narrow"]) as page:
        page.goto("/")
        assert not page.locator("#nav").is_visible()
        page.focus("button:has-text('Menu')")
        page.keyboard.press("Enter")
        page.click("#nav >> text=Machines")
        page.wait_for_url("**/machines")


def test_a_keyboard_reaches_the_content_at_once(visit):
    with visit(viewport=SIZES["wide"]) as page:
        page.goto("/jobs")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


def test_the_plan_is_zoomed_by_keys_and_a_bar_leads_to_its_row(visit):
    with visit(viewport=SIZES["wide"]) as page:
        page.goto(f"/plans/{records.PLAN}")
        page.focus("gantt-chart canvas")
        before = page.evaluate("(g => g.to - g.from)(document.querySelector('gantt-chart'))")
        page.keyboard.press("+")
        page.keyboard.press("ArrowRight")
        after = page.evaluate("(g => g.to - g.from)(document.querySelector('gantt-chart'))")
        page.keyboard.press("0")
        x, y = page.evaluate(
            "(g => { const b = g.box(g.bars[1]); return [b[0] + 5, b[1] + 5]; })(document.querySelector('gantt-chart'))"
        )
        page.click("gantt-chart canvas", position={"x": x, "y": y})
        assert page.locator("tr.chosen[data-start]").count() == 1
    assert after < before


def test_the_map_and_the_thread_are_made_of_links(visit):
    with visit(viewport=SIZES["wide"]) as page:
        page.goto("/network")
        page.wait_for_selector("network-map svg a")
        assert page.locator("network-map svg a").count() == 29
        page.goto(f"/thread/{records.NEED}")
        page.wait_for_selector("thread-graph svg a")
        assert page.locator("thread-graph svg a").count() == 12


def test_a_part_is_drawn_to_be_looked_at(visit):
    with visit(viewport=SIZES["wide"]) as page:
        page.goto(f"/designs/{records.REVISION}")
        page.wait_for_selector("part-viewer[data-ready]", timeout=20_000)
        assert page.locator("part-viewer canvas").count() == 1


def test_a_moving_job_is_looked_at_again_by_itself(visit):
    with visit(viewport=SIZES["wide"]) as page:
        page.goto(f"/jobs/{records.MOVING}")
        with page.expect_response(f"**/jobs/{records.MOVING}", timeout=30_000):
            pass
        page.wait_for_timeout(300)
        assert page.locator("#moving .steps li").count() == 12


@pytest.mark.parametrize("path", [f"/plans/{records.PLAN}", f"/thread/{records.NEED}/{records.EVIDENCE}"])
def test_a_page_is_printed_dark_on_white_in_either_theme(visit, path):
    with visit(color_scheme="dark") as page:
        page.goto(path)
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        page.emulate_media(media="print", color_scheme="dark")
        page.wait_for_timeout(300)
        bright = page.evaluate("""() => [...document.querySelectorAll("main *")].filter((one) => {
            const [red, green, blue] = getComputedStyle(one).color.match(/[0-9.]+/g).map(Number);
            return one.innerText && one.checkVisibility() && red + green + blue > 400;
        }).map((one) => one.outerHTML.slice(0, 100))""")
        assert bright == []
        assert page.locator(".nav").is_hidden()
