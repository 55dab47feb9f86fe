/* Finding things by their words, among what a person may see. */
import { erasable } from "@signalbox/eventlog/erasable";
import path from "node:path";
import { searchAll, type SearchHit, type SearchKind, searchRoom } from "@signalbox/contract/search";
import { type Kysely, sql } from "kysely";
import type { z } from "zod";
import { handle, refused } from "../../http/handle.ts";
import type { Deps, Module } from "../../module.ts";
import type { RoomAccess } from "../rooms/public.ts";
import { ERASED_ENTRIES, importedSearch, searchIndex } from "./search.projection.ts";
import { snippetOf, termsOf } from "./terms.ts";

export interface SearchDeps extends Deps {
  readonly rooms: Pick<RoomAccess, "roleIn" | "visibleRooms">;
}

interface Row {
  kind: SearchKind;
  id: string;
  title: string;
  body: string | null;
  at: Date;
  room_id: string | null;
  session_id: string | null;
  thread_id: string | null;
  run_id: string | null;
}

/** In the order that the palette shows them. */
const KINDS: readonly SearchKind[] = ["session", "room", "run", "approval", "message", "artifact"];

export function createSearch({ db, rooms }: SearchDeps): Module {
  return {
    projections: [erasable(searchIndex, ERASED_ENTRIES), importedSearch],
    schemas: [path.join(import.meta.dirname, "schema.sql")],
    jobs: {},
    routes: [
      handle(searchAll, async ({ caller, query }) => {
        const terms = termsOf(query.q);
        // Signs alone find nothing; nothing at all asks for what is newest.
        if (terms.length === 0 && query.q !== "") return { groups: [] };
        const visible = await rooms.visibleRooms(caller);
        const kinds = query.kind === undefined ? KINDS : [query.kind];
        const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
          find(tx, { kinds, terms, q: query.q, rooms: visible, most: query.limit + 1 }),
        );
        const groups = kinds.map((kind) => {
          const found = rows.filter((row) => row.kind === kind);
          return { kind, items: found.slice(0, query.limit).map((row) => hit(row, terms)), more: found.length > query.limit };
        });
        return { groups: groups.filter(({ items }) => items.length > 0) };
      }),

      handle(searchRoom, async ({ caller, params, query }) => {
        if ((await rooms.roleIn(caller, params.id)) === null) {
          return refused("room_not_found", {
            message: "There is no such room, or you are not in it.",
            fix: "List the rooms you may see with GET /v1/rooms.",
          });
        }
        const terms = termsOf(query.q);
        if (terms.length === 0) return { items: [] };
        const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
          find(tx, { kinds: ["message"], terms, q: query.q, rooms: null, inRoom: params.id, most: query.limit }),
        );
        return { items: rows.map((row) => hit(row, terms)) };
      }),
    ],
  };
}

/** Every word, each as the beginning of one; or the thing's whole id. As a function of the database, for its index's sake (0630-search.sql). */
function find(
  tx: Kysely<Record<string, never>>,
  of: { kinds: readonly SearchKind[]; terms: readonly string[]; q: string; rooms: readonly string[] | null; inRoom?: string; most: number },
) {
  const exact = /^[a-z]+_[0-9A-Z]{26}$/.test(of.q) ? of.q : null;
  const words = exact !== null || of.terms.length === 0 ? null : of.terms.map((term) => `${term}:*`).join(" & ");
  return sql<Row>`select * from search_find(${[...of.kinds]}::text[], ${words}::text, ${exact}::text,
    ${of.rooms === null ? null : [...of.rooms]}::text[], ${of.inRoom ?? null}::text, ${of.most}::int)`.execute(tx);
}

function hit(row: Row, terms: readonly string[]): z.input<typeof SearchHit> {
  const isMessage = row.kind === "message";
  const snippet = row.body === null || (!isMessage && row.body === row.title) ? null : snippetOf(row.body, terms);
  return {
    kind: row.kind,
    id: row.id,
    title: isMessage ? (snippet ?? "Message") : row.title === "" ? "Untitled" : row.title,
    snippet: isMessage || row.kind === "run" || row.kind === "session" ? snippet : null,
    at: row.at.toISOString(),
    room_id: row.room_id,
    session_id: row.session_id,
    thread_id: row.thread_id,
    run_id: row.run_id,
  };
}
