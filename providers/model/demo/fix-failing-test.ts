/*
 * The one job that the demo model knows:
 *
 *   look ─► test ─► read the test ─► read the source ─► edit ─► test ─► commit ─► push ─► summary
 *             │                                          ▲        │
 *             └─ green already, tool missing: say so     └────────┘ still red: undo, try the next change
 *
 * Where it is follows from the results of its own calls since the prompt, never from memory: it reads the report,
 * the files and git's answers, and says so when they are not what it knows how to handle.
 */
import { askWhenTold } from "./ask.ts";
import { currentTurn, type Conversation, type Reply, type Script } from "./conversation.ts";
import { changesToTry, importedSource, readTestReport, withoutLineNumbers, type Change, type TestReport } from "./repair.ts";
import { recognise, toolbox, type Toolbox } from "./tools.ts";

export const DEMO_INTRODUCTION = "I am Signalbox's demo model: a script, not an AI. What I do in this sandbox is real all the same.";

const LOOK = "pwd && git status --short --branch && git remote -v && ls -a && cat package.json";
const MAX_CHANGES = 6;

type Progress = {
  cwd: string | undefined;
  hasTestScript: boolean;
  tests: TestReport | null;
  firstFailure: Extract<TestReport, { status: "failed" }> | null;
  triedNode: boolean;
  testSource: string | undefined;
  sourcePath: string | undefined;
  source: string | undefined;
  applied: Change | null;
  reverted: boolean;
  changesTried: number;
  commit: string | undefined;
  push: string | undefined;
};

export const fixFailingTest: Script = (conversation) => {
  const side = sideCall(conversation);
  if (side) return side;
  const asked = askWhenTold(conversation);
  if (asked) return asked;
  const { prompt, done } = currentTurn(conversation);
  const intent = {
    fix: /\b(tests?|fail(s|ing|ed|ure)?|fix|bugs?|broken|red|green)\b/i.test(prompt),
    push: /\bpush\b/i.test(prompt),
    commit: /\b(commit|push)\b/i.test(prompt),
  };
  const wantsNetwork = /\b(reach(able)?|registry|network)\b/i.test(prompt);
  if (!intent.fix && !intent.push && !wantsNetwork) return say(stranger(prompt));
  const tools = toolbox(conversation.tools);
  if (!tools.shell) {
    const names = conversation.tools.map((tool) => tool.name).join(", ");
    return say(`${DEMO_INTRODUCTION} For my one job I need a shell, and this client offers none${names === "" ? "" : ` (only ${names})`}.`);
  }
  if (wantsNetwork && !intent.fix && !intent.push) return network(done, tools.shell);
  const planned = /\bplan\b/i.test(prompt) ? plan(conversation, done) : null;
  return planned ?? next(progress(done), intent, tools, tools.shell);
};

/** A list of what is to be done, where the client has a tool for that, written before the work and ticked off after it. */
function plan(conversation: Conversation, done: ReturnType<typeof currentTurn>["done"]): Reply | null {
  const tool = conversation.tools.find(({ name }) => /^todo_?write$/i.test(name));
  if (tool === undefined) return null;
  const write = (status: "pending" | "completed"): Reply["calls"][number] => ({
    name: tool.name,
    arguments: {
      todos: ["Reproduce the failure", "Find the cause", "Change it and run the tests again", "Commit"].map((content, i) => ({
        id: String(i + 1),
        content,
        status: status === "pending" && i === 0 ? "in_progress" : status,
        priority: "high",
      })),
    },
  });
  const written = done.filter(({ name }) => name === tool.name).length;
  if (written === 0) {
    return {
      thought:
        "Somebody says that the tests fail. I do not know it until I have seen it: reproduce first, then read, then change one thing.",
      text: `${DEMO_INTRODUCTION}\n\nThis is how I go about it.`,
      calls: [write("pending")],
    };
  }
  const isCommitted = done.some(
    (call) => /git .*commit /.test(JSON.stringify(call.arguments)) && /\[[^\]]+ [0-9a-f]{7,}\]/.test(call.output),
  );
  return isCommitted && written === 1 ? { text: "All of it is done.", calls: [write("completed")] } : null;
}

