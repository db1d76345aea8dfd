// <signal-chart src="/signals/…/series.json?last=1h" library="…uplot.js">: the past of one signal over the page's period.
// Dragging zooms: every chart of the page follows, and the address changes, so that it can be copied and Back works.
// Few readings are drawn one by one; many as steps: their lowest, the mean of readings, their highest.
import { clock, number, say, language } from "./words.js";
import { colour, theme } from "./theme.js";

const HEIGHT = 190;
const LEAST_S = 0.05;
const ticks = new Intl.NumberFormat(language, { maximumSignificantDigits: 4 });
const charts = new Set();

// Show another stretch of time in every chart; `remember` puts it into the address.
function show(start, end, remember) {
  const query = new URLSearchParams(location.search);
  query.delete("last");
  query.set("start", new Date(start * 1000).toISOString());
  query.set("end", new Date(end * 1000).toISOString());
  if (remember) history.pushState({}, "", `${location.pathname}?${query}`);
  for (const chart of charts) chart.show(start, end);
  if (remember) follow();
}

// What else of the page speaks of the period (its name, links, downloads, tables, forms) follows from the server.
async function follow() {
  const asked = location.href;
  const answer = await fetch(asked);
  if (!answer.ok || location.href !== asked) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of document.querySelectorAll("[data-follows]")) {
    const fresh = page.querySelector(`[data-follows="${old.dataset.follows}"]`);
    if (!fresh) continue;
    if (old.open) fresh.open = true;
    old.replaceWith(document.adoptNode(fresh));
  }
}

addEventListener("popstate", () => location.reload());

class SignalChart extends HTMLElement {
  async connectedCallback() {
    charts.add(this);
    this.box = document.createElement("div");
    this.box.className = "canvas";
    this.note = document.createElement("p");
    this.note.className = "quiet small";
    this.append(this.box, this.note);
    const [{ default: Plot }, found] = await Promise.all([import(this.getAttribute("library")), this.fetch(this.getAttribute("src"))]);
    if (!found) return;
    this.found = found;
    this.words = [...new Set(found.text ?? [])];
    this.plot = new Plot(this.options(Plot), this.columns(), this.box);
    this.describe();
    new ResizeObserver(() => this.plot.setSize({ width: this.box.clientWidth || 300, height: HEIGHT })).observe(this);
    theme.addEventListener("change", () => this.plot.redraw(false));
  }

  disconnectedCallback() {
    charts.delete(this);
  }

  async fetch(address) {
    const answer = await fetch(address, { headers: { accept: "application/json" } });
    if (answer.ok) return answer.json();
    this.note.textContent = (await answer.json()).detail ?? String(answer.status);
    return null;
  }

  async show(start, end) {
    const [path] = this.getAttribute("src").split("?");
    const query = new URLSearchParams({ start: new Date(start * 1000).toISOString(), end: new Date(end * 1000).toISOString() });
    const found = await this.fetch(`${path}?${query}`);
    if (!found) return;
    this.found = found;
    this.words = [...new Set(found.text ?? [])];
    this.plot.setData(this.columns());
    this.describe();
  }

  // A word is drawn as its place in the list of words said, so that a state's steps can be seen.
  columns() {
    const { time, low, mean, high, text } = this.found;
    if (!this.hasAttribute("text")) return [time, low, high, mean];
    const levels = (text ?? []).map((word) => (word ? this.words.indexOf(word) : null));
    return [time, levels, levels, levels];
  }

  describe() {
    const { raw, readings, step_s: step, mean } = this.found;
    const kind = raw ? say("single readings") : `${say("steps: lowest, mean of readings, highest")}, ${number(step)} s`;
    this.note.textContent = readings ? `${number(readings)} · ${kind}` : say("No reading in this period.");
    const canvas = this.box.querySelector("canvas");
    canvas?.setAttribute("role", "img");
    canvas?.setAttribute("aria-label", `${this.querySelector("h2").textContent.trim()}: ${number(mean.at(-1) ?? NaN)}`);
  }

  options(Plot) {
    const stepped = Plot.paths.stepped({ align: 1 });
    const axis = { stroke: () => colour("quiet"), grid: { stroke: () => colour("line"), width: 1 }, ticks: { show: false }, font: `11px ${getComputedStyle(this).fontFamily}` };
    const points = { show: (plot, index) => index === 3 && this.found.raw && this.found.time.length < 300, size: 4, fill: () => colour("accent") };
    return {
      width: this.box.clientWidth || 300,
      height: HEIGHT,
      padding: [8, 6, 0, 0],
      cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
      select: { show: true },
      hooks: { setSelect: [(plot) => this.zoom(plot)], setCursor: [(plot) => this.point(plot)] },
      scales: {
        x: { time: true, range: () => [this.found.start, this.found.end] },
        y: { range: (_, low, high) => (low === null ? [0, 1] : [low - 0.06 * (high - low || 1), high + 0.06 * (high - low || 1)]) },
      },
      axes: [
        { ...axis, space: 80, size: 26, values: (_, splits) => splits.map((at) => this.moment(at)) },
        { ...axis, space: 30, size: this.hasAttribute("text") ? 90 : 56, values: (_, splits) => splits.map((value) => this.level(value)) },
      ],
      series: [
        {},
        { stroke: "transparent", paths: stepped, points: { show: false } },
        { stroke: "transparent", paths: stepped, points: { show: false } },
        { stroke: () => colour("accent"), paths: stepped, width: 1.5, points, spanGaps: false },
      ],
      bands: [{ series: [2, 1], fill: () => colour("wash") }],
    };
  }

  level(value) {
    if (!this.hasAttribute("text")) return ticks.format(value);
    return Number.isInteger(value) ? (this.words[value] ?? "") : "";
  }

  moment(at) {
    const long = this.found.end - this.found.start > 172800;
    const length = this.found.end - this.found.start;
    const short = length < 600;
    const time = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    if (long) return clock(at * 1000, { month: "short", day: "numeric" });
    const parts = length < 10 ? { fractionalSecondDigits: length < 1 ? 3 : 1 } : {};
    return clock(at * 1000, short ? { ...time, second: "2-digit", ...parts } : time);
  }

  // Under the pointer: the moment and the value there.
  point(plot) {
    const { time, mean, text } = this.found;
    const index = plot.cursor.idx;
    if (index === null || index === undefined || time[index] === undefined) return this.describe();
    const said = this.hasAttribute("text") ? (text?.[index] ?? "–") : `${number(mean[index])} ${this.getAttribute("unit")}`;
    const options = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
    this.note.textContent = `${clock(time[index] * 1000, options)} · ${said}`;
  }

  zoom(plot) {
    if (plot.select.width < 6) return;
    const start = plot.posToVal(plot.select.left, "x");
    const end = plot.posToVal(plot.select.left + plot.select.width, "x");
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    if (end - start > LEAST_S) show(start, end, true);
  }
}

customElements.define("signal-chart", SignalChart);
