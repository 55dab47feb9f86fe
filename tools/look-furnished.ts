/* A server in which a bit of everything has happened, and the addresses of what there is to see of it (look.ts). */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import type { Composed } from "../apps/server/src/composed.fixture.ts";
import { scriptedAgent, type ScriptedSession } from "../apps/server/src/modules/sessions/scripted-harness.fixture.ts";
import { ROOT } from "./step.ts";

export interface Look {
  readonly name: string;
  readonly path: string;
  /** Nobody is signed in. */
  readonly isStranger?: boolean;
  /** False: what is on screen, not what would have to be scrolled to. */
  readonly isWhole?: boolean;
  act?(page: Page): Promise<void>;
  /** After the pictures: what `act` did to whoever looks. */
  undo?(page: Page): Promise<void>;
}

const agent = scriptedAgent();
let sandboxShell: (script: string) => Promise<string> = () => Promise.reject(new Error("there is no sandbox yet"));

async function tool(session: ScriptedSession, callId: string, name: string, args: object, script: string): Promise<void> {
  const title = "command" in args ? String(args.command) : "filePath" in args ? String(args.filePath) : name;
  session.emit({ type: "tool.started", stepId: "s1", callId, name, title, arguments: args });
  const output = await sandboxShell(script);
  session.emit({ type: "tool.completed", callId, title, output, truncated: false, metadata: {} });
}
const bash = (session: ScriptedSession, callId: string, command: string): Promise<void> =>
  tool(session, callId, "bash", { command, description: "" }, `${command} 2>&1 || true`);

const ANSI = String.raw`printf '\033[1mTest Files\033[0m  \033[31m1 failed\033[0m | \033[32m4 passed\033[0m (5)\n\033[2mDuration\033[0m  1.42s\n'`;

const PLAN = ["Find what fails", "Mend the sum", "Run the tests again", "Push to main"];
const plan = (session: ScriptedSession, done: number): void =>
  session.emit({
    type: "plan.updated",
    entries: PLAN.map((content, i) => ({ content, status: i < done ? "completed" : i === done ? "in_progress" : "pending" })),
  });

/** What the agent does with its prompt: `mend` to a push that waits, `ask` to a question, `fail` to the end of its model. */
const PLAYS: Readonly<Record<string, (session: ScriptedSession) => Promise<void>>> = {
  async mend(session) {
    plan(session, 0);
    session.emit({
      type: "thought.completed",
      stepId: "s1",
      partId: "thought",
      text: "The test says that the total grows with a discount. Either the sign is wrong or the discount is negative; the sum in src/invoice.js is where both meet.",
    });
    session.say("first", "I look at the repository first, then at what its tests say.");
    await bash(session, "look", "git log --oneline");
    await bash(session, "list", "ls -la");
    await tool(session, "read", "read", { filePath: "src/invoice.js" }, "cat src/invoice.js");
    await bash(session, "test", "node --test --test-reporter=tap");
    await bash(session, "summary", ANSI);
    plan(session, 1);
    session.say(
      "found",
      "The discount is **added** instead of taken off:\n\n```js\nreturn before + discount;\n```\n\n| case | expected | got |\n| --- | ---: | ---: |\n| 10 % off 100 | 90 | 110 |\n| none | 100 | 100 |\n\nI mend that one line, and write down why in `CHANGELOG.md`.",
    );
    const edit = { filePath: "src/invoice.js", oldString: "  return before + discount;", newString: "  return before - discount;" };
    await tool(session, "edit", "edit", edit, "sed -i 's/before + discount/before - discount/' src/invoice.js");
    await bash(
      session,
      "notes",
      "printf '# Changes\\n\\n- A discount is taken off the total.\\n' > CHANGELOG.md && mkdir -p docs && printf 'how totals are made\\n' > docs/a-rather-long-name-of-a-file-that-nobody-would-choose.md",
    );
    plan(session, 2);
    await bash(session, "again", "node --test --test-reporter=tap");
    plan(session, 3);
    await bash(session, "commit", "git add -A && git commit -qm 'Take the discount off'");
    session.emit({
      type: "usage",
      stepId: "s1",
      usage: { inputTokens: 18_400, outputTokens: 1_260, reasoningTokens: 320, cacheReadTokens: 9_000, cacheWriteTokens: 0 },
    });
    await bash(session, "push", "git push");
    session.say("last", "The discount is **taken off**, all tests pass, and the change is pushed.");
    plan(session, 4);
    session.end({ reason: "completed" });
  },
  async ask(session) {
    session.say("asking", "There are two ways to round, and the tests allow both.");
    session.ask("q1", [
      {
        header: "Rounding",
        text: "How should totals be rounded?",
        options: [
          { label: "Half up", description: "2.345 becomes 2.35, as on most invoices" },
          { label: "Half to even", description: "2.345 becomes 2.34, as banks do it" },
        ],
        multiple: false,
        freeText: true,
      },
    ]);
  },
  async fail(session) {
    await bash(
      session,
      "install",
      "echo 'npm error code ENOTFOUND' && echo 'npm error network request to https://registry.npmjs.org failed'",
    );
    session.end({ reason: "failed", error: { code: "model_unavailable", message: "The model answered 529 five times: overloaded." } });
  },
  async work(session) {
    session.emit({ type: "plan.updated", entries: [{ content: "Read the guide", status: "in_progress" }] });
    session.say("begun", "I read the guide and write down what is missing.");
    session.emit({
      type: "tool.started",
      stepId: "s1",
      callId: "long",
      name: "bash",
      title: "npm run build",
      arguments: { command: "npm run build" },
    });
    session.emit({
      type: "tool.progress",
      callId: "long",
      mode: "append",
      output: "vite v8.3.8 building for production...\ntransforming (1240) src/main.tsx",
    });
  },
};

