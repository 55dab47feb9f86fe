import { describe, expect, test } from "vitest";
import type { Conversation, Entry, Reply } from "./conversation.ts";
import { DEMO_INTRODUCTION, fixFailingTest } from "./fix-failing-test.ts";

const OPENCODE = [
  { name: "bash", properties: ["command", "timeout", "description"], required: ["command", "description"] },
  { name: "read", properties: ["filePath", "offset", "limit"], required: ["filePath"] },
  { name: "edit", properties: ["filePath", "oldString", "newString", "replaceAll"], required: ["filePath", "oldString", "newString"] },
];
const LOOKED = `/ws\n## main...origin/main\n{ "scripts": { "test": "node --test" } }\n`;
const RED = `✔ one (1ms)\n✖ two is more (0.6ms)\nℹ pass 1\nℹ fail 1\n\n✖ failing tests:\n\ntest at test/sum.test.js:4:1\n✖ two is more (0.6ms)\n  AssertionError: Expected values to be strictly equal:\n\n  1 !== 2\n\n      at TestContext.<anonymous> (file:///ws/test/sum.test.js:5:3)\n`;
const WAITED = "remote: Signalbox: this push awaits a person's approval (appr_1).\n";
const GREEN = "ℹ pass 2\nℹ fail 0\n";
const TEST_FILE = `1: import { sum } from "../src/sum.js";\n2: test("two is more", () => assert.equal(sum(1, 1), 2));\n3: `;
const SOURCE = `<content>\n1: export function sum(a, b) {\n2:   return a - b;\n3: }\n</content>`;

/** Plays the job: each output answers the script's next call. */
function play(prompt: string, outputs: string[], tools: Conversation["tools"] = OPENCODE): Reply[] {
  const entries: Entry[] = [{ role: "user", text: prompt }];
  const replies: Reply[] = [];
  for (const output of [...outputs, null]) {
    const reply = fixFailingTest({ system: "", entries, tools });
    replies.push(reply);
    if (output === null || reply.calls.length === 0) break;
    const calls = reply.calls.map((call, i) => ({ id: `c${entries.length}-${i}`, ...call }));
    entries.push(
      { role: "assistant", text: reply.text, calls },
      ...calls.map((call): Entry => ({ role: "tool", callId: call.id, output })),
    );
  }
  return replies;
}

const commands = (replies: Reply[]): unknown[] =>
  replies.flatMap((reply) => reply.calls.map((call) => call.arguments["command"] ?? call.name));
const JOB = "Fix the failing test and push the result.";

