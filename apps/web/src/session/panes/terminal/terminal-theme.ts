/* The colours of a terminal, out of the same tokens as everything else; read anew when day and night change. */
import type { ITheme } from "@xterm/xterm";

/** What each colour of a terminal is called in tokens.css; the same as code.css gives the text of tool calls. */
const TOKENS = {
  background: "--sunken",
  foreground: "--ink",
  cursor: "--ink",
  cursorAccent: "--sunken",
  black: "--ansi-black",
  red: "--danger-ink",
  green: "--clear-ink",
  yellow: "--ansi-yellow",
  blue: "--moving-ink",
  magenta: "--syn-keyword",
  cyan: "--syn-number",
  white: "--ink-3",
  brightBlack: "--ink-3",
  brightRed: "--danger-ink",
  brightGreen: "--clear-ink",
  brightYellow: "--ansi-yellow",
  brightBlue: "--moving-ink",
  brightMagenta: "--syn-keyword",
  brightCyan: "--syn-number",
  brightWhite: "--ink",
} as const;

export function terminalTheme(): ITheme {
  // `light-dark()` is only resolved where it is used: on an element.
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const colour = (token: string): string => {
    probe.style.color = `var(${token})`;
    return getComputedStyle(probe).color;
  };
  const theme: Record<string, string> = {};
  for (const [name, token] of Object.entries(TOKENS)) theme[name] = colour(token);
  theme["selectionBackground"] = colour("--moving").replace(/^rgb\((.*)\)$/, "rgba($1, 0.3)");
  probe.remove();
  return theme;
}

export function onThemeChange(listener: () => void): () => void {
  const media = window.matchMedia("(prefers-color-scheme: dark)");
  media.addEventListener("change", listener);
  const observer = new MutationObserver(listener);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  return () => {
    media.removeEventListener("change", listener);
    observer.disconnect();
  };
}
