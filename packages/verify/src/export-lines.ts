/* The lines of an exported log as JSON has them: what each must hold to be looked at. `export.ts` says what they mean. */
import type { ChainedEvent } from "./chain.ts";
import type { StreamHead } from "./merkle.ts";

export interface EventRecord extends ChainedEvent {
  readonly kind: "event";
  readonly position: number;
}
export type Line =
  | {
      readonly kind: "header";
      readonly format: string;
      readonly organization_id: string;
      readonly complete: boolean;
      readonly stream?: string;
      readonly parts?: readonly string[];
      /** Public keys, as the server names them: they are told apart by them, never believed. */
      readonly keys?: readonly string[];
      /** Signed notes (`keys.ts`) that lead from an older key to a newer one. */
      readonly rotations?: readonly string[];
    }
  | EventRecord
  | { readonly kind: "checkpoint"; readonly note: string; readonly heads: readonly StreamHead[] }
  | { readonly kind: "links"; readonly stream: string; readonly from_seq: number; readonly entry_hashes: string }
  | { readonly kind: "blob"; readonly sha256: string; readonly base64: string }
  | { readonly kind: "end"; readonly events: number; readonly checkpoints: number };

/** Null for what is no line of an export. */
export function parseLine(text: string): Line | null {
  try {
    const line = JSON.parse(text) as Line;
    switch (line.kind) {
      case "event":
        return isEvent(line) ? line : null;
      case "checkpoint":
        return typeof line.note === "string" && Array.isArray(line.heads) && line.heads.every(isHead) ? line : null;
      case "header":
        return typeof line.organization_id === "string" &&
          typeof line.complete === "boolean" &&
          [line.parts, line.keys, line.rotations].every(isTexts)
          ? line
          : null;
      case "links":
        return typeof line.stream === "string" && Number.isSafeInteger(line.from_seq) && typeof line.entry_hashes === "string"
          ? line
          : null;
      case "blob":
        return typeof line.sha256 === "string" && typeof line.base64 === "string" ? line : null;
      case "end":
        return line;
      default:
        return null;
    }
  } catch {
    return null; // Not JSON: the caller names the line.
  }
}

const isTexts = (list: unknown): boolean => list === undefined || (Array.isArray(list) && list.every((text) => typeof text === "string"));
const isEvent = (line: EventRecord): boolean =>
  Number.isSafeInteger(line.seq) &&
  Number.isSafeInteger(line.position) &&
  [line.header, line.prev_hash, line.hash, line.stream?.type, line.stream?.id].every((text) => typeof text === "string") &&
  [line.data, line.salt].every((text) => text === null || typeof text === "string");
const isHead = (head: StreamHead | null): boolean =>
  typeof head?.stream === "string" && Number.isSafeInteger(head.seq) && typeof head.hash === "string";
