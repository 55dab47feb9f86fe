/*
 * The verifier in a thread of its own: an export of 100,000 events must not keep the page from answering.
 * In comes where the lines are, which keys are believed and what was kept; out go how far it is, and one report.
 */
import { keptCheckpoints, verifyExportAgainst, type ConsistencyReport } from "@signalbox/verify/consistency";
import { verifyExport } from "@signalbox/verify/export";
import type { ExportReport } from "@signalbox/verify/export-report";
import { parseKey } from "@signalbox/verify/note";
import { webPrimitives } from "@signalbox/verify/web";

export interface VerifyRequest {
  /** The server's own export, or a file that somebody handed over. */
  readonly source: { readonly url: string } | { readonly file: File };
  /** As written: `<name>+<id>+<base64>`. */
  readonly keys: readonly string[];
  /** A signed note, or lines of JSON with one each, that were kept elsewhere; null: none. */
  readonly kept: string | null;
}
export type VerifyAnswer =
  | {
      readonly kind: "progress";
      readonly lines: number;
      readonly bytes: number;
      /** Of the event last read. */
      readonly position: number;
    }
  | {
      readonly kind: "report";
      readonly report: ExportReport;
      readonly against: ConsistencyReport["against"];
      /** What is wrong, also with what was kept. */
      readonly problems: readonly string[];
      readonly bytes: number;
      readonly ms: number;
    }
  | { readonly kind: "failed"; readonly message: string };

const TELL_EVERY = 500;
const POSITION = /"position":(\d{1,15})/;
// eslint-disable-next-line unicorn/require-post-message-target-origin -- from a worker to the page that made it
const tell = (answer: VerifyAnswer): void => self.postMessage(answer);

self.addEventListener("message", (event: MessageEvent<VerifyRequest>) => {
  void verify(event.data).catch((error: unknown) =>
    tell({ kind: "failed", message: error instanceof Error ? error.message : String(error) }),
  );
});

async function verify({ source, keys, kept }: VerifyRequest): Promise<void> {
  const began = performance.now();
  let bytes = 0;
  async function* lines(): AsyncGenerator<string> {
    const decoder = new TextDecoder();
    let rest = "";
    let count = 0;
    for await (const chunk of await open(source)) {
      bytes += chunk.length;
      const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      for (const line of parts) {
        if (++count % TELL_EVERY === 0)
          tell({ kind: "progress", lines: count, bytes, position: Number(POSITION.exec(line.slice(0, 200))?.[1] ?? 0) });
        yield line;
      }
    }
    if (rest !== "") yield rest;
  }
  const known = await Promise.all(keys.map((text) => parseKey(webPrimitives, text)));
  const checkpoints = kept === null ? [] : keptCheckpoints(`${kept.trimEnd()}\n`);
  if (checkpoints === null)
    throw new Error(
      "What was kept is not a checkpoint: neither a signed note nor lines of JSON with one each. Paste all of it, with its signature.",
    );
  const both = checkpoints.length === 0 ? null : await verifyExportAgainst(webPrimitives, lines(), known, checkpoints);
  const report = both?.export ?? (await verifyExport(webPrimitives, lines(), known));
  tell({
    kind: "report",
    report,
    against: both?.against ?? [],
    problems: both?.problems ?? report.problems,
    bytes,
    ms: performance.now() - began,
  });
}

async function open(source: VerifyRequest["source"]): Promise<ReadableStream<Uint8Array>> {
  if ("file" in source) return source.file.stream();
  const response = await fetch(source.url, { headers: { accept: "application/x-ndjson" } });
  if (response.ok && response.body !== null) return response.body;
  const told = (await response.json().catch(() => null)) as { error?: { message?: string } } | null; // Not JSON: the status says it.
  throw new Error(told?.error?.message ?? `The server answered ${response.status}.`);
}
