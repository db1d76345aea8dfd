"""MTConnect documents to values, on written examples, real ones and hostile ones."""

import math
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.connectors import BAD_DECODING
from interwork.connectors.mtconnect import MTConnectConnector
from interwork.connectors.mtconnect.model import MalformedDocument, moment_us
from interwork.connectors.mtconnect.readings import UNCERTAIN, Decoder
from interwork.connectors.mtconnect.wire import XmlDocument
from interwork.core.resource import BAD_NO_DATA, GOOD, Meaning

SHARED = Path(os.environ.get("INTERWORK_SHARED_DATA") or Path(__file__).parents[4] / "shared" / "data")
NIST = SHARED / "plant" / "nist-sms"
needs_nist = pytest.mark.skipif(not NIST.is_dir(), reason="the NIST documents are not on this machine")
NEEDED = 'xmlns="urn:mtconnect.org:MTConnectDevices:2.0"'


def devices(items):
    return XmlDocument(
        f'<MTConnectDevices {NEEDED}><Header/><Devices><Device id="d" name="D"><Components><Axes id="a">'
        "<Components>"
        f'<Rotary id="c" name="C"><DataItems>{items}</DataItems></Rotary></Components></Axes></Components></Device>'
        "</Devices></MTConnectDevices>".encode()
    ).devices()


def document(body, head='nextSequence="9" firstSequence="1" instanceId="7" bufferSize="100"'):
    return XmlDocument(
        f'<MTConnectStreams xmlns="urn:mtconnect.org:MTConnectStreams:2.0"><Header {head}/><Streams>'
        f"<DeviceStream><ComponentStream>{body}</ComponentStream></DeviceStream></Streams></MTConnectStreams>".encode()
    )


def rows_of(batch):
    texts = batch.text or [None] * len(batch)
    told = [
        text if text is not None else None if math.isnan(number) else number
        for text, number in zip(texts, batch.value, strict=True)
    ]
    return list(zip(batch.time_us, told, batch.quality, strict=True))


def decoder(items):
    made = Decoder()
    made.plan(items, {key: [number] for number, key in enumerate(items)})
    return made


def readings(item, *bodies):
    made = decoder(devices(item))
    seen = [one for body in bodies for one in document(body).streams(made.special)[1]]
    return rows_of(made.batch(seen, 77))


def values(item, *bodies):
    return [row[1:] for row in readings(item, *bodies)]


def sample(text, more=""):
    return f'<Samples><Load dataItemId="i" sequence="1" timestamp="2026-01-01T00:00:00Z" {more}>{text}</Load></Samples>'


LOAD = '<DataItem id="i" category="SAMPLE" type="LOAD" units="PERCENT"/>'


def test_numbers_unavailable_and_what_is_neither():
    assert values(LOAD, sample(" 12.5 ")) == [(12.5, GOOD)]
    assert values(LOAD, sample("UNAVAILABLE")) == [(None, BAD_NO_DATA)]
    assert values(LOAD, sample("much")) == [(None, BAD_DECODING)]
    assert values(LOAD, sample("NaN")) == [(None, BAD_DECODING)]


def test_load_is_the_spindles_where_it_is_a_rotary_axis():
    assert devices(LOAD)["i"].found.meaning is Meaning.SPINDLE_LOAD


def test_the_standards_types_propose_meanings_and_units():
    found = devices(
        '<DataItem id="v" category="SAMPLE" type="ROTARY_VELOCITY" subType="ACTUAL" units="REVOLUTION/MINUTE"/>'
        '<DataItem id="o" category="EVENT" type="ROTARY_VELOCITY_OVERRIDE" units="PERCENT"/>'
        '<DataItem id="p" category="SAMPLE" type="ROTARY_VELOCITY" subType="PROGRAMMED" units="REVOLUTION/MINUTE"/>'
        '<DataItem id="w" category="SAMPLE" type="x:TOOL_WEAR" units="PERCENT"/>'
        '<DataItem id="a" category="CONDITION" type="SYSTEM"/>'
    )
    meanings = {key: (item.found.meaning, item.found.unit, item.found.is_text) for key, item in found.items()}
    assert meanings == {
        "v": (Meaning.SPINDLE_SPEED, "{rpm}", False),
        "o": (Meaning.OTHER, "%", False),
        "p": (Meaning.OTHER, "{rpm}", False),
        "w": (Meaning.TOOL_WEAR, "%", False),
        "a": (Meaning.ALARM, "", True),
    }


