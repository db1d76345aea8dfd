// <alarm-bell count="2">: asks every few seconds how many alarms need somebody; says so where that changed, even while
// moving values are paused, and offers the page anew. It never plays a sound and never moves what is being read.
import { say } from "./words.js";

const EVERY_MS = 5000;

class AlarmBell extends HTMLElement {
  connectedCallback() {
    this.known = Number(this.getAttribute("count"));
    this.timer = setInterval(() => this.ask(), EVERY_MS);
  }

  disconnectedCallback() {
    clearInterval(this.timer);
  }

  async ask() {
    if (document.hidden) return;
    let answer;
    try {
      answer = await fetch("/api/alarms", { headers: { accept: "application/json" } });
    } catch {
      return; // the next turn asks again
    }
    if (!answer.ok) return;
    const { groups } = await answer.json();
    const count = groups.reduce((total, group) => total + group.alarms.length, 0);
    if (count === this.known) return;
    this.known = count;
    const told = this.querySelector("p");
    told.className = "note warn";
    told.textContent = `${say("Alarms that need somebody")}: ${count}. `;
    const link = document.createElement("a");
    link.href = location.pathname;
    link.textContent = say("Show all");
    told.append(link);
  }
}

customElements.define("alarm-bell", AlarmBell);
