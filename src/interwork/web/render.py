"""Turning a frozen view into a page: one template environment per language, the filters, and the frame's own facts."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from starlette.requests import Request
from starlette.responses import HTMLResponse

from interwork import __version__
from interwork.core import units
from interwork.core.clock import now, rfc3339
from interwork.core.design import Requirement
from interwork.core.ids import kind_of
from interwork.core.making import Job, JobStep
from interwork.core.resource import Meaning, Signal
from interwork.core.taxonomy import MATERIALS
from interwork.web import terms
from interwork.web.access import node_of, set_cookie, visitor_of
from interwork.web.assets import Assets
from interwork.web.words import LANGUAGES, TONES, Tongue, catalogue, folded, language_of, mark, zone_of

STEPS = tuple(step for step in JobStep if step is not JobStep.DONE)
# fmt: off
MENU = (
    (mark("Network"), (("/", mark("Home")), ("/network", mark("Organisations")), ("/programme", mark("Programme")),
                       ("/report", mark("Report")))),
    (mark("Making"), (("/designs", mark("Designs")), ("/jobs", mark("Jobs")), ("/products", mark("Products")),
                      ("/needs", mark("Needs")), ("/together", mark("Planning together")),
                      ("/gaps", mark("Gaps")), ("/investment", mark("Investment")), ("/machines", mark("Machines")),
                      ("/blueprint", mark("Blueprint")), ("/agreements", mark("Agreements")),
                      ("/thread", mark("Thread")))),
    (mark("Research"), (("/models", mark("Models")), ("/trials", mark("Trials")), ("/quality", mark("Quality")))),
    (mark("Operating"), (("/plant", mark("Plant")), ("/alarms", mark("Alarms")), ("/signals", mark("Signals")),
                         ("/energy", mark("Energy")), ("/charts", mark("Control charts")))),
    (mark("Node"), (("/admin", mark("Administration")), ("/about", mark("About")))),
)
# fmt: on
ADDRESSES = {
    "rev": "/designs/{}",
    "plan": "/plans/{}",
    "job": "/jobs/{}",
    "agreement": "/agreements/{}",
    "org": "/network/{}",
    "resource": "/machines/{}",
    "model": "/models/{}",
    "modelrun": "/model-runs/{}",
    "campaign": "/trials/{}",
    "quality": "/quality/{}",
    "gauge": "/gauges/{}",
    "product": "/products/{}",
    "supply": "/supply-plans/{}",
    "nonconformance": "/nonconformances/{}",
}
"""Where a record has its own page, by the kind in its id."""
_ON_THREAD = re.compile(
    "design|process|need|match|quote|order|run|inspection|evidence|award|call|share|pay|gap|project|technology|member|"
    "negotiation|transfer|dataset|policy|signal|blueprint|entry|receipt|trial|decision|gauge|char"
)
"""Kinds whose records are shown on the thread; records of other kinds have no page."""
_ID = re.compile(r"[a-z]{2,20}-[0-9a-z]{8,40}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
# fmt: off
SCRIPT_WORDS = (
    mark("Connection lost. Trying again…"), mark("Pause"), mark("Resume"), mark("Zoom in"), mark("Zoom out"),
    mark("Show all"), mark("Earlier"), mark("Later"), mark("Dark"), mark("Light"), mark("stale"),
    mark("The viewer needs WebGL."), mark("Drag to turn, scroll to zoom; arrow keys turn it too."),
    mark("The model could not be loaded."), mark("World"), mark("Sites"), mark("Nodes"), mark("single readings"),
    mark("steps: lowest, mean of readings, highest"), mark("No reading in this period."),
    mark("Alarms that need somebody"), mark("CO₂ ↑"), mark("Price →"), mark("Plans from the cheapest to the dearest"),
)
# fmt: on
"""What the elements say; handed to them once per page."""


MACHINE_WORDS = ("active", "ready", "stopped", "fault", "unavailable", "good", "uncertain", "bad", "none")


class Pages:
    """The template environments of one application."""

    def __init__(self, assets: Assets) -> None:
        self.assets = assets
        self.texts = {language: catalogue(language) for language in LANGUAGES}
        self._environments = {language: self._environment(language) for language in LANGUAGES}

    def _environment(self, language: str) -> Environment:
        made = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            auto_reload=False,
            undefined=StrictUndefined,
            extensions=["jinja2.ext.i18n"],
            trim_blocks=True,
            lstrip_blocks=True,
        )
        made.install_gettext_translations(self.texts[language], newstyle=True)  # type: ignore[attr-defined] # by the extension
        made.globals.update(asset=self.assets.address, steps=STEPS)
        made.filters.update(FILTERS)
        return made

    def template(self, language: str, name: str) -> jinja2.Template:
        """Find a template in a language."""
        return self._environments[language].get_template(name)


def _tongue_filter(name: str) -> Any:  # noqa: ANN401 -- a filter of any signature
    @pass_context
    def written(context: Context, value: Any, *more: Any) -> str:  # noqa: ANN401 -- templates are untyped
        return str(getattr(context["tongue"], name)(value, *more))

    return written


@pass_context
def _ago(context: Context, at: datetime) -> str:
    return str(context["tongue"].ago(at, context["now"]))


def address_of(identifier: str) -> str:
    """Tell where a record is shown."""
    if identifier.startswith("urn:"):
        return f"/agreements/{identifier}"
    if not _ID.fullmatch(identifier):
        return ""
    kind = kind_of(identifier)
    return ADDRESSES.get(kind, "/thread/{}" if _ON_THREAD.fullmatch(kind) else "").format(identifier)


def short(identifier: str) -> str:
    """Shorten an id to its kind and last characters."""
    if len(identifier) <= 20 or not (_ID.fullmatch(identifier) or _DIGEST.fullmatch(identifier)):
        return identifier
    return f"{kind_of(identifier) if '-' in identifier else ''}…{identifier[-6:]}"


def step_number(job: Job) -> int:
    """Count the arrows done, plus the present one."""
    return len(STEPS) if job.step is JobStep.DONE else STEPS.index(job.step) + 1


def step_is(job: Job, step: JobStep) -> str:
    """Tell where an arrow stands in a job: past, now, fault or next."""
    if job.step is JobStep.DONE or STEPS.index(step) < STEPS.index(job.step):
        return "past"
    if step is not job.step:
        return "next"
    return "fault" if job.state == "failed" else "now"


def standing(job: Job) -> str:
    """Tell how a job stands; one that was stopped on purpose before its end waits for somebody."""
    return "waiting" if job.state == "done" and job.step is not JobStep.DONE else job.state


def meaning_of(context: Context, signal: Signal) -> str:
    """Name a signal by what it means, else by its own name."""
    return signal.name if signal.meaning is Meaning.OTHER else str(context["tongue"].label(signal.meaning))


def wanted_of(context: Context, requirement: Requirement) -> str:
    """Say a requirement in words and numbers."""
    tongue: Tongue = context["tongue"]
    name, value = requirement.name, requirement.value
    unit = name.rpartition("_")[2] if "_" in name else ""
    if isinstance(value, str):
        said = material_name(value) if name == "material" else tongue.label(value)
    else:
        said = tongue.box(value) if isinstance(value, tuple) else tongue.sized(value)
    return f"{tongue.label(name)} {said} {unit}".strip()


def material_name(identifier: str) -> str:
    """Name a material of the table; one that is not listed is shown as it is."""
    found = MATERIALS.get(identifier)
    return found.name if found else identifier


def pretty(value: object) -> str:
    """Write a value as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def sparkline(values: Sequence[float]) -> str:
    """Draw values as the points of a line in a box of 100 × 20."""
    kept = [value for value in values if value == value]  # noqa: PLR0124 -- leaves NaN out
    if len(kept) < 2:
        return ""
    low, high = min(kept), max(kept)
    span, step = (high - low) or 1.0, 100 / (len(kept) - 1)
    return " ".join(f"{index * step:.1f},{19 - 18 * (value - low) / span:.1f}" for index, value in enumerate(kept))


