"""The fast decoder reads what asyncua reads; values, times and addresses of OPC UA."""

import math
import struct
from datetime import UTC, datetime

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from interwork.connectors import BAD_TYPE
from interwork.connectors.opcua.wire import (
    address_of,
    change_of,
    decode_publish,
    fitted,
    lost_values,
    node_of,
)
from interwork.core.clock import from_us, to_us
from interwork.core.errors import BadInput
from interwork.core.resource import BAD_NO_DATA, GOOD, is_good

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
    return [
        change_of(item.ClientHandle, item.Value) for part in decoded.NotificationData for item in part.MonitoredItems
    ]


def same(one, other):
    both_nan = isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)
    return both_nan or (one == other and type(one) is type(other))


@given(st.lists(items, min_size=1, max_size=3))
@settings(max_examples=200)
def test_the_fast_decoder_gives_what_asyncua_gives(parts):
    body = response(*map(data_change, parts))
    fast = decode_publish(body)
    assert (fast.subscription, fast.sequence) == (17, 42)
    expected = stock(body)
    assert len(fast.changes) == len(expected)
    for got, want in zip(fast.changes, expected, strict=True):
        assert (got[0], *got[2:]) == (want[0], *want[2:])
        assert same(got[1], want[1])


def test_picoseconds_follow_their_own_time_stamp():
    body = response(data_change([(1, ua.DataValue(ua.Variant(0.0), SourceTimestamp=from_us(5)))]))
    start, ticks = body.index(b"\x0b" + bytes(8)) - 1, 116_444_736_000_000_050
    plain = body[start : start + 22]
    assert struct.unpack("<q", plain[-8:])[0] == ticks
    more = struct.pack("<H", 7) + struct.pack("<q", ticks + 10) + struct.pack("<H", 9)
    item = bytes([plain[0] | 0x38]) + plain[1:] + more
    longer = body.replace(plain, item)
    at = longer.index(item) - 12
    size = struct.unpack_from("<i", longer, at)[0]
    fixed = longer[:at] + struct.pack("<i", size + len(more)) + longer[at + 4 :]
    assert decode_publish(fixed).changes == [(1, 0.0, GOOD, 5)]


@pytest.mark.parametrize(
    "value",
    [
        ua.Variant([1.0, 2.0], KINDS.Double),
        ua.Variant(ua.LocalizedText("x"), KINDS.LocalizedText),
        ua.Variant(datetime(2026, 1, 1, tzinfo=UTC), KINDS.DateTime),
    ],
)
def test_what_is_no_plain_scalar_is_left_to_asyncua(value):
    body = response(data_change([(1, ua.DataValue(ua.Variant(1.0))), (2, ua.DataValue(value))]))
    assert decode_publish(body) is None
    assert [handle for handle, *_ in stock(body)] == [1, 2]


def test_keep_alives_status_changes_and_errors_are_left_to_asyncua():
    status = ua.StatusChangeNotification(Status=ua.StatusCode(0x800A0000))
    fault = ua.PublishResponse()
    fault.ResponseHeader.ServiceResult = ua.StatusCode(0x800A0000)
    assert decode_publish(response()) is None
    assert decode_publish(response(status)) is None
    assert decode_publish(bytes(struct_to_binary(fault))) is None


@given(st.binary(max_size=300))
def test_any_octets_are_left_to_asyncua_or_decoded(octets):
    assert decode_publish(octets) is None or octets[:2] == b"\x01\x00"


@given(items, st.data())
def test_a_damaged_response_never_crashes_the_fast_decoder(rows, data):
    body = bytearray(response(data_change(rows)))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    decoded = decode_publish(bytes(body[:cut]))
    assert decoded is None or all(len(change) == 4 for change in decoded.changes)


def test_a_count_beyond_the_message_takes_no_memory():
    body = response(data_change([(1, ua.DataValue(ua.Variant(1.0)))]))
    at = body.index(b"\x01\x00\x00\x00\x01\x00\x00\x00")
    assert decode_publish(body[:at] + b"\xff\xff\xff\x7f" + body[at + 4 :]) is None


@pytest.mark.parametrize(
    ("value", "is_text", "outcome"),
    [
        (2, False, (2.0, GOOD)),
        (True, False, (1.0, GOOD)),
        ("a", True, ("a", GOOD)),
        (2.5, True, ("2.5", GOOD)),
        ("a", False, (None, BAD_TYPE)),
        (None, False, (None, BAD_NO_DATA)),
        (float("nan"), False, (None, BAD_NO_DATA)),
    ],
)
def test_a_value_is_fitted_to_what_its_signal_is(value, is_text, outcome):
    assert fitted((1, value, GOOD, 0), is_text=is_text) == outcome


def test_a_bad_status_is_kept_with_and_without_a_value():
    assert fitted((1, None, 0x808B0000, 0), is_text=False) == (None, 0x808B0000)
    assert fitted((1, 5.0, 0x40900000, 0), is_text=False) == (5.0, 0x40900000)


def test_the_overflow_bit_is_seen():
    assert lost_values(0x480)
    assert not lost_values(GOOD)
    assert is_good(0x480)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (ua.LocalizedText("Läuft"), "Läuft"),
        (ua.LocalizedText(None), ""),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00.000Z"),
        (b"\x01\xff", "01ff"),
        ([1, 2], "[1, 2]"),
        (ua.StatusCode(7), 7),
    ],
)
def test_what_is_neither_number_nor_text_has_a_plain_form(value, plain):
    assert change_of(3, ua.DataValue(ua.Variant(value)))[:2] == (3, plain)


def test_the_source_time_wins_to_the_microsecond_and_a_missing_one_is_zero():
    source, server = datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    both = ua.DataValue(ua.Variant(1.0), SourceTimestamp=source, ServerTimestamp=server)
    assert change_of(1, both)[3] == to_us(source)
    assert change_of(1, ua.DataValue(ua.Variant(1.0), ServerTimestamp=server))[3] == to_us(server)
    assert change_of(1, ua.DataValue(ua.Variant(1.0)))[3] == 0


NAMESPACES = ["http://opcfoundation.org/UA/", "urn:server", "urn:a;b", "urn:machine"]


@pytest.mark.parametrize(
    ("node", "address"),
    [
        (ua.NodeId(85, 0), "i=85"),
        (ua.NodeId("a;b=c", 3), "nsu=urn:machine;s=a;b=c"),
        (ua.NodeId(7, 2), "ns=2;i=7"),
        (ua.NodeId(7, 1), "ns=1;i=7"),
        (ua.NodeId(7, 9), "ns=9;i=7"),
    ],
)
def test_an_address_names_the_namespace_by_uri_and_reads_back(node, address):
    assert address_of(node, NAMESPACES) == address
    assert node_of(address, NAMESPACES) == node


def test_an_address_survives_a_new_order_of_namespaces():
    address = address_of(ua.NodeId("x", 3), NAMESPACES)
    assert node_of(address, ["0", "urn:machine"]) == ua.NodeId("x", 1)
    assert node_of(address, ["0"]) is None


@pytest.mark.parametrize("text", ["", "Machine", "ns=x;i=1", "nsu=urn:machine", "nsu=urn:x;zz", "i=one"])
def test_what_is_no_node_id_is_bad_input(text):
    with pytest.raises(BadInput):
        node_of(text, NAMESPACES)


@given(st.text(max_size=30))
def test_any_text_is_a_node_or_none_or_bad_input(text):
    try:
        assert node_of(text, NAMESPACES) is None or isinstance(node_of(text, NAMESPACES), ua.NodeId)
    except BadInput:
        assert True