def test_a_time_series_is_spread_back_from_its_time_stamp():
    item = '<DataItem id="i" category="SAMPLE" type="LOAD" representation="TIME_SERIES" sampleRate="10"/>'
    end = moment_us("2026-01-01T00:00:00Z")
    assert readings(item, sample("1 2 3")) == [(end - 200_000, 1.0, GOOD), (end - 100_000, 2.0, GOOD), (end, 3.0, GOOD)]


def test_a_data_set_is_kept_whole_from_its_changes():
    item = '<DataItem id="i" category="EVENT" type="VARIABLE" representation="DATA_SET"/>'
    start = '<Entry key="a">1</Entry><Entry key="b">2</Entry>'
    body = "".join(
        f'<Events><Variable dataItemId="i" sequence="{n}" timestamp="2026-01-01T00:00:00Z" count="1" {more}>{text}'
        "</Variable></Events>"
        for n, (text, more) in enumerate(
            [
                (start, ""),
                ('<Entry key="a" removed="true"/>', ""),
                ('<Entry key="c"><Cell key="x">9</Cell></Entry>', 'resetTriggered="NEW"'),
            ]
        )
    )
    assert [value for value, _ in values(item, body)] == ['{"a": "1", "b": "2"}', '{"b": "2"}', '{"c": {"x": "9"}}']


def test_a_data_set_that_was_unavailable_begins_anew():
    item = '<DataItem id="i" category="EVENT" type="VARIABLE" representation="DATA_SET"/>'
    entries = ('<Entry key="a">1</Entry>', "UNAVAILABLE", '<Entry key="b">2</Entry>')
    body = "".join(
        f'<Events><Variable dataItemId="i" sequence="{n}" timestamp="2026-01-01T00:00:00Z">{one}</Variable></Events>'
        for n, one in enumerate(entries)
    )
    assert values(item, body) == [('{"a": "1"}', GOOD), (None, BAD_NO_DATA), ('{"b": "2"}', GOOD)]


def test_items_of_one_type_in_one_place_have_names_of_their_own_and_keep_their_meanings():
    items = devices(
        '<DataItem id="p1" category="SAMPLE" type="ANGLE" subType="ACTUAL" units="DEGREE"/>'
        '<DataItem id="p2" category="SAMPLE" type="ANGLE" subType="COMMANDED" units="DEGREE"/>'
        '<DataItem id="t1" category="SAMPLE" type="TEMPERATURE" units="CELSIUS" compositionId="motor"/>'
        '<DataItem id="t2" category="SAMPLE" type="TEMPERATURE" units="CELSIUS"/>'
        '<DataItem id="x1" category="CONDITION" type="SYSTEM"/><DataItem id="x2" category="CONDITION" type="SYSTEM"/>'
    )
    assert {key: item.found.name for key, item in items.items()} == {
        "p1": "C/Angle Actual",
        "p2": "C/Angle Commanded",
        "t1": "C/Temperature motor",
        "t2": "C/Temperature",
        "x1": "C/System x1",
        "x2": "C/System x2",
    }
    assert {items[key].found.meaning for key in ("t1", "t2")} == {Meaning.TEMPERATURE}


def test_observations_come_in_order_of_sequence_whatever_the_document_groups():
    body = "".join(
        f'<Samples><Load dataItemId="i" sequence="{n}" timestamp="2026-01-01T00:00:00Z">{n}</Load></Samples>'
        for n in (5, 2, 9)
    )
    assert [value for value, _ in values(LOAD, body)] == [2.0, 5.0, 9.0]


def test_extension_items_in_their_own_namespace_are_kept():
    start = '<x:Motion dataItemId="i" sequence="1" timestamp="2026-01-01T00:00:00Z">'
    body = f'<Events xmlns:x="urn:x">{start}G01</x:Motion></Events>'
    assert values('<DataItem id="i" category="EVENT" type="x:MOTION"/>', body) == [("G01", GOOD)]


@pytest.mark.parametrize(
    "text", ["2026-01-01T00:00:00.1234567Z", "2026-01-01T00:00:00.123456Z@1.5", "2026-01-01T00:00:00.123456"]
)
def test_a_time_stamp_is_read_to_the_microsecond_in_utc(text):
    assert moment_us(text) % 1_000_000 == 123_456


@given(st.text(max_size=30))
def test_any_time_stamp_is_a_number(text):
    assert isinstance(moment_us(text), int)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"not xml",
        b'<!DOCTYPE a [<!ENTITY x "y">]><MTConnectStreams><Header nextSequence="1"/></MTConnectStreams>',
        b"\xff\xfe<a/>",
        b"<a>" + b"<b>" * 5000,
    ],
)
def test_what_is_no_document_is_malformed(content):
    with pytest.raises(MalformedDocument):
        XmlDocument(content)


