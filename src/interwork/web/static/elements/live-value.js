// <live-value signal="7">12.5</live-value>: the newest value of a signal; also fills its quality and time cells.
import { feed } from "./feed.js";
import { clock, number, say } from "./words.js";

const TONES = { active: "live", stopped: "warn", fault: "bad", unavailable: "bad" };

class LiveValue extends HTMLElement {
  connectedCallback() {
    const signal = Number(this.getAttribute("signal"));
    feed.watch(this, signal, (reading) => this.show(signal, reading));
  }

  show(signal, reading) {
    this.dataset.quality = reading.quality;
    this.toggleAttribute("data-stale", Boolean(reading.stale));
    if (this.hasAttribute("labels")) {
      const word = reading.quality === "good" && reading.text ? reading.text.toLowerCase() : "unavailable";
      this.textContent = say(word);
      const state = this.closest(".state");
      if (state) state.dataset.tone = TONES[word] ?? "idle";
      return;
    }
    this.textContent = reading.text || number(reading.value);
    const row = this.closest("tr");
    const quality = row?.querySelector(`[data-quality-of="${signal}"]`);
    if (quality) quality.textContent = reading.stale ? say("stale") : say(reading.quality);
    const time = row?.querySelector(`[data-time-of="${signal}"]`);
    if (time && reading.time) {
      time.textContent = clock(reading.time);
      time.dateTime = new Date(reading.time).toISOString();
    }
  }
}

customElements.define("live-value", LiveValue);
