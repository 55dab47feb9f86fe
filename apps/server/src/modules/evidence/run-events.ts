/* The log about a run or a correlation, as far as it is in rooms that one may see. */
import { recordedOf, STORED_COLUMNS, type StoredRow } from "@signalbox/eventlog/envelope";
import type { EventLog, Recorded } from "@signalbox/eventlog/log";
import { type RawBuilder, sql } from "kysely";
import type { Database } from "../../module.ts";

/** More than this many events of one run or correlation are not looked at. */
export const MAX_EVENTS = 20_000;

type From = { readonly db: Database; readonly log: Pick<EventLog, "hydrate"> };

async function read({ db, log }: From, organizationId: string, where: RawBuilder<unknown>): Promise<Recorded[]> {
  const { rows } = await db.inOrganization(organizationId, (tx) =>
    sql<StoredRow>`select ${sql.raw(STORED_COLUMNS)} from evt_events e left join evt_payloads p using (position)
      where e.organization_id = ${organizationId} and ${where} order by e.position limit ${MAX_EVENTS}`.execute(tx),
  );
  return (await log.hydrate(rows)).map((row) => recordedOf(row));
}

/** Of its own subject, and all that happened in it. */
export const eventsOfRun = (from: From, organizationId: string, runId: string): Promise<Recorded[]> =>
  read(from, organizationId, sql`(e.run_id = ${runId} or e.subject = ${`run:${runId}`})`);

/** `rooms`: only those (null: all, and what is in no room). */
export const eventsOfCorrelation = (
  from: From,
  organizationId: string,
  correlationId: string,
  rooms: readonly string[] | null,
): Promise<Recorded[]> =>
  read(
    from,
    organizationId,
    rooms === null
      ? sql`e.correlation_id = ${correlationId}`
      : sql`e.correlation_id = ${correlationId} and e.stream_type = 'room' and e.stream_id = any(${[...rooms]}::text[])`,
  );

/** The budget's entries that name the run: they stand in the ledger, whose envelopes need not. */
export const ledgerOfRuns = (
  from: From,
  organizationId: string,
  sessions: readonly string[],
  runs: readonly string[],
): Promise<Recorded[]> =>
  sessions.length === 0
    ? Promise.resolve([])
    : read(
        from,
        organizationId,
        sql`e.stream_type = 'ledger' and e.subject = any(${sessions.map((id) => `budget:${id}`)}::text[]) and e.type in ('ledger.reserved', 'ledger.settled', 'ledger.released')`,
      ).then((events) => {
        // The one read translates what was imported; the text of the data alone would not.
        const wanted = new Set(runs);
        const mine = new Set(
          events.flatMap(({ event }) => {
            const { run_id, reservation_id } = event.data as { run_id?: string; reservation_id?: string };
            return run_id !== undefined && wanted.has(run_id) && reservation_id !== undefined ? [reservation_id] : [];
          }),
        );
        return events.filter(({ event }) => mine.has((event.data as { reservation_id?: string }).reservation_id ?? ""));
      });
