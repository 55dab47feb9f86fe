import {
  type AuditKey,
  exportLog,
  getAuditKeys,
  getRebuild,
  rebuildProjections,
  createCheckpoint,
  rotateAuditKey,
} from "@signalbox/contract/log";
import { deleteImport, type ImportView, importLog, listImports } from "@signalbox/contract/imports";
import { type Envelope, verifyReceipt, verifyReceiptAgainst } from "@signalbox/verify/receipt";
import { verifyExport } from "@signalbox/verify/export";
import type { ExportReport } from "@signalbox/verify/export-report";
import { linesOf, nodePrimitives, wholeLines } from "@signalbox/verify/node";
import { parseKey, type VerifierKey } from "@signalbox/verify/note";
import type { Command } from "commander";
import type { z } from "zod";
import { once } from "node:events";
import { createReadStream, openAsBlob } from "node:fs";
import { open, readFile, rename, rm } from "node:fs/promises";
import { action, type Context } from "../command.ts";
import { checkAgainst, checkProof, registerEvidence } from "./log-evidence.ts";
import { registerAnchors } from "./log-anchors.ts";
import { registerArchive } from "./log-archive.ts";
import { readable } from "./readable.ts";
import { describeReport } from "./describe-report.ts";
import { counted, printable, table } from "../terminal.ts";
import { EXIT, type ExitCode, UserError } from "../user-error.ts";

export function registerLog(program: Command): void {
  const log = program.command("log").description("the event log as evidence");
  log
    .command("export")
    .description("write everything an offline verifier needs to a file")
    .requiredOption("-o, --output <file>", "where to; - is stdout")
    .option("--keys <file>", "also write the public keys there; keep them apart from the export")
    .option("--session <id>", "only this session's room")
    .action(
      action(async (context: Context, flags: { output: string; keys?: string; session?: string }) => {
        const events = await exportTo(context, flags.output, flags.session);
        if (flags.keys !== undefined) await writeKeys(context, flags.keys);
        if (flags.output !== "-")
          context.terminal.result({ file: flags.output, events }, `${counted(events, "event")} exported to ${flags.output}`);
      }),
    );
  log
    .command("verify [file]")
    .description("check an export, a receipt, or one against the other, offline; exit code 0 only when all holds")
    .option("--receipt <file>", "a run's receipt: checked by itself, or against the export that is named too")
    .option("--against <file>", "a checkpoint that was kept elsewhere: nothing before it may be gone or changed")
    .option("--proof", "the file is the proof of one event")
    .option("--key <verifier key or file>", "public key to trust (repeatable); without it the server's are asked for", collect, [])
    .action(
      action(
        async (
          context: Context,
          file: string | undefined,
          flags: { key: string[]; receipt?: string; against?: string; proof?: boolean },
        ) => {
          const keys = flags.key.length > 0 ? await readKeys(flags.key) : await serverKeys(context);
          if (flags.receipt !== undefined) return checkReceipt(context, flags.receipt, file, keys);
          if (file === undefined)
            throw new UserError(
              "Nothing is named to verify.",
              "Neither an export nor a receipt was given.",
              "signalbox log verify <file>, or --receipt <file>",
            );
          if (flags.proof === true) return checkProof(context, file, keys);
          if (flags.against !== undefined) return checkAgainst(context, file, flags.against, keys);
          const report = await verifyFile(file, keys);
          context.terminal.result(report, describeReport(report));
          return report.valid ? EXIT.ok : EXIT.failed;
        },
      ),
    );
  log
    .command("import <file>")
    .description("verify an export of elsewhere and keep it, read-only; its sessions show like any other")
    .option("--name <name>", "what to call it")
    .action(
      action(async ({ client, terminal }: Context, file: string, flags: { name?: string }) => {
        terminal.progress(`Verifying and importing ${file} …`);
        const kept = await client.call(importLog, {
          query: flags.name === undefined ? {} : { name: flags.name },
          body: await openAsBlob(await readable(file)),
        });
        terminal.result(kept, describeImport(kept));
      }),
    );
  log
    .command("imports")
    .description("what was imported")
    .option("--remove <id>", "remove one whole, its sessions with it")
    .action(
      action(async ({ client, terminal }: Context, flags: { remove?: string }) => {
        if (flags.remove !== undefined) {
          const gone = await client.call(deleteImport, { params: { id: flags.remove } });
          return terminal.result(gone, `${gone.id} is removed.`);
        }
        const { items } = await client.call(listImports, { query: { limit: 200 } });
        terminal.result({ items }, items.length === 0 ? "Nothing was imported." : items.map(describeImport).join("\n"));
      }),
    );
  log
    .command("checkpoint")
    .description("sign a checkpoint now and print it")
    .action(
      action(async ({ client, terminal }: Context) => {
        const made = await client.call(createCheckpoint, { body: {} });
        terminal.result(made, made.note);
      }),
    );
  registerEvidence(log);
  registerAnchors(log);
  registerArchive(log);
  const keys = log.command("keys").description("the public keys that checkpoints are signed with");
  keys
    .command("list", { isDefault: true })
    .description("every key since the first, and how each followed the one before")
    .action(
      action(async ({ client, terminal }: Context) => {
        const ring = await client.call(getAuditKeys, {});
        terminal.result(ring, ring.keys.map(describeKey).join("\n"));
      }),
    );
  keys
    .command("rotate")
    .description("let a new key sign from now on; the old one signs that it follows")
    .option("--reason <text>", "why; it stands in the log")
    .option("--replace-lost", "the private key is lost and cannot sign that: verifiers will say that it was replaced")
    .action(
      action(async ({ client, terminal }: Context, flags: { reason?: string; replaceLost?: boolean }) => {
        const made = await client.call(rotateAuditKey, {
          body: { ...(flags.reason === undefined ? {} : { reason: flags.reason }), replace_lost: flags.replaceLost === true },
        });
        terminal.result(made, `${describeKey(made)}\nBack up the keys directory of the server: the new key is only there.`);
      }),
    );
  log
    .command("rebuild")
    .description("make every projection anew from the log, compare, and swap; exit code 1 when one had drifted")
    .option("--dry-run", "only compare")
    .option("--projection <name>", "only this one (the report names them all)")
    .action(
      action(async ({ client, terminal }: Context, flags: { dryRun?: boolean; projection?: string }) => {
        const body = { dry_run: flags.dryRun === true, ...(flags.projection === undefined ? {} : { projection: flags.projection }) };
        terminal.progress(flags.dryRun === true ? "Comparing with the log …" : "Rebuilding from the log …");
        const report = await told({ client, terminal }, client.call(rebuildProjections, { body }));
        terminal.result(report, describeRebuild(report));
        return report.drifted ? EXIT.failed : EXIT.ok;
      }),
    );
}

