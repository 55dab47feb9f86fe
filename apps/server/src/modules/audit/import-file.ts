/*
 * An export as a file on disk, looked through completely before anything of it is kept: the offline
 * verifier over every line, and whether it is a log that this version understands.
 */
import { createReadStream } from "node:fs";
import { EVENT_HISTORIES, type EventVersions, upcast, versionOf } from "@signalbox/contract/event-versions";
import { EVENT_SCHEMAS } from "@signalbox/contract/events";
import { StreamType } from "@signalbox/contract/envelope";
import { OrganizationId, Principal, Timestamp, Zone } from "@signalbox/contract/primitives";
import type { ForeignEvent } from "@signalbox/eventlog/append-foreign";
import type { StreamRef } from "@signalbox/eventlog/log";
import { sha256 } from "@signalbox/kernel/canonical";
import { verifyExport } from "@signalbox/verify/export";
import type { ExportReport } from "@signalbox/verify/export-report";
import { linesOf, nodePrimitives } from "@signalbox/verify/node";
import { parseKey, type VerifierKey } from "@signalbox/verify/note";
import { z } from "zod";

export interface ImportFile {
  readonly sourceOrganizationId: string;
  readonly digest: string;
  readonly signedBy: string;
  readonly events: number;
  readonly heads: readonly { readonly stream: StreamRef; readonly seq: number; readonly hash: string }[];
  /** By their own names; as everything here. */
  readonly rooms: readonly string[];
  readonly sessions: readonly string[];
  readonly title: string | null;
  readonly names: Readonly<Record<string, string>>;
  /** Lines that are no events, with the number of events before each. */
  readonly lines: readonly { readonly after: number; readonly line: string }[];
  readonly blobs: readonly string[];
}
export type Looked =
  | { readonly ok: true; readonly file: ImportFile }
  | { readonly ok: false; readonly code: "import_not_verified"; readonly message: string; readonly report: ExportReport }
  | { readonly ok: false; readonly code: "import_unsupported"; readonly message: string; readonly report: null };

const PAGE = 500;
const PAGE_BYTES = 8 * 1024 * 1024;

const linesIn = (file: string): AsyncIterable<string> => linesOf(createReadStream(file));

type EventLine = ForeignEvent & { readonly kind: "event"; readonly position: number };

/** Its events in pages, in order. Only after `lookThrough` has found it good. */
export async function* pagesOf(file: string): AsyncGenerator<readonly ForeignEvent[]> {
  let page: EventLine[] = [];
  let bytes = 0;
  for await (const text of linesIn(file)) {
    if (!text.startsWith("{") || !text.includes('"event"')) continue;
    const line = JSON.parse(text) as EventLine;
    if (line.kind !== "event") continue;
    page.push(line);
    bytes += text.length;
    if (page.length < PAGE && bytes < PAGE_BYTES) continue;
    yield page;
    [page, bytes] = [[], 0];
  }
  if (page.length > 0) yield page;
}

/** The contents that it carries, one at a time. */
export async function* blobsOf(file: string): AsyncGenerator<Buffer> {
  for await (const text of linesIn(file)) {
    if (!text.includes('"blob"')) continue;
    const line = JSON.parse(text) as { kind: string; base64?: string };
    if (line.kind === "blob" && line.base64 !== undefined) yield Buffer.from(line.base64, "base64");
  }
}

const id = z.string().max(200);
const HeaderOfEvent = z.object({
  event_id: z.uuid({ version: "v7" }),
  type: z.string().min(1).max(100),
  version: z.int().min(1),
  organization_id: OrganizationId,
  stream: z.object({ type: StreamType, id: z.string().regex(/^(room_[0-9A-HJKMNP-TV-Z]{26}|ws_[0-9A-Za-z]{1,40})$/) }),
  subject: z.string().min(1).max(400),
  subject_version: z.int().min(1),
  occurred_at: Timestamp,
  principal: Principal,
  zone: Zone,
  redaction: z.enum(["none", "partial", "full"]),
  correlation_id: id,
  causation_id: id.optional(),
  idempotency_key: z.string().optional(),
  room_id: id.optional(),
  thread_id: id.optional(),
  session_id: id.optional(),
  run_id: id.optional(),
  step_id: id.optional(),
});

export async function lookThrough(file: string): Promise<Looked> {
  const seen = createLook();
  const keys = await keysOf(file);
  const report = await verifyExport(nodePrimitives, seen.through(linesIn(file)), keys);
  if (!report.valid || report.covered_to === null || report.uncovered > 0) return notVerified(report);
  if (seen.problem() !== null) return { ok: false, code: "import_unsupported", message: seen.problem()!, report: null };
  return { ok: true, file: seen.file(report) };
}

function notVerified(report: ExportReport): Looked {
  const { first_mismatch: at, problems, uncovered } = report;
  const message =
    at !== null
      ? `${at.stream} ${at.seq}: ${at.kind.replaceAll("_", " ")}.`
      : (problems[0] ?? `${uncovered} of its events are not covered by any signed checkpoint.`);
  return { ok: false, code: "import_not_verified", message: `The export does not verify: ${message}`, report };
}

