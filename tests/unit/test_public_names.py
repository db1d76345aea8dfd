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
    "interwork.allocation": ("CapacityOffer Cause QuoteRequest allocate check draft_request gaps match quote unmet"),
    "interwork.cli": "main parser",
    "interwork.connectors": (
        "BAD BAD_DECODING BAD_OUT_OF_RANGE BAD_TIMEOUT BAD_TYPE BAD_UNKNOWN Connector FLUSH_READINGS FLUSH_S Found "
        "GROUP Point open_connector schemes"
    ),
    "interwork.connectors.modbus": "ModbusConnector",
    "interwork.connectors.mtconnect": "MTConnectConnector",
    "interwork.connectors.opcua": "OpcUaConnector",
    "interwork.connectors.sparkplug": "SparkplugConnector",
    "interwork.consortium": (
        "Application Metric check_award common_policies decide disburse metrics move only_participant open_to_all "
        "read_directory track_record"
    ),
    "interwork.core": "",
    "interwork.design": (
        "Analysis Layout Missing analyse backward draft_process_plan format_of forward gaps lay_out prov read_prov "
        "revision_id"
    ),
    "interwork.design.solid": (
        "Block Bore Flange PIPE_FLANGE Pocket SENSOR_BRACKET Step area_mm2 samples write_step write_stl"
    ),
    "interwork.federation": (
        "Caller Crawled DataRequest DataResponse DataSource Decision Federation Fetched Identity PeerClient Reply "
        "check_policy evaluate"
    ),
    "interwork.federation.identity": "Caller Identity NAME Verifier claims_at did_of document_url",
    "interwork.flows": "",
    "interwork.flows.fulfil": "",
    "interwork.flows.make_part": "MakeRequest RETRIES RETRY_S STEPS proceed run submit work",
    "interwork.simulate": "run_broker run_machine run_operator",
    "interwork.simulate.faces": "FACES Face Plate open_face",
    "interwork.store": "Change Files Store table_of",
    "interwork.stream": (
        "Declared Elements Forecast Historian Live Loss Reading RunFacts Shaper Subscription TokenBucket Trend "
        "UNKNOWN Usage admit batch_of columns_of counter_delta coverage cpk cycle_times decode_batch elements_of "
        "encode_batch forecast oee ppk process_capability run_facts"
    ),
    "interwork.twin": "NAMESPACE identifier_of object_of object_types shell submodel value_of value_only",
    "interwork.web": "create_app",
    "interwork.web.pages": "routes",
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
