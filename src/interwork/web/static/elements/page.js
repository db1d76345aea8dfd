// What every page has: the theme switch, the pause button, and the reader's time zone told to the server.
import { say } from "./words.js";
import { changed } from "./theme.js";

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) document.cookie = `zone=${zone}; path=/; max-age=31536000; samesite=lax`;

class ThemeToggle extends HTMLElement {
  connectedCallback() {
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.addEventListener("click", () => this.turn());
    this.replaceChildren(this.button);
    this.show();
  }

  get dark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  turn() {
    const next = this.dark ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    document.cookie = `theme=${next}; path=/; max-age=31536000; samesite=lax`;
    changed();
    for (const one of document.querySelectorAll("theme-toggle")) one.show();
  }

  show() {
    this.button.textContent = this.dark ? say("Light") : say("Dark");
  }
}

class PauseButton extends HTMLElement {
  connectedCallback() {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = say("Pause");
    button.addEventListener("click", () => {
      const paused = document.documentElement.classList.toggle("paused");
      button.textContent = say(paused ? "Resume" : "Pause");
      button.setAttribute("aria-pressed", String(paused));
    });
    button.setAttribute("aria-pressed", "false");
    this.replaceChildren(button);
  }
}

customElements.define("theme-toggle", ThemeToggle);
customElements.define("pause-button", PauseButton);