function network(done: ReturnType<typeof currentTurn>["done"], shell: Shell): Reply {
  const asked = done.map(recognise).find((call) => call.kind === "shell");
  if (asked === undefined)
    return {
      thought: "A sandbox usually lets nothing out. One request shows it.",
      ...act("I try it.", shell("curl -sS -m 20 https://registry.npmjs.org/", "Ask the npm registry")),
    };
  return say(
    /blocked|403|not allowed|forbidden|denied/i.test(asked.kind === "shell" ? asked.output : "")
      ? "No: the sandbox blocks it, and says why. Nothing that I do here leaves this machine unless somebody allows the host."
      : `This is what came back:\n\n\`\`\`\n${asked.kind === "shell" ? asked.output.trim().slice(0, 500) : ""}\n\`\`\``,
  );
}

type Shell = NonNullable<Toolbox["shell"]>;

function next(at: Progress, intent: { fix: boolean; push: boolean; commit: boolean }, tools: Toolbox, shell: Shell): Reply {
  if (!intent.fix) return at.push === undefined ? push(`${DEMO_INTRODUCTION} I push what is committed.`, shell) : say(pushOutcome(at.push));
  if (at.cwd === undefined) {
    return act(`${DEMO_INTRODUCTION}\n\nFirst I look at the repository.`, shell(LOOK, "Look at the repository"));
  }
  if (at.tests === null) {
    const command = at.hasTestScript && !at.triedNode ? "npm test" : "node --test";
    if (at.applied) return act("I run the tests again.", shell(command, "Run the tests again"));
    return act(
      at.hasTestScript ? "There is a test script. I run it." : "No test script in package.json, so I run Node's own test runner.",
      shell(command, "Run the tests"),
    );
  }
  switch (at.tests.status) {
    case "tool_missing":
      if (at.tests.tool === "npm" && !at.triedNode)
        return act(
          "`npm` is not here. `node --test` does the same for this repository.",
          shell("node --test", "Run the tests without npm"),
        );
      return say(`I cannot go on: \`${at.tests.tool}\` is missing in this sandbox.`);
    case "unreadable":
      return say("I ran the tests, but I cannot read their report: I only know the one of `node --test`. I changed nothing.");
    case "passed":
      return at.applied
        ? finish(at, at.tests.passed, intent, shell)
        : say(`All ${at.tests.passed} tests pass already, so there is nothing for me to fix. I changed nothing.`);
    case "failed":
      return mend(at, at.tests, tools, shell);
  }
}

function mend(at: Progress, failure: Extract<TestReport, { status: "failed" }>, tools: Toolbox, shell: Shell): Reply {
  const first = at.firstFailure ?? failure;
  const testPath = absolute(at.cwd, first.testFile);
  if (testPath === undefined) return say(`${failure.failed} test(s) fail, but the report does not say in which file. I changed nothing.`);
  if (at.testSource === undefined) {
    const what = first.title === undefined ? `${failure.failed} test(s) fail` : `\`${first.title}\` fails`;
    const why = first.detail === undefined ? "" : ` (${first.detail})`;
    return act(`Reproduced: ${what}${why}. I read the test.`, read(testPath, tools, shell));
  }
  const sourcePath = absolute(at.cwd, first.frames[0]) ?? importedSource(testPath, at.testSource);
  if (sourcePath === undefined) return say("The failing test imports no file of this repository that I could repair. I changed nothing.");
  if (at.source === undefined) return act("The test imports its subject. I read that.", read(sourcePath, tools, shell));
  if (at.applied && !at.reverted) {
    return act("Still red: that was not it. I undo it.", edit(sourcePath, at.applied.after, at.applied.before, tools, shell));
  }
  const change = changesToTry(at.source)[at.changesTried];
  if (!change || at.changesTried >= MAX_CHANGES) {
    return say(
      `I tried ${at.changesTried} one-line changes and none made the tests pass; I undid them all. As a script I know no more: this needs a person or a real model.`,
    );
  }
  return act(
    `Line ${change.line} looks wrong:\n\n\`\`\`diff\n-${lastLine(change.before)}\n+${lastLine(change.after)}\n\`\`\`\n\nI change it.`,
    edit(sourcePath, change.before, change.after, tools, shell),
  );
}