export const LOOKS_AGENT = {
  harnesses: {
    opencode: {
      tools: [] as [],
      harness: {
        ...agent.harness,
        async start(...of: Parameters<typeof agent.harness.start>) {
          const session = (await agent.harness.start(...of)) as ScriptedSession;
          session.onPrompt = () => {
            const asked = session.prompts.at(-1)!.text;
            const play = Object.entries(PLAYS).find(([name]) => asked.includes(`(${name})`))?.[1];
            void (play?.(session) ?? Promise.resolve(session.end({ reason: "completed" }))).catch((error: unknown) =>
              session.end({ reason: "failed", error: { code: "played_badly", message: String(error) } }),
            );
          };
          return session;
        },
      },
    },
  },
};

const PICTURE = join(ROOT, "docs/images/needs-you-phone.png");
const JUNIT = `<?xml version="1.0"?><testsuites><testsuite name="invoice" tests="3" failures="1" skipped="1" time="1.5"><testcase name="adds" time="0.1"/><testcase name="takes the discount off" time="0.2"><failure message="expected 90 to be 100">AssertionError: expected 90 to be 100</failure></testcase><testcase name="later"><skipped/></testcase></testsuite></testsuites>`;

export async function furnish(c: Composed): Promise<Look[]> {
  // oxlint-disable-next-line typescript/no-explicit-any -- what is looked into
  async function call(method: string, path: string, body?: object, token = c.owner): Promise<any> {
    const answer = await c.call(method, path, { token, ...(body === undefined ? {} : { body }) });
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }
  const post = (path: string, body: object = {}, token = c.owner) => call("POST", path, body, token);
  const until = async (id: string, is: (session: Record<string, unknown>) => boolean): Promise<void> => {
    for (let i = 0; i < 600; i++) {
      const session = await call("GET", `/v1/sessions/${id}`);
      if (is(session)) return;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error(`the session ${id} does not come to what was wanted: ${JSON.stringify(await call("GET", `/v1/sessions/${id}`))}`);
  };
  const start = async (title: string, prompt: string, source: object): Promise<string> => {
    const { id } = await post("/v1/sessions", { source, title, prompt, budget_micro_usd: 5_000_000 });
    sandboxShell = async (script) => {
      const sandbox = c.server.sessions.sandboxOf("ws_dev", id);
      if (sandbox === null) throw new Error("the sandbox is gone");
      const { stdout } = await sandbox.exec({ argv: ["/bin/sh", "-c", script], timeoutMs: 3_600_000 }); // A push waits for as long as it is looked at.
      return stdout.toString();
    };
    return id;
  };

  const anna = await c.person("approver");
  const sample = await post("/v1/samples");
  const repository = { type: "repository", url: sample.repository_url };
  const failed = await start("Upgrade the build tools", "(fail) Upgrade the build tools to their newest versions.", { type: "scratch" });
  await until(failed, ({ current_run: run, outcome }) => run === null && outcome === "failed");
  const done = await start(
    "A discount makes the total larger",
    "(mend) The tests of this project fail. Find out why, mend it, and push.",
    repository,
  );
  await until(done, ({ pending_approvals: open }) => open === 1);
  const [first] = (await call("GET", `/v1/approvals?session_id=${done}&status=open`)).items;
  await post(`/v1/approvals/${first.id}/decide`, { decision: "approve" });
  await until(done, ({ outcome }) => outcome === "succeeded");
  const asking = await start("Round totals the same way everywhere", "(ask) Round all totals the same way.", repository);
  await until(asking, ({ pending_questions: open }) => open === 1);
  const working = await start(
    "Write the missing chapter of the guide about how an invoice is made, from the first line to the last cent",
    "(work) Write the missing chapter of the guide.",
    { type: "scratch" },
  );
  await until(working, ({ tool_calls: calls }) => calls === 1);
  const waiting = await start(
    "The voucher is counted twice",
    "(mend) The voucher is counted twice. Find out why, mend it, and push.",
    (await post("/v1/samples"), repository),
  );
  await until(waiting, ({ pending_approvals: open }) => open === 1);
  await post(`/v1/sessions/${working}/messages`, { content_md: "Then add an example with two currencies." });
  const idle = (await post("/v1/sessions", { source: { type: "scratch" }, sandbox: "deferred", title: "An idea for later" })).id;

  const room = (await post("/v1/rooms", { title: "Checkout" })).id;
  await post(`/v1/rooms/${room}/members`, { principal_id: anna.id, role: "approver" });
  const thread = (await post(`/v1/rooms/${room}/threads`, { title: "Discounts are wrong" })).id;
  await post(`/v1/rooms/${room}/threads`, { title: "Which day do we release, and who is there when we do?" });
  for (const [content_md, token] of [
    ["A customer paid **more** with a voucher than without.", c.owner],
    ["I can see it here as well:\n\n```\ntotal 110.00 (before 100.00, discount 10.00)\n```", anna.token],
    ["I have set an agent on it; its push waits for an approval.", c.owner],
    ["Good. I look at it in `src/invoice.js` before we say yes.", anna.token],
  ] as const)
    await post(`/v1/threads/${thread}/messages`, { content_md }, token);
  await post("/v1/rooms", { title: "Nothing said yet" });
  const { id: task } = await post("/v1/runs", {
    room_id: room,
    title: "Check the invoices of last month",
    goal: "Do **check** them.",
    max_attempts: 1,
  });
  const { run: claimed } = await post("/v1/runs/claim", { room_id: room });
  const fence = { claim_token: claimed.claim_token, epoch: claimed.epoch };
  await post(`/v1/runs/${task}/start`, fence);
  const { id: step } = await post(`/v1/runs/${task}/steps`, { ...fence, kind: "work", title: "Look around" });
  const { id: called } = await post(`/v1/steps/${step}/toolcalls`, {
    ...fence,
    name: "bash",
    title: "wc -l invoices/*",
    arguments: { command: "wc -l invoices/*" },
  });
  await post(`/v1/toolcalls/${called}/succeed`, { ...fence, output: "412 total", duration_ms: 1_200 });
  const artifact = async (name: string, of: object): Promise<string> =>
    (await post(`/v1/steps/${step}/artifacts`, { ...fence, name, ...of })).id;
  const [picture, report, json, text] = [
    await artifact("screen.png", { kind: "file", media_type: "image/png", content_base64: (await readFile(PICTURE)).toString("base64") }),
    await artifact("junit.xml", { kind: "text", media_type: "application/xml", text: JUNIT }),
    await artifact("totals.json", {
      kind: "text",
      media_type: "application/json",
      text: JSON.stringify({
        month: "2030-01",
        totals: [
          { id: 4711, cents: 9000, paid: true },
          { id: 4712, cents: 11000, paid: false },
        ],
      }),
    }),
    await artifact("notes.ts", {
      kind: "text",
      text: Array.from({ length: 60 }, (_, i) => `export const line${i + 1} = ${i};`).join("\n"),
    }),
  ];
  await post(`/v1/runs/${task}/fail`, {
    ...fence,
    code: "agent_failed",
    message: "Two invoices could not be read: 4711 and 4712 are scans.",
  });
  for (const [title, to] of [
    ["Tell the customer that the refund is on its way", "https://desk.example.com/tickets/4711"],
    ["Publish the release notes", "https://blog.example.com/drafts"],
  ])
    await post("/v1/approvals", {
      action: "external.write",
      title,
      room_id: room,
      params: { to, body: { text: "We have refunded the difference." } },
      request: {
        purpose: "The voucher made the total larger; the difference is refunded.",
        external_impact: "The customer reads it at once.",
        risks: ["A wrong amount would have to be corrected by hand."],
        rollback_plan: "None: what was read was read.",
      },
    });
  const over = (await post("/v1/rooms", { title: "The audit of last spring" })).id;
  const { id: about } = await post(`/v1/rooms/${over}/threads`, { title: "What they asked for" });
  for (let i = 1; i <= 12; i++) await post(`/v1/threads/${about}/messages`, { content_md: `Answer ${i} of 12 is in the folder.` });
  await post(`/v1/rooms/${over}/archive`);
  await post("/v1/audit/archives", { older_than_days: 0, dry_run: false });
  await call("PUT", "/v1/quotas/ws_dev", { sessions: 8, storage_bytes: 5_000_000, events_per_day: 700 });
  await call("PUT", "/v1/organization/single-sign-on", {
    issuer: "https://login.acme.example/tenants/engineering",
    client_id: "signalbox",
    client_secret: "not-a-secret",
    role_claim: "realm_access.roles",
    role_mapping: [
      { value: "platform-engineers", role: "admin" },
      { value: "release-managers", role: "approver" },
    ],
  });
  for (const domain of ["acme.example", "a-subsidiary-with-a-long-name.acme.example"]) await post("/v1/organization/domains", { domain });
  const grant = { scopes: ["read", "engine"], rooms: [room], tools: ["bash", "fs.*"], egress: ["registry.npmjs.org", "*.acme.example"] };
  const engine = await post("/v1/capabilities", { name: "Build farm", kind: "engine", grant, expires_in_s: 7 * 86_400 });
  await post("/v1/capabilities/delegate", { token: engine.token, name: "Builder 3, reads only", grant: { ...grant, scopes: ["read"] } });
  const { id: invited } = await post("/v1/invitations", {
    email: "carla.with-a-rather-long-name@subsidiary.acme.example",
    role: "approver",
  });
  const acme = await c.organization();
  await post(`/v1/admin/organizations/${acme.id}/suspend`, { reason: "Its contract ended; its people were told." });
  const { user_code: code } = await post("/v1/auth/device", { client_name: "signalbox on build-7", scopes: ["read", "approve"] });
  // oxlint-disable-next-line typescript/no-explicit-any -- what is looked into
  const as = async (page: Page, path: string, body: object): Promise<any> => {
    const { status, answer } = await page.evaluate(
      async ([to, text]) => {
        const response = await fetch(to!, { method: "POST", headers: { "content-type": "application/json" }, body: text! });
        return { status: response.status, answer: await response.json() };
      },
      [path, JSON.stringify(body)],
    );
    if (status >= 300) throw new Error(`${path}: ${status}`);
    return answer;
  };
  /** Another organization of one's own, in which there is everything to lose. */
  const inAnother = {
    async act(page: Page) {
      const { id } = await as(page, "/v1/organizations", { name: "Side project" });
      await as(page, "/v1/organizations/switch", { organization_id: id });
      await page.reload();
      await page.getByRole("button", { name: /^Delete/ }).click();
      await page.waitForTimeout(800);
    },
    undo: (page: Page) => as(page, "/v1/organizations/switch", { organization_id: "ws_dev" }),
  };
  /** Who one is, answered by a refusal that only a provider elsewhere, or another's deed, could bring about. */
  const turnedAway = (refusal: string, details: object = {}) => ({
    async act(page: Page) {
      await page.route("**/v1/me", (route) =>
        route.fulfill({ status: 403, json: { error: { code: refusal, message: "You are not let in.", details, request_id: "req_look" } } }),
      );
      await page.reload();
      await page.getByRole("heading").first().waitFor();
    },
    undo: (page: Page) => page.unroute("**/v1/me"),
  });
  const acting = {
    async act(page: Page) {
      const reason = "A customer asked us to look at it.";
      await as(page, "/v1/admin/impersonations", { organization_id: "ws_dev", principal_id: anna.id, reason });
      await page.reload();
      await page.getByText("is acting as").waitFor();
    },
    undo: (page: Page) => as(page, "/v1/auth/impersonation/stop", {}),
  };
  const [open] = (await call("GET", `/v1/approvals?session_id=${waiting}&status=open`)).items;
  await post("/v1/audit/checkpoints");
  const share = await post(`/v1/sessions/${done}/shares`, {});
  const shared = new URL(share.url as string).pathname;
  const [run] = (await call("GET", `/v1/runs?session_id=${done}`)).items;
  const { items: events } = await call("GET", "/v1/events?limit=5");
  const webhook = await post("/v1/sinks", {
    name: "Data warehouse",
    kind: "webhook",
    url: "https://hooks.example.com/signalbox",
    types: ["run.*", "approval.*"],
  });
  await post("/v1/sinks", {
    name: "Reports",
    kind: "convex",
    url: "https://happy-animal-123.convex.cloud",
    secret: "prod:happy-animal-123|abc",
  });
  await post(`/v1/sinks/${webhook.id}/pause`);

  const session = (name: string, id: string, search = "", more: Partial<Look> = {}): Look => ({
    name,
    path: `/sessions/${id}${search}`,
    isWhole: false,
    ...more,
  });
  const PANES = ["changes", "terminal", "files", "preview", "egress", "events"];
  const pressed = (name: string | RegExp) => async (page: Page) => {
    await page.getByRole("button", { name }).first().click();
    await page.waitForTimeout(800);
  };
  /** Refused: this is the last owner. */
  const deletionOf = (typed: string) => async (page: Page) => {
    await pressed("Delete account…")(page);
    await page.getByRole("textbox", { name: /^Type your address/ }).fill(typed);
    await pressed("Delete it for good")(page);
  };
  const press = (key: string) => async (page: Page) => page.keyboard.press(key);
  return [
    { name: "login", path: "/login", isStranger: true },
    { name: "login-needed", path: "/sessions", isStranger: true },
    { name: "device", path: "/device" },
    { name: "device-code", path: "/device?code=ABCD-EFGH" },
    { name: "device-asked", path: `/device?code=${code}`, act: pressed("Go on") },
    { name: "invite", path: `/invite/${invited}`, isStranger: true },
    { name: "invite-missing", path: "/invite/inv_01JZZZZZZZZZZZZZZZZZZZZZZZ", isStranger: true },
    { name: "door", path: "/", ...turnedAway("single_sign_on_required", { organization_id: "ws_dev" }) },
    { name: "onboarding", path: "/", ...turnedAway("organization_required") },
    { name: "settings-organization-delete", path: "/settings/organization", isWhole: false, ...inAnother },
    { name: "welcome", path: "/welcome" },
    { name: "welcome-model", path: "/welcome?step=model" },
    { name: "welcome-task", path: "/welcome?step=task" },
    { name: "needs", path: "/" },
    { name: "needs-decided", path: "/?tab=decided" },
    { name: "new-session", path: "/?new=true", isWhole: false },
    { name: "approval", path: `/approvals/${open.id}` },
    { name: "approval-decide", path: `/approvals/${open.id}?decide=approve` },
    { name: "approval-decided", path: `/approvals/${first.id}` },
    { name: "sessions", path: "/sessions" },
    { name: "sessions-peek", path: `/sessions?peek=${waiting}`, isWhole: false },
    { name: "sessions-none", path: "/sessions?q=nothinglikethat" },
    session("session", waiting),
    ...PANES.map((pane) => session(`session-${pane}`, done, `?pane=${pane}`)),
    ...PANES.map((pane) => session(`session-empty-${pane}`, idle, `?pane=${pane}`)),
    session("session-asking", asking),
    session("session-working", working),
    session("session-failed", failed),
    session("session-idle", idle),
    session("session-then", done, "?at=20"),
    { name: "rooms", path: "/rooms" },
    { name: "room", path: `/rooms/${room}`, isWhole: false },
    { name: "room-thread", path: `/rooms/${room}?thread=${thread}`, isWhole: false },
    { name: "room-then", path: `/rooms/${room}?at=6`, isWhole: false },
    { name: "runs", path: "/runs" },
    { name: "run", path: `/runs/${run.id}` },
    ...["calls", "artifacts", "approvals", "models", "events", "receipt"].map((tab) => ({
      name: `run-${tab}`,
      path: `/runs/${run.id}?tab=${tab}`,
    })),
    { name: "run-failed", path: `/runs/${task}` },
    { name: "correlation", path: `/correlations/${run.correlation_id}` },
    { name: "artifact-picture", path: `/artifacts/${picture}` },
    { name: "artifact-report", path: `/artifacts/${report}` },
    { name: "artifact-json", path: `/artifacts/${json}` },
    { name: "artifact-text", path: `/artifacts/${text}`, isWhole: false },
    { name: "policy", path: "/policy" },
    { name: "policy-evaluate", path: "/policy?tab=evaluate&action=git.push" },
    { name: "policy-decisions", path: "/policy?tab=decisions" },
    { name: "audit", path: "/audit" },
    ...["keys", "proof", "checkpoints", "anchors", "archives", "redactions", "imports"].map((tab) => ({
      name: `audit-${tab}`,
      path: `/audit?tab=${tab}`,
    })),
    { name: "timeline", path: "/timeline", isWhole: false },
    { name: "timeline-event", path: `/timeline?event=${events[0].event_id}`, isWhole: false },
    { name: "health", path: "/health" },
    ...["workers", "sandboxes", "jobs"].map((tab) => ({ name: `health-${tab}`, path: `/health?tab=${tab}` })),
    ...[
      "",
      "/account",
      "/models",
      "/tokens",
      "/appearance",
      "/notifications",
      "/organization",
      "/members",
      "/single-sign-on",
      "/security",
      "/sinks",
      "/data",
    ].map((page) => ({
      name: `settings${page.replace("/", "-")}`,
      path: `/settings${page}`,
    })),
    { name: "settings-account-delete", path: "/settings/account", isWhole: false, act: pressed("Delete account…") },
    { name: "settings-account-mistyped", path: "/settings/account", isWhole: false, act: deletionOf("somebody@example.com") },
    { name: "settings-account-last-owner", path: "/settings/account", isWhole: false, act: deletionOf("owner@example.com") },
    { name: "audit-proved", path: `/audit?tab=proof&event=${events[0].event_id}` },
    { name: "audit-archive-now", path: "/audit?tab=archives", isWhole: false, act: pressed("Archive now…") },
    { name: "audit-rotate", path: "/audit?tab=keys", isWhole: false, act: pressed("Rotate…") },
    { name: "admin", path: "/admin" },
    ...["people", "mails", "keys"].map((tab) => ({ name: `admin-${tab}`, path: `/admin?tab=${tab}` })),
    { name: "admin-quotas", path: "/admin", isWhole: false, act: pressed(/^Quotas of/) },
    { name: "admin-suspend", path: "/admin?tab=people", isWhole: false, act: pressed(/^Suspend/) },
    { name: "admin-act", path: "/admin?tab=people", isWhole: false, act: pressed(/^Act as/) },
    { name: "acting", path: "/", isWhole: false, ...acting },
    { name: "palette", path: "/", isWhole: false, act: press("Control+k") },
    {
      name: "palette-search",
      path: "/",
      isWhole: false,
      async act(page) {
        await page.keyboard.press("Control+k");
        await page.getByRole("combobox", { name: "Search and commands" }).fill("discount");
        await page.waitForTimeout(800);
      },
    },
    { name: "keyboard", path: "/", isWhole: false, act: press("?") },
    { name: "shared", path: shared, isStranger: true, isWhole: false },
    { name: "shared-gone", path: "/shared/nothing", isStranger: true },
    { name: "gallery", path: "/gallery" },
    { name: "nowhere", path: "/nowhere" },
    { name: "session-missing", path: "/sessions/ses_01JZZZZZZZZZZZZZZZZZZZZZZZ" },
    { name: "run-missing", path: "/runs/run_01JZZZZZZZZZZZZZZZZZZZZZZZ" },
  ];
}
