import { array, assert, boolean, nat, property, string, tuple } from "fast-check";
import { describe, expect, test } from "vitest";
import { OUTPUT_LIMIT, type AgentEvent } from "./port.ts";
import { cutOutput, Turn, type ToolFact } from "./turn.ts";

function begin(): { turn: Turn; events: AgentEvent[]; types: () => string[] } {
  const events: AgentEvent[] = [];
  const turn = new Turn("p", (event) => events.push(event));
  return { turn, events, types: () => events.map((event) => event.type) };
}

const bash: ToolFact = { stepId: "s1", callId: "c1", name: "bash", title: undefined, arguments: { command: "ls" } };

describe("a turn", () => {
  test("tells each fact once, however often it is seen", () => {
    const { turn, types } = begin();
    for (let again = 0; again < 3; again += 1) {
      turn.step("s1");
      turn.whole("text", "s1", "t1", "hello", true);
      turn.tool(bash);
      turn.toolDone(bash, "a\nb\n", {});
      turn.usage("s1", { inputTokens: 1, outputTokens: 2, reasoningTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 });
      turn.plan([{ content: "x", status: "pending" }]);
      turn.permission({ id: "q1", callId: undefined, tool: "edit", title: "edit", arguments: {} });
    }
    turn.end({ reason: "completed" });
    turn.end({ reason: "canceled" });
    expect(types()).toEqual([
      "turn.started",
      "step.started",
      "text.delta",
      "message.completed",
      "tool.started",
      "tool.completed",
      "usage",
      "plan.updated",
      "permission.requested",
      "permission.closed",
      "turn.ended",
    ]);
  });

  test("what was said before a tool call stands before it, though its end is told only after", () => {
    const { turn, types } = begin();
    turn.append("text", "s1", "t1", "I run it.");
    turn.completeOpenTexts((partId) => partId === "t1");
    turn.tool(bash);
    turn.toolDone(bash, "ok", {});
    turn.whole("text", "s1", "t1", "I run it.\n", true);
    expect(types()).toEqual(["turn.started", "step.started", "text.delta", "message.completed", "tool.started", "tool.completed"]);
  });

  test("text that goes on after a tool call is a part of its own, and nothing of it is lost or repeated", () => {
    const { turn, events } = begin();
    turn.append("text", "s1", "t1", "Before. ");
    turn.completeOpenTexts();
    turn.tool(bash);
    turn.append("text", "s1", "t1", "After.");
    for (let again = 0; again < 2; again += 1) turn.whole("text", "s1", "t1", "Before. After.", true);
    const said = events.filter((event) => event.type === "message.completed").map((event) => [event.partId, event.text]);
    expect(said).toEqual([
      ["t1", "Before. "],
      ["t1+", "After."],
    ]);
  });

  test("after a gap the whole text sends exactly what was missing", () => {
    const { turn, events } = begin();
    turn.append("text", "s1", "t1", "one ");
    turn.whole("text", "s1", "t1", "one two three", true);
    expect(events.slice(2)).toEqual([
      { type: "text.delta", stepId: "s1", partId: "t1", delta: "one " },
      { type: "text.delta", stepId: "s1", partId: "t1", delta: "two three" },
      { type: "message.completed", stepId: "s1", partId: "t1", role: "assistant", text: "one two three" },
    ]);
  });

  test("an older, shorter snapshot takes nothing back", () => {
    const { turn, events } = begin();
    turn.append("text", "s1", "t1", "one two");
    turn.whole("text", "s1", "t1", "one", false);
    turn.tool(bash);
    turn.toolDone(bash, "done", {});
    turn.toolOutput(bash, "do");
    expect(events.filter((event) => event.type === "text.delta")).toHaveLength(1);
    expect(turn.state().parts).toMatchObject([
      { text: "one two", completed: false },
      { status: "completed", output: "done" },
    ]);
  });

  test("what is open when it ends is closed before the end is told", () => {
    const { turn, types } = begin();
    turn.append("text", "s1", "t1", "half a sen");
    turn.tool(bash);
    turn.permission({ id: "q1", callId: "c1", tool: "bash", title: "ls", arguments: {} });
    turn.end({ reason: "failed", error: { code: "agent_exited", message: "gone" } });
    expect(types().slice(-4)).toEqual(["message.completed", "permission.closed", "tool.failed", "turn.ended"]);
    expect(turn.state().permissions).toEqual([]);
  });

  test("nothing is told after its end", () => {
    const { turn, events } = begin();
    turn.end({ reason: "completed" });
    const before = events.length;
    turn.append("text", "s1", "t1", "late");
    turn.tool(bash);
    turn.toolDone(bash, "late", {});
    turn.permission({ id: "q1", callId: undefined, tool: "x", title: "x", arguments: {} });
    expect(events).toHaveLength(before);
    expect(turn.state().parts).toEqual([]);
  });

  test("output that is a window of more replaces, output that grew is appended", () => {
    const { turn, events } = begin();
    turn.toolOutput(bash, "abc");
    turn.toolOutput(bash, "abcdef");
    turn.toolOutput(bash, "...def");
    expect(events.flatMap((event) => (event.type === "tool.progress" ? [[event.mode, event.output]] : []))).toEqual([
      ["append", "abc"],
      ["append", "def"],
      ["replace", "...def"],
    ]);
  });

  test("a permission that was answered while nobody listened is closed, and not asked again", () => {
    const { turn, types } = begin();
    const asked = { id: "q1", callId: undefined, tool: "x", title: "x", arguments: {} };
    turn.permission(asked);
    turn.permissionsAre(new Set());
    turn.permission(asked);
    expect(types()).toEqual(["turn.started", "permission.requested", "permission.closed"]);
  });

  test("deltas of any cut, with snapshots in between, add up to the text", () => {
    assert(
      property(string({ minLength: 1, unit: "grapheme" }), array(tuple(nat(), boolean())), (text, cuts) => {
        const { turn, events } = begin();
        let at = 0;
        for (const [size, snapshot] of cuts) {
          const to = Math.min(text.length, at + (size % 5));
          if (snapshot) turn.whole("text", "s", "t", text.slice(0, to), false);
          else turn.append("text", "s", "t", text.slice(at, to));
          at = to;
        }
        turn.whole("text", "s", "t", text, true);
        const told = events.flatMap((event) => (event.type === "text.delta" ? [event.delta] : [])).join("");
        expect(told).toBe(text);
      }),
    );
  });
});

test("long output keeps its head and its tail, and says how much is missing", () => {
  const cut = cutOutput(`head${"x".repeat(10_000_000)}tail`);
  expect(cut.truncated).toBe(true);
  expect(cut.text.length).toBeLessThanOrEqual(OUTPUT_LIMIT);
  expect(cut.text.startsWith("head")).toBe(true);
  expect(cut.text.endsWith("tail")).toBe(true);
  expect(cut.text).toMatch(/… \d+ characters left out …/);
  expect(cutOutput("a\ud800b").text).toBe("a\ufffdb");
});