function finish(at: Progress, passed: number, intent: { push: boolean; commit: boolean }, shell: Shell): Reply {
  const fixed = `The tests are green: ${passed} passed.`;
  if (!intent.commit) return say(`${fixed} ${summary(at)} I did not commit: you did not ask for it.`);
  const title = at.firstFailure?.title;
  const message = title === undefined ? "Fix the failing test" : `Fix: ${title.replaceAll(/["$`\\!]/g, "")}`;
  if (at.commit === undefined) return act(`${fixed} I commit the change.`, shell(`git commit -am "${message}"`, "Commit the fix"));
  if (/tell me who you are|unable to auto-detect email/i.test(at.commit)) {
    return act(
      "Git has no name to commit under here, so I give it one.",
      shell(`git -c user.name="Signalbox demo" -c user.email=demo@signalbox.invalid commit -am "${message}"`, "Commit the fix"),
    );
  }
  if (!/\[[^\]]+ [0-9a-f]{7,}\]|nothing to commit/.test(at.commit))
    return say(`${fixed} But the commit failed:\n\n\`\`\`\n${at.commit.trim()}\n\`\`\``);
  if (!intent.push) return say(`${fixed} ${summary(at)} It is committed and not pushed.`);
  if (at.push === undefined) return push("Committed. Now I push; whether that may happen is not for me to decide.", shell);
  return say(`${summary(at)} ${fixed}\n\n${pushOutcome(at.push)}`);
}

/** It may wait minutes for a person. */
const PUSH_TIMEOUT_MS = 600_000;

const push = (text: string, shell: Shell): Reply => act(text, shell("git push origin HEAD", "Push the commit", PUSH_TIMEOUT_MS));

/** What git said, the last word first: a push that waited for a person says so on its way to success or refusal. */
function pushOutcome(output: string): string {
  const quoted = `\n\n\`\`\`\n${output.trim()}\n\`\`\``;
  const refused = /\[(remote )?rejected\]|error: failed to push|fatal:/.test(output);
  if (!refused && / -> /.test(output)) {
    const branch = /pushed to ([^\s;]+)/i.exec(output)?.[1];
    return branch === undefined ? "Pushed." : `Pushed to \`${branch}\`.`;
  }
  if (/denied by a person/i.test(output)) return "A person denied the push. The commit stays here, and I do not try again.";
  if (/nobody answered in time/i.test(output)) return "Nobody answered in time, so nothing was pushed. The commit stays here.";
  if (/den(y|ied)|forbidden|policy/i.test(output)) return `The push was refused:${quoted}`;
  if (/awaits|approval/i.test(output))
    return "The push is with Signalbox and awaits approval: nothing has left the sandbox until somebody decides.";
  if (/up.to.date/i.test(output)) return "There was nothing to push.";
  if (/No configured push destination|does not appear to be a git repository|No such remote/i.test(output))
    return "There is no remote to push to.";
  return `The push did not go through:${quoted}`;
}

function summary(at: Progress): string {
  const where = at.sourcePath?.split("/").slice(-2).join("/") ?? "the source";
  return at.applied
    ? `In \`${where}\`, line ${at.applied.line}, \`${lastLine(at.applied.before).trim()}\` became \`${lastLine(at.applied.after).trim()}\`.`
    : "";
}

function progress(done: ReturnType<typeof currentTurn>["done"]): Progress {
  const at: Progress = {
    cwd: undefined,
    hasTestScript: false,
    tests: null,
    firstFailure: null,
    triedNode: false,
    testSource: undefined,
    sourcePath: undefined,
    source: undefined,
    applied: null,
    reverted: false,
    changesTried: 0,
    commit: undefined,
    push: undefined,
  };
  for (const call of done.map(recognise)) {
    if (call.kind === "shell") seeShell(at, call.command, call.output);
    else if (call.kind === "read") seeFile(at, call.path, call.output);
    else if (call.kind === "edit") seeEdit(at, call.before, call.after);
  }
  return at;
}

