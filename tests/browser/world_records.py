"""The records of the test world: one finished job with everything that hangs on it, one under way, one that failed."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec

from interwork.core.clock import now
from interwork.core.design import Design, EdgeKind, Geometry, Revision, ThreadEdge, ThreadNode
from interwork.core.event import Tag
from interwork.core.exchange import (
    Agreement,
    AgreementState,
    CatalogEntry,
    DatasetKind,
    Peer,
    Policy,
    Receipt,
    Side,
    Transfer,
    TransferState,
)
from interwork.core.ids import derived_id
from interwork.core.making import Evidence, Inspection, Job, JobEntry, JobStep, Measurement, Order, OrderState, Run
from interwork.core.making import RunState as State
from interwork.core.organisation import Membership, MembershipState, Organisation, OrganisationKind, Place
from interwork.core.planning import (
    Assignment,
    Candidate,
    Leg,
    Match,
    Need,
    NeedKind,
    Plan,
    Reason,
    Totals,
    Verdict,
    Weights,
)
from interwork.core.programme import (
    Award,
    Call,
    CostShare,
    Disbursement,
    Gap,
    GapKind,
    Milestone,
    Practice,
    Project,
    ReadinessEvidence,
    Technology,
    TrackRecord,
)
from interwork.store import Change

AT = now()
ALDER, BIRCH, INSTITUTE = "did:web:localhost%3A8702", "did:web:localhost%3A8703", "did:web:localhost%3A8700"
ANN_ARBOR = Place(city="Ann Arbor", region="Michigan", country="US", latitude=42.28, longitude=-83.74)
MILWAUKEE = Place(city="Milwaukee", region="Wisconsin", country="US", latitude=43.04, longitude=-87.91)
TOLEDO = Place(city="Toledo", region="Ohio", country="US", latitude=41.65, longitude=-83.54)
CHICAGO = Place(city="Chicago", region="Illinois", country="US", latitude=41.88, longitude=-87.63)
REVISION, NEED, PLAN = "rev-bracket0000", "need-bracket000", "plan-bracket000"
DONE, MOVING, FAILED = "job-finished000", "job-moving00000", "job-failed00000"
PROJECT, AWARD, TECHNOLOGY = "project-sensor00", "award-sensor0000", "technology-order0"
EVIDENCE, RUN, QUOTING, READINGS = (
    "evidence-mill0000",
    "run-mill0000000",
    "agreement-quoting000",
    "agreement-readings00",
)


def ago(**span: float) -> Any:
    """Tell a moment before the world was made."""
    return AT - timedelta(**span)


def bodies() -> list[Organisation]:
    """Make the organisations that run nodes."""

    def body(name: str, kind: str, place: Place, did: str, focus: str) -> Organisation:
        return Organisation(
            id=f"org-{name.split(maxsplit=1)[0].lower():0<10}",
            name=f"{name} (sample)",
            kind=OrganisationKind(kind),
            place=place,
            did=did,
            focus=focus,
            is_sample=True,
            source="test data",
        )

    return [
        body("Alder Precision", "small-manufacturer", MILWAUKEE, ALDER, "Precision milling and measuring"),
        body("Birch Machining", "small-manufacturer", TOLEDO, BIRCH, "Job shop: turning, milling, bench work"),
        body("Lakeside Institute", "research-institute", CHICAGO, INSTITUTE, "Smart making with small firms"),
    ]


def design(owner: str) -> Design:
    """Make the bracket's design."""
    return Design(id="design-bracket00", name="Sensor bracket", owner=owner, created_at=ago(days=3), project=PROJECT)


def revision(geometry: Geometry, file_digest: str, view_digest: str, _owner: str) -> Revision:
    """Make the bracket's revision from what was measured on it."""
    return Revision(
        id=REVISION,
        design="design-bracket00",
        file_name="bracket.step",
        file_digest=file_digest,
        media_type="model/step",
        created_at=ago(days=3),
        geometry=geometry,
        view_digest=view_digest,
    )


def changes(did: str) -> Iterator[Change]:
    """Give every record, in a few transactions."""
    for maker in (_exchange, _planning, _jobs, _making, _programme, _thread):
        yield maker(did)


