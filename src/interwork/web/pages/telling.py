"""What happened, told as sentences: an event keeps its tag and facts, and is phrased when it is shown, in any language.

A sentence names things by what people call them and links to them. Facts an old event does not have stand as «–».
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from markupsafe import Markup, escape

from interwork.core.design import Study, ThreadNode
from interwork.core.event import Event, Tag
from interwork.core.ids import kind_of
from interwork.core.operating import Alarm, AlarmRule, SpcChart
from interwork.core.organisation import Account, ApiToken
from interwork.core.resource import Resource
from interwork.flows.node import Node
from interwork.web.pages.agreements import names_of
from interwork.web.pages.thread import RECORDS
from interwork.web.render import address_of, short
from interwork.web.terms import SAID
from interwork.web.words import Tongue, mark

# fmt: off
SENTENCES: dict[Tag, str] = {
    Tag.NODE_CREATED: mark("This node was made"),
    Tag.NODE_STARTED: mark("The node started"),
    Tag.KEY_ROTATED: mark("The node was given a new key"),
    Tag.ACCOUNT_CREATED: mark("%(it)s got an account"),
    Tag.ACCOUNT_SIGNED_IN: mark("%(it)s signed in"),
    Tag.TOKEN_ISSUED: mark("A token was issued: %(it)s"),
    Tag.ORGANISATION_RECORDED: mark("The organisation %(it)s was recorded"),
    Tag.MEMBERSHIP_REQUESTED: mark("Membership was asked for: %(it)s"),
    Tag.MEMBERSHIP_GRANTED: mark("Membership was granted: %(it)s"),
    Tag.MEMBERSHIP_REFUSED: mark("Membership was refused: %(it)s"),
    Tag.POLICY_RECORDED: mark("The policy %(it)s was recorded"),
    Tag.TECHNOLOGY_RECORDED: mark("The technology %(it)s was recorded at TRL %(trl)s"),
    Tag.TECHNOLOGY_MOVED: mark("%(it)s is now at TRL %(trl)s"),
    Tag.PROJECT_RECORDED: mark("The project %(it)s was recorded"),
    Tag.CALL_OPENED: mark("The call %(it)s was opened"),
    Tag.AWARD_MADE: mark("An award was made: %(it)s"),
    Tag.FUNDS_DISBURSED: mark("Money was paid out: %(it)s"),
    Tag.GAP_FOUND: mark("A gap was found: %(it)s"),
    Tag.RESOURCE_RECORDED: mark("%(it)s was recorded"),
    Tag.SIGNAL_RECORDED: mark("The signal %(it)s was recorded"),
    Tag.SIGNAL_CHANGED: mark("The signal %(signal)s of %(it)s was described anew"),
    Tag.BLUEPRINT_ADMITTED: mark("%(it)s was admitted under its blueprint"),
    Tag.BLUEPRINT_REFUSED: mark("%(name)s was not admitted: its blueprint breaks a limit"),
    Tag.BLUEPRINT_STEPPED: mark("%(it)s is kept more coarsely or finely than before"),
    Tag.BLUEPRINT_CHECKED: mark("A device was checked for conformance"),
    Tag.MACHINE_CONNECTED: mark("%(it)s is connected"),
    Tag.MACHINE_LOST: mark("The connection to %(it)s was lost"),
    Tag.MACHINE_FAILED: mark("%(it)s lets nobody in, or its connection is set up wrongly"),
    Tag.MACHINE_SILENT: mark("%(it)s is silent"),
    Tag.MACHINE_SWITCHED: mark("The connection to %(it)s was switched"),
    Tag.CERTIFICATE_DECIDED: mark("The certificate of the server %(name)s: %(state)s"),
    Tag.READINGS_LOST: mark("%(count)s readings of %(it)s were given up"),
    Tag.READINGS_BROUGHT_IN: mark("Readings were brought in"),
    Tag.READINGS_RETAINED: mark("How long readings are kept was changed"),
    Tag.READINGS_SPACE: mark("Room for readings: %(level)s. %(fault)s"),
    Tag.SPOOL_FILLED: mark("Readings wait on disk until they can be kept"),
    Tag.SPOOL_EMPTIED: mark("The readings that waited on disk are kept"),
    Tag.ENERGY_UNACCOUNTED: mark("Energy is not accounted for"),
    Tag.SECRET_CHANGED: mark("A secret was changed"),
    Tag.POINT_PERMITTED: mark("Writing %(signal)s of %(it)s was permitted"),
    Tag.POINT_CLOSED: mark("A point of %(it)s was closed to writing"),
    Tag.WRITE_ASKED: mark("Writing %(value)s to %(it)s was asked for"),
    Tag.WRITE_CONFIRMED: mark("Writing %(value)s to %(it)s was confirmed by a second person"),
    Tag.WRITE_REFUSED: mark("Writing to %(it)s was refused"),
    Tag.WRITE_EXPIRED: mark("A command to %(it)s expired unsent"),
    Tag.WRITE_SENT: mark("%(value)s was sent to %(it)s"),
    Tag.WRITE_VERIFIED: mark("%(it)s read back what was written"),
    Tag.WRITE_FAILED: mark("Writing to %(it)s failed"),
    Tag.ALARM_RULE_RECORDED: mark("The alarm rule %(it)s was made"),
    Tag.ALARM_RULE_REMOVED: mark("The alarm rule %(it)s was removed"),
    Tag.ALARM_RAISED: mark("Alarm: %(it)s"),
    Tag.ALARM_RETURNED: mark("The alarm %(it)s has gone by itself"),
    Tag.ALARM_CHATTERING: mark("The alarm %(it)s chatters and is held"),
    Tag.ALARM_ACKNOWLEDGED: mark("The alarm %(it)s was acknowledged"),
    Tag.ALARM_SHELVED: mark("The alarm %(it)s was shelved"),
    Tag.ALARM_UNSHELVED: mark("The alarm %(it)s is back from the shelf"),
    Tag.ALARM_SUPPRESSED: mark("The alarm %(it)s is silent by design"),
    Tag.ALARM_UNSUPPRESSED: mark("The alarm %(it)s is no longer silenced"),
    Tag.ALARM_WITHDRAWN: mark("The alarm %(it)s was taken out of service"),
    Tag.ALARM_REINSTATED: mark("The alarm %(it)s is back in service"),
    Tag.STOP_EXPLAINED: mark("A stop of %(it)s was explained: %(reason)s"),
    Tag.CALENDAR_RECORDED: mark("The shift calendar was changed"),
    Tag.WORK_UNIT_RECORDED: mark("How %(it)s is judged was changed"),
    Tag.BASELINE_FROZEN: mark("The baseline %(name)s was frozen"),
    Tag.CHART_RECORDED: mark("The control chart %(it)s was changed"),
    Tag.CHANGE_COMPARED: mark("A change was compared: %(name)s"),
    Tag.FIGURES_CORRECTED: mark("The shift %(shift)s of %(it)s was corrected by late readings"),
    Tag.DESIGN_RECORDED: mark("The design %(it)s was recorded"),
    Tag.PLAN_DRAFTED: mark("The process plan %(it)s was drafted"),
    Tag.PLAN_EDITED: mark("The process plan %(it)s was edited"),
    Tag.TEMPLATE_KEPT: mark("The template %(name)s was kept"),
    Tag.STUDY_MOVED: mark("A study of a design: %(state)s"),
    Tag.MODEL_RECORDED: mark("The model %(name)s was recorded"),
    Tag.MODEL_REFUSED: mark("A model was refused"),
    Tag.MODEL_RUN: mark("A model was run: %(it)s"),
    Tag.CAMPAIGN_MOVED: mark("The trial campaign %(it)s went on"),
    Tag.SETTING_DECIDED: mark("A setting was decided: %(it)s"),
    Tag.RESULTS_RECORDED: mark("Quality results were recorded: %(file)s"),
    Tag.GAUGE_STUDIED: mark("A gauge was studied: %(name)s"),
    Tag.NONCONFORMANCE_MOVED: mark("The nonconformance %(it)s is now: %(state)s"),
    Tag.NEED_RECORDED: mark("The need %(it)s was recorded"),
    Tag.MATCH_MADE: mark("%(feasible)s of %(held)s resources fit %(it)s"),
    Tag.QUOTE_GIVEN: mark("A quote was given: %(it)s"),
    Tag.QUOTE_RECEIVED: mark("A quote came in: %(it)s"),
    Tag.PLAN_DECIDED: mark("The plan %(it)s was decided"),
    Tag.PLAN_DISTURBED: mark("The plan of %(it)s was disturbed: %(kind)s"),
    Tag.PLAN_PROPOSED: mark("Another plan was proposed for %(it)s"),
    Tag.PROPOSAL_DECIDED: mark("The proposal for %(it)s was decided: %(state)s"),
    Tag.OUTCOME_TOLD: mark("What came of %(it)s was told"),
    Tag.PRODUCT_RECORDED: mark("The product %(it)s was recorded"),
    Tag.SUPPLY_PLANNED: mark("The supply of %(it)s was planned"),
    Tag.SUPPLY_DECIDED: mark("The supply of %(it)s was decided"),
    Tag.COORDINATION_MOVED: mark("The coordination of %(it)s went on"),
    Tag.OFFER_PUBLISHED: mark("The offer %(it)s was published"),
    Tag.OFFER_WITHDRAWN: mark("The offer %(it)s was withdrawn"),
    Tag.CATALOG_CRAWLED: mark("The catalog of %(it)s was read"),
    Tag.NEGOTIATION_MOVED: mark("A negotiation is now: %(now)s"),
    Tag.AGREEMENT_MADE: mark("An agreement was made: %(it)s"),
    Tag.AGREEMENT_TERMINATED: mark("The agreement %(it)s was ended"),
    Tag.TRANSFER_MOVED: mark("A transfer is now: %(now)s"),
    Tag.DATA_SENT: mark("Data was sent under %(it)s"),
    Tag.DATA_RECEIVED: mark("Data came in under %(it)s"),
    Tag.ACCESS_REFUSED: mark("Access under %(it)s was refused"),
    Tag.ORDER_PLACED: mark("An order was placed: %(it)s"),
    Tag.ORDER_ACCEPTED: mark("The order %(it)s was accepted"),
    Tag.ORDER_CANCELLED: mark("The order %(it)s was cancelled"),
    Tag.RUN_RELEASED: mark("The run %(it)s may start"),
    Tag.RUN_STARTED: mark("The run %(it)s has started"),
    Tag.RUN_COMPLETED: mark("The run %(it)s is complete: %(good)s good, %(scrap)s scrap"),
    Tag.INSPECTION_RECORDED: mark("Parts were inspected: %(it)s"),
    Tag.EVIDENCE_RECORDED: mark("Evidence was recorded: %(it)s"),
    Tag.JOB_MOVED: mark("The job %(it)s is at %(step)s"),
    Tag.JOB_FAILED: mark("The job %(it)s stopped at %(step)s"),
}
"""What each event says; `it` is what it happened to, everything else a fact of the event."""
TURNED: dict[tuple[Tag, str], str] = {
    (Tag.ACCOUNT_CREATED, "dropped"): mark("The account of %(it)s was removed"),
    (Tag.TOKEN_ISSUED, "revoked"): mark("The token %(it)s was withdrawn"),
    (Tag.MACHINE_SWITCHED, "is_on"): mark("The connection to %(it)s was switched on"),
}
"""What it says instead where a fact is true."""
# fmt: on
PLAIN = mark("%(it)s: %(tag)s")
"""What an event says that has no sentence of its own."""
WORDS = frozenset({"state", "now", "step", "kind", "reason"})
"""Facts that are words of `core`."""
NAMES = ("name", "title", "operation_name", "dataset_title", "organisation_name", "file_name", "provider_name", "what")
KINDS: dict[str, type[msgspec.Struct]] = {
    **RECORDS,
    "account": Account,
    "token": ApiToken,
    "alarm": Alarm,
    "alarmrule": AlarmRule,
    "study": Study,
    "chart": SpcChart,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event as a sentence."""

    sequence: int
    at: datetime
    tag: str
    said: Markup
    by: str
    """Who did it; empty where the node did."""


