import type { ConversationItem } from "@signalbox/contract/sessions";
import { describe, expect, test } from "vitest";
import { EMPTY, hydrate, type Conversation } from "./conversation.ts";
import { activePlan, NOTHING_QUEUED, rowsOf, type Row } from "./rows.ts";

let seq = 0;
type Of<T extends ConversationItem["type"]> = Partial<Extract<ConversationItem, { type: T }>>;
const RUN = "run_1";
const at = (second: number): string => new Date(Date.UTC(2030, 0, 1, 12, 0, second)).toISOString();
const item = (type: string, of: object): ConversationItem => {
  seq++;
  return { type, seq, at: at(seq), id: `${type}_${seq}`, run_id: RUN, ...of } as unknown as ConversationItem;
};
const said = (role: "user" | "agent", of: Of<"message"> | object = {}): ConversationItem =>
  item("message", { role, author: role === "user" ? "usr_1" : "agt_1", content_md: "text", ...of });
const call = (name: string, of: Of<"tool_call"> | object = {}): ConversationItem =>
  item("tool_call", { name, status: "succeeded", arguments: {}, duration_ms: 0, ...of });
const holding = (...items: ConversationItem[]): Conversation => hydrate(EMPTY, { items, hasOlder: false }, seq);
const rows = (state: Conversation, queued: ReadonlySet<string> = NOTHING_QUEUED): readonly Row[] =>
  rowsOf(state, { today: "2030-01-01", queued });
const kinds = (state: Conversation, queued?: ReadonlySet<string>): string[] =>
  rows(state, queued).map((row) =>
    row.kind === "item" ? row.item.type : row.kind === "message" ? `${row.item.role} ${row.item.content_md}` : row.kind,
  );

describe("look-ups", () => {
  test("those that follow one another are one row, which keeps its key while it grows", () => {
    const read = [call("read"), call("grep"), call("glob")];
    const two = rows(holding(...read.slice(0, 2)));
    const three = rows(holding(...read));
    expect(three.map(({ kind }) => kind)).toEqual(["lookups"]);
    expect(three[0]!.key).toBe(two[0]!.key);
    expect(rows(holding(read[0]!))[0]!.key).toBe(two[0]!.key);
  });
  test("one alone is a call like any other, and what does something stands between", () => {
    expect(kinds(holding(call("read"), call("bash"), call("read"), call("grep")))).toEqual(["tool_call", "tool_call", "lookups"]);
  });
  test("one that failed is not hidden among the others", () => {
    expect(kinds(holding(call("read"), call("grep"), call("read", { status: "failed" }), call("read")))).toEqual([
      "lookups",
      "tool_call",
      "tool_call",
    ]);
  });
});

describe("prompts", () => {
  test("stand where their turn begins, not where they were written while another ran", () => {
    const items = [
      said("user", { content_md: "first", run_id: "run_1" }),
      said("agent", { content_md: "working", run_id: "run_1" }),
      said("user", { content_md: "second", run_id: "run_2" }),
      item("run_ended", { status: "succeeded", run_id: "run_1" }),
      said("agent", { content_md: "on it", run_id: "run_2" }),
    ];
    expect(kinds(holding(...items))).toEqual(["user first", "agent working", "run_ended", "user second", "agent on it"]);
  });
  test("that are in the queue are not in the conversation", () => {
    const items = [said("user", { content_md: "first" }), said("agent"), said("user", { content_md: "second", run_id: "run_2" })];
    expect(kinds(holding(...items), new Set(["run_2"]))).toEqual(["user first", "agent text"]);
    expect(rows(holding(...items)).at(-1)).toMatchObject({ item: { content_md: "second" }, isWaiting: true });
  });
  test("whose turn was canceled before it began stand before that", () => {
    const items = [
      said("user", { content_md: "never", run_id: "run_2" }),
      said("agent", { run_id: "run_1" }),
      item("run_ended", { status: "canceled", run_id: "run_2" }),
    ];
    expect(kinds(holding(...items))).toEqual(["agent text", "user never", "run_ended"]);
  });
});

describe("time", () => {
  test("a day is announced before its first entry, today only where the conversation began on another", () => {
    const yesterday = said("user", { at: "2029-12-31T12:00:00.000Z", content_md: "a" });
    expect(kinds(holding(said("user", { content_md: "b" })))).toEqual(["user b"]);
    expect(kinds(holding(yesterday, said("agent", { content_md: "b" })))).toEqual(["day", "user a", "day", "agent b"]);
  });
  test("a turn took as long as from its first step to its end, a thought since what came before it", () => {
    const prompt = said("user", { at: at(0) });
    const first = call("bash", { at: at(2), duration_ms: 3_000 });
    const thought = item("thought", { at: at(9), text: "hm" });
    const end = item("run_ended", { at: at(12), status: "succeeded" });
    const state = holding(prompt, first, thought, end);
    expect(rows(state).find(({ kind }) => kind === "thought")).toMatchObject({ tookMs: 4_000 });
    expect(rows(state).find(({ kind }) => kind === "run_ended")).toMatchObject({ tookMs: 12_000, previousEnd: 0 });
  });
  test("of a turn whose beginning is not held nobody says how long it took", () => {
    const cut = hydrate(EMPTY, { items: [said("agent"), item("run_ended", { status: "succeeded" })], hasOlder: true }, seq);
    expect(rows(cut).at(-1)).toMatchObject({ tookMs: null, previousEnd: null });
  });
});

describe("plans", () => {
  const plan = (...statuses: string[]) => item("plan", { entries: statuses.map((status, i) => ({ content: `${i}`, status })) });
  test("the newest of a turn shows, and is pinned until all of it is done", () => {
    const open = holding(plan("pending", "pending"), plan("completed", "in_progress"));
    expect(kinds(open)).toEqual(["plan"]);
    expect(activePlan(open, RUN)?.entries[0]?.status).toBe("completed");
    expect(activePlan(open, "run_other")).toBeNull();
    expect(activePlan(holding(plan("completed")), RUN)).toBeNull();
  });
});

test("rows are the same objects until something in them changes", () => {
  const state = holding(said("user"), said("agent"));
  expect(rows(state)).toBe(rows({ ...state, progress: "Working…" }));
});
