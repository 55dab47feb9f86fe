/* How figures read. Pure. */

export function money(microUsd: number): string {
  const dollars = microUsd / 1_000_000;
  if (microUsd === 0) return "$0.00";
  if (microUsd < 100) return "<$0.0001";
  if (dollars < 0.01) return `$${dollars.toFixed(4)}`;
  return `$${dollars.toFixed(2)}`;
}

export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.floor((ms % 60_000) / 1_000)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** "4 min", "23 h", "6 days": how long until `at`; null when it has passed. */
export function remaining(at: string, now: number): string | null {
  const ms = Date.parse(at) - now;
  if (ms <= 0) return null;
  if (ms < 60_000) return `${Math.ceil(ms / 1_000)} s`;
  if (ms < 3_600_000) return `${Math.ceil(ms / 60_000)} min`;
  if (ms < 48 * 3_600_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} days`;
}

/** "just now", "4 min ago", "yesterday 14:02", "3 Mar 2026"; of what is to come "in a moment", "in 4 min", "tomorrow 14:02". */
export function ago(at: string, now: number): string {
  const then = new Date(at);
  const ms = now - then.getTime();
  // Also a little ahead: clocks differ.
  if (Math.abs(ms) < 45_000) return ms < -5_000 ? "in a moment" : "just now";
  const minutes = Math.max(1, Math.round(Math.abs(ms) / 60_000));
  if (Math.abs(ms) < 3_600_000) return ms < 0 ? `in ${minutes} min` : `${minutes} min ago`;
  const today = new Date(now);
  const time = then.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", hour12: false });
  if (then.toDateString() === today.toDateString()) return time;
  if (then.toDateString() === new Date(now - 86_400_000).toDateString()) return `yesterday ${time}`;
  if (then.toDateString() === new Date(now + 86_400_000).toDateString()) return `tomorrow ${time}`;
  return then.toLocaleDateString(undefined, {
    day: "numeric",
    month: "short",
    ...(then.getFullYear() === today.getFullYear() ? {} : { year: "numeric" }),
  });
}

export function clock(at: string): string {
  return new Date(at).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
}

export const count = (n: number, one: string, many = `${one}s`): string => `${n.toLocaleString()} ${n === 1 ? one : many}`;

/** The part of a repository's address that people call it by. */
export function repositoryName(url: string): string {
  const last = url
    .replace(/\/+$/, "")
    .replace(/\.git$/, "")
    .split(/[/:]/)
    .pop();
  return last === undefined || last === "" ? url : last;
}

/** JSON for reading: indented, and a plain string as itself. */
export const readable = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

/** Markdown as one line to be read in a list: its words, without the signs that shape them. */
export const oneLine = (markdown: string): string =>
  markdown
    .replace(/^```.*$/gm, "")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/^\s*(?:#{1,6}|>|[-*+]|\d+\.)\s+/gm, "")
    .replace(/(\*\*|__|~~)(?=\S)(.+?)(?<=\S)\1/g, "$2")
    .replace(/(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])/g, "$1")
    .replace(/`([^`\n]+)`/g, "$1")
    .replace(/\s+/g, " ")
    .trim();

const UNITS = ["bytes", "KB", "MB", "GB", "TB"] as const;
/** In steps of 1,000, as disks and networks count: `1.2 MB`. */
export function bytes(size: number): string {
  const step = Math.min(UNITS.length - 1, size < 1000 ? 0 : Math.floor(Math.log10(size) / 3));
  const value = size / 1000 ** step;
  return `${step === 0 || value >= 100 ? Math.round(value).toLocaleString() : value.toFixed(1)} ${step === 0 && size === 1 ? "byte" : UNITS[step]}`;
}

/** Characters that turn text around or hide in it: what someone reads would not be what is there. */
const UNSEEN = /[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]/gu;

/** Text from a stranger (a file's name, a command, a call's arguments) with such characters written out as `‹U+202E›`. */
export const visible = (text: string): string =>
  text.replace(UNSEEN, (character) => `‹U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}›`);