def _exchange(did: str) -> Change:
    change = Change("test")
    for identifier, name, port, fault in (
        (ALDER, "Alder Precision (sample)", 8702, ""),
        (BIRCH, "Birch Machining (sample)", 8703, "localhost:8703 did not answer within 10 s."),
        (INSTITUTE, "Lakeside Institute (sample)", 8700, ""),
    ):
        root = f"http://localhost:{port}"
        change.put(
            Peer(
                id=identifier,
                name=name,
                root=root,
                endpoint=f"{root}/dsp/2025-1",
                crawled_at=ago(minutes=2),
                fault=fault,
                is_crawled=True,
            )
        )
    odrl = {
        "@type": "Agreement",
        "assigner": ALDER,
        "assignee": did,
        "permission": [
            {
                "action": "use",
                "constraint": [
                    {
                        "leftOperand": "https://w3id.org/interwork/policy/membership",
                        "operator": "isAnyOf",
                        "rightOperand": [INSTITUTE],
                    },
                ],
            }
        ],
    }
    for identifier, title, kind, side, state in (
        (QUOTING, "Quotes and orders at Alder Precision", DatasetKind.CAPACITY, Side.CONSUMER, AgreementState.ACTIVE),
        (READINGS, "Readings of the runs of order 7", DatasetKind.READINGS, Side.CONSUMER, AgreementState.ACTIVE),
        (
            "agreement-file000000",
            "Sensor bracket, bracket.step",
            DatasetKind.FILE,
            Side.PROVIDER,
            AgreementState.TERMINATED,
        ),
    ):
        ended = state is AgreementState.TERMINATED
        change.put(
            Agreement(
                id=identifier,
                side=side,
                provider=did if side is Side.PROVIDER else ALDER,
                consumer=ALDER if side is Side.PROVIDER else did,
                peer_name="Alder Precision (sample)",
                dataset="dataset-1",
                dataset_title=title,
                dataset_kind=kind,
                policy=odrl,
                state=state,
                agreed_at=ago(days=2),
                negotiation="",
                claims={"membership": INSTITUTE, "country": "US"},
                ended_at=ago(hours=5) if ended else None,
                ended_by=did if ended else "",
                reason="the order is done" if ended else "",
            )
        ).event(Tag.AGREEMENT_MADE, identifier, title=title)
    change.put(
        Receipt(
            id="receipt-1",
            agreement=READINGS,
            transfer="transfer-readings00",
            direction="received",
            what="18,240 readings of four signals",
            items=18240,
            bytes=412_300,
            first_at=ago(hours=9),
            last_at=ago(hours=6),
        )
    )
    change.put(
        Receipt(
            id="receipt-2",
            agreement=QUOTING,
            transfer="transfer-quotes0000",
            direction="sent",
            what="a request for quotes",
            items=1,
            bytes=2_104,
            first_at=ago(days=1),
            last_at=ago(days=1),
        )
    )
    change.put(
        Transfer(
            id="transfer-readings00",
            side=Side.CONSUMER,
            peer=ALDER,
            peer_pid="t1",
            callback="",
            dataset="dataset-1",
            agreement=READINGS,
            format="HttpData-PULL",
            state=TransferState.STARTED,
            updated_at=ago(hours=6),
        )
    )
    change.put(
        Policy(
            id="policy-members000",
            name="Members only",
            owner=INSTITUTE,
            odrl={},
            text="Members of Lakeside Institute may use this for work inside the network.",
        )
    )
    change.put(
        CatalogEntry(
            id="entry-alder0000",
            provider=ALDER,
            provider_name="Alder Precision (sample)",
            dataset="dataset-1",
            endpoint="http://localhost:8702/dsp/2025-1",
            kind=DatasetKind.CAPACITY,
            title="Quotes and orders at Alder Precision",
            body={},
            digest="",
            first_seen=ago(days=9),
            seen=ago(minutes=2),
            changed=ago(days=2),
        )
    )
    for name, tier, state in (("Alder Precision", "small", "GRANTED"), ("Birch Machining", "small", "REQUESTED")):
        granted = state == "GRANTED"
        change.put(
            Membership(
                id=derived_id("member", name),
                organisation=f"org-{name.split()[0].lower():0<10}",
                organisation_name=f"{name} (sample)",
                did=ALDER if granted else BIRCH,
                institute=INSTITUTE,
                tier=tier,
                state=MembershipState(state),
                requested_at=ago(days=20),
                decided_at=ago(days=20) + timedelta(minutes=3) if granted else None,
            )
        )
    return change.event(Tag.CATALOG_CRAWLED, INSTITUTE, datasets=14)


