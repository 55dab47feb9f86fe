import type { Json } from "@signalbox/kernel/canonical";

const WHOLE_CHARS = 64 * 1024;
const STRING_CHARS = 8 * 1024;
const DEPTH = 20;
const MEMBERS = 200;

/** A tool's arguments as an event may carry them: whole up to 64 KiB, else every long string cut with a mark of how much is missing. */
export function boundArguments(value: unknown): Json {
  const plain = plainJson(value, Infinity, 0);
  return JSON.stringify(plain).length <= WHOLE_CHARS ? plain : plainJson(value, STRING_CHARS, 0);
}

function plainJson(value: unknown, longest: number, depth: number): Json {
  if (depth > DEPTH) return "…";
  switch (typeof value) {
    case "string":
      return value.length <= longest ? value : `${value.slice(0, longest)}… (${value.length - longest} more characters)`;
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "boolean":
      return value;
    case "object":
      if (value === null) return null;
      if (Array.isArray(value)) return value.slice(0, MEMBERS).map((item) => plainJson(item, longest, depth + 1));
      return Object.fromEntries(
        Object.entries(value)
          .slice(0, MEMBERS)
          .map(([key, member]) => [key, plainJson(member, longest, depth + 1)]),
      );
    default:
      return null;
  }
}
