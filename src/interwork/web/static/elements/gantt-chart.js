// <gantt-chart> around a table: draws its rows (data-row, data-group, data-start, data-end) as bars in time.
// Keys: + and - zoom, left and right move, 0 shows all, up and down go from bar to bar, Enter leads to its row. Late bars are hatched, not only coloured.
import { clock, language, say } from "./words.js";
import { colour, theme } from "./theme.js";

const ROW = 46;
const AXIS = 28;
const HOUR = 3600e3;
const STEPS = [HOUR / 4, HOUR / 2, HOUR, 2 * HOUR, 4 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR, 48 * HOUR, 168 * HOUR, 336 * HOUR, 672 * HOUR];

class GanttChart extends HTMLElement {
  connectedCallback() {
    this.bars = [...this.querySelectorAll("tr[data-start]")].map((row) => ({
      row,
      lane: `${row.dataset.row}\n${row.dataset.group}`,
      group: row.dataset.group,
      label: row.dataset.label,
      start: Date.parse(row.dataset.start),
      end: Date.parse(row.dataset.end),
      late: "late" in row.dataset,
    }));
    if (!this.bars.length) return;
    this.lanes = [...new Set(this.bars.map((bar) => bar.lane))];
    this.groups = [...new Set(this.bars.map((bar) => bar.group).filter(Boolean))];
    this.order = [...this.bars].sort((one, other) => this.lanes.indexOf(one.lane) - this.lanes.indexOf(other.lane) || one.start - other.start);
    this.order.forEach((bar, index) => { const next = this.order[index + 1]; bar.next = next?.lane === bar.lane ? next.start : Infinity; });
    this.all();
    this.build();
    new ResizeObserver(() => this.draw()).observe(this.stage);
    theme.addEventListener("change", () => this.draw());
  }