def _totals(price: float, finish_h: float, *, late: float = 0.0) -> Totals:
    return Totals(
        price_eur=price,
        energy_kwh=price / 38,
        co2_kg=price / 62,
        water_l=18.0,
        transport_km=412.0,
        finish=AT + timedelta(hours=finish_h),
        late_h=late,
    )


def _assignment(name: str, provider: str, place: Place, start_h: float, hours: float) -> Assignment:
    return Assignment(
        id=f"{PLAN}-{name.replace(' ', '-').lower()}",
        operation=f"op-{name[:4].lower()}",
        operation_name=name,
        lot=1,
        quantity=12,
        resource=derived_id("resource", name, provider),
        resource_name={"Deburring": "Bench 2", "Inspection": "CMM"}.get(name, "Mill 3"),
        provider=ALDER if provider.startswith("Alder") else BIRCH,
        provider_name=provider,
        place=place,
        start=AT + timedelta(hours=start_h),
        end=AT + timedelta(hours=start_h + hours),
        price_eur=90 * hours,
        energy_kwh=3.1 * hours,
        co2_kg=0.9 * hours,
        water_l=2.0,
    )


def _planning(did: str) -> Change:
    alder, birch = "Alder Precision (sample)", "Birch Machining (sample)"
    plan = Plan(
        id=PLAN,
        need=NEED,
        assignments=(
            _assignment("Saw stock", birch, TOLEDO, 14, 1.5),
            _assignment("Mill, first side", alder, MILWAUKEE, 22, 6),
            _assignment("Mill, second side", alder, MILWAUKEE, 29, 4.5),
            _assignment("Deburring", alder, MILWAUKEE, 35, 1),
            _assignment("Inspection", alder, MILWAUKEE, 37, 2),
        ),
        legs=(
            Leg(
                lot=1,
                quantity=12,
                source="Toledo",
                target="Milwaukee",
                distance_km=390,
                start=AT + timedelta(hours=15.5),
                end=AT + timedelta(hours=22),
                price_eur=154,
                co2_kg=46,
            ),
            Leg(
                lot=1,
                quantity=12,
                source="Milwaukee",
                target="Ann Arbor",
                distance_km=330,
                start=AT + timedelta(hours=39),
                end=AT + timedelta(hours=45),
                price_eur=133,
                co2_kg=40,
            ),
        ),
        totals=_totals(1642.0, 45),
        weights=Weights(),
        objective_eur=1713.4,
        bound_eur=1652.7,
        gap=0.0354,
        is_optimal=False,
        alternatives=(
            Candidate(
                name="first-capable",
                label="First capable",
                is_feasible=True,
                objective_eur=2204.0,
                totals=_totals(1980.0, 74, late=3.5),
                reason="29 % dearer: it waits 28 h for a free mill.",
            ),
            Candidate(
                name="cheapest-single",
                label="Cheapest single",
                is_feasible=True,
                objective_eur=1904.5,
                totals=_totals(1790.0, 61),
                reason="11 % dearer: Alder's saw costs twice Birch's.",
            ),
            Candidate(
                name="only:birch",
                label=birch,
                is_feasible=False,
                objective_eur=0.0,
                totals=None,
                reason="Its mill holds 0.2 mm where 0.1 mm is wanted.",
            ),
        ),
        reasons=(
            "Alder Precision mills and measures: it holds 0.02 mm and is free 9 h earlier.",
            "Birch Machining saws: 38 EUR cheaper, carriage included.",
            "Cedar Works was not chosen: its quote is 12 % above Alder's for the same hours.",
        ),
        solver="column generation + ruin-and-recreate",
        seconds=3.2,
        decided_by=did,
        created_at=ago(hours=20),
    )
    need = Need(
        id=NEED,
        kind=NeedKind.PART,
        title="12 × Sensor bracket",
        owner="org-northfield00",
        quantity=12,
        due=AT + timedelta(hours=43),
        created_at=ago(days=1),
        deliver_to=ANN_ARBOR,
        revision=REVISION,
        material="al-6061",
        project=PROJECT,
        state="planned",
    )
    change = Change("test").put(plan).put(need).event(Tag.PLAN_DECIDED, PLAN, objective_eur=1713.4)
    for name, provider, fits in (("Mill 3", alder, True), ("Mill 7", birch, False)):
        verdict = Verdict.SATISFIED if fits else Verdict.VIOLATED
        text = "It holds 0.02 mm; 0.1 mm is wanted." if fits else "It holds 0.2 mm; 0.1 mm is wanted."
        change.put(
            Match(
                id=derived_id("match", name),
                need=NEED,
                operation="mill-1",
                resource=derived_id("resource", name),
                resource_name=name,
                provider=ALDER if fits else BIRCH,
                provider_name=provider,
                dataset="dataset-1",
                is_feasible=fits,
                missing=0 if fits else 1,
                reasons=(Reason(requirement="tolerance_mm", verdict=verdict, wanted="0.1", offered="0.02", text=text),),
            )
        )
    return change


