"""Modbus devices and gateways that do as they like: silence, short answers, numbers and units of their own."""

import struct
from contextlib import aclosing, asynccontextmanager

import anyio
import anyio.abc
import pytest

from interwork.connectors import BAD_DECODING, BAD_TIMEOUT, Command, Point
from interwork.connectors.modbus import ModbusConnector
from interwork.core.errors import BadInput, MachineUnreachable
from interwork.core.resource import GOOD

pytestmark = pytest.mark.peer


class Device:
    """A Modbus TCP device: `words` by address, what it is silent about, and how its answers differ from the rule."""

    def __init__(self):
        self.words = {address: address for address in range(100)}
        self.silent, self.most, self.refuses, self.limit = set(), 125, 0, 125
        self.number = lambda transaction: transaction
        self.unit = lambda unit: unit
        self.asked = []
        self.busy, self.connections, self.patience = 0, 0, None
        """How often it says that it is busy, connections had, and answers after which it ends one."""

    async def serve(self, stream):
        self.connections += 1
        given = 0
        async with stream:
            buffer = b""
            while True:
                try:
                    buffer += await stream.receive()
                except (anyio.EndOfStream, anyio.BrokenResourceError):
                    return
                while len(buffer) >= 8 and len(buffer) >= 6 + int.from_bytes(buffer[4:6], "big"):
                    transaction, _, size, unit = struct.unpack_from(">HHHB", buffer)
                    pdu, buffer = buffer[7 : 6 + size], buffer[6 + size :]
                    if given == self.patience:
                        return
                    answer = self.answer(pdu)
                    if answer is not None:
                        head = struct.pack(">HHHB", self.number(transaction), 0, len(answer) + 1, self.unit(unit))
                        await stream.send(head + answer)
                        given += 1
                        if given == self.patience:
                            return

    def answer(self, pdu):
        if self.refuses:
            return bytes((pdu[0] | 0x80, self.refuses))
        if pdu[0] == 3 and self.busy:
            self.busy -= 1
            return bytes((0x83, 6))
        if pdu[0] not in (3, 22):
            return bytes((pdu[0] | 0x80, 1))
        if pdu[0] == 22:
            address, keep, put = struct.unpack_from(">HHH", pdu, 1)
            self.words[address] = self.words[address] & keep | put
            return pdu
        address, count = struct.unpack_from(">HH", pdu, 1)
        self.asked.append((address, count))
        if count > self.limit:
            return bytes((0x83, 3))
        wanted = range(address, address + count)
        if self.silent & set(wanted):
            return None
        words = [self.words[one] for one in wanted][: self.most]
        return bytes((3, 2 * len(words))) + struct.pack(f">{len(words)}H", *words)


@pytest.fixture
def device():
    return Device()


@asynccontextmanager
async def connected(device, *entries, **options):
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    registers = [{"name": f"r{n}", **entry} for n, entry in enumerate(entries)]
    made = {"registers": registers, "interval_s": 0.05, **options}
    connector = ModbusConnector(f"modbus://127.0.0.1:{port}?unit=3", made)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, device.serve)
        async with connector:
            yield connector
        tasks.cancel_scope.cancel()


async def polls(connector, count):
    points = [Point(number=n, address=one.address) for n, one in enumerate(await connector.browse())]
    names = [point.address for point in points]
    told = []
    async with aclosing(connector.readings(points)) as batches:
        with anyio.fail_after(30):
            while len(told) < count:
                batch = await anext(batches)
                rows = zip(batch.signal, batch.value, batch.quality, strict=True)
                told.append({names[signal]: (value, quality) for signal, value, quality in rows})
    return told


def of(*addresses):
    return [{"address": one} for one in addresses]


async def test_a_register_that_meets_with_silence_costs_only_itself_and_is_asked_for_rarely(device):
    """machines 29: some devices leave a forbidden address unanswered rather than refuse it."""
    device.silent = {13}
    async with connected(device, *of(1, 12, 13, 14, 90), timeout_s=1) as connector:
        first, *_, last = await polls(connector, 4)
    for told in (first, last):
        good = {key: value for key, (value, quality) in told.items() if quality == GOOD}
        assert good == {"1": 1, "12": 12, "14": 14, "90": 90}
        assert told["13"][1] == BAD_TIMEOUT
    assert sum(one == (13, 1) for one in device.asked) == 2


async def test_a_device_that_answers_nothing_at_all_is_a_lost_link(device):
    device.silent = set(range(100))
    async with connected(device, *of(1, 50), timeout_s=0.2) as connector:
        with pytest.raises(MachineUnreachable, match="did not answer a read of unit 3"):
            await polls(connector, 1)


async def test_a_device_that_cuts_its_answers_short_is_asked_for_less(device):
    device.most = 4
    async with connected(device, *of(*range(10))) as connector:
        told, again = await polls(connector, 2)
    assert told == again == {str(n): (n, GOOD) for n in range(10)}
    device.most = 0
    async with connected(device, *of(1)) as connector:
        assert (await polls(connector, 1))[0]["1"][1] == BAD_DECODING


