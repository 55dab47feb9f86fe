/* Looks for words in what a terminal has printed, the newest first. */
import type { Terminal } from "@xterm/xterm";

/** Selects the next line upwards (or downwards) that has the words, beginning at what is selected; false when there is none. */
export function findIn(terminal: Terminal, words: string, direction: "up" | "down"): boolean {
  const needle = words.toLowerCase();
  if (needle === "") return false;
  const buffer = terminal.buffer.active;
  const from = terminal.getSelectionPosition()?.start.y ?? buffer.baseY + terminal.rows;
  const step = direction === "up" ? -1 : 1;
  for (let i = 1; i <= buffer.length; i++) {
    const row = (((from + step * i) % buffer.length) + buffer.length) % buffer.length;
    const text = buffer.getLine(row)?.translateToString(true).toLowerCase() ?? "";
    const column = text.indexOf(needle);
    if (column === -1) continue;
    terminal.select(column, row, needle.length);
    terminal.scrollToLine(Math.max(0, row - Math.floor(terminal.rows / 2)));
    return true;
  }
  return false;
}