MESSAGES = {
    JobStep.DESIGN: "bracket.step: 120 × 80 × 25 mm, 196.9 cm³, 5 holes",
    JobStep.PROCESS_PLAN: "milled: saw stock, mill first side, mill second side, deburr, inspect",
    JobStep.NEED: "12 × Sensor bracket, paid by the award of 120,000 EUR",
    JobStep.SEARCH: "14 offers of 5 organisations in the portal's catalog",
    JobStep.MATCH: "9 resources fit, 5 do not",
    JobStep.QUOTE: "4 quotes, valid for 24 h",
    JobStep.PLAN: "1,642 EUR, at most 3.5 % above the best that can exist",
    JobStep.AGREE: "3 agreements",
    JobStep.ORDER: "orders at Alder Precision and Birch Machining",
    JobStep.MAKE: "12 of 12 made",
    JobStep.EVIDENCE: "5 pieces of evidence, all signatures hold",
    JobStep.LEARN: "TRL 4 → 5; two track records; one gap",
}


def _job(identifier: str, title: str, step: JobStep, state: str, **more: Any) -> Job:
    log = []
    for index, (one, message) in enumerate(MESSAGES.items()):
        if one is step:
            break
        log.append(JobEntry(step=one, at=ago(hours=20 - index), seconds=0.4 + 3.1 * (index % 3), message=message))
    return Job(
        id=identifier,
        title=title,
        owner="org-northfield00",
        step=step,
        state=state,
        revision=REVISION,
        material="al-6061",
        quantity=12,
        due=AT + timedelta(hours=43),
        tolerance_mm=0.1,
        created_at=ago(hours=20),
        updated_at=ago(minutes=2),
        log=tuple(log),
        facts={"file_name": "bracket.step"},
        **more,
    )


def _jobs(_did: str) -> Change:
    tied = {"need": NEED, "plan": PLAN, "project": PROJECT}
    return (
        Change("test")
        .put(_job(DONE, "Sensor bracket", JobStep.DONE, "done", **tied))
        .put(_job(MOVING, "Camera mount", JobStep.MAKE, "running", message="7 of 12 made at Alder Precision", **tied))
        .put(
            _job(
                FAILED,
                "Thin-walled duct",
                JobStep.MATCH,
                "failed",
                message="Nobody in the network prints titanium of 420 mm.",
                remedy="Split the part, or wait: see gaps.",
            )
        )
        .event(Tag.JOB_MOVED, MOVING, step="make")
        .event(Tag.JOB_FAILED, FAILED, step="match")
    )