async def tell(node: Node, tongue: Tongue, events: Iterable[Event]) -> tuple[Told, ...]:
    """Phrase events in the reader's language."""
    kept = list(events)
    wanted = {one.subject for one in kept} | {one.actor for one in kept}
    wanted |= {run for one in kept if isinstance(run := one.detail.get("run"), str)}
    named = await _named(node, tongue, wanted)
    return tuple(
        Told(
            sequence=one.sequence,
            at=one.at,
            tag=one.tag.value,
            said=_said(tongue, one, named),
            by="" if one.actor in ("node", node.did) else named.get(one.actor, short(one.actor)),
        )
        for one in kept
    )


async def _named(node: Node, tongue: Tongue, wanted: set[str]) -> dict[str, str]:
    """Name things by what people call them; what has no name here is left out."""
    found = {one: name for one, name in (await names_of(node)).items() if one in wanted}
    ids = sorted(wanted - found.keys())
    found |= {one.id: one.label for one in await node.store.find(ThreadNode, id=ids, limit=len(ids) or 1) if one.label}
    by_kind: defaultdict[str, list[str]] = defaultdict(list)
    for one in ids:
        if one not in found:
            by_kind[_kind(one)].append(one)
    for kind, some in by_kind.items():
        if (record := KINDS.get(kind)) is None:
            continue
        for held in await node.store.find(record, id=some, limit=len(some)):
            name = await _alarm(node, tongue, held) if isinstance(held, Alarm) else _name(tongue, held)
            if name:
                found[held.id] = name  # type: ignore[attr-defined] # every stored word has an id
    return found


