/* `signalbox log`: proofs of single events, consistency with what was kept, and erasure. */
import { listRedactions, proveEvent, redactEvent } from "@signalbox/contract/log";
import { EventId } from "@signalbox/contract/primitives";
import { keptCheckpoints, verifyExportAgainst } from "@signalbox/verify/consistency";
import { linesOf, nodePrimitives } from "@signalbox/verify/node";
import type { VerifierKey } from "@signalbox/verify/note";
import { verifyProof } from "@signalbox/verify/proof";
import type { Command } from "commander";
import { createReadStream } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { action, type Context } from "../command.ts";
import { printable } from "../terminal.ts";
import { EXIT, type ExitCode, UserError } from "../user-error.ts";
import { describeReport } from "./describe-report.ts";
import { readable } from "./readable.ts";

export function registerEvidence(log: Command): void {
  log
    .command("proof <event>")
    .description("write the proof that one event stands in the log, small enough to hand to somebody")
    .option("-o, --output <file>", "where to; stdout when absent")
    .action(
      action(async ({ client, terminal }: Context, event: string, flags: { output?: string }) => {
        const proof = await client.call(proveEvent, { query: placeOf(event) });
        if (flags.output === undefined) return terminal.result(proof, JSON.stringify(proof, null, 1));
        await writeFile(flags.output, `${JSON.stringify(proof, null, 1)}\n`, { mode: 0o600 });
        terminal.result({ file: flags.output }, `Written to ${flags.output}. Check it with: signalbox log verify --proof ${flags.output}`);
      }),
    );
  log
    .command("redact <event>")
    .description("erase what one event says, and the content that only it names, for good; the chain stays whole")
    .requiredOption("--reason <text>", "why; it stands in the log with your name")
    .action(
      action(async ({ client, terminal }: Context, event: string, flags: { reason: string }) => {
        const erased = await client.call(redactEvent, { body: { event_id: eventId(event), reason: flags.reason } });
        terminal.result(erased, `Erased: ${erased.type} ${erased.event_id}. Its place and its hash stay in the log.`);
      }),
    );
  log
    .command("redactions")
    .description("what was erased, by whom and why, newest first")
    .action(
      action(async ({ client, terminal }: Context) => {
        const { items } = await client.call(listRedactions, { query: { limit: 200 } });
        const lines = items.map((event) => {
          const { target_event_id, reason, content } = event.data as { target_event_id?: string; reason?: string; content?: string[] };
          return `${event.occurred_at}  ${target_event_id ?? "?"}  by ${event.principal.id}${content === undefined ? "" : ` with ${content.length} contents`}: ${reason ?? ""}`;
        });
        terminal.result({ items }, items.length === 0 ? "Nothing was erased." : printable(lines.join("\n")));
      }),
    );
}

/** An event's id, or its place: `room:room_01J…/17`. */
function placeOf(text: string): { event_id: EventId } | { stream: string; seq: number } {
  const [, stream, seq] = /^([a-z]+:[0-9A-Za-z_]+)\/(\d{1,15})$/.exec(text) ?? [];
  return stream === undefined ? { event_id: eventId(text) } : { stream, seq: Number(seq) };
}

function eventId(text: string): EventId {
  const id = EventId.safeParse(text);
  if (id.success) return id.data;
  throw new UserError(
    `${printable(text)} names no event.`,
    "It is neither an event's id nor a place.",
    "Copy the id from the timeline, or say room:room_…/<seq>.",
  );
}

export async function checkProof({ terminal }: Context, file: string, keys: readonly VerifierKey[]): Promise<ExitCode> {
  let proof: unknown;
  try {
    proof = JSON.parse(await readFile(await readable(file), "utf8"));
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    throw new UserError(`${file} is not a proof.`, "It is not JSON.", "Name what `signalbox log proof <event> -o <file>` wrote.", {
      cause,
    });
  }
  const report = await verifyProof(nodePrimitives, proof, keys);
  terminal.result(
    report,
    printable(
      report.valid
        ? `valid: ${report.event_type} ${report.event_id} is ${report.stream} ${report.seq} of ${report.organization_id}, signed by ${report.signed_by} on ${report.signed_at}${report.erased ? "; what it said was erased" : ""}`
        : ["NOT VALID: the proof", ...report.problems.map((problem) => `  ${problem}`)].join("\n"),
    ),
  );
  return report.valid ? EXIT.ok : EXIT.failed;
}

export async function checkAgainst({ terminal }: Context, file: string, kept: string, keys: readonly VerifierKey[]): Promise<ExitCode> {
  const checkpoints = keptCheckpoints(await readFile(await readable(kept), "utf8"));
  if (checkpoints === null)
    throw new UserError(
      `${kept} is not a checkpoint.`,
      "It is neither a signed note nor lines of JSON with one each.",
      "Name what `signalbox log checkpoint` printed, or an anchor's file.",
    );
  const lines = linesOf(createReadStream(await readable(file)));
  const both = await verifyExportAgainst(nodePrimitives, lines, keys, checkpoints);
  const held = both.against.map(({ position, time }) => `  holds what was signed at position ${position} on ${time}`);
  terminal.result(
    both,
    both.valid
      ? [describeReport(both.export), ...held].join("\n")
      : printable(["NOT VALID", ...both.problems.map((problem) => `  ${problem}`)].join("\n")),
  );
  return both.valid ? EXIT.ok : EXIT.failed;
}