def _making(did: str) -> Change:
    measurements = tuple(
        Measurement(
            characteristic=name,
            part=part,
            nominal_mm=size,
            lower_mm=size - 0.1,
            upper_mm=size + 0.1,
            actual_mm=size + 0.013 * ((part * 7 + index) % 9 - 4),
        )
        for part in range(1, 5)
        for index, (name, size) in enumerate((("length", 120.0), ("width", 80.0), ("height", 25.0)))
    )
    inspection = Inspection(
        id="inspection-mill0",
        run=RUN,
        inspector="operator",
        instrument="CMM (simulated)",
        at=ago(hours=6),
        measurements=measurements,
        is_simulated=True,
    )
    evidence = Evidence(
        id=EVIDENCE,
        run=RUN,
        order="order-alder00000",
        job=DONE,
        provider=ALDER,
        resource="resource-mill000000",
        provider_name="Alder Precision (sample)",
        resource_name="Mill 3",
        operation_name="Mill, first side",
        started_at=ago(hours=9),
        ended_at=ago(hours=6),
        quantity=12,
        good=12,
        scrap=0,
        planned_energy_kwh=18.6,
        energy_kwh=17.2,
        planned_s=10_800,
        observed_s=10_410,
        readings=18_240,
        coverage=0.998,
        inspection=inspection,
        cpk=1.41,
        is_simulated=True,
        time_scale=60.0,
        digest="sha256:" + "ab" * 32,
        signature="e30..sig",
    )
    order = Order(
        id="order-alder00000",
        side=Side.CONSUMER,
        job=DONE,
        need=NEED,
        plan=PLAN,
        agreement=QUOTING,
        provider=ALDER,
        consumer="",
        peer_name="Alder Precision (sample)",
        part="Sensor bracket",
        material="al-6061",
        quantity=12,
        design_dataset="dataset-2",
        revision=REVISION,
        lines=(),
        price_eur=1486.0,
        state=OrderState.DONE,
        placed_at=ago(hours=12),
    )
    change = Change("test").put(evidence).put(order).put(inspection).event(Tag.EVIDENCE_RECORDED, EVIDENCE)
    own = msgspec.structs.replace(
        order,
        id="order-own0000000",
        side=Side.PROVIDER,
        provider=did,
        consumer=ALDER,
        job="job-at-alder000",
        state=OrderState.IN_WORK,
    )
    change.put(own)
    for identifier, name, state in (
        (RUN, "Mill, first side", State.STARTED),
        ("run-next0000000", "Drill", State.RELEASED),
        ("run-made0000000", "Mill, test piece", State.MADE),
    ):
        change.put(
            Run(
                id=identifier,
                order="order-own0000000",
                assignment=identifier,
                operation_name=name,
                process="milling-3-axis",
                resource="resource-mill000000",
                quantity=12,
                state=state,
                released_at=ago(hours=3),
                started_at=ago(minutes=14),
                ended_at=ago(minutes=2) if state is State.MADE else None,
                is_simulated=True,
                time_scale=60.0,
            )
        )
    return change


def _programme(did: str) -> Change:
    proof = ReadinessEvidence(
        level=5,
        claim="Parts made outside the laboratory, all good",
        evidence=EVIDENCE,
        by=INSTITUTE,
        at=ago(hours=3),
        is_simulated=True,
    )
    stones = (
        Milestone(
            name="First parts outside the laboratory",
            due=AT + timedelta(days=60),
            amount_eur=40_000,
            reached_at=ago(hours=3),
            evidence=EVIDENCE,
        ),
        Milestone(name="Two plants, all good", due=AT + timedelta(days=150), amount_eur=40_000),
    )
    return (
        Change("test")
        .put(
            Technology(
                id=TECHNOLOGY,
                name="Design-to-order machining",
                holder="org-northfield00",
                trl_start=4,
                trl=5,
                summary="A laboratory design is planned, allocated and made at member plants.",
                mrl=4,
                evidence=(proof,),
                is_sample=True,
            )
        )
        .put(
            Call(
                id="call-resilient00",
                title="Resilient small-batch machining",
                agency="Sample Manufacturing Agency",
                institute=INSTITUTE,
                budget_eur=400_000,
                min_cost_share=1.0,
                opens=ago(days=90),
                closes=AT + timedelta(days=220),
                is_sample=True,
            )
        )
        .put(
            Project(
                id=PROJECT,
                title="Sensor brackets from digital design",
                lead="org-northfield00",
                lead_did=did,
                institute=INSTITUTE,
                award=AWARD,
                technology=TECHNOLOGY,
                starts=ago(days=60),
                ends=AT + timedelta(days=300),
                milestones=stones,
                is_sample=True,
            )
        )
        .put(
            Award(
                id=AWARD,
                call="call-resilient00",
                project=PROJECT,
                recipient="org-northfield00",
                recipient_did=did,
                amount_eur=120_000,
                made_at=ago(days=61),
                is_sample=True,
            )
        )
        .put(
            CostShare(
                id="share-sensor0000",
                award=AWARD,
                organisation="org-alder00000",
                amount_eur=130_000,
                is_in_kind=True,
                at=ago(days=61),
            )
        )
        .put(
            Disbursement(
                id="pay-sensor00000",
                award=AWARD,
                milestone="First parts outside the laboratory",
                amount_eur=40_000,
                evidence=EVIDENCE,
                at=ago(hours=2),
            )
        )
        .put(
            Gap(
                id="gap-titanium0000",
                kind=GapKind.CAPACITY,
                title="Printing titanium parts of 420 mm",
                need=NEED,
                operation="print",
                requirement="envelope_mm",
                nearest="Cedar Works prints 250 mm; 170 mm are missing.",
                capable=0,
                found_at=ago(hours=4),
            )
        )
        .put(
            Practice(
                id="practice-probe000",
                title="Probe the first part in the machine",
                author="org-alder00000",
                summary="Saves a set-up where the tolerance is 0.05 mm or wider.",
                adopters=("org-birch00000",),
                created_at=ago(days=30),
            )
        )
        .put(
            TrackRecord(
                id=ALDER,
                provider_name="Alder Precision (sample)",
                runs=4,
                parts=48,
                good=47,
                on_time=4,
                energy_ratio=0.925,
                time_ratio=0.964,
                evidence=(EVIDENCE,),
                updated_at=ago(hours=3),
            )
        )
    )


