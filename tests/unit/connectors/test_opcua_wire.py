"""The fast decoder reads what asyncua reads, and survives what neither does."""

import math
import struct
import uuid
from datetime import UTC, datetime

import numpy as np
import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from interwork.connectors import BAD_DECODING
from interwork.connectors.opcua.value import BAD_TOO_LONG, TEXT_MOST, Changes, changes_of, plain, times_us
from interwork.connectors.opcua.variant import skip_variant
from interwork.connectors.opcua.wire import FAULTS, decode_publish
from interwork.core.clock import from_us, to_us
from interwork.core.resource import GOOD

KINDS = ua.VariantType
INTEGERS = {
    KINDS.SByte: (-(2**7), 2**7 - 1),
    KINDS.Byte: (0, 2**8 - 1),
    KINDS.Int16: (-(2**15), 2**15 - 1),
    KINDS.UInt16: (0, 2**16 - 1),
    KINDS.Int32: (-(2**31), 2**31 - 1),
    KINDS.UInt32: (0, 2**32 - 1),
    KINDS.Int64: (-(2**63), 2**63 - 1),
    KINDS.UInt64: (0, 2**64 - 1),
}
scalars = st.one_of(
    *(st.integers(*span).map(lambda number, kind=kind: ua.Variant(number, kind)) for kind, span in INTEGERS.items()),
    st.booleans().map(lambda fact: ua.Variant(fact, KINDS.Boolean)),
    st.floats(width=32).map(lambda number: ua.Variant(number, KINDS.Float)),
    st.floats().map(lambda number: ua.Variant(number, KINDS.Double)),
    st.text(st.characters(codec="utf-8"), max_size=12).map(lambda text: ua.Variant(text, KINDS.String)),
    st.just(ua.Variant(None, KINDS.String)),
    st.just(ua.Variant(None, KINDS.Null)),
)
times = st.none() | st.integers(1, 4_000_000_000_000_000).map(from_us)
data_values = st.builds(
    ua.DataValue,
    Value=scalars,
    StatusCode=st.sampled_from([0, 0x480, 0x40900000, 0x80340000, 0x808B0000]).map(ua.StatusCode) | st.none(),
    SourceTimestamp=times,
    ServerTimestamp=times,
)
"""Without picoseconds, which asyncua 2.1 reads in another order than Part 6, 5.2.2.17 writes them."""
items = st.lists(st.tuples(st.integers(0, 2**32 - 1), data_values), min_size=1, max_size=8)
odd_values = st.sampled_from(
    [
        ua.Variant([1.0, 2.0], KINDS.Double),
        ua.Variant([[1, 2], [3, 4]], KINDS.Int32),
        ua.Variant([], KINDS.String),
        ua.Variant(["a", None], KINDS.String),
        ua.Variant(ua.LocalizedText("Läuft", "de"), KINDS.LocalizedText),
        ua.Variant(ua.QualifiedName("x", 3), KINDS.QualifiedName),
        ua.Variant(datetime(2026, 1, 1, tzinfo=UTC), KINDS.DateTime),
        ua.Variant(uuid.UUID(int=7), KINDS.Guid),
        ua.Variant(b"\x01\xff", KINDS.ByteString),
        ua.Variant(ua.NodeId("m", 2), KINDS.NodeId),
        ua.Variant(ua.ExpandedNodeId(5, 2), KINDS.ExpandedNodeId),
        ua.Variant(ua.StatusCode(0x80340000), KINDS.StatusCode),
        ua.Variant(ua.Range(1.0, 2.0), KINDS.ExtensionObject),
        ua.Variant([ua.Range(1.0, 2.0), ua.Range(3.0, 4.0)], KINDS.ExtensionObject),
        ua.Variant([ua.Variant(1.5), ua.Variant("b")], KINDS.Variant),
        ua.Variant([1.5, -2.5], KINDS.Float),
        ua.Variant([], KINDS.Double),
        ua.Variant([True, False], KINDS.Boolean),
        ua.Variant([2**64 - 1, 0], KINDS.UInt64),
        ua.Variant(["a", None, "ü"], KINDS.String),
        ua.Variant([7] * 64, KINDS.Int16),
        ua.Variant([7] * 65, KINDS.Int16),
        ua.Variant([[1, 2], [3, 4]], KINDS.Int32, [2, 2]),
        ua.Variant(None, KINDS.Double, is_array=True),
        ua.Variant(ua.DataValue(ua.Variant(1), SourceTimestamp=from_us(5)), KINDS.DataValue),
    ]
)
mixed = st.lists(
    st.tuples(st.integers(0, 9), data_values | st.builds(ua.DataValue, Value=odd_values)), min_size=1, max_size=8
)
uniform = st.builds(
    lambda kind, numbers, stamp: [
        (handle, ua.DataValue(ua.Variant(number % 100, kind), SourceTimestamp=stamp))
        for handle, number in enumerate(numbers)
    ],
    st.sampled_from([KINDS.Double, KINDS.Float, KINDS.Int16, KINDS.UInt64, KINDS.Boolean, KINDS.Byte]),
    st.lists(st.integers(0, 2**31), min_size=30, max_size=120),
    times,
)


