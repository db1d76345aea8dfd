"""An MTConnect agent: `mtconnect_agent.py PORT [--tls=CERTIFICATE,KEY] [DEVICES.xml (STREAMS.xml | LOG.txt)]`.

With documents it replays them: /current is empty before their first sequence, /sample streams every observation. A
LOG.txt has SHDR lines (`time|name|value`, `time|name|LEVEL|code|severity|qualifier|text`) of the device its file name
starts with. Commands: set|id|value, raw|GROUP|XML of an observation with SEQ in it, condition|LEVEL|code, restart||,
trim|N| (drops all of its buffer but the last N), silence|| (no more documents), poll|| (streams no longer),
json|VERSION|, asset|id|time, model|| (says that its device model changed), boundary|TEXT| (and no content length),
most|N| (refuses to give more observations at once), plain|| (refuses a heartbeat), moved|| (sends on what asks at /),
cut|| (ends every stream and refuses all requests), mend||.
"""

import asyncio
import json
import ssl
import sys
import time
from bisect import bisect_left
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import escape

from aiohttp import web
from commands import serve_commands
from lxml import etree
from mtconnect_json import json_of

DEVICES = """<?xml version="1.0"?>
<MTConnectDevices xmlns="urn:mtconnect.org:MTConnectDevices:1.7">
<Header creationTime="2026-01-01T00:00:00Z" sender="test" instanceId="{instance}" version="1.7.0" bufferSize="{size}"/>
<Devices><Device id="d" name="Machine" uuid="u1">
<Description manufacturer="Maker Ltd" model="M 7" serialNumber="42"/><DataItems>
<DataItem id="avail" category="EVENT" type="AVAILABILITY"/>
<DataItem id="d_asset_chg" category="EVENT" type="ASSET_CHANGED" discrete="true"/></DataItems><Components>
<Axes id="ax"><Components><Rotary id="c" name="C"><DataItems>
<DataItem id="speed" category="SAMPLE" type="ROTARY_VELOCITY" subType="ACTUAL" name="SpindleSpeed"
 units="REVOLUTION/MINUTE"/>
<DataItem id="load" category="SAMPLE" type="LOAD" units="PERCENT"/></DataItems></Rotary></Components></Axes>
<Controller id="ctl"><DataItems><DataItem id="system" category="CONDITION" type="SYSTEM"/></DataItems><Components>
<Path id="p"><DataItems>
<DataItem id="exec" category="EVENT" type="EXECUTION" name="Execution"/>
<DataItem id="count" category="EVENT" type="PART_COUNT" subType="ALL" name="PartCount"/>
<DataItem id="program" category="EVENT" type="PROGRAM"/>
<DataItem id="vars" category="EVENT" type="VARIABLE" representation="DATA_SET"/>
<DataItem id="offsets" category="EVENT" type="WORK_OFFSET" representation="TABLE"/>
<DataItem id="vib" category="SAMPLE" type="ACCELERATION" representation="TIME_SERIES" sampleRate="100"
 units="MILLIMETER/SECOND^2"/>
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
        self.is_silent = self.is_polled = False
        self.is_cut = False
        self.json_version = 0
        self.boundary, self.has_length = "cut0123", True
        self.most, self.refuses, self.is_moved = 100_000, "", False
        self.assets = {}
        self.model_time = "2026-01-01T00:00:00Z"
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
        if streams.endswith(".txt"):
            self.replay_log(Path(streams))
            return
        for element in etree.parse(streams).getroot().iter():
            if element.get("dataItemId"):
                parent = etree.QName(element.getparent()).localname
                whole = etree.tostring(element, encoding="unicode", with_tail=False)
                self.buffer.append((int(element.get("sequence")), element.get("dataItemId"), parent, whole))
        self.buffer.sort()
        self.next = self.buffer[-1][0] + 1

    def replay_log(self, log):
        device = log.name.split("-")[0]
        model = etree.fromstring(self.devices.encode())
        listed = model.xpath(f'//*[local-name()="Device"][@name="{device}"]//*[local-name()="DataItem"]')
        items = {one.get("name") or one.get("id"): one for one in listed}
        self.next = 1
        for line in log.read_text(encoding="utf-8").splitlines():
            stamp, name, *values = line.split("|")
            if (item := items.get(name)) is None or not values:
                continue
            key, group = item.get("id"), item.get("category").title() + "s"
            tag = "".join(word.title() for word in item.get("type").split(":")[-1].split("_"))
            more, text = "", values[0]
            if group == "Conditions":
                group, tag = "Condition", values[0].title()
                more = f' nativeCode="{escape(values[1])}"' if values[1:] and values[1] else ""
                text = values[-1] if values[5:] else ""
            whole = f'<{tag} dataItemId="{key}" sequence="{self.next}" timestamp="{stamp}"{more}>{escape(text)}</{tag}>'
            self.buffer.append((self.next, key, group, whole))
            self.next += 1

    def raw(self, group, text):
        item = text.split('dataItemId="')[1].split('"')[0]
        self.buffer.append((self.next, item, group, text.replace("SEQ", str(self.next))))
        self.latest[item] = self.buffer[-1]
        self.next += 1

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
            f'<Header creationTime="2026-01-01T00:00:00Z" sender="test" instanceId="{self.instance}" version="2.0.0" '
            f'deviceModelChangeTime="{self.model_time}" '
            f'bufferSize="{self.size}" nextSequence="{next_sequence}" firstSequence="{first}" '
            f'lastSequence="{self.next - 1}"/><Streams><DeviceStream name="Machine" uuid="u1">'
            f'<ComponentStream component="Device" componentId="d">{body}</ComponentStream></DeviceStream></Streams>'
            "</MTConnectStreams>"
        )

    def answer(self, request, text, status=200):
        body, kind = self.written(request, text)
        return web.Response(status=status, body=body, content_type=kind)

    def written(self, request, text):
        if self.json_version and "json" in request.headers.get("Accept", ""):
            return json.dumps(json_of(text, self.json_version)).encode(), "application/json"
        return text.encode(), "text/xml"

    @web.middleware
    async def gate(self, request, handler):
        if self.is_moved and not request.path.startswith("/Machine"):
            raise web.HTTPFound(f"/Machine{request.path}")
        return web.Response(status=503, text="cut") if self.is_cut else await handler(request)

    async def probe(self, request):
        text = self.devices.replace("{instance}", str(self.instance)).replace("{size}", str(self.size))
        return self.answer(request, text)

    async def current(self, request):
        if "at" in request.query:
            return self.state_at(request, int(request.query["at"]))
        seen, after = (([], 1)) if self.is_replay else (list(self.latest.values()), self.next)
        return self.answer(request, self.streams(seen, after))

    def state_at(self, request, at):
        if not self.first() <= at < self.next:
            return self.out_of_range(request)
        latest = {one[1]: one for one in self.buffer if one[0] <= at}
        return self.answer(request, self.streams(list(latest.values()), self.next))

    async def list_assets(self, request):
        if self.is_replay:
            text = "<Errors><Error errorCode='UNSUPPORTED'>no assets</Error></Errors></MTConnectError>"
            return self.answer(request, f'<MTConnectError xmlns="urn:mtconnect.org:MTConnectError:1.7">{text}', 404)
        listed = "".join(f'<CuttingTool assetId="{key}" timestamp="{at}"/>' for key, at in self.assets.items())
        head = f'<Header instanceId="{self.instance}" assetBufferSize="8" assetCount="{len(self.assets)}"/>'
        kind = '<MTConnectAssets xmlns="urn:mtconnect.org:MTConnectAssets:1.7">'
        return self.answer(request, f"{kind}{head}<Assets>{listed}</Assets></MTConnectAssets>")

    def first(self):
        return self.buffer[0][0] if self.buffer else self.next

    def out_of_range(self, request, why=""):
        why = why or f"'from' must be {self.first()} to {self.next}"
        error = f"<Errors><Error errorCode='OUT_OF_RANGE'>{why}.</Error></Errors>"
        head = '<MTConnectError xmlns="urn:mtconnect.org:MTConnectError:1.7"><Header/>'
        return self.answer(request, f"{head}{error}</MTConnectError>", 400)

    def since(self, sequence, count):
        place = bisect_left(self.buffer, (sequence,))
        return self.buffer[place : place + count]

    async def sample(self, request):
        since = int(request.query["from"])
        if not self.first() <= since <= self.next:
            return self.out_of_range(request)
        if int(request.query["count"]) > self.most:
            return self.out_of_range(request, f"'count' must be less than or equal to {self.most}")
        if self.refuses and self.refuses in request.query:
            return self.out_of_range(request, f"Unknown parameter '{self.refuses}'")
        if self.is_polled:
            seen = self.since(since, int(request.query["count"]))
            return self.answer(request, self.streams(seen, seen[-1][0] + 1 if seen else since))
        response = web.StreamResponse(headers={"Content-Type": f"multipart/x-mixed-replace;boundary={self.boundary}"})
        await response.prepare(request)
        instance = self.instance
        while not (self.is_silent or self.is_polled or self.is_cut):
            seen = self.since(since, int(request.query["count"]))
            since = seen[-1][0] + 1 if seen else self.next if instance != self.instance else since
            instance = self.instance
            document, kind = self.written(request, self.streams(seen, since))
            length = f"Content-length: {len(document)}\r\n" if self.has_length else ""
            head = f"--{self.boundary}\r\nContent-type: {kind}\r\n{length}\r\n".encode()
            await response.write(head + document + b"\r\n")
            await asyncio.sleep(int(request.query["interval"]) / 1000)
            self.changed.clear()
            if since >= self.next and instance == self.instance:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.changed.wait(), int(request.query.get("heartbeat", 10_000)) / 1000)
        if self.is_silent:
            await asyncio.Event().wait()
        return response

    def act(self, verb, item="", value=""):
        acts = {
            "restart": self.restart,
            "trim": lambda: self.trim(int(item or 0)),
            "silence": lambda: setattr(self, "is_silent", True),
            "cut": lambda: setattr(self, "is_cut", True),
            "mend": lambda: setattr(self, "is_cut", False),
            "poll": lambda: setattr(self, "is_polled", True),
            "json": lambda: setattr(self, "json_version", int(item)),
            "asset": lambda: self.add_asset(item, value),
            "model": lambda: setattr(self, "model_time", "2026-01-02T00:00:00Z"),
            "most": lambda: setattr(self, "most", int(item)),
            "plain": lambda: setattr(self, "refuses", "heartbeat"),
            "moved": lambda: setattr(self, "is_moved", True),
            "boundary": lambda: self.__dict__.update(boundary=item, has_length=False),
            "raw": lambda: self.raw(item, value),
            "condition": lambda: self.observe("system", value, level=item),
            "set": lambda: self.observe(item, value),
        }
        acts[verb]()
        self.changed.set()

    def trim(self, kept):
        """Go on by a thousand sequences, and forget all but the last few."""
        if kept:
            for count in range(1000):
                self.observe("count", str(count))
            self.buffer = self.buffer[-kept:]
        else:
            self.buffer, self.next = [], self.next + 1000

    def add_asset(self, key, at):
        self.assets[key] = at
        self.raw(
            "Events",
            f'<AssetChanged dataItemId="d_asset_chg" sequence="SEQ" timestamp="{at}" assetType="CuttingTool">{key}'
            "</AssetChanged>",
        )


async def main(port, *arguments):
    agent, context = Agent(), None
    documents = [one for one in arguments if not one.startswith("--")]
    for one in arguments:
        if one.startswith("--tls="):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*one.removeprefix("--tls=").split(","))
    if documents:
        agent.replay(*documents)
    app = web.Application(middlewares=[agent.gate])
    for prefix in ("", "/Machine"):
        app.router.add_get(f"{prefix}/probe", agent.probe)
        app.router.add_get(f"{prefix}/current", agent.current)
        app.router.add_get(f"{prefix}/sample", agent.sample)
        app.router.add_get(f"{prefix}/assets", agent.list_assets)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    await serve_commands(agent.act)
    await runner.cleanup()


asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