def _thread(did: str) -> Change:
    things = (
        (AWARD, "award", "120,000 EUR", INSTITUTE),
        (PROJECT, "project", "Sensor brackets from digital design", INSTITUTE),
        (REVISION, "design", "bracket.step", ""),
        ("process-bracket0", "process-plan", "milled, 5 operations", ""),
        (NEED, "need", "12 × Sensor bracket", ""),
        ("quote-alder00000", "quote", "quote of Alder Precision", ALDER),
        ("quote-birch00000", "quote", "quote of Birch Machining", BIRCH),
        (PLAN, "plan", "1,642 EUR by two plants", ""),
        (QUOTING, "agreement", "Quotes and orders at Alder Precision", ALDER),
        ("order-alder00000", "order", "order at Alder Precision", ALDER),
        (RUN, "run", "Mill, first side", ALDER),
        (EVIDENCE, "evidence", "12 of 12 good, Cpk 1.41", ALDER),
        (TECHNOLOGY, "technology", "TRL 4 → 5", INSTITUTE),
    )
    ties = (
        (AWARD, "pays", PROJECT),
        (PROJECT, "governs", NEED),
        (REVISION, "plans", "process-bracket0"),
        ("process-bracket0", "derives", NEED),
        (REVISION, "derives", NEED),
        (NEED, "derives", "quote-alder00000"),
        (NEED, "derives", "quote-birch00000"),
        ("quote-alder00000", "decides", PLAN),
        ("quote-birch00000", "decides", PLAN),
        (PLAN, "executes", "order-alder00000"),
        (QUOTING, "governs", "order-alder00000"),
        ("order-alder00000", "executes", RUN),
        (RUN, "measures", EVIDENCE),
        (EVIDENCE, "supports", TECHNOLOGY),
    )
    change = Change("test")
    for index, (identifier, kind, label, holder) in enumerate(things):
        change.put(
            ThreadNode(
                id=identifier,
                kind=kind,
                label=label,
                at=ago(hours=20 - index),
                holder=holder,
                is_shared=holder != BIRCH,
            )
        )
    for source, kind, target in ties:
        change.put(
            ThreadEdge(
                id=derived_id("edge", source, kind, target),
                source=source,
                kind=EdgeKind(kind),
                target=target,
                at=ago(hours=10),
                agent=did,
            )
        )
    return change


def with_neighbours(count: int) -> Change:
    """Make one thing that led to many, for the page that shows only the nearest."""
    change = Change("test").put(ThreadNode(id="need-crowd000000", kind="need", label="A crowd", at=AT))
    for index in range(count):
        one = f"run-crowd{index:06}"
        change.put(ThreadNode(id=one, kind="run", label=f"run {index}", at=AT))
        change.put(
            ThreadEdge(
                id=derived_id("edge", one),
                source="need-crowd000000",
                kind=EdgeKind.EXECUTES,
                target=one,
                at=AT,
                agent="test",
            )
        )
    return change