@pytest.mark.parametrize("other", [0, 255])
async def test_a_device_that_answers_as_another_unit_is_known_by_the_transaction(device, other):
    device.unit = lambda _: other
    async with connected(device, *of(7)) as connector:
        assert (await polls(connector, 1))[0] == {"7": (7, GOOD)}
        assert connector.counters["other_units"] >= 1


async def test_a_gateway_with_transaction_numbers_of_its_own_is_read_when_a_person_says_so(device):
    """machines 28: by default an answer with another number is nobody's; the error names the option."""
    device.number = lambda _: 0
    async with connected(device, *of(7, 9), timeout_s=0.2) as connector:
        with pytest.raises(MachineUnreachable, match="framing = tcp-numberless"):
            await polls(connector, 1)
    async with connected(device, *of(7, 9), framing="tcp-numberless") as connector:
        assert (await polls(connector, 2))[1] == {"7": (7, GOOD), "9": (9, GOOD)}
    with pytest.raises(BadInput, match="in flight"):
        ModbusConnector(
            "modbus://h", {"registers": [{"address": 7, "name": "x"}], "framing": "tcp-numberless", "max_in_flight": 2}
        )


async def test_a_field_of_bits_is_a_number_of_its_own_and_written_alone(device):
    """machines 27: bits of a register."""
    device.words[5] = 0b1011_0110
    fields = [{"address": 5, "bit": 4, "bits": 4}, {"address": 5, "bit": 1, "bits": 2}, {"address": 5, "bit": 0}]
    async with connected(device, *fields) as connector:
        assert (await polls(connector, 1))[0] == {"5.4:4": (11, GOOD), "5.1:2": (3, GOOD), "5.0": (0, GOOD)}
        commands = [Command(address="5.4:4", value=value) for value in (5.0, 16.0, 1.5)]
        codes = await connector.write(commands)
    assert device.words[5] == 0b0101_0110
    assert [code >> 30 for code in codes] == [0, 2, 2]


@pytest.mark.parametrize("in_flight", [1, 4])
async def test_a_gateway_that_ends_its_connection_after_each_answer_is_read_and_written_all_the_same(device, in_flight):
    device.patience = 1
    entries = [{"address": address} for address in (0, 20, 40, 60)]
    async with connected(device, *entries, gap=0, max_in_flight=in_flight) as connector:
        told = await polls(connector, 5)
        codes = await connector.write([Command(address="0.1", value=1), Command(address="20.1", value=1)])
    assert told == [{address: (float(address), GOOD) for address in ("0", "20", "40", "60")}] * 5
    assert connector.counters["reopened"] >= 15
    assert BAD_TIMEOUT not in codes


async def test_a_gateway_that_ends_its_connection_now_and_then_does_not_end_the_link(device):
    device.patience = 3
    async with connected(device, {"address": 7}) as connector:
        told = await polls(connector, 10)
    assert told == [{"7": (7.0, GOOD)}] * 10
    assert 2 <= device.connections <= 6


async def test_connections_that_are_ended_before_any_answer_are_a_lost_link(device):
    """A port that is forwarded to nothing, and a serial server whose line is down, take a connection and end it."""
    device.patience = 0
    async with connected(device, {"address": 7}) as connector:
        with pytest.raises(MachineUnreachable, match="closed"):
            await polls(connector, 1)
    assert device.connections <= 6


async def test_a_device_that_is_busy_is_asked_again_a_little_later(device):
    async with connected(device, {"address": 7}) as connector:
        device.busy = 2
        assert await polls(connector, 1) == [{"7": (7.0, GOOD)}]
        device.busy = 3
        first, second = await polls(connector, 2)
    assert first["7"][1] == 0x8004_0000, "a device that stays busy is told as it is"
    assert second == {"7": (7.0, GOOD)}


@pytest.mark.parametrize(
    ("code", "quality", "says"),
    [
        (1, 0x803D_0000, "(illegal function): it has no such table"),
        (6, 0x8004_0000, "(server device busy): it is read again at the next poll"),
        (10, 0x8031_0000, "(gateway path unavailable): a gateway answers for unit 3, which it does not reach"),
        (11, 0x8031_0000, "(gateway target device failed to respond): a gateway answers for unit 3"),
    ],
)
async def test_what_a_gateway_or_device_refuses_as_a_whole_is_said_with_what_to_do(device, code, quality, says):
    device.refuses = code
    async with connected(device, *of(7, 8)) as connector:
        told = (await polls(connector, 1))[0]
        remarks = connector.remarks
        device.refuses = 0
        assert (await polls(connector, 1))[0] == {"7": (7.0, GOOD), "8": (8.0, GOOD)}
        assert len(connector.remarks) == 1
    assert {row[1] for row in told.values()} == {quality}
    assert any(f"refuses 2 registers, the first 7 {says}" in one for one in remarks)


async def test_a_device_that_takes_sixteen_registers_a_request_is_asked_for_no_more_after_the_first_poll(device):
    device.limit = 16
    entries = [{"address": address, "type": "f32", "order": "CDAB"} for address in range(0, 80, 2)]
    async with connected(device, *entries) as connector:
        first, _ = await polls(connector, 2)
        assert {quality for _, quality in first.values()} == {GOOD}
        device.asked.clear()
        await polls(connector, 1)
    assert all(count <= 16 for _, count in device.asked)
