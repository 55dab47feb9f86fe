/*
 * The main job, done for real and without a key: a real coding agent in a real sandbox reproduces a
 * failing test in a real repository, mends it, runs the tests green, asks to push, and pushes once
 * approved; then the log is exported and verified offline, and a tampered copy is shown to fail.
 * Only the model is scripted, and says so. The exit code says whether all of it held.
 */
import { createClient } from "@signalbox/client/client";
import { getApproval } from "@signalbox/contract/approvals";
import { createSession, getConversation, getDiff, getSession, stopSession } from "@signalbox/contract/sessions";
import { createSample, listModels } from "@signalbox/contract/system";
import type { Command } from "commander";
import { execFile } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ask } from "../approve.ts";
import { action, type Context } from "../command.ts";
import { follow } from "../follow.ts";
import { startServer, type RunningServer } from "../server-process.ts";
import { EXIT, UserError, type ExitCode } from "../user-error.ts";
import { describeReport } from "./describe-report.ts";
import { exportTo, serverKeys, verifyFile } from "./log.ts";

interface DemoFlags {
  readonly yes?: boolean;
  readonly model?: string;
  readonly running?: boolean;
}

interface Check {
  readonly claim: string;
  readonly held: boolean;
  readonly detail: string;
}

const run = promisify(execFile);

export function registerDemo(program: Command): void {
  program
    .command("demo")
    .description("watch an agent mend a failing test and ask before it pushes; needs no key")
    .option("-y, --yes", "approve the push without asking")
    .option("-m, --model <id>", "use this model instead of the scripted demo (needs --running)")
    .option("--running", "use the server that runs already instead of a fresh one")
    .action(
      action(async (context: Context, flags: DemoFlags) => {
        const { terminal } = context;
        if (!flags.yes && !terminal.interactive) {
          throw new UserError(
            "Nobody is here to approve the push.",
            "The demo asks before anything leaves the sandbox, and this is not a terminal.",
            "npm run demo -- --yes",
          );
        }
        const place = await mkdtemp(join(tmpdir(), "signalbox-demo-"));
        // Postgres runs as a user of its own and must be able to pass through.
        await chmod(place, 0o711);
        let own: RunningServer | null = null;
        try {
          if (!flags.running) {
            terminal.progress("Starting a server of its own for the demo …");
            own = await startServer(join(place, "data"));
          }
          const client = own === null ? context.client : createClient({ baseUrl: own.url, token: own.token });
          return await demonstrate({ client, terminal, flags: context.flags, signal: context.signal }, place, flags);
        } finally {
          await own?.stop();
          await rm(place, { recursive: true, force: true });
        }
      }),
    );
}

