/*
 * What an erased event left in a projection goes with it.
 *
 *   event.redacted ─► the rows that the erased event had a part in are deleted ─► the events they are made of are read
 *                     again, those that were erased without their data ─► projected as ever
 *
 * So the live tables are what a rebuild makes of the log afterwards, by construction: nobody writes a second time how
 * a row looks whose event is gone. In the transaction of the `event.redacted`, and so before the payload itself is
 * erased. Erasures are rare; a run of 1,000 tool calls is made again in about 100 ms.
 */
import { asTheyAre } from "./archived.ts";
import { recordedOf, STORED_COLUMNS, type StoredRow } from "./envelope.ts";
import type { DomainEvent, Projection, Recorded, Tx } from "./log.ts";

const REDACTED = "event.redacted";

export interface ErasableOptions {
  /**
   * Which rows a subject has a part in: the column that holds its id, by table. Only the events of that subject are
   * read again. Default: all rows of the organization, made again from all its events of these types (for what is few).
   */
  readonly bySubject?: Readonly<Record<string, string>> | undefined;
  /** Instead of deleting: statements on `$1` the organization and `$2` the subject's id, for rows that others count in. */
  readonly forget?: readonly string[] | undefined;
  /**
   * Of a subject of these kinds (`token` of `token:tok_…`) only its own events are read again, once these statements (on
   * `$1` the organization and `$2` its id) took away what they made; of every other all, as by default. For what grows with the organization.
   */
  readonly ofKind?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Statements on the same, once the rows are made again: what events of other subjects took away stays away. */
  readonly after?: readonly string[] | undefined;
  /** Of these kinds of subjects (`room` of `room:room_…`) alone; others the projection sees to itself. Default: all. */
  readonly subjects?: readonly string[] | undefined;
  /** Ends what an import left open: done again when what is erased was imported. */
  readonly imported?: Projection | undefined;
}

/** `projection`, which also forgets what is erased. What it does with `event.redacted` itself it goes on doing. */
export function erasable<E extends DomainEvent>(projection: Projection<E>, options: ErasableOptions = {}): Projection {
  const inner = projection as unknown as Projection;
  const own = new Set(inner.types);
  const ofOwnTypes = (batch: readonly Recorded[]): readonly Recorded[] => batch.filter((r) => own.has(r.event.type));
  return {
    ...inner,
    types: own.has(REDACTED) ? inner.types : [...inner.types, REDACTED],
    async project(tx, batch) {
      let from = 0;
      for (const [at, r] of batch.entries()) {
        if (!isErasure(r)) continue;
        const before = ofOwnTypes(batch.slice(from, at));
        if (before.length > 0) await inner.project(tx, before);
        await makeAgain(tx, batch.slice(0, at), r);
        from = at;
      }
      const rest = ofOwnTypes(batch.slice(from));
      if (rest.length > 0) await inner.project(tx, rest);
    },
  };

  async function makeAgain(tx: Tx, before: readonly Recorded[], erasure: Recorded): Promise<void> {
    const target = await targetOf(tx, erasure);
    if (target === null || !own.has(target.event.type)) return;
    const kind = target.subject.slice(0, target.subject.indexOf(":"));
    if (options.subjects !== undefined && !options.subjects.includes(kind)) return;
    const statements = options.ofKind?.[kind] ?? options.forget;
    const of = statements !== undefined || options.bySubject !== undefined ? target : null;
    const events = await eventsOf(tx, inner, erasure, of);
    // Of the same batch, and so not in the tables of the log yet: a rebuild finds them there.
    const known = new Set(events.map((event) => event.eventId));
    const fresh = ofOwnTypes(before).filter(
      (r) =>
        r.organizationId === erasure.organizationId && (of === null || r.subject === of.subject) && !known.has(r.eventId) && !isErasure(r),
    );
    const erased = new Set([...before, erasure].filter(isErasure).map(targetIdOf));
    const all = [...events, ...fresh].map((event) => (erased.has(event.eventId) ? withoutData(event) : event));
    await forget(tx, inner, statements, options.bySubject, target);
    if (all.length > 0) await inner.project(tx, all);
    for (const text of options.after ?? []) await tx.query(text, [target.organizationId, target.subjectId]);
    if (target.importId !== undefined) await endImport(tx, options.imported, target.organizationId, target.importId);
  }
}

