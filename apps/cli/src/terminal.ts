/*
 * What is printed where: results on stdout, progress and questions on stderr. With `--json` stdout
 * carries the contract's shapes, one JSON value a line. Colour and redrawing only on a terminal.
 */
import { styleText } from "node:util";

export interface Terminal {
  readonly json: boolean;
  /** Whether a person watches stderr. */
  readonly interactive: boolean;
  /** The result of the command. */
  result(value: unknown, text: string): void;
  /** One plain line of a stream that a person or a pipe follows; nothing with `--json`. */
  line(text: string): void;
  /** One JSON line of a stream; nothing without `--json`. */
  record(value: unknown): void;
  /** Said on the way. */
  progress(text: string): void;
  /** How far it is, said again and again: in place on a terminal, a line every ten seconds elsewhere. Null: over. */
  status(text: string | null): void;
  style(format: Parameters<typeof styleText>[0], text: string): string;
}

export function createTerminal(json: boolean): Terminal {
  const colour = process.stdout.isTTY && !json;
  let saidMs = -Infinity;
  return {
    json,
    interactive: process.stderr.isTTY && process.stdin.isTTY,
    result: (value, text) => void process.stdout.write(`${json ? JSON.stringify(value) : text}\n`),
    line: (text) => void (!json && process.stdout.write(`${text}\n`)),
    record: (value) => void (json && process.stdout.write(`${JSON.stringify(value)}\n`)),
    progress: (text) => void process.stderr.write(`${text}\n`),
    status(text) {
      if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${text ?? ""}`);
      else if (text !== null && performance.now() - saidMs >= 10_000) {
        saidMs = performance.now();
        process.stderr.write(`${text}\n`);
      }
    },
    style: (format, text) => (colour ? styleText(format, text) : text),
  };
}

/** Text from agents and tools must not drive the terminal, nor read otherwise than it is: control characters other than line break and tab go, and those that turn the direction of writing. */
export const printable = (text: string): string =>
  text.replaceAll(
    // eslint-disable-next-line no-control-regex -- control characters are what this removes
    /\u001B\[[0-?]*[ -/]*[@-~]|\u001B[@-_]|[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u200E\u200F\u202A-\u202E\u2066-\u2069]/g,
    "",
  );

/** Rows aligned in columns; the header in capitals, as tools do. `right`: the columns that hold numbers. */
export function table(header: readonly string[], rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths = header.map((name, i) => Math.max(name.length, ...rows.map((row) => (row[i] ?? "").length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i]!) : i === cells.length - 1 ? cell : cell.padEnd(widths[i]!)))
      .join("  ");
  return [line(header.map((name) => name.toUpperCase())), ...rows.map(line)].join("\n");
}

/** `1 event`, `2 events`. */
export const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;

export const dollars = (microUsd: number): string => `$${(microUsd / 1_000_000).toFixed(microUsd !== 0 && microUsd < 10_000 ? 4 : 2)}`;

export const ago = (at: string, nowMs: number): string => {
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(at)) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)} h ago` : `${Math.floor(seconds / 86_400)} d ago`;
};
