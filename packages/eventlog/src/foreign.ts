/*
 * Imported events as the rest of the product sees them. What is stored is what the other side hashed;
 * what is read has ids of its own:
 *
 *   ses_01J8…  ──►  ses_Z1J8…<hash>      time kept, the rest derived from (organization, import, id)
 *   usr_owner  ──►  usr_Z…               nobody of ours, whatever they were called there
 *   ws_dev     ──►  the reading organization; as a stream's id ws_Z…
 *
 * Ids made here begin with a digit of the time, never with Z (not before the year 3000), so a foreign
 * id is known by its looks, can name nothing of ours, and nothing of ours can be named by an imported
 * event: whatever it says, it says it of its own copies.
 */
import { createHash } from "node:crypto";
import type { Projection, Recorded } from "./log.ts";

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ULID_ID = /^([a-z]{2,8})_([0-9A-HJKMNP-TV-Z]{26})$/;
const NAMED_ID = /^(usr|agt|svc|ws)_([0-9A-Za-z]{1,40})$/;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const FOREIGN = /(?:^|:)[a-z]{2,8}_Z[0-9A-HJKMNP-TV-Z]{25}$/;

/** True for an id, or a subject, that came with an import. */
export const isForeign = (idOrSubject: string): boolean => FOREIGN.test(idOrSubject);

/** A command that would write to what was imported. The HTTP shell answers 409 `session_imported`. */
export class ForeignIsReadOnly extends Error {
  override name = "ForeignIsReadOnly";
  constructor(what: string) {
    super(`${what} was imported and is read-only`);
  }
}

export interface ImportKey {
  readonly organizationId: string;
  readonly importId: string;
}

/** The same id of the same import is the same here, whenever it is read. */
export interface Translation {
  id(id: string): string;
  eventId(uuid: string): string;
  subject(subject: string): string;
  stream<T extends { readonly type: string; readonly id: string }>(stream: T): T;
  data<T>(value: T): T;
}

const MAX_REMEMBERED = 200_000;
const remembered = new Map<string, string>();

/** The id of the import itself: the same log in the same organization has the same. */
export const importIdOf = (organizationId: string, digest: string): string =>
  `imp_0${digits(hashOf(organizationId, "import", digest), 25)}`;

export function translation({ organizationId, importId }: ImportKey): Translation {
  function derive(id: string): string {
    const key = `${organizationId}\n${importId}\n${id}`;
    const known = remembered.get(key);
    if (known !== undefined) return known;
    const made = derived(organizationId, importId, id);
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    remembered.set(key, made);
    return made;
  }
  const self: Translation = {
    id: derive,
    eventId: (uuid) => {
      const hash = hashOf(organizationId, importId, uuid).toString("hex");
      return `${uuid.slice(0, 13)}-7${hash.slice(0, 3)}-8${hash.slice(3, 6)}-${hash.slice(6, 18)}`;
    },
    subject: (subject) => {
      const at = subject.indexOf(":");
      const id = subject.slice(at + 1);
      const own = UUID_V7.test(id) ? self.eventId(id) : derive(id);
      // A subject without an id that is known as one could be that of something of ours.
      return own === id ? `${subject.slice(0, at + 1)}${derive(`svc_${digits(hashOf(id), 26)}`)}` : `${subject.slice(0, at + 1)}${own}`;
    },
    stream: (stream) => ({ ...stream, id: derive(stream.id) }),
    data: (value) => walk(value, "", self) as typeof value,
  };
  return self;
}

function derived(organizationId: string, importId: string, id: string): string {
  const ulid = ULID_ID.exec(id);
  if (ulid !== null) return `${ulid[1]}_Z${ulid[2]!.slice(1, 10)}${digits(hashOf(organizationId, importId, id), 16)}`;
  const named = NAMED_ID.exec(id);
  return named === null ? id : `${named[1]}_Z${digits(hashOf(organizationId, importId, id), 25)}`;
}

function walk(value: unknown, key: string, to: Translation): unknown {
  if (typeof value === "string") return key.endsWith("event_id") && UUID_V7.test(value) ? to.eventId(value) : to.id(value);
  if (Array.isArray(value)) return value.map((member) => walk(member, key, to));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, walk(member, name, to)]));
}

const hashOf = (...parts: string[]): Buffer => createHash("sha256").update(JSON.stringify(parts)).digest();
const digits = (hash: Buffer, length: number): string => Array.from({ length }, (_, i) => CROCKFORD[hash[i]! & 31]).join("");

/** What a reader of the log makes of an imported event. */
export function translated(event: Recorded, key: ImportKey): Recorded {
  const to = translation(key);
  const subject = to.subject(event.subject);
  const own = (id: string | undefined): string | undefined => (id === undefined ? undefined : to.id(id));
  const ids = {
    roomId: own(event.roomId),
    threadId: own(event.threadId),
    sessionId: own(event.sessionId),
    runId: own(event.runId),
    stepId: own(event.stepId),
    causationId:
      event.causationId !== undefined && UUID_V7.test(event.causationId) ? to.eventId(event.causationId) : own(event.causationId),
  };
  return {
    ...event,
    ...(Object.fromEntries(Object.entries(ids).filter(([, id]) => id !== undefined)) as Partial<Recorded>),
    eventId: to.eventId(event.eventId),
    event: { type: event.event.type, data: to.data(event.event.data) },
    organizationId: key.organizationId,
    stream: to.stream(event.stream),
    subject,
    subjectId: subject.slice(subject.indexOf(":") + 1),
    principal: {
      type: event.principal.type,
      id: to.id(event.principal.id),
      ...(event.principal.impersonatedBy === undefined ? {} : { impersonatedBy: to.id(event.principal.impersonatedBy) }),
    },
    correlationId: to.id(event.correlationId),
    importId: key.importId,
  };
}

/**
 * What of a batch a projection is given: of an imported log only what it says it takes, which by default is nothing,
 * and nothing at all of a foreign organization's own stream, where identity, tokens and switches are.
 */
export function dueTo<E extends { readonly type: string; readonly data: object }>(
  projection: Pick<Projection<E>, "types" | "imported">,
  events: readonly Recorded[],
): Recorded<E>[] {
  // Once for all events: a rebuild asks twenty projections about each of them.
  const [types, imported] = [new Set<string>(projection.types), new Set<string>(projection.imported)];
  return events.filter(({ importId, event, stream }) =>
    importId === undefined ? types.has(event.type) : stream.type !== "organization" && imported.has(event.type),
  ) as unknown as Recorded<E>[];
}

/** `dueTo` for several projections at once: which of them is given which events of a batch, in the projections' order. */
export function distribution(
  projections: readonly Projection[],
): (events: readonly Recorded[]) => (readonly [Projection, readonly Recorded[]])[] {
  const [own, foreign] = [new Map<string, Projection[]>(), new Map<string, Projection[]>()];
  const add = (to: Map<string, Projection[]>, type: string, projection: Projection) => to.set(type, [...(to.get(type) ?? []), projection]);
  for (const projection of projections) {
    for (const type of new Set(projection.types)) add(own, type, projection);
    for (const type of new Set(projection.imported)) add(foreign, type, projection);
  }
  return (events) => {
    const due = new Map<Projection, Recorded[]>(projections.map((projection) => [projection, []]));
    for (const event of events) {
      const takers = event.importId === undefined ? own : event.stream.type === "organization" ? undefined : foreign;
      for (const projection of takers?.get(event.event.type) ?? []) due.get(projection)!.push(event);
    }
    return [...due].filter(([, list]) => list.length > 0);
  };
}
