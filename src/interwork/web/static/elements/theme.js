// Canvas cannot see style sheets: this reads a colour of the design system as it is now, and tells when it changes.
const probe = document.createElement("i");
probe.hidden = true;
document.body.append(probe);

export function colour(name) {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

export const theme = new EventTarget();

export function changed() {
  theme.dispatchEvent(new Event("change"));
}

for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", changed);
