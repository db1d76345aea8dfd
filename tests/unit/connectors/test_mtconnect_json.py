"""MTConnect JSON of both shapes: it says what the XML says, and nothing sent in its place crashes the reader."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines.mtconnect_json import json_of

from interwork.connectors.mtconnect.documents import open_document
from interwork.connectors.mtconnect.json_wire import JsonDocument
from interwork.connectors.mtconnect.model import MalformedDocument
from interwork.connectors.mtconnect.readings import Decoder
from interwork.connectors.mtconnect.wire import XmlDocument

HEAD = (
    '<Header instanceId="7" nextSequence="9" firstSequence="1" bufferSize="64" creationTime="2026-01-01T00:00:00Z" '
    'deviceModelChangeTime="2025-01-01T00:00:00Z" assetCount="2"/>'
)
ITEMS = """
<DataItem id="load" category="SAMPLE" type="LOAD" units="PERCENT" name="Sload"/>
<DataItem id="exec" category="EVENT" type="EXECUTION"/>
<DataItem id="sys" category="CONDITION" type="SYSTEM"/>
<DataItem id="vars" category="EVENT" type="VARIABLE" representation="DATA_SET"/>
<DataItem id="table" category="EVENT" type="WORK_OFFSET" representation="TABLE"/>
<DataItem id="vib" category="SAMPLE" type="ACCELERATION" representation="TIME_SERIES" sampleRate="10"/>"""
DEVICES = f"""<MTConnectDevices>{HEAD}<Devices><Device id="d" name="M" uuid="u"><Components><Axes id="a"><Components>
<Rotary id="c" name="C"><DataItems>{ITEMS}</DataItems></Rotary></Components></Axes></Components></Device></Devices>
</MTConnectDevices>"""
AT = 'timestamp="2026-01-01T00:00:00Z"'
STREAMS = f"""<MTConnectStreams>{HEAD}<Streams><DeviceStream name="M" uuid="u">
<ComponentStream component="Rotary" componentId="c">
<Samples><Load dataItemId="load" sequence="5" {AT}>12.5</Load>
<AccelerationTimeSeries dataItemId="vib" sequence="6" {AT} sampleCount="3">1 2 3</AccelerationTimeSeries></Samples>
<Events><Execution dataItemId="exec" sequence="4" {AT}>ACTIVE</Execution>
<VariableDataSet dataItemId="vars" sequence="7" {AT} count="2"><Entry key="a">1</Entry><Entry key="b" removed="true"/>
</VariableDataSet>
<WorkOffsetTable dataItemId="table" sequence="8" {AT} count="1"><Entry key="G54"><Cell key="X">1.5</Cell></Entry>
</WorkOffsetTable></Events></ComponentStream><ComponentStream component="Axes" componentId="a">
<Condition><Fault dataItemId="sys" sequence="3" {AT} nativeCode="F1">hot</Fault></Condition></ComponentStream>
</DeviceStream></Streams></MTConnectStreams>"""
ASSETS = f"""<MTConnectAssets>{HEAD}<Assets><CuttingTool assetId="T1" timestamp="2026-01-01T00:00:00Z"/>
<CuttingTool assetId="T2" timestamp="2026-01-02T00:00:00Z"/></Assets></MTConnectAssets>"""


def written(text, version):
    return json.dumps(json_of(text, version)).encode()


@pytest.mark.parametrize("version", [1, 2])
def test_both_shapes_say_what_the_xml_says(version):
    model, same = XmlDocument(DEVICES.encode()).devices(), open_document(written(DEVICES, version)).devices()
    assert same == model
    decoder = Decoder()
    decoder.plan(model, {key: [number] for number, key in enumerate(model)})
    header, seen = XmlDocument(STREAMS.encode()).streams(decoder.special)
    other, observations = open_document(written(STREAMS, version)).streams(decoder.special)
    assert other == header
    first = decoder.batch(seen, 1)
    decoder.forget()
    second = decoder.batch(observations, 1)
    assert (second.signal, second.time_us, second.quality) == (first.signal, first.time_us, first.quality)
    assert second.text == first.text
    assert [str(value) for value in second.value] == [str(value) for value in first.value]
    assert "FAULT F1 hot" in first.text


@pytest.mark.parametrize("version", [1, 2])
def test_assets_are_counted_and_the_newest_is_named(version):
    told = JsonDocument(written(ASSETS, version)).assets()
    assert told == XmlDocument(ASSETS.encode()).assets()
    assert (told.count, told.newest) == (2, "CuttingTool T2")


@pytest.mark.parametrize("version", [1, 2])
def test_errors_are_listed(version):
    text = '<MTConnectError><Header/><Errors><Error errorCode="NO_DEVICE">no</Error></Errors></MTConnectError>'
    errors = JsonDocument(written(text, version)).errors()
    assert [(error.code, error.text) for error in errors] == [("NO_DEVICE", "no")]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"1", b"\xff", b'{"a":' * 2000, b"{}"])
def test_what_is_no_document_is_malformed(content):
    with pytest.raises(MalformedDocument):
        JsonDocument(content).streams(())


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "dataItemId",
                    "sequence",
                    "timestamp",
                    "value",
                    "Header",
                    "Streams",
                    "Condition",
                    "removed",
                    "id",
                    "DataItem",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(st.dictionaries(st.sampled_from(["MTConnectStreams", "MTConnectDevices", "MTConnectAssets"]), values))
def test_any_json_is_read_or_malformed(body):
    try:
        document = JsonDocument(json.dumps(body).encode().replace(b"NaN", b"1e999").replace(b"-Infinity", b"0"))
    except MalformedDocument:
        return
    decoder = Decoder()
    for ask in (document.devices, document.assets, document.errors):
        with suppress(MalformedDocument):
            ask()
    with suppress(MalformedDocument):
        decoder.batch(document.streams(("load",))[1], 1)
