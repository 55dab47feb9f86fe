/*
 * Archived events: what finds and chains them stays in the database (evt_archived_events, a child of evt_events), their
 * header and data lie in the store of contents, some thousand of one stream in each (`evt_archives`). A row of one is
 * cold: its header is empty, and a `left join` with evt_payloads found nothing. `Hydrate` fills such rows in.
 *
 *   rows ─► none cold ─► as they are (no query)
 *        └► archives of the cold ones ─► content, checked by its name, kept in memory ─► header, data, salt
 *
 * Erased events have no data there either: the content is written anew without it, under another name.
 */
import type pg from "pg";

export interface MaybeCold {
  readonly position: string;
  /** Empty while cold. */
  readonly header: string;
  readonly data: string | null;
  readonly salt?: Buffer | null | undefined;
}
/** The rows in their order; those that were cold are filled in. Throws `ArchiveUnreadable`. */
export type Hydrate = <R extends MaybeCold>(rows: R[]) => Promise<R[]>;

/** Nothing of the database knows an archive's text: without its content the events cannot be shown. */
export class ArchiveUnreadable extends Error {
  override name = "ArchiveUnreadable";
}

export interface ArchivedText {
  readonly header: string;
  readonly data: string | null;
  readonly salt: string | null;
}

export const isCold = ({ header }: Pick<MaybeCold, "header">): boolean => header === "";
/** Of a log without archives. */
export const asTheyAre: Hydrate = (rows) => Promise.resolve(rows);

/** Texts kept in memory, in characters over all archives. */
const KEPT = 48 * 1024 * 1024;

/** `pool` connects as `sb_log`; `open` reads content, null when it is not there. */
export function createHydrate(
  pool: pg.Pool,
  open: (organizationId: string, sha256: string) => Promise<AsyncIterable<Uint8Array> | null>,
): Hydrate {
  const kept = new Map<string, { texts: Promise<Map<string, ArchivedText>>; size: number }>();

  function textsOf(organizationId: string, sha256: string): Promise<Map<string, ArchivedText>> {
    const key = `${organizationId} ${sha256}`;
    const found = kept.get(key);
    kept.delete(key);
    const entry = found ?? { texts: read(organizationId, sha256, (size) => (entry.size = size)), size: 0 };
    kept.set(key, entry);
    // What could not be read may be there the next time.
    entry.texts.catch(() => kept.delete(key));
    let total = 0;
    for (const { size } of kept.values()) total += size;
    for (const [other, { size }] of kept) {
      if (total <= KEPT || other === key) break;
      kept.delete(other);
      total -= size;
    }
    return entry.texts;
  }

  async function read(organizationId: string, sha256: string, sized: (size: number) => void): Promise<Map<string, ArchivedText>> {
    const texts = new Map<string, ArchivedText>();
    let size = 0;
    try {
      for await (const { position, ...text } of archivedEvents(await open(organizationId, sha256))) {
        texts.set(String(position), text);
        size += text.header.length + (text.data?.length ?? 0);
      }
    } catch (cause) {
      throw new ArchiveUnreadable(`the archived events in ${sha256} cannot be read: ${(cause as Error).message}`, { cause });
    }
    sized(size);
    return texts;
  }

  return async (rows) => {
    const cold = rows.filter(isCold).map(({ position }) => position);
    if (cold.length === 0) return rows;
    const { rows: places } = await pool.query<{ position: string; organization_id: string; sha256: string }>({
      name: "evt_archived_places",
      text: `select e.position, a.organization_id, a.sha256 from public.evt_archived_events e join public.evt_archives a on a.id = e.archive_id
              where e.position = any($1::bigint[])`,
      values: [cold],
    });
    const filled = new Map<string, ArchivedText>();
    // One after the other: a page lies in few of them.
    for (const { position, organization_id: organizationId, sha256 } of places) {
      const text = (await textsOf(organizationId, sha256)).get(position);
      if (text !== undefined) filled.set(position, text);
    }
    return rows.map((row) => {
      if (!isCold(row)) return row;
      const text = filled.get(row.position);
      if (text === undefined) throw new ArchiveUnreadable(`the event at position ${row.position} is in no archive`);
      const salt = "salt" in row ? { salt: text.salt === null ? null : Buffer.from(text.salt, "base64") } : {};
      return { ...row, header: text.header, data: text.data, ...salt };
    });
  };
}

/** The events of a content in the format of exports, with everything they have there. */
export async function* archivedEvents(
  content: AsyncIterable<Uint8Array> | null,
): AsyncGenerator<ArchivedText & { readonly position: number; readonly seq: number; readonly prev_hash: string; readonly hash: string }> {
  if (content === null) throw new Error("the content is not there: restore it from a backup");
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of content) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines)
      if (line.startsWith('{"kind":"event"'))
        yield JSON.parse(line) as ArchivedText & { position: number; seq: number; prev_hash: string; hash: string };
  }
  if (rest !== "") throw new Error("the content is cut off");
}
