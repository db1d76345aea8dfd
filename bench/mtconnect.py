"""MTConnect observations: from the octets of a document to column batches.

The document is made up in the shape of the NIST test bed's: 20,000 observations of 60 data items in component streams,
samples, events and conditions, 160 octets each. The limit is 50,000 observations a second. Beside it, for people,
stands what a program without an MTConnect library does: the standard library's ElementTree, then a dictionary per
observation with its number and its time. That keeps no order of sequence, no sets of conditions, and refuses no DTD.
"""

import random
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import datetime
from typing import Any

from bench.harness import Result
from interwork.connectors.mtconnect.readings import Decoder
from interwork.connectors.mtconnect.wire import XmlDocument

OBSERVATIONS = 20_000
LIMIT_PER_S = 50_000
ROUNDS = 5
COMPONENTS = [f"c{number}" for number in range(10)]
ITEMS = [("Samples", "Position", "SAMPLE", "POSITION", ' units="MILLIMETER"')] * 4
ITEMS += [("Events", "Execution", "EVENT", "EXECUTION", ""), ("Condition", "Fault", "CONDITION", "SYSTEM", "")]


def devices() -> bytes:
    """Write the device model."""
    parts = []
    for component in COMPONENTS:
        items = "".join(
            f'<DataItem id="{component}_{place}" name="{component}n{place}" category="{category}" type="{kind}"{more}/>'
            for place, (_, _, category, kind, more) in enumerate(ITEMS)
        )
        parts.append(f'<Linear id="{component}" name="{component}"><DataItems>{items}</DataItems></Linear>')
    return (
        '<?xml version="1.0"?><MTConnectDevices xmlns="urn:mtconnect.org:MTConnectDevices:2.0"><Header/><Devices>'
        f'<Device id="d" name="D" uuid="u"><Components>{"".join(parts)}</Components></Device></Devices>'
        "</MTConnectDevices>"
    ).encode()


def streams() -> bytes:
    """Write the stream document, each component's observations together as agents do."""
    chance = random.Random(7)
    groups: dict[str, dict[str, list[str]]] = {
        key: {"Samples": [], "Events": [], "Condition": []} for key in COMPONENTS
    }
    for sequence in range(1, OBSERVATIONS + 1):
        component, place = chance.choice(COMPONENTS), chance.choices(range(6), weights=(10, 10, 10, 10, 3, 1))[0]
        group, tag, *_ = ITEMS[place]
        text = f"{chance.uniform(-500, 500):.4f}" if group == "Samples" else chance.choice(("ACTIVE", "READY"))
        more = ' nativeCode="F1" type="SYSTEM"' if group == "Condition" else ""
        second, micros = divmod(sequence * 37_013, 1_000_000)
        stamp = f"2026-11-22T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.{micros:06}Z"
        head = f'<{tag} dataItemId="{component}_{place}" name="{component}n{place}" sequence="{sequence}"'
        groups[component][group].append(f'{head} timestamp="{stamp}"{more}>{text}</{tag}>')
    body = "".join(
        f'<ComponentStream component="Linear" componentId="{key}" name="{key}">'
        + "".join(f"<{group}>{''.join(listed)}</{group}>" for group, listed in grouped.items())
        + "</ComponentStream>"
        for key, grouped in groups.items()
    )
    return (
        '<?xml version="1.0"?><MTConnectStreams xmlns="urn:mtconnect.org:MTConnectStreams:2.0">'
        f'<Header instanceId="1" nextSequence="{OBSERVATIONS + 1}" firstSequence="1" bufferSize="131072"/>'
        f'<Streams><DeviceStream name="D" uuid="u">{body}</DeviceStream></Streams></MTConnectStreams>'
    ).encode()


def fastest(work: Callable[[], int]) -> float:
    """Tell the CPU seconds of the fastest of several rounds; each must give every observation."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        count = work()
        best = min(best, time.process_time() - started)
        if count != OBSERVATIONS:
            raise SystemExit(f"{count} of {OBSERVATIONS} observations came out.")
    return best


def ours(decoder: Decoder, content: bytes) -> int:
    """Decode as the connector does."""
    _, seen = XmlDocument(content).streams(decoder.special)
    return sum(len(batch) for batch in decoder.batches(seen, 1, 5_000))


def theirs(content: bytes) -> int:
    """Make a dictionary per observation."""
    rows: list[dict[str, Any]] = []
    for element in ET.fromstring(content).iter():
        if "dataItemId" in element.attrib:
            row: dict[str, Any] = dict(element.attrib)
            row["time"] = datetime.fromisoformat(row["timestamp"])
            try:
                row["value"] = float(element.text or "")
            except ValueError:
                row["value"] = element.text
            rows.append(row)
    return len(rows)


def run() -> Result:
    """Measure both on the same document."""
    content = streams()
    items = XmlDocument(devices()).devices()
    decoder = Decoder()
    decoder.plan(items, {key: [number] for number, key in enumerate(items)})
    us, them = fastest(lambda: ours(decoder, content)), fastest(lambda: theirs(content))
    return Result(
        bench="mtconnect",
        ours=OBSERVATIONS / us,
        peer=LIMIT_PER_S,
        peer_name="the limit: 50,000 observations/s from the octets of a document to column batches on one core",
        goal=1.0,
        unit="observations/s",
        note=(
            f"{us / OBSERVATIONS * 1e6:.2f} µs CPU per observation, {len(content) / us / 1e6:.0f} MB/s; ElementTree "
            f"and a dictionary per observation, without order, conditions and batches: {OBSERVATIONS / them:,.0f}/s"
        ),
    )
