// <thread-graph library="…dagre.js" start="id"> around a table: its rows (data-id, data-to) as a layered graph.
// Things stand left to right from cause to effect; each is a link; focus lights what is tied to it.
const SVG = "http://www.w3.org/2000/svg";
const WIDE = 160;
const HIGH = 44;

function make(name, attributes, parent) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent?.append(element);
  return element;
}

class ThreadGraph extends HTMLElement {
  async connectedCallback() {
    const rows = [...this.querySelectorAll("tr[data-id]")].slice(0, 200);
    if (rows.length < 2) return;
    const dagre = await import(this.getAttribute("library"));
    const graph = new dagre.Graph();
    const down = this.clientWidth < 640;
    graph.setGraph({ rankdir: down ? "TB" : "LR", nodesep: 14, ranksep: down ? 28 : 36, marginx: 12, marginy: 12 });
    graph.setDefaultEdgeLabel(() => ({}));
    for (const row of rows) graph.setNode(row.dataset.id, { width: WIDE, height: HIGH, row });
    for (const row of rows) {
      for (const to of row.dataset.to.split(" ")) if (graph.hasNode(to)) graph.setEdge(row.dataset.id, to);
    }
    dagre.layout(graph);
    this.show(graph);
  }

  show(graph) {
    const { width, height } = graph.graph();
    const view = document.createElement("div");
    view.className = "stage";
    const pane = document.createElement("div");
    pane.className = "view";
    pane.tabIndex = 0;
    pane.setAttribute("role", "region");
    pane.setAttribute("aria-label", document.querySelector("h1").textContent);
    view.append(pane);
    this.prepend(view);
    const scale = Math.max(0.8, Math.min(1, pane.clientWidth / width));
    const picture = make("svg", { viewBox: `0 0 ${width} ${height}`, width: width * scale, height: height * scale, role: "group", "aria-label": document.querySelector("h1").textContent });
    const lines = new Map();
    for (const edge of graph.edges()) {
      const line = make("path", { d: this.curve(graph.edge(edge).points) }, picture);
      for (const end of [edge.v, edge.w]) lines.set(end, [...(lines.get(end) ?? []), line]);
    }
    for (const id of graph.nodes()) this.place(picture, id, graph.node(id), lines.get(id) ?? []);
    pane.append(picture);
    const here = graph.node(this.getAttribute("start"));
    if (here) pane.scrollTo(here.x * scale - pane.clientWidth / 2, here.y * scale - pane.clientHeight / 2);
  }

  place(picture, id, spot, lines) {
    const { row } = spot;
    const link = make("a", { href: row.querySelector("a").getAttribute("href"), "aria-label": `${row.dataset.kind}: ${row.dataset.label}` }, picture);
    if (id === this.getAttribute("start")) link.setAttribute("data-here", "");
    if ("held" in row.dataset) link.setAttribute("data-held", "");
    make("title", {}, link).textContent = row.dataset.label;
    const [left, top] = [spot.x - WIDE / 2, spot.y - HIGH / 2];
    make("rect", { x: left, y: top, width: WIDE, height: HIGH, rx: 5 }, link);
    make("text", { x: left + 10, y: top + 17, class: "kind" }, link).textContent = row.dataset.kind;
    make("text", { x: left + 10, y: top + 33 }, link).textContent = this.fit(row.dataset.label);
    const light = (lit) => () => { for (const line of lines) line.classList.toggle("lit", lit); };
    for (const name of ["pointerenter", "focus"]) link.addEventListener(name, light(true));
    for (const name of ["pointerleave", "blur"]) link.addEventListener(name, light(false));
  }

  // Wide characters take twice the room.
  fit(text) {
    let room = 22;
    let kept = "";
    for (const letter of text) {
      room -= letter.codePointAt(0) > 0x2e7f ? 1.8 : 1;
      if (room < 0) return `${kept.trimEnd()}…`;
      kept += letter;
    }
    return kept;
  }

  curve(points) {
    const [first, ...rest] = points;
    let path = `M${first.x},${first.y}`;
    let last = first;
    for (const point of rest) {
      const middle = (last.x + point.x) / 2;
      path += `C${middle},${last.y} ${middle},${point.y} ${point.x},${point.y}`;
      last = point;
    }
    return path;
  }
}

customElements.define("thread-graph", ThreadGraph);
