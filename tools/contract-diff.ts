/*
 * What would break those who rely on the last release. Additive evolution only:
 *
 *   what clients send     may become wider: new optional members, new values, fewer requirements
 *   what clients receive  may become richer: new members, new codes; nothing disappears or turns optional
 *   stored events         as what is received, and no member becomes required: old ones lack it. Any other change is
 *                         a new version, with the released shape kept as the past that its upcaster reads
 *
 * It knows the part of JSON Schema that our contract uses; what it does not know it compares as text.
 */
import type { EventDocument, OpenApi, Operation, Schema } from "./contract-documents.ts";

type Direction = "sent" | "received" | "stored";
interface Docs {
  readonly before: unknown;
  readonly after: unknown;
}

export function breakingOperations(before: OpenApi, after: OpenApi): string[] {
  const problems: string[] = [];
  for (const [path, methods] of Object.entries(before.paths)) {
    for (const [method, old] of Object.entries(methods)) {
      const now = after.paths[path]?.[method];
      const at = `${method.toUpperCase()} ${path}`;
      if (now === undefined) problems.push(`${at} is gone`);
      else problems.push(...breakingOperation(at, old, now, { before, after }));
    }
  }
  return problems;
}

function breakingOperation(at: string, old: Operation, now: Operation, docs: Docs): string[] {
  const problems: string[] = [];
  for (const parameter of old.parameters) {
    const same = now.parameters.find((p) => p.name === parameter.name && p.in === parameter.in);
    if (same === undefined) problems.push(`${at}: the ${parameter.in} parameter ${parameter.name} is gone`);
    else problems.push(...compare(`${at} ${parameter.name}`, parameter.schema, same.schema, "sent", docs));
  }
  for (const parameter of now.parameters) {
    if (parameter.required && !old.parameters.some((p) => p.name === parameter.name && p.in === parameter.in && p.required))
      problems.push(`${at}: ${parameter.name} has become required`);
  }
  const [sentBefore, sentNow] = [old, now].map((operation) => operation.requestBody?.content["application/json"]?.schema);
  if (sentBefore !== undefined && sentNow !== undefined) problems.push(...compare(`${at} body`, sentBefore, sentNow, "sent", docs));
  else if (sentBefore === undefined && sentNow !== undefined) problems.push(`${at}: a body has become required`);
  for (const [status, response] of Object.entries(old.responses)) {
    const same = now.responses[status];
    // Which refusals come may change; that a success stays one may not.
    if (!status.startsWith("2")) continue;
    if (same === undefined) problems.push(`${at}: it no longer answers ${status}`);
    for (const [media, { schema }] of Object.entries(response.content ?? {})) {
      const other = same?.content?.[media]?.schema;
      if (same !== undefined && other === undefined) problems.push(`${at}: ${status} is no longer ${media}`);
      if (other !== undefined) problems.push(...compare(`${at} ${status}`, schema, other, "received", docs));
    }
  }
  return problems;
}

export function breakingEvents(before: EventDocument, after: EventDocument): string[] {
  return Object.entries(before.events).flatMap(([type, old]) => {
    const now = after.events[type];
    if (now === undefined) return [`the event ${type} is gone`];
    const [pastBefore, pastNow] = [before.past?.[type] ?? [], after.past?.[type] ?? []];
    // Version i + 1 is whatever was released as that: in the past of both, or today's shape of the release.
    const released = [...pastBefore, old];
    const shapes = [...pastNow, now];
    if (shapes.length < released.length)
      return [`event ${type}: it was released in version ${released.length} and is in version ${shapes.length}`];
    const problems = released.flatMap((shape, i) => compare(`event ${type}`, shape, shapes[i]!, "stored", { before, after }));
    return problems.length === 0 || pastNow.length > pastBefore.length
      ? problems
      : [...problems, `event ${type}: give it a new version and an upcaster (packages/contract/src/event-versions.ts)`];
  });
}

function compare(
  at: string,
  oldSchema: Schema,
  newSchema: Schema,
  direction: Direction,
  docs: Docs,
  seen: ReadonlySet<string> = new Set(),
): string[] {
  // A shape that contains itself is compared once.
  const pair = `${oldSchema.$ref}|${newSchema.$ref}`;
  if (oldSchema.$ref !== undefined && seen.has(pair)) return [];
  const known = oldSchema.$ref === undefined ? seen : new Set([...seen, pair]);
  const old = resolved(oldSchema, docs.before);
  const now = resolved(newSchema, docs.after);
  if (JSON.stringify(old) === JSON.stringify(now) && !JSON.stringify(old).includes('"$ref"')) return [];

  const oldChoices = choices(old);
  const newChoices = choices(now);
  if (oldChoices !== null || newChoices !== null)
    return compareChoices(at, oldChoices ?? [old], newChoices ?? [now], direction, docs, known);

  if (String(old["type"]) !== String(now["type"])) return [`${at}: it was ${shown(old["type"])} and is ${shown(now["type"])}`];
  const problems = compareValues(at, old, now, direction);
  if (old["type"] === "object") problems.push(...compareMembers(at, old, now, direction, docs, known));
  if (old["type"] === "array" && isSchema(old["items"]) && isSchema(now["items"]))
    problems.push(...compare(`${at}[]`, old["items"], now["items"], direction, docs, known));
  return problems;
}