describe("the scripted job", () => {
  test("reproduces, reads, edits, tests, commits, pushes and reports that the push awaits approval", () => {
    const replies = play(JOB, [
      LOOKED,
      RED,
      TEST_FILE,
      SOURCE,
      "ok",
      GREEN,
      "[main abc1234] Fix",
      "remote: signalbox: this push awaits approval appr_1",
    ]);
    expect(commands(replies).slice(1)).toEqual([
      "npm test",
      "read",
      "read",
      "edit",
      "npm test",
      'git commit -am "Fix: two is more"',
      "git push origin HEAD",
    ]);
    expect(replies[7]!.calls[0]!.arguments["timeout"]).toBe(600_000);
    expect(replies[4]!.calls[0]!.arguments).toEqual({
      filePath: "/ws/src/sum.js",
      oldString: "  return a - b;",
      newString: "  return a + b;",
    });
    expect(replies[2]!.text).toContain("`two is more` fails (1 !== 2)");
    expect(replies.at(-1)!.text).toContain("awaits approval");
    expect(replies.at(-1)!.text).toContain("`return a - b;` became `return a + b;`");
  });

  test("says first that it is a script", () => {
    expect(play(JOB, [])[0]!.text).toContain(DEMO_INTRODUCTION);
    expect(DEMO_INTRODUCTION).toContain("a script, not an AI");
  });

  test("changes nothing when the tests pass already", () => {
    const replies = play(JOB, [LOOKED, GREEN]);
    expect(replies.at(-1)!.calls).toEqual([]);
    expect(replies.at(-1)!.text).toContain("nothing for me to fix");
  });

  test("runs Node's own runner when npm is missing, and says so when node is missing too", () => {
    const replies = play(JOB, [LOOKED, "bash: line 1: npm: command not found", "/bin/sh: 1: node: not found"]);
    expect(commands(replies).slice(1)).toEqual(["npm test", "node --test"]);
    expect(replies.at(-1)!.text).toContain("`node` is missing");
  });

  test("undoes a change that did not help and tries the next", () => {
    const source = "1: export function sum(a, b) {\n2:   if (a < b) return b - a;\n3:   return a - b;\n4: }";
    const replies = play(JOB, [
      LOOKED,
      RED,
      TEST_FILE,
      source,
      "ok",
      RED,
      "ok",
      "ok",
      GREEN,
      "[main abc1234] Fix",
      "To x\n  a..b  HEAD -> main",
    ]);
    const edits = replies
      .flatMap((reply) => reply.calls)
      .filter((call) => call.name === "edit")
      .map((call) => call.arguments);
    expect(edits).toHaveLength(3);
    expect(edits[1]).toMatchObject({ oldString: edits[0]!["newString"], newString: edits[0]!["oldString"] });
    expect(edits[2]!["newString"]).not.toBe(edits[0]!["newString"]);
    expect(replies.at(-1)!.text).toContain("Pushed.");
  });

  test("gives up honestly, with everything undone", () => {
    const replies = play(JOB, [LOOKED, RED, TEST_FILE, SOURCE, "ok", RED, "ok"]);
    expect(replies.at(-1)!.calls).toEqual([]);
    expect(replies.at(-1)!.text).toContain("needs a person or a real model");
  });

  test.each([
    ["a report that it cannot read", [LOOKED, "Segmentation fault"], "cannot read their report"],
    ["a commit that fails", [LOOKED, RED, TEST_FILE, SOURCE, "ok", GREEN, "fatal: unable to write"], "the commit failed"],
    [
      "a push that was approved while git waited",
      [
        LOOKED,
        RED,
        TEST_FILE,
        SOURCE,
        "ok",
        GREEN,
        "[main abc1234] x",
        `${WAITED}remote: Signalbox: pushed to signalbox/ses_1; the rest\nTo http://git\n   a..b  HEAD -> main\n`,
      ],
      "Pushed to `signalbox/ses_1`.",
    ],
    [
      "a push that a person denied",
      [
        LOOKED,
        RED,
        TEST_FILE,
        SOURCE,
        "ok",
        GREEN,
        "[main abc1234] x",
        `${WAITED} ! [remote rejected] HEAD -> main (denied by a person; do not push it again unless asked to)\nerror: failed to push some refs\n`,
      ],
      "A person denied the push",
    ],
    [
      "a push that nobody answered",
      [
        LOOKED,
        RED,
        TEST_FILE,
        SOURCE,
        "ok",
        GREEN,
        "[main abc1234] x",
        `${WAITED} ! [remote rejected] HEAD -> main (nobody answered in time)\nerror: failed to push some refs\n`,
      ],
      "Nobody answered in time",
    ],
    [
      "a push that still waits",
      [
        LOOKED,
        RED,
        TEST_FILE,
        SOURCE,
        "ok",
        GREEN,
        "[main abc1234] x",
        `${WAITED} ! [remote rejected] HEAD -> main (awaits approval (appr_1); it is pushed once approved, do not repeat it)\nerror: failed to push some refs\n`,
      ],
      "awaits approval",
    ],
    [
      "a push that policy refuses",
      [LOOKED, RED, TEST_FILE, SOURCE, "ok", GREEN, "[main abc1234] x", "remote: denied by policy"],
      "was refused",
    ],
    [
      "a repository without a remote",
      [LOOKED, RED, TEST_FILE, SOURCE, "ok", GREEN, "[main abc1234] x", "fatal: 'origin' does not appear to be a git repository"],
      "no remote",
    ],
  ])("says what happened: %s", (_, outputs, words) => {
    expect(play(JOB, outputs).at(-1)!.text).toContain(words);
  });

  test("does not push what it was not asked to push", () => {
    const outputs = [LOOKED, RED, TEST_FILE, SOURCE, "ok", GREEN, "[main abc1234] x"];
    expect(commands(play("Fix the failing test.", outputs)).join(" ")).not.toMatch(/git (commit|push)/);
    expect(commands(play("Fix the failing test and commit it.", outputs)).join(" ")).not.toContain("git push");
  });

  test("names its author when git has none", () => {
    const replies = play(JOB, [LOOKED, RED, TEST_FILE, SOURCE, "ok", GREEN, "*** Please tell me who you are.", "[main abc1234] x"]);
    expect(String(replies.at(-2)!.calls[0]!.arguments["command"])).toContain("user.email=demo@signalbox.invalid");
  });

  test("uses whatever the client calls its tools, and a shell alone when there is nothing else", () => {
    const other = [
      { name: "Bash", properties: ["command"], required: ["command"] },
      { name: "view_file", properties: ["path"], required: ["path"] },
      { name: "str_replace", properties: ["path", "old_str", "new_str"], required: ["path", "old_str", "new_str"] },
    ];
    const replies = play(JOB, [LOOKED, RED, TEST_FILE, SOURCE, "ok"], other);
    expect(replies[4]!.calls[0]).toEqual({
      name: "str_replace",
      arguments: { path: "/ws/src/sum.js", old_str: "  return a - b;", new_str: "  return a + b;" },
    });
    const plain = play(
      JOB,
      [LOOKED, RED, TEST_FILE.replaceAll(/^\d: /gm, ""), "export function sum(a, b) {\n  return a - b;\n}\n", "", GREEN],
      other.slice(0, 1),
    );
    expect(commands(plain).slice(2, 4)).toEqual(["cat '/ws/test/sum.test.js'", "cat '/ws/src/sum.js'"]);
    expect(String(commands(plain)[4])).toContain("node -e");
    expect(commands(plain)[5]).toBe("npm test");
  });

  test("without a shell it says that it cannot work", () => {
    expect(play(JOB, [], []).at(-1)!.text).toContain("I need a shell");
  });

  test("what it does not understand it answers by saying what it is", () => {
    const [reply] = play("Write me a poem about the sea", []);
    expect(reply!.calls).toEqual([]);
    expect(reply!.text).toContain("I know one job only");
  });

  test("an agent's side calls for a title or a summary do not start the job", () => {
    const title = fixFailingTest({
      system: "You are a title generator. You output ONLY a thread title.",
      entries: [{ role: "user", text: JOB }],
      tools: [],
    });
    expect(title).toEqual({ text: "Fix the failing test and push", calls: [] });
    const summary = fixFailingTest({ system: "Summarize the conversation", entries: [{ role: "user", text: JOB }], tools: [] });
    expect(summary.calls).toEqual([]);
  });
});