FILTERS: dict[str, Any] = {
    **{
        name: _tongue_filter(name)
        for name in (
            "number",
            "sized",
            "box",
            "money",
            "percent",
            "moment",
            "clock",
            "day",
            "duration",
            "minutes",
            "label",
        )
    },
    "ago": _ago,
    "iso": rfc3339,
    "tone": lambda word: TONES.get(folded(word), "idle"),
    "unit": units.symbol,
    "address": address_of,
    "short": short,
    "pretty": pretty,
    "tojson_plain": lambda value: msgspec.json.encode(value).decode(),
    "meaning": pass_context(meaning_of),
    "wanted": pass_context(wanted_of),
    "standing": standing,
    "material": material_name,
    "step_number": step_number,
    "step_is": step_is,
    "sparkline": sparkline,
    **terms.FILTERS,
}


def tongue_of(request: Request) -> Tongue:
    """Tell how to write for whoever asks."""
    language = language_of(request)
    pages: Pages = request.app.state.pages
    return Tongue(language=language, zone=zone_of(request), texts=pages.texts[language])


async def render(
    request: Request, template: str, *, status: int = 200, bare: bool = False, **view: object
) -> HTMLResponse:
    """Render a page in the visitor's language, with what every page's frame needs."""
    node, visitor, tongue = node_of(request), await visitor_of(request), tongue_of(request)
    pages: Pages = request.app.state.pages
    theme = request.cookies.get("theme", "")
    context = {
        "node": node.settings,
        "did": node.did,
        "visitor": visitor,
        "tongue": tongue,
        "now": now(),
        "language": tongue.language,
        "language_tag": tongue.tag,
        "languages": LANGUAGES.items(),
        "zone": str(tongue.zone),
        "theme": theme if theme in ("light", "dark") else "",
        "path": request.url.path,
        "version": __version__,
        "with_query": lambda **more: urlencode({**request.query_params, **more}),
        "menu": [(tongue.say(group), [(to, tongue.say(name)) for to, name in links]) for group, links in MENU],
        "script_words": {
            **{word: tongue.say(word) for word in SCRIPT_WORDS},
            **{word: tongue.label(word) for word in MACHINE_WORDS},
        },
        "notices": [],
        "bare": bare,
        **view,
    }
    response = HTMLResponse(pages.template(tongue.language, template).render(context), status_code=status)
    if request.query_params.get("lang") == tongue.language:
        response.set_cookie("language", tongue.language, max_age=31_536_000, samesite="lax")
    if visitor.role is None and bare:
        set_cookie(request, response, "form", visitor.csrf, life=timedelta(hours=1))
    return response
