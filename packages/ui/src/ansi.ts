/*
 * What a terminal program printed, as runs of text with classes. Pure.
 *
 * Understood: colours and weights (SGR), links (OSC 8, http and https only), carriage return, backspace and
 * erase-to-end-of-line within a line, because progress bars are made of them. Every other sequence (cursor moves,
 * titles, clipboard, device control) is dropped: it can do nothing here, and shows nothing. 256 and true colours
 * become the nearest of the sixteen, which have a readable value on both grounds.
 */

export interface AnsiRun {
  readonly text: string;
  readonly className: string;
  readonly href?: string;
}

interface Style {
  fg: number | null;
  bg: number | null;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  strike: boolean;
  inverse: boolean;
  href: string | null;
}

const plain = (): Style => ({
  fg: null,
  bg: null,
  bold: false,
  dim: false,
  italic: false,
  underline: false,
  strike: false,
  inverse: false,
  href: null,
});
const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

function classes(style: Style): string {
  const fg = style.inverse ? style.bg : style.fg;
  const bg = style.inverse ? style.fg : style.bg;
  const names: string[] = [];
  if (style.inverse && style.fg === null && style.bg === null) names.push("ansi-inverse");
  if (fg !== null) names.push(`ansi-${NAMES[fg & 7]!}${fg > 7 ? "-bright" : ""}`);
  if (bg !== null) names.push(`ansi-on-${NAMES[bg & 7]!}`);
  if (style.bold) names.push("ansi-bold");
  if (style.dim) names.push("ansi-dim");
  if (style.italic) names.push("italic");
  if (style.underline) names.push("underline");
  if (style.strike) names.push("line-through");
  return names.join(" ");
}

/** The nearest of the eight, bright where the colour is light. */
function nearest(r: number, g: number, b: number): number {
  const most = Math.max(r, g, b);
  if (most < 48) return 0;
  if (most - Math.min(r, g, b) < 32) return most > 170 ? 7 : 8;
  const bit = (value: number, at: number): number => (value > most * 0.6 ? 1 << at : 0);
  return (bit(r, 0) | bit(g, 1) | bit(b, 2)) + (most > 215 ? 8 : 0);
}

function indexed(index: number): number {
  if (index < 16) return index;
  if (index > 231) {
    const grey = 8 + (index - 232) * 10;
    return nearest(grey, grey, grey);
  }
  const level = (value: number): number => (value === 0 ? 0 : 55 + value * 40);
  const cube = index - 16;
  return nearest(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

function select(style: Style, parameters: string): void {
  const codes = parameters === "" ? [0] : parameters.split(/[;:]/).map((code) => (code === "" ? 0 : Number(code)));
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i]!;
    if (code === 0) Object.assign(style, { ...plain(), href: style.href });
    else if (code === 1) style.bold = true;
    else if (code === 2) style.dim = true;
    else if (code === 3) style.italic = true;
    else if (code === 4) style.underline = true;
    else if (code === 7) style.inverse = true;
    else if (code === 9) style.strike = true;
    else if (code === 22) style.bold = style.dim = false;
    else if (code === 23) style.italic = false;
    else if (code === 24) style.underline = false;
    else if (code === 27) style.inverse = false;
    else if (code === 29) style.strike = false;
    else if (code >= 30 && code <= 37) style.fg = code - 30;
    else if (code === 39) style.fg = null;
    else if (code >= 40 && code <= 47) style.bg = code - 40;
    else if (code === 49) style.bg = null;
    else if (code >= 90 && code <= 97) style.fg = code - 82;
    else if (code >= 100 && code <= 107) style.bg = code - 92;
    else if (code === 38 || code === 48) {
      const isIndexed = codes[i + 1] === 5;
      const colour = isIndexed ? indexed(codes[i + 2] ?? 0) : nearest(codes[i + 2] ?? 0, codes[i + 3] ?? 0, codes[i + 4] ?? 0);
      style[code === 38 ? "fg" : "bg"] = colour;
      i += isIndexed ? 2 : 4;
    }
  }
}

function link(target: string): string | null {
  if (target === "") return null;
  try {
    const { protocol, href } = new URL(target);
    return protocol === "http:" || protocol === "https:" ? href : null;
  } catch {
    return null; // Not an address: the text stays, without a link.
  }
}

/** Control sequence | OSC up to BEL or ST | other string sequences | two-byte escape | other controls but tab, newline, return, backspace. */
const SEQUENCE =
  // eslint-disable-next-line no-control-regex -- control characters are what this is about
  /(?:\u001b\[|\u009b)([0-?]*)[ -/]*([@-~])|(?:\u001b\]|\u009d)([^\u0007\u001b\u009c]*)(?:\u0007|\u001b\\|\u009c|$)|(?:\u001b[PX^_]|[\u0090\u0098\u009e\u009f])[^\u001b\u009c]*(?:\u001b\\|\u009c|$)|\u001b[ -/]*[0-~]?|[\u0000-\u0007\u000b\u000c\u000e-\u001a\u001c-\u001f\u007f-\u009f]|[\r\b]/g;

// eslint-disable-next-line no-control-regex -- as above
const GOES_BACK = /[\r\b]|\u001b\[[0-9]*K/;

/** One line being written: a cell is a character and what it wears. */
interface Cell {
  readonly char: string;
  readonly className: string;
  readonly href: string | null;
}

export function ansiRuns(text: string): AnsiRun[] {
  const runs: { text: string; className: string; href?: string }[] = [];
  const style = plain();
  const add = (text: string, className: string, href: string | null): void => {
    if (text === "") return;
    const last = runs.at(-1);
    if (last !== undefined && last.className === className && (last.href ?? null) === href) last.text += text;
    else runs.push({ text, className, ...(href === null ? {} : { href }) });
  };
  for (const [i, line] of text.replaceAll("\r\n", "\n").split("\n").entries()) {
    if (i > 0) add("\n", "", null);
    // A line that goes back over itself is written cell by cell; any other as it comes.
    if (GOES_BACK.test(line)) overwritten(line, style, add);
    else
      walk(
        line,
        style,
        (part) => add(part, classes(style), style.href),
        () => undefined,
      );
  }
  return runs;
}

function walk(line: string, style: Style, write: (part: string) => void, control: (which: string, parameters: string) => void): void {
  let from = 0;
  for (const match of line.matchAll(SEQUENCE)) {
    if (match.index > from) write(line.slice(from, match.index));
    from = match.index + match[0].length;
    const [sequence, parameters = "", final, command] = match;
    if (final === "m" && /^[0-9;:]*$/.test(parameters)) select(style, parameters);
    else if (final === "K") control("K", parameters);
    else if (command?.startsWith("8;") === true) style.href = link(command.slice(command.indexOf(";", 2) + 1));
    else if (sequence === "\r" || sequence === "\b") control(sequence, "");
  }
  if (from < line.length) write(line.slice(from));
}

function overwritten(line: string, style: Style, add: (text: string, className: string, href: string | null) => void): void {
  let cells: Cell[] = [];
  let at = 0;
  walk(
    line,
    style,
    (part) => {
      const className = classes(style);
      for (const char of part) cells[at++] = { char, className, href: style.href };
    },
    (which, parameters) => {
      if (which === "\r") at = 0;
      else if (which === "\b") at = Math.max(0, at - 1);
      else if (parameters === "2") cells = [];
      else if (parameters === "" || parameters === "0") cells.length = Math.min(cells.length, at);
    },
  );
  for (let i = 0; i < cells.length; i++) {
    const cell = cells[i];
    if (cell === undefined) add(" ", "", null);
    else add(cell.char, cell.className, cell.href);
  }
}
