// One stream of values per page: a WebSocket with binary frames, server-sent events where it is blocked.
// Elements watch signals; a frame only marks what changed, and one animation frame paints what can be seen.
import { say } from "./words.js";

const QUALITIES = ["good", "uncertain", "bad", "none"];
const SILENT = 4; // bits beside a quality: its machine fell silent;
const HEARD = 8; // a link that is up says whether it did, else only the times of the values tell
const SILENT_MS = 12000; // the server beats every second; this much silence is a lost connection
const QUIET_MS = 15000; // signals without such a link none of which came for so long are stale
const PERIODS = 3; // a signal that came regularly and missed so many periods is stale
const REGULAR = 5; // so many like intervals make a signal regular

class Feed extends EventTarget {
  constructor() {
    super();
    this.watchers = new Map();
    this.order = [];
    this.words = {};
    this.latest = new Map();
    this.dirty = new Set();
    this.failures = 0;
    this.heard = 0;
    this.seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        entry.target.visible = entry.isIntersecting;
        if (entry.isIntersecting) this.mark(entry.target);
      }
    });
  }

  // Watch a signal: paint(reading) is called when it changed, the element is visible and nothing is paused.
  watch(element, number, paint) {
    element.visible = true;
    this.seen.observe(element);
    if (!this.watchers.has(number)) this.watchers.set(number, new Set());
    this.watchers.get(number).add(element);
    element.paintReading = paint;
    element.watched = number;
    if (!this.starting) this.starting = setTimeout(() => this.start(), 0);
  }

  start() {
    this.numbers = [...this.watchers.keys()].slice(0, 500).join(",");
    this.connect();
    setInterval(() => this.look(), 1000);
  }

  connect() {
    if (this.failures >= 2 && !this.opened) return this.connectEvents();
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    let socket;
    try {
      socket = new WebSocket(`${scheme}://${location.host}/live?signals=${this.numbers}`);
    } catch {
      return this.connectEvents();
    }
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", (event) => {
      this.opened = true;
      if (typeof event.data === "string") this.takeHeader(JSON.parse(event.data));
      else this.takeBinary(event.data);
    });
    socket.addEventListener("close", (event) => this.closed(event.code === 1008 && this.opened ? event.reason : ""));
    this.close = () => socket.close();
  }

  connectEvents() {
    const source = new EventSource(`/live/events?signals=${this.numbers}`);
    source.addEventListener("message", (event) => {
      const message = JSON.parse(event.data);
      if (message.now === undefined) this.takeHeader(message);
      else this.take(message.now, message.time, message.value, message.quality);
    });
    source.addEventListener("ended", (event) => {
      source.close();
      this.closed(JSON.parse(event.data));
    });
    source.addEventListener("error", () => {
      source.close();
      this.closed("");
    });
    this.close = () => source.close();
  }

  closed(reason) {
    this.failures += 1;
    this.lost = true;
    this.show(reason || say("Connection lost. Trying again…"));
    if (!reason) setTimeout(() => this.connect(), Math.min(10000, 400 * 2 ** Math.min(this.failures, 5)) * (0.7 + 0.6 * Math.random()));
  }

  takeHeader(message) {
    if (message.signals) {
      this.order = message.signals;
      if (this.lost) this.dispatchEvent(new Event("again"));
      this.lost = false;
      this.failures = 0;
      this.show("");
    }
    if (message.words) {
      this.words = message.words;
      for (const number of this.order) this.touch(number);
    }
  }

  takeBinary(buffer) {
    const count = this.order.length;
    const stamps = new Float64Array(buffer, 0, 1 + count);
    const values = new Float64Array(buffer, 8 * (1 + count), count);
    const qualities = new Uint8Array(buffer, 8 * (1 + 2 * count), count);
    this.take(stamps[0], stamps.subarray(1), values, qualities);
  }

  take(now, times, values, qualities) {
    this.heard = performance.now();
    let newest = 0;
    for (let index = 0; index < this.order.length; index += 1) {
      const number = this.order[index];
      const time = times[index] ?? NaN;
      const heard = Boolean(qualities[index] & HEARD);
      const silent = Boolean(qualities[index] & SILENT);
      if (time > newest && !heard) newest = time;
      const known = this.latest.get(number);
      const value = values[index] ?? NaN;
      const quality = QUALITIES[qualities[index] & 3];
      const isNews = !known || known.time !== time || !Object.is(known.value, value) || known.quality !== quality;
      if (isNews || known.heard !== heard || known.silent !== silent) {
        this.latest.set(number, isNews ? { ...this.told(known, time, value, quality), heard, silent } : { ...known, heard, silent, late: false });
        this.touch(number);
      } else if (!heard && !known.late && this.isLate(known, now)) {
        known.late = true;
        this.touch(number);
      }
    }
    const stale = newest > 0 && now - newest > QUIET_MS;
    if (stale !== this.stale) {
      this.stale = stale;
      for (const number of this.order) this.touch(number);
    }
  }

  // Remember how regularly a signal comes, so that one that stops is noticed while the others go on.
  told(known, time, value, quality) {
    const gap = known ? time - known.time : NaN;
    let { period = 0, like = 0 } = known ?? {};
    if (gap > 0) {
      like = period && Math.abs(gap - period) < 0.5 * period ? Math.min(like + 1, REGULAR) : Math.max(0, like - 1);
      period = period ? period + 0.3 * (gap - period) : gap;
    }
    return { time, value, quality, period, like, late: false };
  }

  isLate(known, now) {
    return known.like >= REGULAR && now - known.time > PERIODS * known.period + 500;
  }

  touch(number) {
    for (const element of this.watchers.get(number) ?? []) this.mark(element);
  }

  mark(element) {
    this.dirty.add(element);
    if (!this.painting) this.painting = requestAnimationFrame(() => this.paint());
  }

  paint() {
    this.painting = 0;
    if (document.documentElement.classList.contains("paused")) return;
    for (const element of this.dirty) {
      if (!element.visible) continue;
      this.dirty.delete(element);
      const reading = this.latest.get(element.watched);
      if (reading) element.paintReading({ ...reading, text: this.words[element.watched] ?? "", stale: reading.heard ? reading.silent : this.stale || reading.late });
    }
  }

  // Called every second: paints what was held back by a pause, and notices silence.
  look() {
    if (this.dirty.size && !this.painting) this.painting = requestAnimationFrame(() => this.paint());
    if (this.heard && !this.lost && performance.now() - this.heard > SILENT_MS) this.close();
  }

  show(message) {
    if (message && !this.banner) {
      this.banner = document.createElement("p");
      this.banner.className = "banner";
      this.banner.setAttribute("role", "status");
      document.body.append(this.banner);
    }
    if (this.banner) {
      this.banner.textContent = message;
      this.banner.hidden = !message;
    }
  }
}

export const feed = new Feed();
