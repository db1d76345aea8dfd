import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from interwork.simulate.faces import Plate
from interwork.simulate.faces.mtconnect_wire import ITEMS, AgentError, Buffer, Documents, Item, items_of, parse_query
from interwork.simulate.model import Cycle, Machine
from interwork.simulate.profiles import make_profile
from interwork.simulate.signals import variables_of

AT = "2026-11-22T04:00:00.000Z"
STREAMS = "{urn:mtconnect.org:MTConnectStreams:2.0}"


def plate(type_: str = "mill", name: str = "Mill <1> & more") -> Plate:
    profile = make_profile(type_)
    return Plate(name=name, profile=profile, variables=variables_of(profile), seed=1, speed=1)


def filled(count: int, size: int = 8) -> Buffer:
    buffer = Buffer(size)
    for number in range(1, count + 1):
        buffer.add(ITEMS[number % 3], AT, str(number))
    return buffer


def texts(observations) -> list[str]:
    return [one.value for one in observations]


def test_a_value_that_did_not_change_is_not_kept():
    buffer = Buffer(8)
    assert buffer.add(ITEMS[0], AT, "1")
    assert not buffer.add(ITEMS[0], AT, "1")
    assert buffer.next == 2


def test_the_buffer_keeps_its_size_and_moves_its_first_sequence():
    buffer = filled(20)
    assert (buffer.first, buffer.next) == (13, 21)
    assert texts(buffer.window(13, 100)[0]) == [str(number) for number in range(13, 21)]


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 60))
def test_windows_laid_end_to_end_hold_every_observation_once(count, size, step):
    buffer, seen = filled(count, size), []
    start = buffer.first
    while start < buffer.next:
        taken, start = buffer.window(start, step)
        seen += texts(taken)
    assert seen == [str(number) for number in range(buffer.first, count + 1)]


@given(st.integers(1, 40), st.integers(1, 12))
def test_the_state_at_a_sequence_is_the_latest_value_of_each_item_up_to_it(count, size):
    buffer = filled(count, size)
    for sequence in range(buffer.first, buffer.next):
        expected = {str(max(n for n in range(1, sequence + 1) if n % 3 == k)) for k in range(3) if sequence >= (k or 3)}
        assert set(texts(buffer.at(sequence))) == expected


def test_a_request_without_parameters_begins_at_the_first_sequence():
    query = parse_query("sample", {}, filled(20))
    assert (query.start, query.count, query.interval_ms) == (13, 8, None)


@pytest.mark.parametrize("text", ["12", "22", "-1"])
def test_a_from_outside_the_buffer_is_out_of_range(text):
    with pytest.raises(AgentError) as caught:
        parse_query("sample", {"from": text, "count": "5"}, filled(20))
    assert (caught.value.code, caught.value.status) == ("OUT_OF_RANGE", 400)


@pytest.mark.parametrize("at", ["13", "20"])
def test_at_may_be_any_sequence_in_the_buffer(at):
    assert parse_query("current", {"at": at}, filled(20)).at == int(at)


@pytest.mark.parametrize("at", ["12", "21"])
def test_at_outside_the_buffer_is_out_of_range(at):
    with pytest.raises(AgentError) as caught:
        parse_query("current", {"at": at}, filled(20))
    assert caught.value.code == "OUT_OF_RANGE"


@pytest.mark.parametrize("count", ["0", "9", "-9"])
def test_a_count_of_none_or_more_than_the_buffer_is_out_of_range(count):
    with pytest.raises(AgentError, match="count must be"):
        parse_query("sample", {"count": count}, filled(20))


def test_a_negative_count_reads_the_latest():
    buffer = filled(20)
    query = parse_query("sample", {"count": "-3"}, buffer)
    assert texts(buffer.window(query.start, query.count)[0]) == ["18", "19", "20"]


