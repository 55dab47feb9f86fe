/* The tokens as a canvas can use them: resolved, and resolved anew when the theme changes. */
import { useEffect, useState } from "react";

const NAMES = [
  "ground",
  "panel",
  "raised",
  "sunken",
  "line",
  "line-strong",
  "ink",
  "ink-2",
  "ink-3",
  "signal",
  "signal-line",
  "signal-wash",
  "clear",
  "clear-wash",
  "danger",
  "danger-wash",
  "danger-line",
  "moving",
] as const;
export type Colours = Readonly<Record<(typeof NAMES)[number], string>> & { readonly sans: string };

function resolved(): Colours {
  // `light-dark()` is only worked out where it is used as a colour.
  const probe = document.createElement("span");
  document.body.append(probe);
  const colours = Object.fromEntries(
    NAMES.map((name) => {
      probe.style.color = `var(--${name})`;
      return [name, getComputedStyle(probe).color];
    }),
  );
  const sans = getComputedStyle(document.documentElement).getPropertyValue("--sans");
  probe.remove();
  return { ...(colours as Record<(typeof NAMES)[number], string>), sans };
}

export function useColours(): Colours {
  const [colours, setColours] = useState(resolved);
  useEffect(() => {
    const again = (): void => setColours(resolved());
    const scheme = window.matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", again);
    const observer = new MutationObserver(again);
    observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => {
      scheme.removeEventListener("change", again);
      observer.disconnect();
    };
  }, []);
  return colours;
}
