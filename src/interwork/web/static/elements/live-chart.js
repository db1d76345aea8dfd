// <live-chart signal="7" src="…series.json" minutes="15" library="…uplot.js">: history and live on one time axis.
// The line is the mean of a bucket, the band its lowest and highest. A value holds until the next one, as the
// historian keeps only changes; where a value is bad there is no line.
import { feed } from "./feed.js";
import { clock, language, number } from "./words.js";
import { colour, theme } from "./theme.js";

const HEIGHT = 156;
const REDRAW_MS = 500;
const ticks = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });

class LiveChart extends HTMLElement {
  async connectedCallback() {
    this.signal = Number(this.getAttribute("signal"));
    this.minutes = Number(this.getAttribute("minutes"));
    const box = document.createElement("div");
    box.className = "canvas";
    this.append(box);
    const [{ default: Plot }] = await Promise.all([import(this.getAttribute("library")), this.load()]);
    this.plot = new Plot(this.options(box, Plot.paths.stepped({ align: 1 })), this.columns(), box);
    this.describe(box);
    new ResizeObserver(() => this.plot.setSize({ width: box.clientWidth || 300, height: HEIGHT })).observe(this);
    theme.addEventListener("change", () => this.plot.redraw(false));
    feed.addEventListener("again", () => this.load().then(() => this.draw()));
    feed.watch(this, this.signal, (reading) => this.add(reading));
    setInterval(() => this.visible && !document.hidden && !document.documentElement.classList.contains("paused") && this.draw(), 1000);
  }

  async load() {
    const answer = await fetch(this.getAttribute("src"), { headers: { accept: "application/json" } });
    const { series } = answer.ok ? await answer.json() : { series: [] };
    const first = series[0] ?? { time: [], mean: [], low: [], high: [] };
    this.time = first.time;
    this.mean = first.mean;
    this.low = first.low;
    this.high = first.high;
  }

  add(reading) {
    const time = reading.time / 1000;
    const last = this.time.at(-1) ?? 0;
    if (!(time > last)) return;
    this.push(time, reading.quality === "good" || reading.quality === "uncertain" ? reading.value : null);
    const start = time - this.minutes * 60;
    let drop = 0;
    while (this.time[drop] < start) drop += 1;
    if (drop > 50) for (const column of [this.time, this.mean, this.low, this.high]) column.splice(0, drop);
    if (performance.now() - (this.drawn ?? 0) > REDRAW_MS) this.draw();
  }

  push(time, value) {
    this.time.push(time);
    for (const column of [this.mean, this.low, this.high]) column.push(value);
  }

  // A value holds until the next one, so the line is carried on to now.
  columns() {
    const now = Date.now() / 1000;
    const held = (column) => (column.length ? [...column, column.at(-1)] : column);
    if (!(this.time.at(-1) < now)) return [this.time, this.low, this.high, this.mean];
    return [[...this.time, now], held(this.low), held(this.high), held(this.mean)];
  }

  draw() {
    this.drawn = performance.now();
    this.plot.setData(this.columns());
    this.describe();
  }

  describe(box = this.querySelector(".canvas")) {
    const last = this.mean.at(-1);
    const canvas = box.querySelector("canvas");
    canvas?.setAttribute("role", "img");
    canvas?.setAttribute("aria-label", `${this.querySelector("h3").textContent.trim()}: ${number(last ?? NaN)}`);
  }

  // From zero where zero is near; a quantity that stays far from it (a temperature) gets the room it needs.
  range(low, high) {
    if (low === null) return [0, 1];
    const room = Math.max(0.12 * (high - low), 0.02 * Math.abs(high), 0.05);
    return [low > 0 && low < 0.6 * high ? 0 : low === 0 ? 0 : low - room, high + room];
  }

  options(box, paths) {
    const line = () => colour("accent");
    const axis = { stroke: () => colour("quiet"), grid: { stroke: () => colour("line"), width: 1 }, ticks: { show: false }, font: `11px ${getComputedStyle(this).fontFamily}` };
    const time = this.minutes > 5 ? { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } : undefined;
    return {
      width: box.clientWidth || 300,
      height: HEIGHT,
      padding: [8, 4, 0, 0],
      cursor: { points: { size: 6 }, drag: { x: false, y: false } },
      scales: {
        x: { time: true, range: () => { const now = Date.now() / 1000; return [now - this.minutes * 60, now]; } },
        y: { range: (_, low, high) => this.range(low, high) },
      },
      axes: [
        { ...axis, space: 70, size: 24, values: (_, splits) => splits.map((at) => clock(at * 1000, time)) },
        { ...axis, space: 32, size: 44, values: (_, splits) => splits.map((value) => ticks.format(value)) },
      ],
      series: [
        {},
        { stroke: "transparent", paths, points: { show: false } },
        { stroke: "transparent", paths, points: { show: false } },
        { stroke: line, paths, width: 1.5, points: { show: false }, spanGaps: false },
      ],
      bands: [{ series: [2, 1], fill: () => colour("wash") }],
    };
  }
}

customElements.define("live-chart", LiveChart);