function describeRebuild({ projections, drifted }: z.output<(typeof rebuildProjections)["ok"]>): string {
  const rows = projections.map((one) => [one.projection, String(one.events), one.drift.length === 0 ? "as the log says" : "differed"]);
  const differed = projections.flatMap(({ drift }) =>
    drift.map((of) => `  ${of.table}: ${counted(of.only_live, "row")} only in the table, ${of.only_rebuilt} only in the log`),
  );
  const swapped = projections.some((one) => one.swapped);
  const waited = Math.max(0, ...projections.map((one) => one.appends_waited_ms ?? 0));
  return [
    table(["projection", "events", "was"], rows, [1]),
    ...differed,
    `${swapped ? "All were made again" : drifted ? "Nothing was changed; without --dry-run they are made again" : "Nothing was changed"}. Appends waited ${Math.round(waited)} ms at most.`,
  ].join("\n");
}

/** Says every two seconds how far the rebuild is, until it has ended. */
async function told<T>({ client, terminal }: Pick<Context, "client" | "terminal">, rebuilding: Promise<T>): Promise<T> {
  let ended = false;
  const ending = rebuilding.finally(() => (ended = true));
  // Its outcome is awaited below; here it only ends the telling.
  ending.catch(() => undefined);
  for (;;) {
    await Promise.race([ending.then(ignore, ignore), new Promise((resolve) => setTimeout(resolve, 2000).unref())]);
    if (ended) return ending;
    const { running } = await client.call(getRebuild, {});
    if (running !== null && !ended)
      terminal.progress(
        running.step === "replaying"
          ? `${running.projection}: replaying, ${running.events} of ${running.total} events`
          : `${running.nth}/${running.of} ${running.projection}: ${running.step}`,
      );
  }
}
const ignore = (): void => undefined;

const describeImport = (of: ImportView): string =>
  printable(
    `${of.id}  ${of.name}  (${counted(of.events, "event")}, ${counted(of.sessions.length, "session")}, from ${of.source_organization_id}, signed by ${of.signed_by})`,
  );