def test_a_negative_count_reads_back_from_a_sequence_to_the_first_held():
    buffer = filled(20)
    query = parse_query("sample", {"from": "14", "count": "-5"}, buffer)
    assert texts(buffer.window(query.start, query.count)[0]) == ["13", "14"]


@pytest.mark.parametrize(
    ("request_", "parameters"),
    [
        ("sample", {"path": "//Axes"}),
        ("current", {"from": "1"}),
        ("sample", {"from": "one"}),
        ("sample", {"count": "1.5"}),
        ("current", {"at": "13", "interval": "10"}),
        ("sample", {"interval": "10", "heartbeat": "0"}),
        ("sample", {"interval": "-1"}),
        ("sample", {"interval": "10", "count": "-5"}),
    ],
)
def test_parameters_that_are_wrong_or_unknown_are_refused(request_, parameters):
    with pytest.raises(AgentError):
        parse_query(request_, parameters, filled(20))


def documents(type_: str = "mill") -> tuple[Documents, Buffer]:
    buffer = Buffer(64)
    return Documents(plate(type_), "mill-1", 77, buffer), buffer


def test_the_device_document_describes_each_item_once_and_says_simulated():
    root = etree.fromstring(documents()[0].devices(AT))
    assert root.tag == "{urn:mtconnect.org:MTConnectDevices:2.0}MTConnectDevices"
    ids = root.xpath("//*[local-name()='DataItem']/@id")
    assert sorted(ids) == sorted(item.id for item in ITEMS)
    assert "SIMULATED milling machine 'Mill <1> & more'" in root.xpath("string(//*[local-name()='Description'])")


def test_a_machine_without_a_spindle_has_no_axes():
    root = etree.fromstring(documents("cmm")[0].devices(AT))
    assert not root.xpath("//*[local-name()='Axes' or local-name()='Coolant']")


def test_a_stream_document_carries_every_observation_with_its_sequence():
    documents_, buffer = documents()
    one = Machine(make_profile("mill"))
    one.start(Cycle(program="<O1>", quantity=1, unit_s=60, setup_s=10))
    for item in documents_.items:
        buffer.add(item, AT, item.read(one.state()))
    root = etree.fromstring(documents_.streams(AT, buffer.at(), buffer.next))
    assert sorted(int(text) for text in root.xpath("//@sequence")) == list(range(1, len(ITEMS) + 1))
    assert root.findtext(f".//{STREAMS}Program") == "<O1>"
    assert root.find(f"{STREAMS}Header").get("nextSequence") == str(len(ITEMS) + 1)


def test_an_alarm_is_a_fault_condition_and_no_alarm_is_normal():
    documents_, buffer = documents()
    system = next(item for item in ITEMS if item.category == "CONDITION")
    buffer.add(system, AT, "Chip conveyor jam")
    buffer.add(system, AT, "")
    root = etree.fromstring(documents_.streams(AT, buffer.window(1, 9)[0], 3))
    assert root.findtext(f".//{STREAMS}Fault") == "Chip conveyor jam"
    assert root.find(f".//{STREAMS}Normal") is not None


def test_an_error_document_carries_the_code():
    root = etree.fromstring(documents()[0].error(AT, AgentError("NO_DEVICE", "no <x>", 404)))
    assert root.xpath("//*[local-name()='Error']/@errorCode") == ["NO_DEVICE"]


def test_only_this_device_is_known():
    documents_, _ = documents()
    documents_.check_device("")
    documents_.check_device("mill-1")
    with pytest.raises(AgentError, match="lathe"):
        documents_.check_device("lathe")


def test_elements_are_named_after_types():
    elements = {item.type: item.element for item in items_of(plate())}
    assert (elements["PATH_FEEDRATE"], elements["x:TOOL_WEAR"]) == ("PathFeedrate", "x:ToolWear")


def test_every_item_is_in_a_component_that_exists():
    assert all(isinstance(item, Item) and item.element for item in ITEMS)
