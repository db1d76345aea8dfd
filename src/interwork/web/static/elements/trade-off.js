// <trade-off> around a table of plans (tr[data-price][data-co2][data-finish]): a slider steps through them, a drawing
// shows price against CO₂ with the finish as size. The table says the same without it.
import { say } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, PAD] = [640, 200, 28];

class TradeOff extends HTMLElement {
  connectedCallback() {
    this.rows = [...this.querySelectorAll("tr[data-price]")];
    if (this.rows.length < 2) return;
    this.drawing = document.createElementNS(SVG, "svg");
    this.drawing.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.drawing.setAttribute("aria-hidden", "true");
    const [xs, ys, sizes] = ["price", "co2", "finish"].map((name) => this.scale(name));
    this.dots = this.rows.map((row, index) => {
      const dot = document.createElementNS(SVG, "circle");
      dot.setAttribute("cx", PAD + xs(row) * (WIDTH - 2 * PAD));
      dot.setAttribute("cy", HEIGHT - PAD - ys(row) * (HEIGHT - 2 * PAD));
      dot.setAttribute("r", 6 + 8 * sizes(row));
      dot.addEventListener("click", () => { this.slider.value = index; this.show(); });
      return dot;
    });
    this.drawing.append(...this.dots, this.text(PAD, 14, say("CO₂ ↑")), this.text(WIDTH - PAD, HEIGHT - 6, say("Price →"), "end"));
    this.slider = document.createElement("input");
    Object.assign(this.slider, { type: "range", min: 0, max: this.rows.length - 1, step: 1 });
    this.slider.setAttribute("aria-label", say("Plans from the cheapest to the dearest"));
    this.slider.value = Math.max(0, this.rows.findIndex((row) => row.classList.contains("chosen")));
    this.slider.addEventListener("input", () => this.show());
    this.prepend(this.drawing, this.slider);
    this.show();
  }

  scale(name) {
    const values = this.rows.map((row) => Number(row.dataset[name]));
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return (row) => (high > low ? (Number(row.dataset[name]) - low) / (high - low) : 0.5);
  }

  text(x, y, words, anchor = "start") {
    const made = document.createElementNS(SVG, "text");
    for (const [name, value] of [["x", x], ["y", y], ["text-anchor", anchor]]) made.setAttribute(name, value);
    made.textContent = words;
    return made;
  }

  show() {
    const at = Number(this.slider.value);
    this.rows.forEach((row, index) => row.toggleAttribute("data-at", index === at));
    this.dots.forEach((dot, index) => dot.toggleAttribute("data-at", index === at));
    this.slider.setAttribute("aria-valuetext", this.rows[at].dataset.label);
  }
}

customElements.define("trade-off", TradeOff);
