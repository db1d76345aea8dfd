"""A broker as endpoint and options name it, and the ceiling over what it may send."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import certificates

from interwork.connectors.mqtt.broker import read_broker
from interwork.connectors.mqtt.ceiling import Ceiling, Skipped, size_of
from interwork.core.errors import BadInput


@pytest.mark.parametrize(
    ("endpoint", "options"),
    [
        ("http://h/x", {}),
        ("mqtt://h/x", {"ca_file": "/x"}),
        ("mqtt://h/x", {"mqtt_version": "4"}),
        ("mqtt://h/x", {"keep_alive_s": 0}),
        ("mqtts://u:p@h/x", {}),
    ],
)
def test_a_broker_that_cannot_be_is_bad_input(endpoint, options):
    with pytest.raises(BadInput):
        read_broker(endpoint, options)


def test_a_brokers_ports_are_the_registered_ones_and_its_password_is_not_shown():
    """machines 39: no secret in a representation."""
    broker = read_broker("mqtts://h/x", {"username": "u", "password": "hush"})
    assert (broker.endpoint.port, broker.is_tls) == (8883, True)
    assert "hush" not in repr(broker)
    assert read_broker("mqtt+json://h/x", {}).endpoint.port == 1883


def test_a_certificate_of_ours_whose_time_is_over_is_bad_input_with_the_day(tmp_path):
    start = datetime.now(UTC) - timedelta(days=30)
    files = certificates.make(tmp_path, start=start)
    given = {"certificate": str(files / "client.pem"), "private_key": str(files / "client.key")}
    with pytest.raises(BadInput, match=f"client.pem expired on {start + timedelta(days=2):%Y-%m-%d}"):
        read_broker("mqtts://h/x", given).tls()


def test_tls_files_that_cannot_be_used_are_bad_input(tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    for path in (tmp_path / "ca.pem", tmp_path / "missing.pem"):
        with pytest.raises(BadInput, match=path.name):
            read_broker("mqtts://h/x", {"ca_file": str(path)}).tls()


def packet(kind, rest):
    size, head = len(rest), bytearray([kind])
    while True:
        size, low = divmod(size, 128)
        head.append(low | 0x80 if size else low)
        if not size:
            return bytes(head) + rest


def publication(topic, content, number=0):
    name = topic.encode()
    mark = number.to_bytes(2, "big") if number else b""
    return packet(0x32 if number else 0x30, len(name).to_bytes(2, "big") + name + mark + content)


class Line:
    """A reader of whole packets behind a ceiling, and the buffer before it, as the library has them."""

    def __init__(self, most, gather=50):
        self.read, self.skipped, self.buffer, self.longest = [], [], b"", 0
        self.ceiling = Ceiling(most, self.take, self.skipped.append, gather=gather)

    def take(self, data):
        at = 0
        while at < len(data):
            head = size_of(data, at)
            if head is None or at + head[1] > len(data):
                break
            if not head[1]:
                return -1
            self.read.append(bytes(data[at : at + head[1]]))
            at += head[1]
        return at

    def feed(self, octets):
        self.buffer += octets
        self.longest = max(self.longest, len(self.buffer))
        read = self.ceiling.read(self.buffer)
        self.buffer = self.buffer[max(read, 0) :]
        return read


@given(
    sizes=st.lists(st.integers(0, 400), min_size=1, max_size=12),
    cut=st.integers(1, 100),
    is_asking=st.booleans(),
    gather=st.sampled_from([10, 50, 150]),
)
def test_packets_beyond_the_ceiling_are_let_pass_by_and_all_others_are_read(sizes, cut, is_asking, gather):
    sent = [publication(f"t/{n}", bytes(size), n + 1 if is_asking else 0) for n, size in enumerate(sizes)]
    line, stream = Line(150, gather), b"".join(sent)
    for at in range(0, len(stream), cut):
        assert line.feed(stream[at : at + cut]) >= 0
    assert line.read == [one for one in sent if len(one) <= 150]
    assert line.skipped == [
        Skipped(f"t/{n}", len(one), n + 1 if is_asking else 0) for n, one in enumerate(sent) if len(one) > 150
    ]
    assert line.longest <= 150 + cut


def test_a_large_packet_that_is_no_publication_is_no_mqtt():
    assert Line(100).feed(packet(0x90, bytes(200))[:50]) == -1


@given(st.binary(max_size=80))
def test_any_octets_pass_the_ceiling_in_bounds(octets):
    assert -1 <= Line(20).feed(octets) <= len(octets)