/** The keys that the export names; what they are worth is for whoever imports to know (`signed_by`). */
async function keysOf(file: string): Promise<VerifierKey[]> {
  for await (const text of linesIn(file)) {
    try {
      const header = z.object({ keys: z.array(z.string().max(500)).max(20) }).parse(JSON.parse(text));
      return await Promise.all(header.keys.map((key) => parseKey(nodePrimitives, key)));
    } catch {
      return []; // No header, or keys that are none: the verifier says what is wrong.
    }
  }
  return [];
}

function createLook() {
  const heads = new Map<string, { stream: StreamRef; seq: number; hash: string }>();
  const [rooms, sessions, versions] = [new Set<string>(), new Set<string>(), new Set<string>()];
  const names: Record<string, string> = {};
  const lines: { after: number; line: string }[] = [];
  const blobs: string[] = [];
  let parts: readonly string[] = [];
  let [events, source]: [number, string | null] = [0, null];
  let [title, wrong]: [string | null, string | null] = [null, null];

  function look(text: string): void {
    const line = JSON.parse(text) as EventLine | { kind: string; organization_id?: string; parts?: string[]; sha256?: string };
    if (line.kind !== "event") {
      if (line.kind === "header")
        [source, parts] = [(line as { organization_id: string }).organization_id, (line as { parts?: string[] }).parts ?? []];
      if (line.kind === "blob") blobs.push((line as { sha256: string }).sha256);
      lines.push({ after: events, line: text });
      return;
    }
    events++;
    const event = line as EventLine;
    const place = `${event.stream.type}:${event.stream.id} ${event.seq}`;
    if (wrong !== null) return;
    const header = HeaderOfEvent.safeParse(JSON.parse(event.header));
    if (!header.success)
      return void (wrong = `${place}: its envelope is not one that this version knows (${header.error.issues[0]?.path.join(".")}).`);
    const h = header.data;
    if (Number.isNaN(Date.parse(event.recorded_at))) return void (wrong = `${place}: its time of recording is none.`);
    const version = `${h.subject} ${h.subject_version}`;
    if (versions.has(version)) return void (wrong = `${place}: the version ${h.subject_version} of ${h.subject} is there twice.`);
    versions.add(version);
    heads.set(`${event.stream.type}:${event.stream.id}`, { stream: h.stream, seq: event.seq, hash: event.hash });
    if (event.stream.type === "room") rooms.add(event.stream.id);
    if (event.data === null) return;
    const data = JSON.parse(event.data) as Record<string, unknown>;
    if (hasNul(data) || hasNul(h)) return void (wrong = `${place}: it holds the character U+0000.`);
    const newest = versionOf(h.type);
    if (h.version > newest)
      return void (wrong = `${place}: ${h.type} is in version ${h.version}, written by a newer Signalbox; this one knows up to ${newest}.`);
    const schema = h.version < newest ? (EVENT_HISTORIES as EventVersions)[h.type]?.past[h.version - 1]?.schema : EVENT_SCHEMAS.get(h.type);
    const parsed = schema?.safeParse(data);
    if (parsed?.success === false)
      return void (wrong = `${place}: the data of ${h.type} is not of a shape that this version knows (${parsed.error.issues[0]?.path.join(".")}).`);
    const read = upcast(h.type, h.version, data) as Record<string, unknown>;
    if (h.type === "session.created" && event.stream.type === "room") {
      sessions.add(String(read["session_id"]));
      title ??= String(read["title"]);
    }
    if (h.type === "principal.registered") names[String(read["principal_id"])] = String(read["display_name"]).slice(0, 200);
  }

  return {
    problem: () => (wrong !== null ? wrong : events === 0 ? "The export holds no events." : null),
    async *through(source: AsyncIterable<string>): AsyncGenerator<string> {
      for await (const text of source) {
        yield text;
        // After the verifier: what it could not read it has said.
        try {
          if (text !== "") look(text);
        } catch {
          wrong ??= "A line is not of the form that this version knows.";
        }
      }
    },
    file(report: ExportReport): ImportFile {
      const all = [...heads.values()];
      // How far other streams had got when a session was exported is not what was exported.
      const own = all.filter(({ stream }) => !parts.includes(`${stream.type}:${stream.id}`));
      const named = own.map(({ stream, seq, hash }) => `${stream.type}:${stream.id}\n${seq}\n${hash}\n`).toSorted();
      return {
        sourceOrganizationId: source!,
        digest: sha256(`${source}\n${named.join("")}`),
        signedBy: report.signed_by[0]!,
        events,
        heads: all,
        rooms: [...rooms],
        sessions: [...sessions],
        title,
        names,
        lines,
        blobs,
      };
    },
  };
}

/** Postgres' text takes anything but this. */
function hasNul(value: unknown): boolean {
  if (typeof value === "string") return value.includes("\0");
  if (Array.isArray(value)) return value.some(hasNul);
  return typeof value === "object" && value !== null && Object.entries(value).some(([key, member]) => key.includes("\0") || hasNul(member));
}