const describeKey = (key: z.output<typeof AuditKey>): string =>
  printable(
    `${key.public_key}\n  ${key.status}, ${key.introduced}${key.valid_from === null ? "" : `, since ${key.valid_from}`}${key.valid_until === null ? "" : `, until ${key.valid_until}`}`,
  );

async function checkReceipt(
  { terminal }: Context,
  path: string,
  file: string | undefined,
  keys: readonly VerifierKey[],
): Promise<ExitCode> {
  const envelope = parseReceipt(await readFile(await readable(path), "utf8"), path);
  if (file === undefined) {
    const report = await verifyReceipt(nodePrimitives, envelope, keys);
    terminal.result(report, describeReceipt(report.valid, report.run_id, report.problems));
    return report.valid ? EXIT.ok : EXIT.failed;
  }
  const lines = linesOf(createReadStream(await readable(file)));
  const both = await verifyReceiptAgainst(nodePrimitives, envelope, lines, keys);
  terminal.result(both, describeReceipt(both.valid, both.receipt.run_id, both.problems));
  return both.valid ? EXIT.ok : EXIT.failed;
}

function parseReceipt(text: string, path: string): Envelope {
  try {
    return JSON.parse(text) as Envelope;
  } catch (cause) {
    throw new UserError(`${path} is not a receipt.`, "It is not JSON.", "Name what `signalbox run receipt <id> -o <file>` wrote.", {
      cause,
    });
  }
}

const describeReceipt = (valid: boolean, runId: string | null, problems: readonly string[]): string =>
  printable(
    valid ? `valid: the receipt of ${runId ?? "?"}` : ["NOT VALID: the receipt", ...problems.map((problem) => `  ${problem}`)].join("\n"),
  );

const collect = (value: string, all: string[]): string[] => [...all, value];

/** Returns the number of events. The file appears only when it is whole. */
export async function exportTo(
  { client, signal, terminal }: Pick<Context, "client" | "signal" | "terminal">,
  output: string,
  session?: string,
): Promise<number> {
  let events = 0;
  const lines = client.lines(exportLog, { query: session === undefined ? {} : { session_id: session }, signal });
  if (output === "-") {
    // No faster than whoever reads it.
    for await (const line of lines) if (!process.stdout.write(`${line}\n`)) await once(process.stdout, "drain");
    return events;
  }
  const draft = `${output}.partial`;
  const file = await open(draft, "w", 0o600);
  try {
    for await (const line of lines) {
      await file.write(`${line}\n`);
      if (line.startsWith('{"kind":"event"')) events++;
      if (events % 10_000 === 0 && events > 0) terminal.progress(`${events} events …`);
    }
    await file.sync();
    await file.close();
    await rename(draft, output);
    return events;
  } catch (error) {
    await file.close();
    await rm(draft, { force: true });
    throw error;
  }
}

async function writeKeys({ client }: Pick<Context, "client">, path: string): Promise<void> {
  const { keys } = await client.call(getAuditKeys, {});
  const file = await open(path, "w", 0o644);
  await file.writeFile(keys.map((key) => `${key.public_key}\n`).join(""));
  await file.close();
}

export async function serverKeys({ client }: Pick<Context, "client">): Promise<VerifierKey[]> {
  const { keys } = await client.call(getAuditKeys, {});
  return Promise.all(keys.map((key) => parseKey(nodePrimitives, key.public_key)));
}

async function readKeys(given: readonly string[]): Promise<VerifierKey[]> {
  const texts: string[] = [];
  for (const one of given)
    texts.push(...(one.includes("+") ? [one] : (await readFile(one, "utf8")).split("\n").filter((line) => line.trim() !== "")));
  try {
    return await Promise.all(texts.map((text) => parseKey(nodePrimitives, text)));
  } catch (cause) {
    throw new UserError(
      "That is not a public key.",
      cause instanceof Error ? cause.message : "",
      "Use what `signalbox log export --keys <file>` wrote.",
      { cause },
    );
  }
}

export async function verifyFile(path: string, keys: readonly VerifierKey[]): Promise<ExportReport> {
  // A missing file must be said as such, not as an empty export.
  const file = await open(path, "r").catch((cause: unknown) => {
    throw new UserError(
      `${path} cannot be read.`,
      cause instanceof Error ? cause.message : "",
      "Name the file that `signalbox log export` wrote.",
      { cause },
    );
  });
  try {
    return await verifyExport(nodePrimitives, wholeLines(file), keys);
  } finally {
    await file.close();
  }
}
