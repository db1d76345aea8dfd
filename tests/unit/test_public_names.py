"""What each package shows to the others: exactly the names listed here, no more and no fewer."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "interwork"
NOT_SHOWN = {"log"}
PUBLIC = {
    "interwork": "",
    "interwork.allocation": (
        "CapacityOffer Cause Limits QuoteRequest allocate check draft_request gaps match quote read solve unmet verify"
    ),
    "interwork.allocation.assign": (
        "Arc Arcs Flow Matched Shadow Supply match_many shadow_prices ship solve_assignment solve_portfolio"
    ),
    "interwork.allocation.engine": "Clock Interrupt Limits Step Watch",
    "interwork.allocation.learning": "",
    "interwork.allocation.network": (
        "Change Outage Point Prices Proposal RULES Stability by_rule price replan right_shift solve_network trade_off"
    ),
    "interwork.allocation.parts": "",
    "interwork.allocation.problem": (
        "Activity Demand Kind Link Mode Placement Problem Resource ResourceKind Row Size Solution Status Synergy "
        "Tariff Transport generate read write"
    ),
    "interwork.allocation.project": "solve_project",
    "interwork.allocation.shop": "solve_shop",
    "interwork.allocation.supply": "",
    "interwork.allocation.verify": "verify",
    "interwork.cli": "HOMES main parser",
    "interwork.cli.designs": "ACTS add run",
    "interwork.cli.keeping": "add",
    "interwork.cli.planning": "add",
    "interwork.cli.plant": "add",
    "interwork.cli.rnd": "add",
    "interwork.connectors": (
        "ALIVE_S BAD BAD_DECODING BAD_OUT_OF_RANGE BAD_TIMEOUT BAD_TYPE BAD_UNKNOWN Command Connector FLUSH_READINGS "
        "FLUSH_S Found GROUP Identifying Point Resuming Slowing Telling Writer open_connector schemes"
    ),
    "interwork.connectors.files": "FILES_MAX FilesConnector SAMPLE_ROWS",
    "interwork.connectors.http": "CHUNK DOCUMENT_MAX HttpConnector RETRY_MAX_S",
    "interwork.connectors.modbus": "ModbusConnector",
    "interwork.connectors.mqtt": "BAD_WAITING MOST_KEPT_OCTETS MOST_SIGNALS MOST_TOPICS MqttJsonConnector",
    "interwork.connectors.mtconnect": "MTConnectConnector",
    "interwork.connectors.opcua": "OpcUaConnector",
    "interwork.connectors.opcua.space": (
        "Walk address_of browse_signals node_of read_nameplate said_of_others wording write_values"
    ),
    "interwork.connectors.s7": "S7Connector",
    "interwork.connectors.sparkplug": "BAD_NOT_WRITABLE GOOD_ASYNCHRONOUS SparkplugConnector",
    "interwork.consortium": (
        "Application Metric check_award common_policies decide disburse metrics move only_participant open_to_all "
        "read_directory track_record"
    ),
    "interwork.core": "",
    "interwork.core.network": "",
    "interwork.core.part": "",
    "interwork.design": (
        "ANALYSER Analysis Known Layout Missing Reading analyse backward draft_process_plan format_of forward "
        "gaps lay_out prov prov_o read_file read_prov read_prov_o revision_id"
    ),
    "interwork.design.files": "",
    "interwork.design.geometry": "",
    "interwork.design.making": "",
    "interwork.design.models": (
        "Axis Described Outcome Quantity Steps canonical convergence describe result_digest run spread take_in"
    ),
    "interwork.design.quality": (
        "FirstArticle Gauge NEXT Raised Worked advance by_word first_article limits_of open_nonconformance outside "
        "series_of study"
    ),
    "interwork.design.solid": (
        "Block Bore Flange PIPE_FLANGE Pocket SENSOR_BRACKET Step area_mm2 samples write_step write_stl"
    ),
    "interwork.design.trials": (
        "Campaign GaussianProcess Goal Limit Parameter Trial ask best box_behnken central_composite factorial fit "
        "latin_hypercube plackett_burman tell"
    ),
    "interwork.federation": (
        "Caller Crawled DataRequest DataResponse DataSource Decision Federation Fetched Identity PeerClient Reply "
        "check_policy evaluate"
    ),
    "interwork.federation.identity": "Caller Identity NAME Verifier claims_at did_of document_url",
    "interwork.flows": "",
    "interwork.flows.designing": (
        "Wanted attach calibrations cancel change_plan compare_revisions draft fit keep_template read_revision "
        "record submit use_template work"
    ),
    "interwork.flows.fulfil": "",
    "interwork.flows.ingest": (
        "Connected Connection MachineStatus Mapped Proposal change_signal connect execution_of foresee "
        "machine_state machine_states mapping_of measured mirror nameplate next_number options_of probe propose "
        "resolved restore retry switch take uplink_state work"
    ),
    "interwork.flows.insight": (
        "NeedDraft choose collect_needs conversions_of explanation_of gap_report investments outcomes "
        "publish_need record_need tell_providers trade unserved_of volumes"
    ),
    "interwork.flows.make_part": "MakeRequest RETRIES RETRY_S STEPS proceed run submit work",
    "interwork.flows.operate": "LEARN_EVERY SHIFTS_EVERY TEND_S work",
    "interwork.flows.readings": "Brought Export Keep bring_in retain take_out",
    "interwork.flows.replan": "Told accept decline propose tell undo",
    "interwork.flows.rnd": "",
    "interwork.flows.supply": ("Asked ItemDraft Missing PlanWish ProductDraft grant order plan record shortage stress"),
    "interwork.flows.together": "answer_call coordinate offer second_machines take",
    "interwork.simulate": "run_broker run_machine run_operator",
    "interwork.simulate.faces": "FACES Face Plate open_face",
    "interwork.store": "Change Files Store table_of",
    "interwork.stream": (
        "Declared Elements Forecast Historian Live Loss Reading RunFacts Shaper Subscription TokenBucket Trend "
        "UNKNOWN Usage admit batch_of columns_of counter_delta coverage cpk cycle_times decode_batch elements_of "
        "encode_batch forecast oee ppk process_capability run_facts"
    ),
    "interwork.stream.blueprint": (
        "Aggregator At CALCULATED Classes Count Declared Door Forecast Hold Keeper Ladder Loss Meter Move Passed "
        "REDUCED Shaper TokenBucket admit bounded class_of floor_of forecast joined"
    ),
    "interwork.stream.historian": "Health Historian Trend Usage",
    "interwork.stream.insight": (
        "Act Burden Capability Chart Difference Elements Figure Fit Group Interval Limits NELSON Residuals Run "
        "Seen Unusual Uses WESTERN_ELECTRIC Watch Worked add_uses added capability compare draw expected "
        "figures_of fit hold_against intervals loss_tree oee planned_spans runs time_elements with_quantities "
        "worked"
    ),
    "interwork.stream.scale": "Log Place Scaled Sink Standing Written",
    "interwork.stream.spool": "Fill Gone Spool",
    "interwork.twin": "NAMESPACE identifier_of object_of object_types shell submodel value_of value_only",
    "interwork.web": "create_app",
    "interwork.web.api.network": "ROUTES",
    "interwork.web.api": "TABLES routes",
    "interwork.web.pages": "routes",
    "interwork.web.pages.allocation": "routes",
    "interwork.web.pages.designs": "act_on_plan add_file cancel diff draft index make model show study",
    "interwork.web.pages.machinery": "routes",
    "interwork.web.pages.plant": "routes",
    "interwork.web.pages.rnd": "routes",
}


def packages():
    folders = (path.parent for path in SOURCE.rglob("__init__.py") if "migrations" not in path.parts)
    return {".".join(("interwork", *folder.relative_to(SOURCE).parts)): folder for folder in folders}


def shown(folder):
    """Read what an `__init__` re-exports (`import x as x` or `__all__`) and what it defines itself."""
    names = set()
    for part in ast.parse((folder / "__init__.py").read_text(encoding="utf-8")).body:
        match part:
            case ast.ImportFrom(names=found):
                names |= {one.name for one in found if one.asname == one.name}
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id="__all__")], value=listed):
                names |= set(ast.literal_eval(listed))
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return {name for name in names if not name.startswith("_")} - NOT_SHOWN


def test_every_package_is_listed_here():
    assert sorted(packages()) == sorted(PUBLIC)


@pytest.mark.parametrize("package", sorted(PUBLIC))
def test_a_package_shows_exactly_what_is_listed(package):
    assert sorted(shown(packages()[package])) == sorted(PUBLIC[package].split())


@pytest.mark.parametrize("package", sorted(PUBLIC))
def test_everything_shown_is_there_and_says_what_it_is_for(package):
    module = importlib.import_module(package)
    assert inspect.getdoc(module)
    for name in PUBLIC[package].split():
        value = getattr(module, name)
        assert not callable(value) or inspect.getdoc(value), name


def test_an_installed_node_tells_its_version():
    parts = importlib.import_module("interwork").__version__.split(".")
    assert len(parts) == 3
    assert all(part.isdecimal() for part in parts)
