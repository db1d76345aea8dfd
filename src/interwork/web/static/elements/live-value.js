// <live-value signal="7">12.5</live-value>: the newest value of a signal; also fills its quality and time cells.
import { feed } from "./feed.js";
import { clock, number, say } from "./words.js";

const TONES = { active: "live", stopped: "warn", fault: "bad", unavailable: "bad" };

class LiveValue extends HTMLElement {
  connectedCallback() {
    const signal = Number(this.getAttribute("signal"));
    feed.watch(this, signal, (reading) => this.show(signal, reading));
  }

  // Only what differs is written: five hundred of these change ten times a second.
  show(signal, reading) {
    const stale = Boolean(reading.stale);
    if (this.dataset.quality !== reading.quality) this.dataset.quality = reading.quality;
    if (this.hasAttribute("data-stale") !== stale) this.toggleAttribute("data-stale", stale);
    if (this.hasAttribute("labels")) return this.showState(reading);
    this.explain(reading.quality === "good" && !stale ? "" : say(stale ? "stale" : reading.quality));
    this.write(this, reading.text || number(reading.value));
    this.cells ??= this.findCells(signal);
    if (this.cells.quality) this.write(this.cells.quality, stale ? say("stale") : say(reading.quality));
    if (this.cells.time && reading.time) {
      const second = Math.floor(reading.time / 1000);
      if (second === this.second) return;
      this.second = second;
      this.cells.time.textContent = clock(reading.time);
      this.cells.time.dateTime = new Date(reading.time).toISOString();
    }
  }

  // Why a value is not as it should be, for whoever rests on it.
  explain(why) {
    if (this.title !== why) this.title = why;
  }

  showState(reading) {
    const word = reading.quality === "good" && reading.text ? reading.text.toLowerCase() : "unavailable";
    this.write(this, say(word));
    const state = this.closest(".state");
    if (state) state.dataset.tone = TONES[word] ?? "idle";
  }

  findCells(signal) {
    const row = this.closest("tr");
    return { quality: row?.querySelector(`[data-quality-of="${signal}"]`), time: row?.querySelector(`[data-time-of="${signal}"]`) };
  }

  write(element, text) {
    if (element.firstChild?.nodeValue !== text) element.textContent = text;
  }
}

customElements.define("live-value", LiveValue);
