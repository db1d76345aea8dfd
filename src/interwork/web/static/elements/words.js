// What the elements say, in the page's language: the page carries the sentences in one block of JSON.
const block = document.getElementById("words");
const words = block ? JSON.parse(block.textContent) : {};

export const language = document.documentElement.lang === "en" ? "en-GB" : document.documentElement.lang || "en-GB";

export function say(text) {
  return words[text] ?? text;
}

const formats = new Map();

// The same digits as the server writes: whole above a hundred, one digit above ten, two below.
export function number(value) {
  if (value === null || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  const digits = Number.isInteger(value) || size >= 100 ? 0 : size >= 10 ? 1 : 2;
  if (!formats.has(digits)) {
    formats.set(digits, new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  }
  return formats.get(digits).format(value);
}

const clocks = new Map();

export function clock(milliseconds, options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }) {
  const key = JSON.stringify(options);
  if (!clocks.has(key)) clocks.set(key, new Intl.DateTimeFormat(language, options));
  return clocks.get(key).format(milliseconds);
}