def response(*notifications, available=(1, 2)):
    message = ua.PublishResponse()
    message.Parameters.SubscriptionId = 17
    message.Parameters.AvailableSequenceNumbers = list(available)
    message.Parameters.NotificationMessage.SequenceNumber = 42
    message.Parameters.NotificationMessage.PublishTime = datetime(2026, 1, 1, tzinfo=UTC)
    message.Parameters.NotificationMessage.NotificationData = list(notifications)
    message.Parameters.Results = [ua.StatusCode(0)]
    return bytes(struct_to_binary(message))


def data_change(rows):
    notification = ua.DataChangeNotification()
    notification.MonitoredItems = [
        ua.MonitoredItemNotification(ClientHandle=handle, Value=value) for handle, value in rows
    ]
    return notification


def stock(body):
    decoded = struct_from_binary(ua.PublishResponse, Buffer(body)).Parameters.NotificationMessage
    return changes_of([item for part in decoded.NotificationData for item in part.MonitoredItems])


def rows_of(changes):
    """Give changes a form that can be compared: a NaN is equal to itself."""
    columns = zip(changes.handle, changes.value, changes.status, changes.ticks, strict=True)
    return [
        (handle, changes.others.get(row, "nan" if math.isnan(value) else value), status, ticks // 10)
        for row, (handle, value, status, ticks) in enumerate(columns)
    ]


@given(st.lists(items, min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
def test_the_fast_decoder_gives_what_asyncua_gives(parts):
    body = response(*map(data_change, parts))
    fast = decode_publish(body)
    assert (fast.subscription, fast.sequence) == (17, 42)
    assert rows_of(fast.changes) == rows_of(stock(body))
    assert fast.changes.stock == 0


@given(mixed)
@settings(max_examples=150, deadline=None)
def test_arrays_structures_and_texts_among_numbers_come_out_as_asyncua_gives_them(rows):
    body = response(data_change(rows))
    fast = decode_publish(body).changes
    assert rows_of(fast) == rows_of(stock(body))
    assert fast.undecodable == 0


@given(uniform, items, uniform)
@settings(max_examples=50, deadline=None)
def test_tables_of_one_layout_read_like_items_one_by_one(first, between, last):
    body = response(data_change([*first, *between, *last]))
    assert rows_of(decode_publish(body).changes) == rows_of(stock(body))


def test_picoseconds_follow_their_own_time_stamp():
    body = response(data_change([(1, ua.DataValue(ua.Variant(0.0), SourceTimestamp=from_us(5)))]))
    start, ticks = body.index(b"\x0b" + bytes(8)) - 1, 116_444_736_000_000_050
    plain = body[start : start + 22]
    assert struct.unpack("<q", plain[-8:])[0] == ticks
    more = struct.pack("<H", 7) + struct.pack("<q", ticks + 10) + struct.pack("<H", 9)
    item = bytes([plain[0] | 0x38]) + plain[1:] + more
    at = body.index(plain) - 12
    for count in (1, 40):
        items = (body[at + 8 : at + 12] + item) * count
        size = struct.pack("<ii", 4 + len(items) + 4, count)
        longer = body[:at] + size + items + body[at + 12 + len(plain) :]
        assert rows_of(decode_publish(longer).changes) == [(1, 0.0, GOOD, ticks // 10)] * count


def test_a_value_that_asyncua_cannot_decode_costs_only_its_own_point():
    bad = ua.DataValue(ua.Variant(ua.Range(1.0, 2.0), KINDS.ExtensionObject))
    body = response(data_change([(1, ua.DataValue(ua.Variant(1.0))), (2, bad), (3, ua.DataValue(ua.Variant(3.0)))]))
    short = body.replace(struct.pack("<idd", 16, 1.0, 2.0), struct.pack("<idd", 16, 1.0, 2.0)[:4] + bytes(16))
    broken = short.replace(struct.pack("<i", 16) + bytes(16), struct.pack("<i", 8) + bytes(8), 1)
    at = broken.index(b"\x01\x00\x2b\x03\x01") + 5
    size = struct.unpack_from("<i", broken, at)[0] - 8
    changes = decode_publish(broken[:at] + struct.pack("<i", size) + broken[at + 4 :]).changes
    assert rows_of(changes) == [(1, 1.0, GOOD, 0), (2, "nan", BAD_DECODING, 0), (3, 3.0, GOOD, 0)]
    assert changes.undecodable == 1


def test_a_string_that_is_no_utf8_costs_only_its_own_point():
    body = response(data_change([(1, ua.DataValue(ua.Variant("abc"))), (2, ua.DataValue(ua.Variant(2.0)))]))
    changes = decode_publish(body.replace(b"abc", b"\xff\xfeC")).changes
    assert rows_of(changes) == [(1, "nan", BAD_DECODING, 0), (2, 2.0, GOOD, 0)]


def test_keep_alives_status_changes_and_errors_are_left_to_asyncua():
    status = ua.StatusChangeNotification(Status=ua.StatusCode(0x800A0000))
    fault = ua.PublishResponse()
    fault.ResponseHeader.ServiceResult = ua.StatusCode(0x800A0000)
    assert decode_publish(response()) is None
    assert decode_publish(response(status)) is None
    assert decode_publish(bytes(struct_to_binary(fault))) is None


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_octets_are_left_to_asyncua_or_decoded(octets):
    assert decode_publish(octets) is None or octets[:2] == b"\x01\x00"


@given(mixed | uniform, st.data())
@settings(max_examples=200, deadline=None)
def test_a_damaged_response_never_crashes_the_fast_decoder(rows, data):
    body = bytearray(response(data_change(rows)))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    decoded = decode_publish(bytes(body[:cut]))
    assert decoded is None or len({len(decoded.changes), len(decoded.changes.ticks), len(decoded.changes.value)}) == 1


@given(st.binary(max_size=80))
@settings(deadline=None)
def test_no_octets_make_the_variant_run_past_its_end(octets):
    try:
        assert skip_variant(octets, 0) <= len(octets)
    except FAULTS:
        assert True


def test_a_count_beyond_the_message_takes_no_memory():
    body = response(data_change([(1, ua.DataValue(ua.Variant(1.0)))]))
    at = body.index(b"\x01\x00\x00\x00\x01\x00\x00\x00")
    assert decode_publish(body[:at] + b"\xff\xff\xff\x7f" + body[at + 4 :]) is None
    with pytest.raises(FAULTS):
        skip_variant(b"\x95\xff\xff\xff\x7f" + bytes(20), 0)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (ua.LocalizedText("Läuft"), "Läuft"),
        (ua.LocalizedText(None), ""),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00.000Z"),
        (b"\x01\xff", "01ff"),
        ([1, float("nan"), ua.LocalizedText("x")], '[1,null,"x"]'),
        (ua.StatusCode(7), 7),
        (ua.NodeId("m", 2), "ns=2;s=m"),
    ],
)
def test_what_is_neither_number_nor_text_has_a_plain_form(value, form):
    assert plain(value) == form


def test_a_text_of_boundless_length_is_refused_by_its_quality():
    changes = Changes()
    changes.add(1, "x" * (TEXT_MOST + 1), GOOD, 0)
    assert (changes.status[0], changes.others) == (BAD_TOO_LONG, {})


def test_a_time_that_is_none_becomes_the_time_of_receipt():
    ticks = np.array([0, -5, 2**63 - 1, 116_444_736_000_000_070], np.int64)
    assert times_us(ticks, 99).tolist() == [99, 99, 99, 7]


def test_the_source_time_wins_and_a_missing_one_is_zero():
    source, server = datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    both = ua.DataValue(ua.Variant(1.0), SourceTimestamp=source, ServerTimestamp=server)
    only = ua.DataValue(ua.Variant(1.0), ServerTimestamp=server)
    values = [ua.MonitoredItemNotification(1, one) for one in (both, only, ua.DataValue(ua.Variant(1.0)))]
    assert times_us(np.array(changes_of(values).ticks), 0).tolist() == [to_us(source), to_us(server), 0]
