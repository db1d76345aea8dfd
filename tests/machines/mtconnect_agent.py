"""An MTConnect agent: `mtconnect_agent.py PORT [DEVICES.xml STREAMS.xml]`.

With documents it replays them: /current is empty before their first sequence, /sample streams every observation.
Commands: set|id|value, condition|LEVEL|code, restart||, trim|| (drops its buffer), silence|| (no more documents).
"""

import asyncio
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import escape

from aiohttp import web
from commands import serve_commands
from lxml import etree

DEVICES = """<?xml version="1.0"?>
<MTConnectDevices xmlns="urn:mtconnect.org:MTConnectDevices:1.7">
<Header creationTime="2026-01-01T00:00:00Z" sender="test" instanceId="{instance}" version="1.7.0" bufferSize="{size}"/>
<Devices><Device id="d" name="Machine" uuid="u1"><DataItems>
<DataItem id="avail" category="EVENT" type="AVAILABILITY"/></DataItems><Components>
<Axes id="ax"><Components><Rotary id="c" name="C"><DataItems>
<DataItem id="speed" category="SAMPLE" type="ROTARY_VELOCITY" subType="ACTUAL" name="SpindleSpeed"
 units="REVOLUTION/MINUTE"/>
<DataItem id="load" category="SAMPLE" type="LOAD" units="PERCENT"/></DataItems></Rotary></Components></Axes>
<Controller id="ctl"><DataItems><DataItem id="system" category="CONDITION" type="SYSTEM"/></DataItems><Components>
<Path id="p"><DataItems>
<DataItem id="exec" category="EVENT" type="EXECUTION" name="Execution"/>
<DataItem id="count" category="EVENT" type="PART_COUNT" subType="ALL" name="PartCount"/>
<DataItem id="program" category="EVENT" type="PROGRAM"/>
</DataItems></Path></Components></Controller>
<Systems id="sys"><Components><Electric id="el"><DataItems>
<DataItem id="power" category="SAMPLE" type="WATTAGE" name="Power" units="WATT"/>
<DataItem id="energy" category="SAMPLE" type="ELECTRICAL_ENERGY" name="Energy" units="WATT_SECOND"/>
</DataItems></Electric></Components></Systems>
</Components></Device></Devices></MTConnectDevices>"""
TAGS = {
    "avail": ("Events", "Availability"),
    "speed": ("Samples", "RotaryVelocity"),
    "load": ("Samples", "Load"),
    "system": ("Condition", "Normal"),
    "exec": ("Events", "Execution"),
    "count": ("Events", "PartCount"),
    "program": ("Events", "Program"),
    "power": ("Samples", "Wattage"),
    "energy": ("Samples", "ElectricalEnergy"),
}
FIRST = {"avail": "AVAILABLE", "speed": "0", "load": "UNAVAILABLE", "exec": "READY", "count": "0", "program": "P1"}
FIRST |= {"power": "1500", "energy": "36000000"}