  build() {
    const tools = document.createElement("div");
    tools.className = "tools";
    const acts = [["−", "Zoom out", () => this.zoom(1.4)], ["+", "Zoom in", () => this.zoom(1 / 1.4)], ["←", "Earlier", () => this.move(-0.2)], ["→", "Later", () => this.move(0.2)], [say("Show all"), "Show all", () => this.all()]];
    for (const [text, name, act] of acts) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "slim";
      button.textContent = text;
      button.setAttribute("aria-label", say(name));
      button.addEventListener("click", () => { act(); this.draw(); });
      tools.append(button);
    }
    this.stage = document.createElement("div");
    this.stage.className = "stage canvas";
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", this.bars.map((bar) => `${bar.lane.replace("\n", ", ")}: ${bar.label}, ${this.span(bar)}`).join("; "));
    this.tip = document.createElement("div");
    this.tip.className = "tip";
    this.tip.hidden = true;
    this.stage.append(this.canvas, this.tip);
    this.prepend(tools, this.stage);
    this.listen();
  }

  listen() {
    const keys = { "+": () => this.zoom(1 / 1.4), "=": () => this.zoom(1 / 1.4), "-": () => this.zoom(1.4), ArrowLeft: () => this.move(-0.15), ArrowRight: () => this.move(0.15), 0: () => this.all(), ArrowDown: () => this.step(1), ArrowUp: () => this.step(-1), Enter: () => this.here && this.open(this.here) };
    this.canvas.addEventListener("keydown", (event) => {
      if (!(event.key in keys) || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      keys[event.key]();
      this.draw();
    });
    this.canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.shiftKey) return;
      event.preventDefault();
      if (event.ctrlKey) this.zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15, this.at(event.offsetX));
      else this.move(Math.sign(event.deltaY || event.deltaX) * 0.08);
      this.draw();
    }, { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => { this.drag = { x: event.clientX, from: this.from, to: this.to, moved: false }; });
    this.canvas.addEventListener("pointermove", (event) => this.pointer(event));
    this.canvas.addEventListener("pointerup", (event) => {
      const bar = this.drag && !this.drag.moved && this.hit(event);
      this.drag = null;
      if (bar) this.open(bar);
    });
    this.canvas.addEventListener("pointerleave", () => { this.drag = null; this.tip.hidden = true; });
  }

  // Goes to the next or previous bar, brings it into view and says it.
  step(by) {
    const count = this.order.length;
    const bar = this.order[(this.order.indexOf(this.here) + (this.here || by > 0 ? by : 0) + count) % count];
    this.here = bar;
    if (bar.start < this.from || bar.end > this.to) this.move(((bar.start + bar.end) / 2 - (this.from + this.to) / 2) / (this.to - this.from));
    this.tip.textContent = `${bar.label} · ${bar.lane.replace("\n", ", ")} · ${this.span(bar)}`;
    this.tip.setAttribute("role", "status");
    this.tip.hidden = false;
    const [left, top] = this.box(bar);
    this.tip.style.left = `${Math.max(8, Math.min(left, this.stage.clientWidth - this.tip.offsetWidth - 8))}px`;
    this.tip.style.top = `${Math.min(top + 26, this.stage.clientHeight - this.tip.offsetHeight - 4)}px`;
  }

  pointer(event) {
    if (this.drag && event.buttons) {
      const shift = ((this.drag.x - event.clientX) / this.plot) * (this.drag.to - this.drag.from);
      this.drag.moved ||= Math.abs(event.clientX - this.drag.x) > 3;
      [this.from, this.to] = [this.drag.from + shift, this.drag.to + shift];
      return this.draw();
    }
    const bar = this.hit(event);
    this.canvas.style.cursor = bar ? "pointer" : "";
    this.tip.hidden = !bar;
    if (!bar) return undefined;
    this.tip.textContent = `${bar.label} · ${bar.lane.replace("\n", ", ")} · ${this.span(bar)}`;
    this.tip.style.left = `${Math.min(event.offsetX + 12, Math.max(0, this.stage.clientWidth - this.tip.offsetWidth - 8))}px`;
    this.tip.style.top = `${Math.min(event.offsetY + 14, this.stage.clientHeight - this.tip.offsetHeight - 4)}px`;
    return undefined;
  }

  span(bar) {
    const options = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    return new Intl.DateTimeFormat(language, options).formatRange(bar.start, bar.end);
  }

  open(bar) {
    bar.row.scrollIntoView({ block: "center" });
    bar.row.classList.add("chosen");
    setTimeout(() => bar.row.classList.remove("chosen"), 2500);
    bar.row.querySelector("a")?.focus();
  }

  all() {
    const [from, to] = [Math.min(...this.bars.map((bar) => bar.start)), Math.max(...this.bars.map((bar) => bar.end))];
    const room = Math.max((to - from) * 0.04, HOUR / 4);
    [this.from, this.to] = [from - room, to + room];
  }

  zoom(factor, centre = (this.from + this.to) / 2) {
    const span = Math.min(Math.max((this.to - this.from) * factor, HOUR / 6), 400 * 24 * HOUR);
    const share = (centre - this.from) / (this.to - this.from);
    [this.from, this.to] = [centre - span * share, centre + span * (1 - share)];
  }

  move(share) {
    const shift = share * (this.to - this.from);
    [this.from, this.to] = [this.from + shift, this.to + shift];
  }

  at(x) { return this.from + ((x - this.left) / this.plot) * (this.to - this.from); }
  x(time) { return this.left + ((time - this.from) / (this.to - this.from)) * this.plot; }

  box(bar) {
    const [left, right] = [this.x(bar.start), this.x(bar.end)];
    const top = AXIS + this.lanes.indexOf(bar.lane) * this.row + this.row - 34;
    return [left, top, Math.max(3, right - left), 22];
  }

  hit(event) {
    return this.bars.find((bar) => {
      const [left, top, width, height] = this.box(bar);
      return event.offsetX >= left - 2 && event.offsetX <= left + width + 2 && event.offsetY >= top && event.offsetY <= top + height;
    });
  }

  draw() {
    const width = this.stage.clientWidth;
    const narrow = width < 640;
    this.row = narrow ? ROW + 10 : ROW;
    this.left = narrow ? 8 : 176;
    this.plot = width - this.left - 12;
    const height = AXIS + this.lanes.length * this.row + 8;
    const ratio = devicePixelRatio || 1;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    this.canvas.style.height = `${height}px`;
    const ink = this.canvas.getContext("2d");
    ink.scale(ratio, ratio);
    const paint = Object.fromEntries(["ink", "quiet", "line", "edge", "surface", "bad", "cat-1", "cat-2", "cat-3", "cat-4", "cat-5", "cat-6"].map((name) => [name, colour(name)]));
    const font = getComputedStyle(this).fontFamily;
    this.drawAxis(ink, paint, font, height);
    this.drawLanes(ink, paint, font, narrow, width);
    for (const bar of this.bars) this.drawBar(ink, paint, font, bar);
  }

  drawAxis(ink, paint, font, height) {
    const step = STEPS.find((one) => ((this.to - this.from) / one) * 84 < this.plot) ?? STEPS.at(-1);
    const offset = new Date().getTimezoneOffset() * 60e3;
    ink.font = `11px ${font}`;
    ink.textBaseline = "middle";
    for (let time = Math.ceil((this.from - offset) / step) * step + offset; time < this.to; time += step) {
      const x = Math.round(this.x(time)) + 0.5;
      if (x < this.left) continue;
      ink.strokeStyle = paint.line;
      ink.beginPath();
      ink.moveTo(x, AXIS - 4);
      ink.lineTo(x, height);
      ink.stroke();
      ink.fillStyle = paint.quiet;
      const midnight = (time - offset) % (24 * HOUR) === 0;
      const text = step >= 24 * HOUR || midnight ? clock(time, { day: "numeric", month: "short" }) : clock(time, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
      if (x + 4 + ink.measureText(text).width < this.left + this.plot + 12) ink.fillText(text, x + 4, AXIS / 2);
    }
  }

  drawLanes(ink, paint, font, narrow, width) {
    ink.textBaseline = "middle";
    this.lanes.forEach((lane, index) => {
      const top = AXIS + index * this.row;
      ink.strokeStyle = paint.line;
      ink.beginPath();
      ink.moveTo(0, top + 0.5);
      ink.lineTo(width, top + 0.5);
      ink.stroke();
      if (!narrow) {
        ink.fillStyle = paint.surface;
        ink.fillRect(0, top + 1, this.left - 8, this.row - 1);
      }
      const [name, group] = lane.split("\n");
      const room = narrow ? width - 20 : this.left - 24;
      ink.fillStyle = paint.ink;
      ink.font = `500 12px ${font}`;
      const shown = this.fit(ink, name, room);
      ink.fillText(shown, 12, narrow || group ? top + 15 : top + this.row / 2);
      const after = narrow ? 20 + ink.measureText(shown).width : 12;
      ink.fillStyle = paint.quiet;
      ink.font = `11px ${font}`;
      if (group) ink.fillText(this.fit(ink, group, room - after + 12), after, narrow ? top + 15 : top + 31);
    });
  }

  drawBar(ink, paint, font, bar) {
    const [left, top, width, height] = this.box(bar);
    if (left > this.left + this.plot || left + width < this.left) return;
    ink.save();
    ink.beginPath();
    ink.rect(this.left, top, this.plot + 12, height);
    ink.clip();
    const road = !bar.group;
    ink.fillStyle = road ? paint.edge : paint[`cat-${1 + (this.groups.indexOf(bar.group) % 6)}`];
    ink.beginPath();
    ink.roundRect(left, road ? top + 9 : top, width, road ? 4 : height, road ? 2 : 3);
    ink.fill();
    if (bar.late) this.hatch(ink, paint, left, top, width, height);
    if (!road) this.drawLabel(ink, paint, font, bar);
    if (bar === this.here) {
      ink.strokeStyle = paint.ink;
      ink.lineWidth = 2;
      ink.strokeRect(left + 1, top + 1, Math.max(1, width - 2), height - 2);
    }
    ink.restore();
  }

  // Inside the bar where it fits, else after it where the lane is free.
  drawLabel(ink, paint, font, bar) {
    const [left, top, width, height] = this.box(bar);
    const from = Math.max(left, this.left);
    const text = (bar.late ? "! " : "") + bar.label;
    ink.font = `500 11px ${font}`;
    ink.textBaseline = "middle";
    const inside = left + width - from - 12;
    const next = bar.next === Infinity ? this.left + this.plot : Math.min(this.x(bar.next), this.left + this.plot);
    const outside = next - (left + width) - 12;
    const within = ink.measureText(text).width <= inside || inside >= outside;
    ink.fillStyle = within ? paint.surface : paint.ink;
    ink.fillText(this.fit(ink, text, within ? inside : outside), within ? from + 6 : left + width + 6, top + height / 2 + 0.5);
  }

  hatch(ink, paint, left, top, width, height) {
    ink.save();
    ink.clip();
    ink.strokeStyle = paint.bad;
    ink.lineWidth = 2;
    for (let x = left - height; x < left + width; x += 7) {
      ink.beginPath();
      ink.moveTo(x, top + height);
      ink.lineTo(x + height, top);
      ink.stroke();
    }
    ink.restore();
  }

  fit(ink, text, room) {
    if (ink.measureText(text).width <= room) return text;
    let kept = text;
    while (kept.length > 1 && ink.measureText(`${kept}…`).width > room) kept = kept.slice(0, -1);
    return kept.length > 1 ? `${kept}…` : "";
  }
}

customElements.define("gantt-chart", GanttChart);