/** Every choice that there was must still be one of those there are. */
function compareChoices(
  at: string,
  old: readonly Schema[],
  now: readonly Schema[],
  direction: Direction,
  docs: Docs,
  seen: ReadonlySet<string>,
): string[] {
  return old.flatMap((choice, i) => {
    const closest = now
      .map((other) => compare(`${at} (choice ${i + 1})`, choice, other, direction, docs, seen))
      .toSorted((a, b) => a.length - b.length)[0];
    return closest ?? [`${at}: choice ${i + 1} is gone`];
  });
}

function compareValues(at: string, old: Schema, now: Schema, direction: Direction): string[] {
  const problems: string[] = [];
  const oldValues = valuesOf(old);
  const newValues = valuesOf(now);
  const gone = oldValues?.filter((value) => newValues !== null && !newValues.includes(value)) ?? [];
  if (gone.length > 0) problems.push(`${at}: ${JSON.stringify(gone)} are no longer values`);
  if (oldValues === null && newValues !== null) problems.push(`${at}: only ${JSON.stringify(newValues)} are values now`);
  if (direction !== "sent") return problems;
  for (const [key, isTighter] of TIGHTER) {
    const [a, b] = [old[key], now[key]];
    if (typeof b === "number" && (typeof a !== "number" || isTighter(a, b))) problems.push(`${at}: ${key} was ${shown(a)} and is ${b}`);
  }
  if (now["pattern"] !== undefined && now["pattern"] !== old["pattern"]) problems.push(`${at}: the pattern has changed`);
  return problems;
}

const TIGHTER: readonly (readonly [string, (old: number, now: number) => boolean])[] = [
  ["maximum", (a, b) => b < a],
  ["maxLength", (a, b) => b < a],
  ["maxItems", (a, b) => b < a],
  ["minimum", (a, b) => b > a],
  ["minLength", (a, b) => b > a],
  ["minItems", (a, b) => b > a],
];

function compareMembers(at: string, old: Schema, now: Schema, direction: Direction, docs: Docs, seen: ReadonlySet<string>): string[] {
  const problems: string[] = [];
  const [oldMembers, newMembers] = [members(old), members(now)];
  const [oldRequired, newRequired] = [required(old), required(now)];
  for (const [name, schema] of Object.entries(oldMembers)) {
    const other = newMembers[name];
    if (other === undefined) problems.push(`${at}.${name} is gone`);
    else problems.push(...compare(`${at}.${name}`, schema, other, direction, docs, seen));
    if (direction === "received" && oldRequired.has(name) && !newRequired.has(name) && other !== undefined)
      problems.push(`${at}.${name} may be missing now`);
  }
  if (direction !== "received") {
    for (const name of newRequired) if (!oldRequired.has(name)) problems.push(`${at}.${name} has become required`);
  }
  return problems;
}

const shown = (value: unknown): string => (value === undefined ? "anything" : typeof value === "string" ? value : JSON.stringify(value));
const isSchema = (value: unknown): value is Schema => typeof value === "object" && value !== null;
const members = (schema: Schema): Record<string, Schema> => (schema["properties"] as Record<string, Schema> | undefined) ?? {};
const required = (schema: Schema): ReadonlySet<string> => new Set(schema["required"] as string[] | undefined);
const choices = (schema: Schema): readonly Schema[] | null =>
  (schema["oneOf"] as Schema[] | undefined) ?? (schema["anyOf"] as Schema[] | undefined) ?? null;
const valuesOf = (schema: Schema): readonly unknown[] | null =>
  "const" in schema ? [schema["const"]] : ((schema["enum"] as unknown[] | undefined) ?? null);

function resolved(schema: Schema, document: unknown): Schema {
  if (schema.$ref === undefined) return schema;
  const target = schema.$ref
    .replace(/^#\//, "")
    .split("/")
    .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], document);
  if (!isSchema(target)) throw new Error(`${schema.$ref} leads nowhere`);
  return resolved(target, document);
}
