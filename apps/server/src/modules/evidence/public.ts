/* What runs did, for those who want to know: the inspector, receipts, and what artifacts contain. */
import {
  getArtifactContent,
  getArtifactReport,
  getReceipt,
  type Inspection,
  inspectCorrelation,
  inspectRun,
} from "@signalbox/contract/evidence";
import { isForeign } from "@signalbox/eventlog/foreign";
import type { Recorded } from "@signalbox/eventlog/log";
import { follow, type Head } from "@signalbox/verify/chain";
import { nodePrimitives } from "@signalbox/verify/node";
import { hashBytes } from "@signalbox/verify/primitives";
import { sql } from "kysely";
import type { z } from "zod";
import type { Blobs } from "@signalbox/providers/blob/port";
import { type Caller, handle, refused } from "../../http/handle.ts";
import { ShellRefused } from "../../http/refusal.ts";
import type { Deps, Module } from "../../module.ts";
import type { ActionsModule } from "../actions/public.ts";
import type { ApprovalsModule } from "../approvals/public.ts";
import type { AuditModule } from "../audit/public.ts";
import type { RoomAccess } from "../rooms/public.ts";
import type { ArtifactRecord, RunRecord, RunsModule } from "../runs/public.ts";
import { endOf, envelopeOf, predicateOf, type ReceiptSigner } from "./receipt.ts";
import { eventsOfCorrelation, eventsOfRun, ledgerOfRuns, MAX_EVENTS } from "./run-events.ts";
import { MAX_REPORT_BYTES, parseTestReport } from "./test-report.ts";
import { modelCallsOf, waterfall } from "./waterfall.ts";

export interface EvidenceDeps extends Pick<Deps, "db" | "log"> {
  readonly rooms: Pick<RoomAccess, "roleIn" | "visibleRooms">;
  readonly runs: Pick<RunsModule, "view" | "toolCalls" | "steps" | "artifactsOf" | "findArtifact">;
  readonly approvals: Pick<ApprovalsModule, "views">;
  readonly actions: Pick<ActionsModule, "view">;
  readonly audit: Pick<AuditModule, "storedStream">;
  readonly blobs: Blobs;
  readonly signer: (organizationId: string) => Promise<ReceiptSigner>;
}

type InspectionRecord = z.input<typeof Inspection>;
const MAX_OF_EACH = 2000;
const MAX_RUNS = 50;
const MAX_CONTENT_BYTES = 64 * 1024 * 1024;

const NO_RUN = refused("run_not_found", {
  message: "There is no such run, or you are not in its room.",
  fix: "List the runs you may see with GET /v1/runs.",
});

