// <network-map land="…json" library="…geo.js"> around a table: its rows (data-latitude, data-longitude) as a map.
// Land without borders; `closer` = how much nearer than a continent it may be drawn; every site is a link; lines are memberships and agreements.
import { say } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";

function make(name, attributes, parent) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent?.append(element);
  return element;
}

class NetworkMap extends HTMLElement {
  async connectedCallback() {
    this.sites = [...this.querySelectorAll("tr[data-latitude]")].map((row) => ({
      id: row.id,
      name: row.dataset.name.length > 26 ? `${row.dataset.name.slice(0, 24).trimEnd()}…` : row.dataset.name,
      whole: row.dataset.name,
      kind: row.dataset.kind,
      here: "here" in row.dataset,
      node: row.dataset.node === "1",
      ties: row.dataset.ties.split(" ").filter(Boolean),
      address: row.querySelector("a").getAttribute("href"),
      at: [Number(row.dataset.longitude), Number(row.dataset.latitude)],
    })).filter((site) => site.at[0] || site.at[1]);
    if (!this.sites.length) return;
    const [geo, land] = await Promise.all([import(this.getAttribute("library")), fetch(this.getAttribute("land")).then((answer) => answer.json())]);
    this.geo = geo;
    this.land = geo.feature(land, land.objects.land);
    this.build();
    new ResizeObserver(() => this.stage.clientWidth !== this.width && this.draw(this.view)).observe(this.stage);
    this.draw("sites");
  }

  build() {
    const tools = document.createElement("div");
    tools.className = "tools";
    this.buttons = new Map();
    for (const [name, view] of [["Sites", "sites"], ["Nodes", "nodes"], ["World", "world"]]) {
      const nodes = this.sites.filter((site) => site.node).length;
      if (view === "nodes" && (nodes < 2 || nodes === this.sites.length)) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "slim";
      button.textContent = say(name);
      button.addEventListener("click", () => this.draw(view));
      tools.append(button);
      this.buttons.set(view, button);
    }
    this.stage = document.createElement("div");
    this.stage.className = "stage";
    this.prepend(tools, this.stage);
  }

  draw(view) {
    this.view = view;
    this.width = this.stage.clientWidth;
    for (const [name, button] of this.buttons) button.setAttribute("aria-pressed", String(name === view));
    const height = Math.round(Math.max(300, Math.min(520, this.width * 0.45)));
    const projection = this.projection(view, height);
    const path = this.geo.geoPath(projection);
    const picture = make("svg", { viewBox: `0 0 ${this.width} ${height}`, width: this.width, height, role: "group", "aria-label": this.getAttribute("aria-label") });
    make("path", { class: "land", d: path(this.land) }, picture);
    make("path", { class: "graticule", d: path(this.geo.geoGraticule10()) }, picture);
    const points = new Map(this.sites.map((site) => [site.id, projection(site.at)]));
    this.drawTies(picture, path);
    this.drawSites(picture, points, height);
    this.stage.replaceChildren(picture);
  }

  projection(view, height) {
    if (view === "world") return this.geo.geoEqualEarth().fitSize([this.width, height], { type: "Sphere" });
    const shown = this.sites.filter((site) => view === "sites" || site.node);
    const middle = shown.reduce(([x, y], site) => [x + site.at[0] / shown.length, y + site.at[1] / shown.length], [0, 0]);
    const turned = this.geo.geoEqualEarth().rotate([-middle[0], 0]);
    const room = Math.min(70, this.width / 9);
    turned.fitExtent([[room, room], [this.width - room, height - room]], { type: "MultiPoint", coordinates: shown.map((site) => site.at) });
    const most = Math.max(1500, 2.1 * this.width) * Number(this.getAttribute("closer") ?? 1); // no closer, so that coasts still tell where it is
    if (turned.scale() > most) {
      const [x, y] = turned.scale(most).translate([0, 0])(middle);
      turned.translate([this.width / 2 - x, height / 2 - y]);
    }
    return turned;
  }

  drawTies(picture, path) {
    const known = new Map(this.sites.map((site) => [site.id, site]));
    for (const site of this.sites) {
      for (const to of site.ties) {
        const other = known.get(to);
        if (other) make("path", { class: "tie", d: path({ type: "LineString", coordinates: [site.at, other.at] }) ?? "" }, picture);
      }
    }
  }

  // Labels are placed where they cover neither a dot nor another label; a site without one tells its name on focus.
  drawSites(picture, points, height) {
    const taken = [...points.values()].map(([x, y]) => [x - 7, y - 7, x + 7, y + 7]);
    const hits = (box) => taken.filter((one) => !(box[2] < one[0] || box[0] > one[2] || box[3] < one[1] || box[1] > one[3])).length;
    const free = (box) => box[0] > 4 && box[2] < this.width - 4 && box[1] > 4 && box[3] < height - 4 && hits(box) === 0;
    const order = [...this.sites].sort((a, b) => Number(b.here) - Number(a.here) || b.ties.length - a.ties.length);
    for (const site of order) {
      const [x, y] = points.get(site.id);
      if (x < 0 || x > this.width || y < 0 || y > height) continue;
      const link = make("a", { href: site.address, "data-kind": site.kind, "aria-label": site.whole }, picture);
      if (site.here) link.setAttribute("data-here", "");
      make("title", {}, link).textContent = site.whole;
      make("circle", { cx: x, cy: y, r: 12, opacity: 0 }, link).setAttribute("stroke", "none");
      make("circle", { cx: x, cy: y, r: (site.here ? 6 : 4.5) }, link);
      const width = site.name.length * 6.1;
      const rows = 12;
      const places = [[x + 9, y + 4, "start"], [x - 9, y + 4, "end"], [x, y - 10, "middle"], [x, y + 18, "middle"], [x + 8, y - 8, "start"], [x - 8, y - 8, "end"], [x + 8, y + 16, "start"], [x - 8, y + 16, "end"], [x, y + 30, "middle"], [x, y - 22, "middle"]];
      const boxes = places.map(([left, base, anchor]) => {
        const start = anchor === "start" ? left : anchor === "end" ? left - width : left - width / 2;
        return { left, base, anchor, box: [start, base - rows, start + width, base + 3] };
      });
      const place = boxes.find(({ box }) => free(box)) ?? (site.here ? boxes.sort((a, b) => hits(a.box) - hits(b.box))[0] : null);
      if (!place) continue;
      taken.push(place.box);
      make("text", { x: place.left, y: place.base, "text-anchor": place.anchor, "aria-hidden": "true" }, link).textContent = site.name;
    }
  }
}

customElements.define("network-map", NetworkMap);
