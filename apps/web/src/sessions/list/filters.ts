/* What an address of the list says, and what is asked of the server for it. Pure. */
import type { SessionStatus, SessionView } from "@signalbox/contract/sessions";

/** Groups as a person thinks of them; together they hold every status. */
export const GROUPS = {
  working: { label: "Working", statuses: ["creating", "running", "pausing", "resuming", "migrating"] },
  waiting: { label: "Waiting for you", statuses: ["waiting"] },
  paused: { label: "Paused", statuses: ["paused"] },
  ended: { label: "Ended", statuses: ["completed", "stopped"] },
  failed: { label: "Failed", statuses: ["failed"] },
} as const satisfies Record<string, { readonly label: string; readonly statuses: readonly SessionStatus[] }>;
export type Group = keyof typeof GROUPS;
export const GROUP_NAMES = Object.keys(GROUPS) as readonly Group[];

export const SORTS = { created_at: "Newest first", updated_at: "Last changed first", cost: "Most expensive first" } as const;
export type Sort = keyof typeof SORTS;
export const OUTCOMES = { succeeded: "Succeeded", failed: "Failed", canceled: "Canceled" } as const;
export type Outcome = keyof typeof OUTCOMES;

export interface ListSearch {
  readonly q?: string | undefined;
  readonly archived?: true | undefined;
  /** Names of groups with commas between. */
  readonly status?: string | undefined;
  readonly model?: string | undefined;
  readonly repository?: string | undefined;
  readonly outcome?: string | undefined;
  /** `me`, or a principal's id. */
  readonly by?: string | undefined;
  readonly sort?: string | undefined;
}

/** What is not a group is left out: an old link still shows a list. */
export const groupsOf = (status: string | undefined): Group[] => {
  const named = new Set((status ?? "").split(","));
  return GROUP_NAMES.filter((name) => named.has(name));
};
export const sortOf = (sort: string | undefined): Sort => (sort !== undefined && sort in SORTS ? (sort as Sort) : "created_at");
const outcomeOf = (outcome: string | undefined): Outcome | undefined =>
  outcome !== undefined && outcome in OUTCOMES ? (outcome as Outcome) : undefined;

/** As `sessions.list` takes it. */
export function queryOf(search: ListSearch, me: string | undefined) {
  const groups = groupsOf(search.status);
  const outcome = outcomeOf(search.outcome);
  const by = search.by === "me" ? me : search.by;
  return {
    archived: search.archived === true ? ("true" as const) : ("false" as const),
    sort: sortOf(search.sort),
    ...(search.q === undefined ? {} : { q: search.q.slice(0, 200) }),
    ...(groups.length === 0 ? {} : { status: groups.flatMap((name): readonly string[] => GROUPS[name].statuses).join(",") }),
    ...(search.model === undefined ? {} : { model: search.model.slice(0, 200) }),
    ...(search.repository === undefined ? {} : { repository: search.repository.slice(0, 2000) }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(by === undefined || !/^(usr|agt|svc)_[0-9A-Za-z]{1,40}$/.test(by) ? {} : { created_by: by as SessionView["created_by"] }),
  };
}
export type ListQuery = ReturnType<typeof queryOf>;

/** Whether anything narrows the list, so that an empty one can say what to do about it. */
export const isNarrowed = (search: ListSearch): boolean =>
  search.q !== undefined ||
  search.status !== undefined ||
  search.model !== undefined ||
  search.repository !== undefined ||
  search.outcome !== undefined ||
  search.by !== undefined;
