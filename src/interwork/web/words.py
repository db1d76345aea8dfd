"""English and Chinese: which language a request speaks, the catalogues, and how numbers, money and moments are written.

Every sentence a page says goes through `_()` in a template or `mark()` here, so that extraction finds it; a test
holds the catalogues against what extraction finds. Words of `core` (states, kinds, roles, steps) are shown by `LABELS`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from gettext import NullTranslations, translation
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale, negotiate_locale
from babel.dates import format_date, format_datetime, format_timedelta
from babel.numbers import format_currency, format_decimal
from starlette.requests import HTTPConnection

from interwork.core.errors import Unusable

LANGUAGES = {"en": "English", "zh": "简体中文"}
_LOCALES = {"en": Locale("en", "GB"), "zh": Locale("zh", "CN", script="Hans")}
_TAGS = {"en": "en", "zh": "zh-Hans"}
_FOLDER = Path(__file__).parent / "locale"


def mark(text: str) -> str:
    """Mark a sentence for extraction; it is translated where it is shown."""
    return text


# fmt: off
LABELS: dict[str, str] = {
    # organisations and people
    "large-manufacturer": mark("Large manufacturer"),
    "small-manufacturer": mark("Small manufacturer"), "start-up": mark("Start-up"),
    "university": mark("University"), "college": mark("College"),
    "research-institute": mark("Research institute"), "agency": mark("Agency"),
    "non-profit": mark("Non-profit"), "owner": mark("Owner"), "engineer": mark("Engineer"),
    "operator": mark("Operator"), "officer": mark("Officer"), "member": mark("Member"),
    "guest": mark("Guest"), "institute": mark("Institute"), "portal": mark("Portal"),
    # resources and what machines say
    "machine": mark("Machine"), "instrument": mark("Instrument"), "material": mark("Material"),
    "model": mark("Model"), "dataset": mark("Dataset"), "expert": mark("Expert"),
    "course": mark("Course"), "fund": mark("Fund"), "design": mark("Design"),
    "active": mark("Active"), "ready": mark("Ready"), "stopped": mark("Stopped"),
    "fault": mark("Fault"), "unavailable": mark("No connection"), "silent": mark("Silent"),
    "good": mark("good"), "uncertain": mark("uncertain"), "bad": mark("bad"),
    "none": mark("no value"), "unconnected": mark("Not connected"), "execution": mark("Execution"),
    "part-count": mark("Part count"), "power": mark("Power"), "energy": mark("Energy"),
    "spindle-speed": mark("Spindle speed"), "spindle-load": mark("Spindle load"),
    "feed-rate": mark("Feed rate"), "temperature": mark("Temperature"),
    "coolant-level": mark("Coolant level"), "tool-wear": mark("Tool wear"), "water": mark("Water"),
    "alarm": mark("Alarm"), "program": mark("Program"), "other": mark("Other"),
    # designs and how they are made
    "milled": mark("Milled"), "turned": mark("Turned"), "sheet": mark("Sheet"),
    "printed": mark("Printed"), "milling-5-axis": mark("5-axis milling"),
    "milling-3-axis": mark("3-axis milling"), "milling": mark("Milling"),
    "turning": mark("Turning"), "machining": mark("Machining"), "sawing": mark("Sawing"),
    "additive-polymer": mark("Additive, polymer"), "additive-metal": mark("Additive, metal"),
    "additive": mark("Additive"), "sheet-cutting": mark("Sheet cutting"),
    "sheet-bending": mark("Sheet bending"), "deburring": mark("Deburring"),
    "inspection": mark("Inspection"), "satisfies": mark("satisfies"), "derives": mark("leads to"),
    "contains": mark("contains"), "plans": mark("is planned by"),
    "performs": mark("is performed on"), "executes": mark("is executed as"),
    "observed": mark("is observed in"), "measures": mark("is measured by"),
    "decides": mark("decides"), "governs": mark("governs"), "pays": mark("pays for"),
    "supports": mark("supports"),
    # this node as an edge node
    "online": mark("Online"), "offline": mark("Offline"), "off": mark("Off"),
    # needs, jobs and runs
    "part": mark("Part"), "test": mark("Test"), "problem": mark("Problem"), "skill": mark("Skill"),
    "money": mark("Money"), "open": mark("Open"), "closed": mark("Closed"),
    "planned": mark("Planned"), "met": mark("Met"), "unmet": mark("Unmet"),
    "running": mark("Running"), "waiting": mark("Waiting"), "done": mark("Done"),
    "failed": mark("Failed"), "process-plan": mark("Process plan"), "need": mark("Need"),
    "search": mark("Search"), "match": mark("Match"), "quote": mark("Quote"), "plan": mark("Plan"),
    "agree": mark("Agree"), "order": mark("Order"), "make": mark("Make"),
    "evidence": mark("Evidence"), "learn": mark("Learn"), "satisfied": mark("satisfied"),
    "violated": mark("violated"), "unknown": mark("unknown"), "placed": mark("Placed"),
    "accepted": mark("Accepted"), "refused": mark("Refused"), "in-work": mark("In work"),
    "cancelled": mark("Cancelled"), "released": mark("Released"), "started": mark("Started"),
    "made": mark("Made"), "completed": mark("Completed"), "agreement": mark("Agreement"),
    "award": mark("Award"), "project": mark("Project"), "run": mark("Run"),
    "readings": mark("Readings"), "resource": mark("Resource"), "technology": mark("Technology"),
    "organisation": mark("Organisation"), "operation": mark("Operation"),
    "assignment": mark("Assignment"),
    # exchange and membership
    "capacity": mark("Capacity"), "file": mark("File"), "record": mark("Record"),
    "membership": mark("Membership"), "consumer": mark("Consumer"), "provider": mark("Provider"),
    "assembly": mark("Assembly"), "testing": mark("Testing"), "training": mark("Training"),
    "coordination": mark("Planning together"), "settled": mark("Settled"), "taken": mark("Taken"),
    "requested": mark("Requested"), "offered": mark("Offered"), "agreed": mark("Agreed"),
    "verified": mark("Verified"), "finalized": mark("Finalised"), "terminated": mark("Terminated"),
    "suspended": mark("Suspended"), "pending": mark("Pending"), "granted": mark("Granted"),
    "ended": mark("Ended"), "sent": mark("Sent"), "received": mark("Received"),
    "dead": mark("Given up"), "in-force": mark("In force"), "permission": mark("Permission"),
    "prohibition": mark("Prohibition"), "obligation": mark("Duty"), "process": mark("Process"),
    "region": mark("Region"),
    "envelope-mm": mark("Envelope"), "tolerance-mm": mark("Tolerance"), "axes": mark("Axes"),
    "mass-kg": mark("Mass"), "certificate": mark("Certificate"), "policy": mark("Policy"),
    "financing": mark("Financing"),
    # what happens to plans, and what comes of it
    "down": mark("Machine down"), "away": mark("Provider away"), "rush": mark("Rush order"),
    "back": mark("Back in service"), "proposed": mark("Proposed"), "declined": mark("Declined"),
    "undone": mark("Undone"),
    # models, trials and quality
    "model-run": mark("Run of a model"), "modelrun": mark("Run of a model"),
    "campaign": mark("Campaign"), "trial": mark("Trial"), "decision": mark("Decision"),
    "energy-kwh-part": mark("Energy per part, kWh"), "cpk": mark("Cpk"), "scrap-share": mark("Share of scrap"),
    "time-s-part": mark("Time per part, s"), "participant": mark("Participant"),
    "characteristic": mark("Characteristic"), "gauge-study": mark("Gauge study"),
    "nonconformance": mark("Nonconformance"), "contained": mark("Contained"), "analysed": mark("Analysed"),
    "corrected": mark("Corrected"), "use-as-is": mark("Use as is"), "rework": mark("Rework"),
    "repair": mark("Repair"), "scrap": mark("Scrap"), "return": mark("Return"),
    "conforms": mark("conforms"), "does-not-conform": mark("does not conform"),
    "not-measured": mark("not measured"), "conditional": mark("conditional"), "poor": mark("poor"),
    "repeatability": mark("Repeatability"), "reproducibility": mark("Reproducibility"),
    "interaction": mark("Interaction"), "gauge": mark("Gauge"), "total": mark("Total"), "operators": mark("People"),
    # operating a plant
    "feed-hold": mark("Feed hold"), "interrupted": mark("Interrupted"), "idle": mark("Idle"),
    "program-stopped": mark("Program stopped"), "optional-stop": mark("Optional stop"),
    "program-completed": mark("Program completed"), "wait": mark("Waiting"),
    "oee": mark("OEE"), "availability": mark("Availability"), "effectiveness": mark("Effectiveness"),
    "quality-ratio": mark("Quality"), "nee": mark("Net effectiveness"), "utilisation": mark("Utilisation"),
    "technical": mark("Technical efficiency"), "setup-ratio": mark("Set-up ratio"),
    "throughput": mark("Throughput"), "mtbf": mark("Time between failures"), "mttr": mark("Time to repair"),
    "no-time-known": mark("nothing is known of the time"), "no-planned-time": mark("no time was planned"),
    "no-production": mark("nothing was produced"), "no-parts": mark("no part was counted"),
    "no-cycle-time": mark("no planned time per part is stated"), "none-inspected": mark("no part is inspected yet"),
    "no-failure": mark("no failure in this period"), "no-failure-yet": mark("no failure: at least so long"),
    "not-metered": mark("not metered"), "none-used": mark("no energy was used"),
    "no-mass": mark("no material per part is stated"),
    "energy-per-part": mark("Energy per part"), "idle-energy": mark("Idle energy"),
    "water-per-part": mark("Water per part"), "material-yield": mark("Material yield"),
    "cycle-time": mark("Cycle time"), "not-judged": mark("not all parts are inspected"),
    "speed-above-plan": mark("faster than planned: the planned time is too long"),
    "calendar": mark("All time"), "outside-shifts": mark("Outside shifts"),
    "planned-downtime": mark("Planned downtime"), "planned-busy": mark("Planned busy time"),
    "delay": mark("Unplanned stops"), "setup": mark("Set-up"), "production": mark("Production"),
    "speed-loss": mark("Speed loss"), "planned-run": mark("Planned run time"),
    "quality-loss": mark("Quality loss"), "not-known": mark("Not known"),
    "not-inspected": mark("Not inspected yet"), "fully-productive": mark("Fully productive"),
    "breakdown": mark("Breakdown"), "tool-change": mark("Tool change"), "no-material": mark("No material"),
    "no-operator": mark("No operator"), "no-order": mark("No order"),
    "quality-problem": mark("Quality problem"), "cleaning": mark("Cleaning"),
    "maintenance": mark("Maintenance"), "break": mark("Break"), "other-stop": mark("Other reason"),
    "normal": mark("Normal"), "unacknowledged": mark("Active, not seen"),
    "acknowledged": mark("Active, seen"), "returned": mark("Returned, not seen"),
    "shelved": mark("Shelved"), "suppressed": mark("Silent by design"),
    "out-of-service": mark("Out of service"),
    "stream:alarm:raised": mark("raised"), "stream:alarm:returned": mark("returned"),
    "stream:alarm:chattering": mark("chatters"), "stream:alarm:acknowledged": mark("acknowledged by a person"),
    "stream:alarm:shelved": mark("shelved by a person"), "stream:alarm:unshelved": mark("back from the shelf"),
    "stream:alarm:suppressed": mark("silenced by design"), "stream:alarm:unsuppressed": mark("no longer silenced"),
    "stream:alarm:withdrawn": mark("taken out of service"), "stream:alarm:reinstated": mark("back in service"),
    "stream:alarm-rule:recorded": mark("rule recorded"), "stream:alarm-rule:removed": mark("rule removed"),
    "i-mr": mark("Single values and moving ranges"), "xbar-r": mark("Means and ranges"),
    "xbar-s": mark("Means and deviations"), "ewma": mark("Weighted moving average"), "cusum": mark("Cumulative sum"),
    "x": mark("Single values"), "mr": mark("Moving range"), "xbar": mark("Means"), "r": mark("Ranges"),
    "mean": mark("Mean"), "high": mark("Highest"), "low": mark("Lowest"), "last": mark("Last"),
    "parts": mark("Parts"),
    # connections, the blueprint and write-back
    "disabled": mark("Switched off"), "starting": mark("Starting"),
    "connected": mark("Connected"), "degraded": mark("Silent for too long"),
    "backoff": mark("Down, tried again"), "at-device": mark("from the machine"), "at-buffer": mark("after thinning"),
    "at-disk": mark("kept"), "at-uplink": mark("kept later"), "trusted": mark("Trusted"), "forgotten": mark("Removed"),
    "rated": mark("by nameplate and hours"),
    "meter": mark("its own meter"), "share": mark("share of a meter"), "state": mark("by its states"),
    "main-meter": mark("the main meter"), "asked": mark("Asked"), "sending": mark("Being sent"),
    "differs": mark("Read back differently"), "expired": mark("Expired"),
    # what a part is measured by, and what it takes
    "position": mark("Position"), "flatness": mark("Flatness"), "perpendicularity": mark("Perpendicularity"),
    "parallelism": mark("Parallelism"), "angularity": mark("Angularity"), "straightness": mark("Straightness"),
    "roundness": mark("Roundness"), "cylindricity": mark("Cylindricity"), "concentricity": mark("Concentricity"),
    "symmetry": mark("Symmetry"), "surface-profile": mark("Surface profile"), "line-profile": mark("Line profile"),
    "point-profile": mark("Point profile"), "circular-runout": mark("Circular run-out"),
    "total-runout": mark("Total run-out"), "diameter": mark("Diameter"), "radius": mark("Radius"),
    "linear-distance": mark("Distance"), "length": mark("Length"), "angle": mark("Angle"),
    "thickness": mark("Thickness"), "time-part": mark("Time per part"), "time-lot": mark("Time per lot"),
    "energy-part": mark("Energy per part"), "queued": mark("Queued"),
}
# fmt: on
"""What a word of `core` is called on a page."""

TONES: dict[str, str] = {
    **dict.fromkeys(("running", "active", "started", "in-work", "open", "in-force"), "live"),
    **dict.fromkeys(("done", "completed", "granted", "met", "finalized", "accepted", "sent"), "done"),
    **dict.fromkeys(("waiting", "stopped", "suspended", "unknown", "requested", "returned", "acknowledged"), "warn"),
    **dict.fromkeys(("failed", "fault", "unavailable", "refused", "dead", "violated", "unmet"), "bad"),
    "unacknowledged": "bad",
    "connected": "live",
    "degraded": "warn",
    "backoff": "warn",
    "expired": "warn",
    "differs": "bad",
}
"""How a state is drawn; everything else is drawn as idle."""


def folded(word: object) -> str:
    """Fold a word of `core`, in whatever spelling its standard gives it, to a key of LABELS and TONES."""
    return str(word).lower().replace("_", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tongue:
    """One language with the reader's time zone: what turns values into what a page shows."""

    language: str
    zone: tzinfo
    texts: NullTranslations

    @property
    def tag(self) -> str:
        """Tell the BCP 47 tag for `lang`."""
        return _TAGS[self.language]

    @property
    def locale(self) -> Locale:
        """Tell the locale numbers and dates are written in."""
        return _LOCALES[self.language]

    def say(self, text: str) -> str:
        """Translate a marked sentence."""
        return self.texts.gettext(text) if text else ""

    def label(self, word: object) -> str:
        """Name a word of `core`; one that is not listed is shown as it is."""
        found = LABELS.get(folded(word))
        return self.say(found) if found else str(word)

    def number(self, value: float | None, digits: int | None = None) -> str:
        """Write a number with the locale's separators; without `digits`, three significant ones below a thousand."""
        if value is None or value != value:  # noqa: PLR0124 -- NaN is the one value that differs from itself
            return "–"
        if digits is None:
            size = abs(value)
            digits = 0 if isinstance(value, int) or size >= 100 or size == int(size) else 1 if size >= 10 else 2
        pattern = "#,##0" + ("." + "0" * digits if digits else "")
        return str(format_decimal(value, format=pattern, locale=self.locale))

    def box(self, sides: Sequence[float]) -> str:
        """Write the sides of a box."""
        return " × ".join(self.sized(side) for side in sides)

    def minutes(self, count: int) -> str:
        """Write a range of minutes."""
        return str(format_timedelta(timedelta(minutes=count), threshold=1, locale=self.locale))

    def clock(self, at: datetime) -> str:
        """Write a time of day in the reader's zone, to the second."""
        return str(format_datetime(self.local(at), "HH:mm:ss", locale=self.locale))

    def sized(self, value: float | None, digits: int = 3) -> str:
        """Write a measured number with so many significant digits, and no zeros that say nothing."""
        if value is None or not math.isfinite(value):
            return "–"
        places = max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0
        rounded = round(value, min(places, 12)) or 0.0
        return str(format_decimal(rounded, format="#,##0." + "#" * min(places, 12), locale=self.locale))

    def money(self, value: float | None, digits: int | None = None) -> str:
        """Write an amount in euro; without `digits`, cents only below ten."""
        if value is None:
            return "–"
        if digits is None:
            digits = 2 if abs(value) < 10 and value else 0
        pattern = "¤#,##0" + ("." + "0" * digits if digits else "")
        return str(format_currency(value, "EUR", format=pattern, locale=self.locale, currency_digits=False))

    def percent(self, share: float | None, digits: int = 1) -> str:
        """Write a share as percent; what is neither nothing nor all is never rounded to it."""
        if share is None or share != share:  # noqa: PLR0124 -- NaN is the one value that differs from itself
            return "–"
        least = 10.0**-digits
        if 0 < 100 * share < least / 2:
            return f"< {self.number(least, digits)} %"
        if 100 - least / 2 < 100 * share < 100:
            return f"> {self.number(100 - least, digits)} %"
        return f"{self.number(100 * share, digits)} %"

    def local(self, at: datetime) -> datetime:
        """Move a moment to the reader's zone; the ends of the calendar stay where they are."""
        try:
            return at.astimezone(self.zone)
        except OverflowError:
            return at

    def moment(self, at: datetime) -> str:
        """Write a moment in the reader's zone, to the minute."""
        return str(format_datetime(self.local(at), self._pattern("d MMM y, HH:mm"), locale=self.locale))

    def day(self, at: datetime) -> str:
        """Write a day in the reader's zone."""
        return str(format_date(self.local(at), self._pattern("d MMM y"), locale=self.locale))

    def _pattern(self, english: str) -> str:
        return english if self.language == "en" else english.replace("d MMM y", "y-MM-dd").replace(", ", " ")

    def ago(self, at: datetime, now: datetime) -> str:
        """Write how long ago, or in how long."""
        return str(format_timedelta(at - now, add_direction=True, threshold=1.2, locale=self.locale))

    def duration(self, seconds: float) -> str:
        """Write a length of time in its largest fitting unit."""
        if not seconds:
            return "0 s"
        if seconds < 1:
            return f"{self.number(seconds * 1000, 0)} ms"
        for below, unit, name in ((90, 1, "s"), (5400, 60, "min"), (172_800, 3600, "h")):
            if seconds < below:
                amount = seconds / unit
                return f"{self.number(amount, 0 if amount == round(amount) else 1)} {name}"
        return str(format_timedelta(timedelta(seconds=seconds), granularity="day", threshold=99, locale=self.locale))


def catalogue(language: str) -> NullTranslations:
    """Open a language's compiled catalogue; English is the language of the source."""
    try:
        return translation("interwork", _FOLDER, languages=[language], fallback=language == "en")
    except OSError as fault:
        raise Unusable(
            f"The sentences of {LANGUAGES[language]} have not been compiled.", remedy="Run `python hatch_build.py`."
        ) from fault


def language_of(request: HTTPConnection) -> str:
    """Choose the language: asked for in the address, remembered in the cookie, or what the browser prefers."""
    for wish in (request.query_params.get("lang"), request.cookies.get("language")):
        if wish in LANGUAGES:
            return wish
    accepted = [part.partition(";")[0].strip() for part in request.headers.get("accept-language", "").split(",")]
    best = negotiate_locale([one.partition("-")[0] for one in accepted[:20]], list(LANGUAGES))
    return best or "en"


def zone_of(request: HTTPConnection) -> tzinfo:
    """Choose the time zone the browser told, else UTC."""
    try:
        return ZoneInfo(request.cookies.get("zone", "UTC"))
    except (OSError, ValueError, KeyError):
        return UTC