function seeShell(at: Progress, command: string, output: string): void {
  if (command === LOOK) {
    at.cwd = /^(\/[^\n]*)/m.exec(output)?.[1] ?? "";
    at.hasTestScript = /"test"\s*:\s*"(?!echo \\"Error)/.test(output);
  } else if (/^(npm test|node --test)/.test(command)) {
    at.tests = readTestReport(output);
    at.triedNode ||= command.startsWith("node");
    if (at.tests.status === "failed") at.firstFailure ??= at.tests;
  } else if (command.startsWith("cat ")) seeFile(at, command.slice(4).replaceAll("'", ""), output);
  else if (command.startsWith("node -e ")) {
    const [before, after] = JSON.parse(/\/\*(.*)\*\//.exec(command)?.[1] ?? '["",""]') as [string, string];
    seeEdit(at, before, after);
  } else if (/^git .*commit /.test(command)) at.commit = output;
  else if (command.startsWith("git push")) at.push = output;
}

function seeFile(at: Progress, path: string, output: string): void {
  const text = withoutLineNumbers(output);
  if (at.testSource === undefined) at.testSource = text;
  else if (at.source === undefined) {
    at.source = text;
    at.sourcePath = path;
  }
}

function seeEdit(at: Progress, before: string, after: string): void {
  if (at.applied && !at.reverted && before === at.applied.after) {
    at.reverted = true;
    at.changesTried += 1;
    return;
  }
  const line = at.source === undefined ? 0 : (changesToTry(at.source).find((change) => change.before === before)?.line ?? 0);
  at.applied = { before, after, line };
  at.reverted = false;
  // The report that we have is from before this edit: the tests must run again.
  at.tests = null;
}

const read = (path: string, tools: Toolbox, shell: Shell): Reply["calls"][number] =>
  tools.read?.(path) ?? shell(`cat '${path}'`, `Read ${path}`);

function edit(path: string, before: string, after: string, tools: Toolbox, shell: Shell): Reply["calls"][number] {
  if (tools.edit) return tools.edit(path, before, after);
  const change = JSON.stringify([before, after]).replaceAll("'", "\\u0027").replaceAll("*/", "*\\/");
  return shell(
    `node -e '/*${change}*/const [b,a]=${change},fs=require("fs"),p=${JSON.stringify(path)};fs.writeFileSync(p,fs.readFileSync(p,"utf8").replace(b,()=>a))'`,
    `Edit ${path}`,
  );
}

function sideCall(conversation: Conversation): Reply | null {
  const { prompt } = currentTurn(conversation);
  if (/title generator|generate a (short |brief )?title/i.test(conversation.system) || /^generate a title/i.test(prompt)) {
    return say(
      /push/i.test(prompt)
        ? "Fix the failing test and push"
        : /test|fix/i.test(prompt)
          ? "Fix the failing test"
          : "Conversation with the scripted demo",
    );
  }
  if (conversation.tools.length === 0 && /summar/i.test(`${conversation.system}\n${prompt.slice(-2000)}`)) {
    return say("A conversation with Signalbox's scripted demo model about fixing a failing test. It keeps no memory of its own.");
  }
  return null;
}

function stranger(prompt: string): string {
  if (/\b(approved|denied|expired)\b/i.test(prompt)) return "Noted. That was the last step of what I know how to do.";
  return `${DEMO_INTRODUCTION} I know one job only: find the failing test in a small Node repository, fix it, run the tests again, commit and push. Ask me for that, for instance "Fix the failing test and push the result", or choose a real model in the settings.`;
}

const say = (text: string): Reply => ({ text: text.trim(), calls: [] });
const act = (text: string, call: Reply["calls"][number]): Reply => ({ text, calls: [call] });
const lastLine = (text: string): string => text.split("\n").at(-1) ?? text;

function absolute(cwd: string | undefined, path: string | undefined): string | undefined {
  if (path === undefined || path.startsWith("/")) return path;
  return cwd === undefined || cwd === "" ? path : `${cwd}/${path}`;
}
