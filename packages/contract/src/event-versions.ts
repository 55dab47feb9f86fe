/*
 * Versions of an event type. A released shape never changes in place: what needs another shape becomes version n + 1
 * of the type, and beside it stands how data of version n is said in it.
 *
 *   stored, hashed, exported     as it was written, for ever
 *   read                         v1 ─up─► v2 ─up─► … ─► today's shape   (packages/eventlog/src/envelope.ts)
 *   appended                     always today's version
 *
 * Deciders, projections and readers know today's shape only. An upcaster is pure and total: it may rename, split, fill
 * in what the old data implies; it never asks a clock or a table, or two readers would read two histories. An erased
 * event has no data to bring anywhere and stays `{}`.
 *
 * A new version of `room.created`, in events/rooms.ts:
 *
 *   const RoomCreatedV1 = z.object({ … });          the shape as it was released
 *   export const roomCreated = since(RoomCreatedV1).becomes(RoomCreatedV2, (v1) => ({ … }));
 *
 * with RoomCreatedV2 as the `data` in the union, and the history named in EVENT_HISTORIES below. `tools/contract.ts
 * --check` refuses another shape without it.
 */
import type { z } from "zod";
import type { AnyEvent, EventType } from "./events.ts";

interface Past {
  readonly schema: z.ZodType;
  readonly up: (data: never) => object;
}

/** All shapes that a type has had; `past[i]` is version i + 1. */
export interface EventHistory<Now extends object = object> {
  readonly past: readonly Past[];
  readonly now: z.ZodType<Now>;
}

interface Since<A extends object> extends EventHistory<A> {
  /** The next version, and how data of the one before is said in it. */
  becomes<B extends object>(schema: z.ZodType<B>, up: (data: A) => B): Since<B>;
}

export const since = <A extends object>(schema: z.ZodType<A>): Since<A> => sinceAll([], schema);

const sinceAll = <A extends object>(past: readonly Past[], now: z.ZodType<A>): Since<A> => ({
  past,
  now,
  becomes: (schema, up) => sinceAll([...past, { schema: now, up }], schema),
});

/** By type; a type without an entry is at version 1. */
export type EventVersions = Readonly<Record<string, EventHistory>>;

type Histories = { readonly [T in EventType]?: EventHistory<Extract<AnyEvent, { type: T }>["data"]> };

/** Of the types that have had more than one shape. None has yet. */
export const EVENT_HISTORIES: Histories & EventVersions = {};

export const versionOf = (type: string, versions: EventVersions = EVENT_HISTORIES): number => (versions[type]?.past.length ?? 0) + 1;

/** Data that was written as `version` of the type, in today's shape. A version of the future is a newer server's: it is not guessed at. */
export function upcast(type: string, version: number, data: object, versions: EventVersions = EVENT_HISTORIES): object {
  const past = versions[type]?.past ?? NO_PAST;
  if (version > past.length + 1) throw new NewerEvent(type, version, past.length + 1);
  let now = data;
  for (let v = version; v <= past.length; v++) now = past[v - 1]!.up(now as never);
  return now;
}
const NO_PAST: readonly Past[] = [];

export class NewerEvent extends Error {
  override name = "NewerEvent";
  constructor(type: string, version: number, known: number) {
    super(
      `the log has ${type} in version ${version}, and this Signalbox knows up to version ${known}. ` +
        "It was written by a newer Signalbox: start that version, or restore a backup from before the upgrade.",
    );
  }
}