def _kind(identifier: str) -> str:
    """Tell what an id is of; a token's is its digest."""
    if identifier.startswith("urn:"):
        return "agreement"
    return kind_of(identifier) if "-" in identifier else "token"


def _name(tongue: Tongue, held: msgspec.Struct) -> str:
    name = next((str(text) for field in NAMES if (text := getattr(held, field, ""))), "")
    return tongue.say(name) if name in SAID else name


async def _alarm(node: Node, tongue: Tongue, alarm: Alarm) -> str:
    """Name an alarm by its machine and its rule."""
    resource, rule = await node.store.peek(Resource, alarm.resource), await node.store.peek(AlarmRule, alarm.rule)
    return ": ".join(_name(tongue, one) for one in (resource, rule) if one is not None)


def _said(tongue: Tongue, event: Event, named: Mapping[str, str]) -> Markup:
    sentence = next(
        (text for (tag, fact), text in TURNED.items() if tag is event.tag and event.detail.get(fact)),
        SENTENCES.get(event.tag, PLAIN),
    )
    facts: defaultdict[str, object] = defaultdict(lambda: "–")
    facts |= {name: _fact(tongue, name, value) for name, value in event.detail.items()}
    facts |= {"it": _link(event, named), "tag": event.tag.value}
    return Markup(escape(tongue.say(sentence))) % facts  # noqa: S704 -- the sentence is ours, every fact is escaped


def _fact(tongue: Tongue, name: str, value: Any) -> object:  # noqa: ANN401 -- whatever an event holds
    if isinstance(value, int | float) and not isinstance(value, bool):
        return tongue.number(value)
    return tongue.label(value) if name in WORDS and isinstance(value, str) else str(value)[:120]


def _link(event: Event, named: Mapping[str, str]) -> Markup:
    said = (event.detail.get("name"), event.detail.get("title"), named.get(str(event.detail.get("run"))))
    name = named.get(event.subject) or next((str(one) for one in said if one), "")
    own = {"alarm": "/alarms#{}", "chart": "/charts/{}"}.get(_kind(event.subject), "")
    address = own.format(event.subject) or address_of(event.subject)
    text = name or short(event.subject)
    return Markup('<a href="{}">{}</a>').format(address, text) if address else Markup(escape(text))  # noqa: S704
