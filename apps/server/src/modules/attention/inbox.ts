/*
 * The topic `inbox` of `sync:v1`: that something on a person's list may have changed, and which thing.
 * What it is now is read over HTTP. A topic is one person's; all of an organization's share one look
 * at the log, at most every 50 ms.
 *
 *   watermark `<position>.<n>`: the log's position, and how many of the person's own dismissals since.
 *
 * Dismissals are rows, and told to this process's sockets only; after a reconnect the list is read anyway.
 */
import type { EventLog } from "@signalbox/eventlog/log";
import { canonicalJson } from "@signalbox/kernel/canonical";
import { sql } from "kysely";
import type { OrganizationRole } from "@signalbox/contract/primitives";
import type { Database } from "../../module.ts";
import type { Frame, TopicSource } from "../feed/public.ts";
import type { RoomAccess } from "../rooms/public.ts";
import { ATTENTION_TYPES } from "./item.ts";

const PACE_MS = 50;
/** Who missed more reads the list instead. */
const MAX_BEHIND = 500;

interface Row {
  position: string;
  type: string;
  subject: string;
  stream_type: string;
  stream_id: string;
}
interface Follower {
  readonly principalId: string;
  deliver(rows: readonly Row[]): Promise<void>;
  dismissed(id: string): void;
}
interface Pump {
  position: number;
  readonly followers: Set<Follower>;
  wake(): void;
  close(): void;
}

export interface Inbox {
  source(organizationId: string, principalId: string, role: OrganizationRole): TopicSource;
  changed(of: { organizationId: string; principalId: string; id: string }): void;
  close(): void;
}

export interface InboxDeps {
  readonly log: Pick<EventLog, "onAppended">;
  readonly db: Database;
  readonly rooms: Pick<RoomAccess, "roleIn">;
  readonly onError: (error: unknown) => void;
}

export function createInbox({ log, db, rooms, onError }: InboxDeps): Inbox {
  const pumps = new Map<string, Pump>();
  const unsubscribe = log.onAppended(({ streams }) => {
    // A hint that names no streams was too long to: anything may have moved.
    if (streams.length === 0) for (const pump of pumps.values()) pump.wake();
    for (const organizationId of new Set(streams.map((one) => one.organizationId))) pumps.get(organizationId)?.wake();
  });

  const read = async (organizationId: string, after: number, limit: number): Promise<Row[]> => {
    const { rows } = await db.inOrganization(organizationId, (tx) =>
      sql<Row>`select position, type, subject, stream_type, stream_id from evt_events
                where organization_id = ${organizationId} and type = any(${[...ATTENTION_TYPES]}::text[]) and position > ${after}
                order by position limit ${limit}`.execute(tx),
    );
    return rows;
  };

  async function head(organizationId: string): Promise<number> {
    const { rows } = await db.inOrganization(organizationId, (tx) =>
      sql<{ at: string | null }>`select max(position) as at from evt_events where organization_id = ${organizationId}`.execute(tx),
    );
    return Number(rows[0]?.at ?? 0);
  }

  async function pumpOf(organizationId: string): Promise<Pump> {
    const known = pumps.get(organizationId);
    if (known !== undefined) return known;
    const position = await head(organizationId);
    const other = pumps.get(organizationId);
    if (other !== undefined) return other;
    let timer: NodeJS.Timeout | undefined;
    let running = false;
    let again = false;
    async function pull(): Promise<void> {
      timer = undefined;
      running = true;
      again = false;
      try {
        const rows = await read(organizationId, pump.position, MAX_BEHIND);
        pump.position = Number(rows.at(-1)?.position ?? pump.position);
        again ||= rows.length === MAX_BEHIND;
        if (rows.length > 0) for (const follower of pump.followers) await follower.deliver(rows);
      } catch (error) {
        onError(error);
        again = true; // the hint that led here will not come again
      } finally {
        running = false;
      }
      if (again) pump.wake();
    }
    const pump: Pump = {
      position,
      followers: new Set(),
      wake() {
        if (running) again = true;
        else timer ??= setTimeout(() => void pull(), PACE_MS).unref();
      },
      close: () => clearTimeout(timer),
    };
    pumps.set(organizationId, pump);
    return pump;
  }

  function source(organizationId: string, principalId: string, role: OrganizationRole): TopicSource {
    const caller = { organizationId, principal: { id: principalId, type: "user" as const, displayName: "" }, role };

    async function framesOf(rows: readonly Row[]): Promise<Frame[]> {
      const admitted = new Map<string, boolean>();
      const frames: Frame[] = [];
      for (const row of rows) {
        if (row.stream_type === "room") {
          let may = admitted.get(row.stream_id);
          if (may === undefined) admitted.set(row.stream_id, (may = (await rooms.roleIn(caller, row.stream_id)) !== null));
          if (!may) continue;
        }
        frames.push(frameOf(`${row.position}.0`, row.subject, row.type));
      }
      return frames;
    }

    return {
      async open(publish) {
        const pump = await pumpOf(organizationId);
        let at = `${pump.position}.0`;
        const follower: Follower = {
          principalId,
          async deliver(rows) {
            const frames = await framesOf(rows);
            at = frames.at(-1)?.id ?? at;
            publish(frames);
          },
          dismissed(id) {
            const [position, n = "0"] = at.split(".");
            at = `${position}.${Number(n) + 1}`;
            publish([frameOf(at, id, "attention.dismissed")]);
          },
        };
        pump.followers.add(follower);
        return {
          head: at,
          close() {
            pump.followers.delete(follower);
            if (pump.followers.size > 0) return;
            pump.close();
            if (pumps.get(organizationId) === pump) pumps.delete(organizationId);
          },
        };
      },
      async read(after) {
        const rows = await read(organizationId, Number(after.split(".")[0]), MAX_BEHIND);
        return rows.length === MAX_BEHIND ? "stale" : framesOf(rows);
      },
    };
  }

  return {
    source,
    changed({ organizationId, principalId, id }) {
      for (const follower of pumps.get(organizationId)?.followers ?? []) if (follower.principalId === principalId) follower.dismissed(id);
    },
    close() {
      unsubscribe();
      for (const pump of pumps.values()) pump.close();
      pumps.clear();
    },
  };
}

const frameOf = (id: string, subject: string, type: string): Frame => ({
  id,
  text: canonicalJson({ changed: subject, type }),
  docKey: `inbox/item:${subject}`,
  docVersion: 1,
});