class Agent:
    size = 131_072

    def __init__(self):
        self.devices = DEVICES
        self.is_silent = False
        self.changed = asyncio.Event()
        self.restart()

    def restart(self):
        self.instance = time.time_ns()
        self.next = 1
        self.buffer = []
        self.latest = {}
        self.is_replay = False
        self.observe("system", "", level="Normal")
        for item, value in FIRST.items():
            self.observe(item, value)

    def replay(self, devices, streams):
        self.devices = Path(devices).read_text(encoding="utf-8")
        self.is_replay = True
        self.buffer = []
        for element in etree.parse(streams).getroot().iter():
            if element.get("dataItemId"):
                parent = etree.QName(element.getparent()).localname
                whole = etree.tostring(element, encoding="unicode", with_tail=False)
                self.buffer.append((int(element.get("sequence")), element.get("dataItemId"), parent, whole))
        self.buffer.sort()
        self.next = self.buffer[-1][0] + 1

    def observe(self, item, value, *, level=""):
        group, tag = TAGS[item]
        stamp = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        more = f' nativeCode="{value}" type="SYSTEM"' if level and value else ' type="SYSTEM"' if level else ""
        content = "Trouble" if level in ("Warning", "Fault") else "" if level else escape(value)
        tag = level or tag
        text = f'<{tag} dataItemId="{item}" sequence="{self.next}" timestamp="{stamp}"{more}>{content}</{tag}>'
        self.buffer.append((self.next, item, group, text))
        self.latest[item] = self.buffer[-1]
        self.next += 1
        self.changed.set()

    def streams(self, seen, next_sequence):
        first = self.buffer[0][0] if self.buffer else self.next
        groups = {}
        for _, _, group, text in seen:
            groups.setdefault(group, []).append(text)
        body = "".join(f"<{group}>{''.join(texts)}</{group}>" for group, texts in groups.items())
        return (
            '<?xml version="1.0" encoding="UTF-8"?><MTConnectStreams xmlns="urn:mtconnect.org:MTConnectStreams:1.7">'
            f'<Header creationTime="2026-01-01T00:00:00Z" sender="test" instanceId="{self.instance}" version="1.7.0" '
            f'bufferSize="{self.size}" nextSequence="{next_sequence}" firstSequence="{first}" '
            f'lastSequence="{self.next - 1}"/><Streams><DeviceStream name="Machine" uuid="u1">'
            f'<ComponentStream component="Device" componentId="d">{body}</ComponentStream></DeviceStream></Streams>'
            "</MTConnectStreams>"
        )

    async def probe(self, _request):
        text = self.devices.replace("{instance}", str(self.instance)).replace("{size}", str(self.size))
        return web.Response(body=text.encode(), content_type="text/xml")

    async def current(self, _request):
        seen, after = (([], 1)) if self.is_replay else (list(self.latest.values()), self.next)
        return web.Response(text=self.streams(seen, after), content_type="text/xml")

    async def sample(self, request):
        since = int(request.query["from"])
        first = self.buffer[0][0] if self.buffer else self.next
        if not first <= since <= self.next:
            error = f"<Errors><Error errorCode='OUT_OF_RANGE'>'from' must be {first} to {self.next}.</Error></Errors>"
            head = '<MTConnectError xmlns="urn:mtconnect.org:MTConnectError:1.7"><Header/>'
            return web.Response(status=400, text=f"{head}{error}</MTConnectError>", content_type="text/xml")
        response = web.StreamResponse(headers={"Content-Type": "multipart/x-mixed-replace;boundary=cut0123"})
        await response.prepare(request)
        instance = self.instance
        while not self.is_silent:
            seen = [one for one in self.buffer if one[0] >= since][: int(request.query["count"])]
            since = seen[-1][0] + 1 if seen else self.next if instance != self.instance else since
            instance = self.instance
            document = self.streams(seen, since).encode()
            head = f"--cut0123\r\nContent-type: text/xml\r\nContent-length: {len(document)}\r\n\r\n".encode()
            await response.write(head + document + b"\r\n")
            await asyncio.sleep(int(request.query["interval"]) / 1000)
            self.changed.clear()
            if since >= self.next and instance == self.instance:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.changed.wait(), int(request.query["heartbeat"]) / 1000)
        await asyncio.sleep(3600)
        return response

    def act(self, verb, item="", value=""):
        if verb == "restart":
            self.restart()
        elif verb == "trim":
            self.buffer, self.next = [], self.next + 1000
        elif verb == "silence":
            self.is_silent = True
        elif verb == "condition":
            self.observe("system", value, level=item)
        else:
            self.observe(item, value)
        self.changed.set()


async def main(port, *documents):
    agent = Agent()
    if documents:
        agent.replay(*documents)
    app = web.Application()
    for prefix in ("", "/Machine"):
        app.router.add_get(f"{prefix}/probe", agent.probe)
        app.router.add_get(f"{prefix}/current", agent.current)
        app.router.add_get(f"{prefix}/sample", agent.sample)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await serve_commands(agent.act)
    await runner.cleanup()


asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
