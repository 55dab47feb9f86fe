/*
 * Reading a session by a link. The token in the path is the credential; behind it is a reader who sees of one session
 * what a viewer would, and nothing else: every read goes to that session by its id, which the reader never sends.
 */
import path from "node:path";
import { timingSafeEqual } from "node:crypto";
import {
  createShare,
  getShared,
  getSharedAt,
  getSharedConversation,
  getSharedTimeline,
  listShares,
  revokeShare,
  streamShared,
  type ShareView,
} from "@signalbox/contract/shares";
import { plusMs } from "@signalbox/kernel/clock";
import { newId } from "@signalbox/kernel/id";
import { type Kysely, sql } from "kysely";
import type { z } from "zod";
import { handle, refused, type Caller, type FrameSink } from "../../http/handle.ts";
import { replay } from "../../http/back-pressure.ts";
import { ShellRefused } from "../../http/refusal.ts";
import type { Deps, Module } from "../../module.ts";
import type { FeedModule } from "../feed/public.ts";
import type { SessionsModule } from "../sessions/public.ts";
import { createLimit } from "./limit.ts";
import { hashToken, mintToken, organizationOf, share } from "./share.ts";
import { sharedEvent } from "./shared-event.ts";
import { sharesProjection } from "./shares.projection.ts";

export interface SharesDeps extends Deps {
  readonly sessions: Pick<SessionsModule, "queries" | "conversation" | "moments" | "accessOf" | "writeAccessOf">;
  readonly feed: Pick<FeedModule, "followRoom">;
  readonly displayNames: (organizationId: string, ids: readonly string[]) => Promise<ReadonlyMap<string, string>>;
  readonly organizationName: (organizationId: string) => Promise<string>;
  readonly publicUrl: () => string;
}

interface Row {
  id: string;
  session_id: string;
  room_id: string;
  token_hash: string;
  created_by: string;
  created_at: Date;
  expires_at: Date;
  revoked_at: Date | null;
}
interface Reader {
  readonly organizationId: string;
  readonly sessionId: string;
  readonly roomId: string;
  readonly shareId: string;
  readonly expiresAt: Date;
}

/** Per link; and for all that is no link of ours together, so that guessing is slow whoever guesses. */
const READS = { burst: 60, perSecond: 20 } as const;
const MISSES = { burst: 30, perSecond: 5 } as const;
/** A reader whose link ends is cut off within this. */
const WATCH_MS = 500;

const NONE = refused("share_not_found", { message: "There is no such link.", fix: "Ask whoever sent it for another one." });
const EXPIRED = refused("share_expired", { message: "This link has expired.", fix: "Ask whoever sent it for another one." });
const REVOKED = refused("share_revoked", { message: "This link was taken back.", fix: "Ask whoever sent it for another one." });
const NO_SESSION = refused("session_not_found");