const targetIdOf = (r: Recorded): string => (r.event.data as { target_event_id?: string }).target_event_id ?? "";
/** Those of an imported log erased nothing of ours: what they erased there came without its data. */
const isErasure = (r: Recorded): boolean =>
  r.event.type === REDACTED && r.importId === undefined && (r.event.data as { level?: string }).level === "full";
const withoutData = (r: Recorded): Recorded => ({ ...r, event: { type: r.event.type, data: {} }, redaction: "full" });
/** As where it ran inline: a projection must not come to rely on a position. */
const inline = (row: StoredRow): Recorded => ({ ...recordedOf(row), position: undefined });

async function targetOf(tx: Tx, erasure: Recorded): Promise<Recorded | null> {
  const { rows } = await tx.query<StoredRow>(
    `select ${STORED_COLUMNS} from public.evt_events e left join public.evt_payloads p using (position) where e.organization_id = $1 and e.event_id = $2::uuid`,
    [erasure.organizationId, targetIdOf(erasure)],
  );
  const [row] = await (tx.hydrate ?? asTheyAre)(rows);
  return row === undefined ? null : inline(row);
}

/** Up to the erasure (which a rebuild has passed when later ones are there already), what was erased before it without data. */
async function eventsOf(tx: Tx, projection: Projection, erasure: Recorded, of: Recorded | null): Promise<Recorded[]> {
  const { rows } = await tx.query<StoredRow & { readonly is_erased: boolean }>(
    `select ${STORED_COLUMNS},
            exists (select from public.evt_events r where r.organization_id = e.organization_id and r.type = '${REDACTED}'
                       and r.subject = 'event:' || e.event_id and r.position < coalesce(x.position, 9223372036854775807)) as is_erased
       from public.evt_events e left join public.evt_payloads p using (position)
            left join (select position from public.evt_events where event_id = $2::uuid) x on true
      where e.organization_id = $1 and e.type = any($3) and e.position < coalesce(x.position, 9223372036854775807)
        and ($4::text is null or e.subject = $4) ${of === null ? "and e.import_id is null" : ""}
      order by ${of === null ? "e.position" : "e.subject_version"}`,
    [erasure.organizationId, erasure.eventId, projection.types, of?.subject ?? null],
  );
  return (await (tx.hydrate ?? asTheyAre)(rows)).flatMap((row) => {
    const event = inline(row);
    if (event.importId !== undefined && !projection.imported?.includes(event.event.type)) return [];
    return [row.is_erased ? withoutData(event) : event];
  });
}

async function forget(
  tx: Tx,
  projection: Projection,
  statements: readonly string[] | undefined,
  bySubject: ErasableOptions["bySubject"],
  target: Recorded,
): Promise<void> {
  if (statements !== undefined) {
    for (const text of statements) await tx.query(text, [target.organizationId, target.subjectId]);
  } else if (bySubject !== undefined) {
    for (const [table, column] of Object.entries(bySubject))
      await tx.query(`delete from ${table} where organization_id = $1 and ${column} = $2`, [target.organizationId, target.subjectId]);
  } else {
    for (const table of projection.tables) await tx.query(`delete from ${table} where organization_id = $1`, [target.organizationId]);
  }
}

async function endImport(tx: Tx, ending: Projection | undefined, organizationId: string, importId: string): Promise<void> {
  if (ending === undefined) return;
  const { rows } = await tx.query<StoredRow>(
    `select ${STORED_COLUMNS} from public.evt_events e join public.evt_payloads p using (position)
      where e.organization_id = $1 and e.subject = $2 and e.type = 'log.imported' order by e.subject_version desc limit 1`,
    [organizationId, `import:${importId}`],
  );
  if (rows[0] !== undefined) await ending.project(tx, [inline(rows[0])]);
}