async function demonstrate(context: Context, place: string, flags: DemoFlags): Promise<ExitCode> {
  const { client, terminal, signal } = context;
  const sample = await client.call(createSample, { body: {} });
  const models = await client.call(listModels, {});
  const model = flags.model ?? models.items.find((one) => one.is_demo)?.id;
  if (model === undefined)
    throw new UserError("The server has no demo model.", "It was switched off in its configuration.", "Name another with --model.");
  const isDemo = models.items.find((one) => one.id === model)?.is_demo ?? false;

  terminal.progress(
    `Repository  ${sample.remote_url}\nModel       ${model}${isDemo ? " (a script, not an AI model: it knows only this job)" : ""}\nTask        ${sample.prompt}\n`,
  );
  const session = await client.call(createSession, {
    body: { title: "Demo: mend the failing test", source: { type: "repository", url: sample.remote_url }, prompt: sample.prompt, model },
    signal,
  });
  terminal.progress(`Watch it: ${client.baseUrl}/sessions/${session.id}\n`);

  const pushes: { approvalId: string; call: { ref: string; new: string } }[] = [];
  let [turnOk, pushed]: [boolean, boolean] = [false, false];
  await follow({
    ...context,
    session,
    on: async (event) => {
      if (event.type === "approval.requested") {
        const decided = await ask(client, terminal, event.data.approval_id, flags.yes === true);
        if (decided?.status === "approved") pushes.push({ approvalId: decided.id, call: decided.params as { ref: string; new: string } });
        if (decided?.status === "denied") return true;
      }
      if (event.type === "invocation.completed") pushed = true;
      if (event.type === "run.completed") turnOk = true;
      if (event.type === "run.failed" || event.type === "session.failed") return true;
      // Whichever comes last: the agent's own words, or the push that waited for a person.
      return turnOk && pushed;
    },
  });

  const checks: Check[] = [];
  const check = (claim: string, held: boolean, detail = ""): void => void checks.push({ claim, held, detail });
  const ended = await client.call(getSession, { params: { id: session.id } });
  const conversation = await client.call(getConversation, { params: { id: session.id }, query: { limit: 200 } });
  const tools = conversation.items.filter((item) => item.type === "tool_call");
  const printed = tools.map((item) => `${item.output ?? ""}${item.error ?? ""}`);
  check(
    "the agent saw the test fail, then saw all tests pass",
    printed.some((text) => /# fail [1-9]|ℹ fail [1-9]/.test(text)) && printed.some((text) => /(# |ℹ )fail 0/.test(text)),
    `${tools.length} tool calls`,
  );
  check("the turn ended well", turnOk, ended.status);

  const diff = await client.call(getDiff, { params: { id: session.id } });
  check(
    "exactly the faulty file was changed",
    diff.files.length === 1 && diff.files[0]!.path === "src/invoice.js",
    diff.files.map((file) => file.path).join(", "),
  );

  const push = pushes.at(-1);
  const remote =
    push === undefined
      ? ""
      : (await run("git", ["-c", "safe.directory=*", "ls-remote", sample.remote_url, push.call.ref])).stdout.split("\t")[0]!;
  check(
    "the remote has exactly the commit that was approved",
    push !== undefined && remote === push.call.new,
    remote.slice(0, 12) || "nothing was pushed",
  );
  const main = (await run("git", ["-c", "safe.directory=*", "ls-remote", sample.remote_url, "refs/heads/main"])).stdout.split("\t")[0]!;
  check("the main branch was left alone", push?.call.ref === "refs/heads/main" || main === sample.commit, main.slice(0, 12));
  if (push !== undefined) {
    const approval = await client.call(getApproval, { params: { id: push.approvalId } });
    check("the approval was used once and is spent", approval.used, approval.call_hash);
  }
  check(
    "it cost something and stayed in its budget",
    ended.cost_micro_usd > 0 && ended.cost_micro_usd <= ended.budget_micro_usd,
    `${ended.cost_micro_usd} of ${ended.budget_micro_usd} micro-USD`,
  );
  await client.call(stopSession, { params: { id: session.id }, body: { reason: "the demo is over" } });

  const file = join(place, "log.ndjson");
  await exportTo(context, file);
  const keys = await serverKeys(context);
  const report = await verifyFile(file, keys);
  check("the exported log verifies offline with the public key alone", report.valid && report.covered_to !== null, describeReport(report));
  const tampered = join(place, "tampered.ndjson");
  await writeFile(tampered, tamper(await readFile(file, "utf8")));
  const forged = await verifyFile(tampered, keys);
  check(
    "a copy with one changed word does not, and the place is named",
    !forged.valid && forged.first_mismatch !== null,
    forged.first_mismatch === null ? "" : `${forged.first_mismatch.stream} seq ${forged.first_mismatch.seq}: ${forged.first_mismatch.kind}`,
  );

  const held = checks.every((one) => one.held);
  terminal.result(
    { held, session_id: session.id, checks },
    `\n${checks.map((one) => `${one.held ? terminal.style("green", "held  ") : terminal.style("red", "FAILED")}  ${one.claim}${one.detail === "" ? "" : terminal.style("dim", `  (${one.detail})`)}`).join("\n")}`,
  );
  return held ? EXIT.ok : EXIT.failed;
}

/** Changes one word of one message, as somebody would who wants history to read differently. */
function tamper(text: string): string {
  const lines = text.split("\n");
  const at = lines.findIndex((line) => line.includes("approval.approved"));
  const target = at >= 0 ? at : 1;
  const line = JSON.parse(lines[target]!) as { data: string };
  lines[target] = JSON.stringify({
    ...line,
    data: line.data.replace(/"by":"usr_[^"]*"/, '"by":"usr_someoneelse"').replace(/^\{"/, '{"x":1,"'),
  });
  return lines.join("\n");
}