export function createEvidence(deps: EvidenceDeps): Module {
  const { db, rooms, runs } = deps;

  const mayKnow = async (caller: Caller, roomId: string | null): Promise<boolean> =>
    roomId === null || (await rooms.roleIn(caller, roomId)) !== null;
  async function visibleRun(caller: Caller, runId: string): Promise<RunRecord | null> {
    const run = await runs.view(caller.organizationId, runId);
    return run !== null && (await mayKnow(caller, run.room_id)) ? run : null;
  }

  async function inspection(
    organizationId: string,
    of: readonly RunRecord[],
    events: readonly Recorded[],
    wasCut: boolean,
  ): Promise<InspectionRecord> {
    const sessions = [...new Set(of.flatMap((run) => run.session_id ?? []))];
    const ledger = await ledgerOfRuns(
      deps,
      organizationId,
      sessions,
      of.map((run) => run.id),
    );
    const parts = await Promise.all(
      of.map(async (run) => ({
        steps: await all((cursor) => runs.steps(organizationId, run.id, { limit: 200, cursor })),
        toolCalls: await all((cursor) => runs.toolCalls(organizationId, run.id, { limit: 200, cursor })),
        artifacts: await all((cursor) => runs.artifactsOf(organizationId, run.id, { limit: 200, cursor })),
      })),
    );
    const named = (type: string): string[] =>
      [...new Set(events.flatMap((one) => (one.event.type === type ? [one.subjectId] : [])))].slice(0, MAX_OF_EACH);
    const approvals = [...(await deps.approvals.views(organizationId, named("approval.requested"))).values()];
    const invocations = (await Promise.all(named("invocation.requested").map((id) => deps.actions.view(organizationId, id)))).filter(
      (one) => one !== null,
    );
    const modelCalls = modelCallsOf(ledger);
    const known = {
      runs: of,
      steps: parts.flatMap(({ steps }) => steps.items),
      toolCalls: parts.flatMap(({ toolCalls }) => toolCalls.items),
      approvals,
      invocations,
      modelCalls,
      events,
    };
    const home = events.find(({ stream }) => stream.type === "room")?.stream ?? events[0]?.stream;
    const there = events.filter(({ stream }) => stream.type === home?.type && stream.id === home.id);
    const digests = events.flatMap(({ event }) =>
      event.type === "egress.digest_recorded" ? [event.data as { requests: number; blocked: number }] : [],
    );
    const blocked = events.reduce(
      (n, { event }) => n + (event.type === "egress.blocked" ? ((event.data as { count?: number }).count ?? 1) : 0),
      0,
    );
    return {
      runs: [...of],
      steps: known.steps,
      tool_calls: known.toolCalls,
      artifacts: parts.flatMap(({ artifacts }) => artifacts.items),
      approvals,
      invocations,
      model_calls: modelCalls,
      egress: {
        requests: digests.reduce((n, one) => n + one.requests, 0),
        blocked: Math.max(
          blocked,
          digests.reduce((n, one) => n + one.blocked, 0),
        ),
      },
      spans: waterfall(known),
      events:
        home === undefined || there.length === 0
          ? null
          : { stream: home, first_seq: there[0]!.seq, last_seq: there.at(-1)!.seq, count: there.length },
      cost_micro_usd: modelCalls.reduce((total, call) => total + call.cost_micro_usd, 0),
      receipt_available: of.length === 1 && !isForeign(of[0]!.id) && endOf(events, of[0]!.id) !== null,
      truncated: wasCut || parts.some((one) => one.steps.cut || one.toolCalls.cut || one.artifacts.cut),
    };
  }

  /** Follows the chain from before the window to its end, from what is stored. */
  async function chainHolds(organizationId: string, stream: Recorded["stream"], fromSeq: number, toSeq: number): Promise<boolean> {
    let head: Head | null = null;
    for await (const event of deps.audit.storedStream(organizationId, stream, fromSeq - 1)) {
      if (event.seq > toSeq) break;
      head ??= { seq: event.seq - 1, hash: hashBytes(event.prev_hash) ?? new Uint8Array(32) };
      const step = await follow(nodePrimitives, head, event);
      if (!step.ok) return false;
      head = step.head;
    }
    return head?.seq === toSeq;
  }

  async function storedReceipt(organizationId: string, runId: string): Promise<unknown> {
    const { rows } = await db.inOrganization(organizationId, (tx) =>
      sql<{ envelope: string }>`select envelope from run_receipts where organization_id = ${organizationId} and run_id = ${runId}`.execute(
        tx,
      ),
    );
    return rows[0] === undefined ? null : JSON.parse(rows[0].envelope);
  }

  async function receipt(organizationId: string, run: RunRecord) {
    const given = await storedReceipt(organizationId, run.id);
    if (given !== null) return given as ReturnType<typeof envelopeOf>;
    const events = await eventsOfRun(deps, organizationId, run.id);
    const end = endOf(events, run.id);
    if (end === null) return null;
    const ledger = await ledgerOfRuns(deps, organizationId, run.session_id === null ? [] : [run.session_id], [run.id]);
    const entries = (type: string): number => ledger.filter(({ event }) => event.type === type).length;
    const openReservations = Math.max(0, entries("ledger.reserved") - entries("ledger.settled") - entries("ledger.released"));
    const own = events.filter(({ stream, seq }) => stream.type === end.stream.type && stream.id === end.stream.id && seq <= end.seq);
    const predicate = await predicateOf({
      run,
      events,
      modelCalls: modelCallsOf(ledger),
      openReservations,
      chainVerified: await chainHolds(organizationId, end.stream, own[0]?.seq ?? end.seq, end.seq),
    });
    const envelope = envelopeOf(predicate, await deps.signer(organizationId));
    // What is still being settled would make it another one later; then it is given out, but not for ever.
    if (openReservations > 0) return envelope;
    await db.inOrganization(organizationId, (tx) =>
      sql`insert into run_receipts (organization_id, run_id, envelope) values (${organizationId}, ${run.id}, ${JSON.stringify(envelope)}) on conflict do nothing`.execute(
        tx,
      ),
    );
    return (await storedReceipt(organizationId, run.id)) as ReturnType<typeof envelopeOf>;
  }

  async function visibleArtifact(caller: Caller, id: string): Promise<ArtifactRecord | null> {
    const found = await runs.findArtifact(caller.organizationId, id);
    return found !== null && (await mayKnow(caller, found.roomId)) ? found.artifact : null;
  }

  async function bytesOf(organizationId: string, artifact: ArtifactRecord): Promise<Uint8Array | null> {
    if (artifact.text !== null) return Buffer.from(artifact.text);
    return artifact.sha256 === null || artifact.kind === "uri"
      ? null
      : deps.blobs.get(organizationId, artifact.sha256, { maxBytes: MAX_CONTENT_BYTES });
  }

  return {
    routes: [
      handle(inspectRun, async ({ caller, params }) => {
        const run = await visibleRun(caller, params.id);
        if (run === null) return NO_RUN;
        const events = await eventsOfRun(deps, caller.organizationId, run.id);
        return inspection(caller.organizationId, [run], events, events.length === MAX_EVENTS);
      }),
      handle(inspectCorrelation, async ({ caller, params }) => {
        const { organizationId } = caller;
        const events = await eventsOfCorrelation(deps, organizationId, params.id, await rooms.visibleRooms(caller));
        if (events.length === 0)
          return refused("correlation_not_found", { message: "There is no such correlation, or nothing of it that you may see." });
        const ids = [...new Set(events.flatMap((one) => one.runId ?? (one.subject.startsWith("run:") ? one.subjectId : [])))];
        const seen = (await Promise.all(ids.slice(0, MAX_RUNS).map((id) => visibleRun(caller, id)))).filter((run) => run !== null);
        return inspection(organizationId, seen, events, events.length === MAX_EVENTS || ids.length > MAX_RUNS);
      }),
      handle(getReceipt, async ({ caller, params }) => {
        const run = await visibleRun(caller, params.id);
        if (run === null) return NO_RUN;
        if (isForeign(run.id))
          throw new ShellRefused("session_imported", "This run was imported; its receipt is signed where it ran.", {
            fix: "Ask for it there, or verify the import with GET /v1/audit/verify.",
          });
        return (
          (await receipt(caller.organizationId, run)) ??
          refused("run_not_ended", { message: "A run has its receipt once it has ended.", fix: "Wait until it has ended, or cancel it." })
        );
      }),
      handle(getArtifactContent, async ({ caller, params }) => {
        const artifact = await visibleArtifact(caller, params.id);
        if (artifact === null) return refused("artifact_not_found");
        const bytes = await bytesOf(caller.organizationId, artifact);
        if (bytes === null)
          return refused("artifact_has_no_content", {
            message: artifact.uri === null ? "Its content is not here." : "It is a link to elsewhere.",
          });
        return { bytes, mediaType: artifact.media_type, fileName: artifact.name };
      }),
      handle(getArtifactReport, async ({ caller, params }) => {
        const artifact = await visibleArtifact(caller, params.id);
        if (artifact === null) return refused("artifact_not_found");
        const bytes = artifact.size_bytes > MAX_REPORT_BYTES ? null : await bytesOf(caller.organizationId, artifact);
        const report = bytes === null ? null : parseTestReport(new TextDecoder().decode(bytes));
        return (
          report ??
          refused("not_a_test_report", { message: "It is not a JUnit, jest or vitest report.", fix: "Look at its content instead." })
        );
      }),
    ],
    projections: [],
    schemas: [],
    jobs: {},
  };
}

/** Every page, up to the limit. */
async function all<T>(
  page: (cursor: string | undefined) => Promise<{ items: T[]; next_cursor: string | null }>,
): Promise<{ items: T[]; cut: boolean }> {
  const items: T[] = [];
  let cursor: string | undefined;
  for (;;) {
    const { items: more, next_cursor } = await page(cursor);
    items.push(...more);
    if (next_cursor === null) return { items, cut: false };
    if (items.length >= MAX_OF_EACH) return { items: items.slice(0, MAX_OF_EACH), cut: true };
    cursor = next_cursor;
  }
}