export function createShares(deps: SharesDeps): Module {
  const { db, log, clock, sessions } = deps;
  const reads = createLimit(READS, clock.nowMs);
  const misses = createLimit(MISSES, clock.nowMs);
  const streams = new Set<() => void>();

  const rows = (organizationId: string, where: ReturnType<typeof sql>): Promise<Row[]> =>
    db.inOrganization(
      organizationId,
      async (tx: Kysely<unknown>) => (await sql<Row>`select * from proj_shares where ${where}`.execute(tx)).rows,
    );

  function view(row: Row): z.input<typeof ShareView> {
    const expired = row.expires_at.getTime() <= clock.nowMs();
    return {
      id: row.id,
      session_id: row.session_id,
      created_by: row.created_by,
      created_at: row.created_at.toISOString(),
      expires_at: row.expires_at.toISOString(),
      status: row.revoked_at !== null ? "revoked" : expired ? "expired" : "active",
      revoked_at: row.revoked_at?.toISOString() ?? null,
    };
  }

  async function open(token: string): Promise<Reader | typeof NONE | typeof EXPIRED | typeof REVOKED> {
    const organizationId = organizationOf(token);
    const hash = hashToken(token);
    const [row] =
      organizationId === null ? [] : await rows(organizationId, sql`token_hash = ${hash} and not idn_is_suspended(organization_id, '')`);
    // Found by its hash already; compared once more so that no index decides alone, in a time that tells nothing.
    if (organizationId === null || row === undefined || !timingSafeEqual(Buffer.from(row.token_hash), Buffer.from(hash))) {
      if (!misses("")) throw tooMany();
      return NONE;
    }
    if (!reads(hash)) throw tooMany();
    const { status } = view(row);
    if (status === "revoked") return REVOKED;
    if (status === "expired") return EXPIRED;
    const found = await sessions.queries.get(organizationId, row.session_id);
    if (found === null) return NONE;
    return { organizationId, sessionId: row.session_id, roomId: row.room_id, shareId: row.id, expiresAt: row.expires_at };
  }

  async function writable(caller: Caller, sessionId: string) {
    return sessions.writeAccessOf(caller, sessionId);
  }

  return {
    projections: [sharesProjection],
    schemas: [path.join(import.meta.dirname, "schema.sql")],
    jobs: {},
    routes: [
      handle(createShare, async ({ caller, params, body, origin, now }) => {
        const { organizationId } = caller;
        const access = await writable(caller, params.id);
        if (access === null) return NO_SESSION;
        const token = mintToken(organizationId);
        const id = newId("shr");
        const expires_at = plusMs(now, body.expires_in_s * 1000);
        const context = { ...origin, roomId: access.roomId, threadId: access.threadId, sessionId: params.id };
        await log.unit({ organizationId, origin: context, newSubjects: [`share:${id}`] }, async (unit) => {
          await unit.decide(share, { type: "room", id: access.roomId }, `share:${id}`, {
            type: "create",
            data: {
              share_id: id,
              session_id: params.id,
              room_id: access.roomId,
              token_hash: hashToken(token),
              expires_at,
              by: caller.principal.id,
            } as never,
          });
        });
        const [row] = await rows(organizationId, sql`id = ${id}`);
        if (row === undefined) throw new Error(`${id} was written and cannot be read`);
        return { ...view(row), token, url: `${deps.publicUrl()}/shared/${token}` };
      }),
      handle(listShares, async ({ caller, params }) => {
        if ((await sessions.accessOf(caller, params.id)) === null) return NO_SESSION;
        const found = await rows(caller.organizationId, sql`session_id = ${params.id} order by created_at desc, id desc`);
        return { items: found.map(view) };
      }),
      handle(revokeShare, async ({ caller, params, origin }) => {
        const { organizationId } = caller;
        const [row] = await rows(organizationId, sql`id = ${params.id}`);
        if (row === undefined || (await writable(caller, row.session_id)) === null) return refused("share_not_found");
        await log.run(
          share,
          {
            organizationId,
            origin: { ...origin, roomId: row.room_id, sessionId: row.session_id },
            stream: { type: "room", id: row.room_id },
            subject: `share:${row.id}`,
          },
          { type: "revoke", shareId: params.id, by: caller.principal.id as never },
        );
        const [after] = await rows(organizationId, sql`id = ${params.id}`);
        return view(after ?? row);
      }),

      handle(getShared, async ({ params }) => {
        const reader = await open(params.token);
        if ("ok" in reader) return reader;
        const { organizationId, sessionId, roomId } = reader;
        const found = await sessions.queries.get(organizationId, sessionId);
        if (found === null) return NONE;
        const { view: session } = found;
        const [names, organization, last_seq] = await Promise.all([
          deps.displayNames(organizationId, [session.created_by, session.agent_id]),
          deps.organizationName(organizationId),
          log.head(organizationId, { type: "room", id: roomId }),
        ]);
        const { title, status, status_reason, harness, model, created_at, updated_at, outcome, files_changed } = session;
        const { cost_micro_usd, tool_calls, messages, pending_approvals, agent_id } = session;
        return {
          organization,
          title,
          status,
          status_reason,
          harness,
          model,
          created_at,
          updated_at,
          outcome,
          files_changed,
          cost_micro_usd,
          tool_calls,
          messages,
          pending_approvals,
          agent_id,
          last_seq,
          people: Object.fromEntries(names),
          expires_at: reader.expiresAt.toISOString(),
        };
      }),
      handle(getSharedConversation, async ({ params, query }) => {
        const reader = await open(params.token);
        return "ok" in reader ? reader : sessions.conversation(reader, query);
      }),
      handle(getSharedTimeline, async ({ params, query }) => {
        const reader = await open(params.token);
        return "ok" in reader ? reader : sessions.moments.timeline(reader, query.after_seq);
      }),
      handle(getSharedAt, async ({ params, query }) => {
        const reader = await open(params.token);
        return "ok" in reader ? reader : sessions.moments.at(reader, query);
      }),
      handle(streamShared, async ({ params, query, lastEventId }) => {
        const reader = await open(params.token);
        if ("ok" in reader) return reader;
        const { organizationId, sessionId, roomId, shareId, expiresAt } = reader;
        const head = await log.head(organizationId, { type: "room", id: roomId });
        const resumed = lastEventId !== undefined && /^\d{1,15}$/.test(lastEventId) ? Number(lastEventId) : null;
        const after = resumed ?? query.from_seq ?? 0;
        if (after > head)
          return refused("cursor_in_future", {
            message: `The cursor ${after} is beyond the newest event, ${head}.`,
            details: { cursor: after, head },
          });
        const mine = new Set(await sessions.queries.runsOf(organizationId, sessionId));
        return {
          attach(sink: FrameSink) {
            const following = deps.feed.followRoom(organizationId, roomId, after, {
              deliver(frames, replaying) {
                const shown = frames.flatMap((frame) => {
                  const told = sharedEvent(frame.text, sessionId, mine);
                  return told === null ? [] : [{ id: frame.id, text: JSON.stringify(told) }];
                });
                if (replaying) return replay(sink, shown);
                for (const frame of shown) sink.frame(frame);
              },
              ended: () => sink.end(),
            });
            // The link's end is looked for, not told: it may lie in the clock, in another process, or in a deletion.
            const watch = setInterval(() => {
              void rows(organizationId, sql`id = ${shareId}`).then(
                ([row]) => {
                  if (row === undefined || row.revoked_at !== null || expiresAt.getTime() <= clock.nowMs()) sink.end();
                },
                // Fails closed: nobody can say that the link still holds.
                () => sink.end(),
              );
            }, WATCH_MS).unref();
            const close = (): void => {
              clearInterval(watch);
              following.close();
              streams.delete(close);
            };
            streams.add(close);
            return close;
          },
        };
      }),
    ],
    async stop() {
      for (const close of streams) close();
    },
  };
}

const tooMany = (): ShellRefused => new ShellRefused("rate_limited", "Too many requests by this link.", { fix: "Wait a moment." });