def test_an_entity_is_never_expanded_and_a_dtd_never_accepted(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with pytest.raises(MalformedDocument, match="DTD"):
        XmlDocument(f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{secret}">]><a>&x;</a>'.encode())


@pytest.mark.parametrize("head", ["", 'nextSequence="x"', f'nextSequence="{"9" * 5000}"'])
def test_a_stream_without_a_readable_header_is_malformed(head):
    with pytest.raises(MalformedDocument):
        document("", head).streams(())


def test_another_document_is_malformed_where_a_stream_or_a_model_is_wanted():
    other = XmlDocument(b"<other/>")
    for ask in (lambda: other.streams(()), other.devices, other.assets):
        with pytest.raises(MalformedDocument, match="other"):
            ask()


@pytest.mark.parametrize(
    "body",
    [
        '<Errors><Error errorCode="NO_DEVICE">no</Error></Errors>',
        "<Errors><NoDevice><ErrorMessage>no</ErrorMessage></NoDevice></Errors>",
    ],
)
def test_an_agents_errors_are_listed_in_the_old_form_and_the_new(body):
    errors = XmlDocument(f"<MTConnectError>{body}</MTConnectError>".encode()).errors()
    assert [(error.code, error.text) for error in errors] == [("NO_DEVICE", "no")]
    assert XmlDocument(b"<MTConnectError/>").errors()[0].code == "UNKNOWN"
    assert XmlDocument(b"<other/>").errors() == []


markup = st.recursive(
    st.text(st.characters(codec="utf-8", exclude_characters="<>&\0", exclude_categories=["C"]), max_size=8),
    lambda inner: st.builds(
        lambda tag, key, text, parts: (
            f'<{tag} dataItemId="i" sequence="{key}" timestamp="{text}">{"".join(parts)}</{tag}>'
        ),
        st.sampled_from(["Samples", "Condition", "Fault", "Normal", "Entry", "Cell", "Load", "Unavailable"]),
        st.integers(-5, 10**20),
        st.sampled_from(["", "2026-01-01T00:00:00Z", "now"]),
        st.lists(inner, max_size=3),
    ),
    max_leaves=12,
)


@given(
    markup,
    st.sampled_from(["VALUE", "TIME_SERIES", "DATA_SET", "TABLE"]),
    st.sampled_from(["SAMPLE", "EVENT", "CONDITION"]),
)
def test_any_observation_becomes_readings_and_never_a_crash(body, representation, category):
    item = f'<DataItem id="i" category="{category}" type="LOAD" representation="{representation}" sampleRate="5"/>'
    for value, _ in values(item, body):
        assert value is None or isinstance(value, str | float)


@given(st.binary(max_size=200))
def test_any_octets_are_a_document_or_malformed(content):
    with suppress(MalformedDocument):
        assert XmlDocument(content) is not None


@pytest.mark.parametrize(
    "stamp",
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z", "soon", ""],
)
def test_an_impossible_time_stamp_gives_the_value_at_our_time_with_uncertain_quality(stamp):
    assert readings(LOAD, sample("4").replace("2026-01-01T00:00:00Z", stamp)) == [(77, 4.0, UNCERTAIN)]


def test_a_time_stamp_without_zone_is_utc():
    assert moment_us("2026-01-01T00:00:00") == moment_us("2026-01-01T00:00:00Z")


@pytest.mark.parametrize("text", ["1e400", "-Infinity", "NaN", "1_000", "9" * 400, "0x10", "12,5"])
def test_a_number_that_is_none_is_bad_and_never_invented(text):
    assert values(LOAD, sample(text)) == [(None, BAD_DECODING)]


def test_a_counter_of_2_to_the_53_is_kept_as_the_nearest_double():
    assert values(LOAD, sample(str(2**53 + 1))) == [(float(2**53), GOOD)]


@pytest.mark.parametrize("more", ['sampleCount="4"', 'sampleCount="0"'])
def test_a_series_that_lies_about_its_count_is_bad(more):
    series = (
        '<DataItem id="i" category="SAMPLE" type="X" representation="TIME_SERIES" sampleRate="10" units="MILLIMETER"/>'
    )
    assert values(series, sample("1 2 3", more)) == [(None, BAD_DECODING)]
    assert len(values(series, sample("1 2 3", 'sampleCount="3"'))) == 3


SYSTEM = '<DataItem id="i" category="CONDITION" type="SYSTEM"/>'


def condition(level, code="", text=""):
    more = f' nativeCode="{code}"' if code else ""
    more += ' dataItemId="i" sequence="1" timestamp="2026-01-01T00:00:00Z"'
    return f"<Condition><{level}{more}>{text}</{level}></Condition>"


def test_several_conditions_are_active_and_the_most_severe_stands_first():
    """machines 25: several active, NORMAL with a code clears one, without a code all."""
    bodies = [condition("Warning", "W1", "low"), condition("Fault", "F2", "hot"), condition("Normal", "F2")]
    told = values(SYSTEM, *bodies, condition("Fault", "F3"), condition("Normal"), condition("Unavailable"))
    assert told == [
        ("WARNING W1 low", GOOD),
        ("FAULT F2 hot; WARNING W1 low", GOOD),
        ("WARNING W1 low", GOOD),
        ("FAULT F3; WARNING W1 low", GOOD),
        ("", GOOD),
        (None, BAD_NO_DATA),
    ]


def test_a_machine_with_endless_condition_codes_is_bounded_and_the_rest_counted():
    made = decoder(devices(SYSTEM))
    seen = [one for n in range(150) for one in document(condition("Fault", f"F{n}")).streams(made.special)[1]]
    made.batch(seen, 77)
    assert made.counters["conditions_dropped"] == 50


def test_a_level_that_is_no_condition_is_bad_and_counted():
    assert values(SYSTEM, condition("Trouble")) == [(None, BAD_DECODING)]


@needs_nist
def test_the_nist_device_model_is_read_whole():
    found = XmlDocument((NIST / "Devices.xml").read_bytes()).devices()
    text = (NIST / "Devices.xml").read_text(encoding="utf-8")
    assert len(found) == text.count("<DataItem ")
    meanings = [item.found.meaning for item in found.values()]
    assert meanings.count(Meaning.EXECUTION) == text.count('"EXECUTION"') + text.count("'EXECUTION'")
    assert Meaning.SPINDLE_SPEED in meanings


@needs_nist
def test_the_nist_document_has_its_10049_observations():
    """machines 22: qdr_input001.xml has 10,049 observations."""
    header, seen = XmlDocument((NIST / "qdr_input001.xml").read_bytes()).streams(())
    assert (header.next_sequence, header.instance) == (10_050, "1475083573")
    assert [one[0] for one in seen] == list(range(1, 10_050))
    assert all(moment_us(one[2]) > 0 for one in seen)
    assert sum(one[3].strip() == "UNAVAILABLE" for one in seen) > 0


COVER = NIST / "Cover-Hurco04-02of20.xml"


@pytest.mark.skipif(not COVER.is_file(), reason="Cover-Hurco04-02of20.xml is not on this machine")
def test_the_nist_part_document_has_its_24182_observations():
    """machines 22: Cover-Hurco04-02of20.xml has 24,182 observations."""
    assert len(XmlDocument(COVER.read_bytes()).streams(())[1]) == 24_182


AGENT_AND_DEVICES = b"""<MTConnectDevices><Header instanceId="1"/><Devices>
<Agent id="a" name="agent" uuid="a1"><Description manufacturer="MTConnect Institute"/><DataItems>
<DataItem id="a_avail" category="EVENT" type="AVAILABILITY"/></DataItems></Agent>
<Device id="d" name="Mill" uuid="u1"><Description manufacturer="Maker Ltd"/><DataItems>
<DataItem id="avail" category="EVENT" type="AVAILABILITY"/>
<DataItem id="load" category="SAMPLE" type="LOAD" name="Load"/></DataItems></Device>%s</Devices></MTConnectDevices>"""


def test_an_agent_that_describes_itself_is_no_second_machine():
    document = XmlDocument(AGENT_AND_DEVICES % b"")
    names = {key: item.found.name for key, item in document.devices().items()}
    assert names == {"a_avail": "Agent/Availability", "avail": "Availability", "load": "Load"}
    assert document.plate() == {"manufacturer": "Maker Ltd"}


def test_the_items_of_several_devices_are_named_by_their_device():
    other = b"""<Device id="e" name="Lathe" uuid="u2"><DataItems>
<DataItem id="load2" category="SAMPLE" type="LOAD" name="Load"/></DataItems></Device>"""
    names = {key: item.found.name for key, item in XmlDocument(AGENT_AND_DEVICES % other).devices().items()}
    assert (names["load"], names["load2"]) == ("Mill/Load", "Lathe/Load")


def test_an_agent_may_stand_below_a_path():
    connector = MTConnectConnector("mtconnect://testbed.example:80/vds/GFAgie01", {})
    assert connector._agent._url("probe") == "http://testbed.example:80/vds/GFAgie01/probe"
