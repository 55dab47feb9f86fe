import { useEffect, useRef, useState } from "react";
import type { VerifyAnswer, VerifyRequest } from "./verify-worker.ts";

export type Verification =
  | { readonly phase: "idle" }
  | {
      readonly phase: "running";
      readonly lines: number;
      readonly bytes: number;
      /** Of a file; null: nobody knows before the end. */ readonly total: number | null;
    }
  | Extract<VerifyAnswer, { kind: "report" }>
  | Extract<VerifyAnswer, { kind: "failed" }>;

/** One verification at a time; a new one, or leaving the page, ends the one before. */
export function useVerifier() {
  const worker = useRef<Worker | null>(null);
  const [state, setState] = useState<Verification>({ phase: "idle" });
  const end = (): void => {
    worker.current?.terminate();
    worker.current = null;
  };
  useEffect(() => () => worker.current?.terminate(), []);
  return {
    state,
    start(request: VerifyRequest) {
      end();
      const total = "file" in request.source ? request.source.file.size : null;
      setState({ phase: "running", lines: 0, bytes: 0, total });
      const own = new Worker(new URL("./verify-worker.ts", import.meta.url), { type: "module" });
      worker.current = own;
      own.addEventListener("message", (event: MessageEvent<VerifyAnswer>) => {
        const answer = event.data;
        if (answer.kind === "progress") return setState({ phase: "running", lines: answer.lines, bytes: answer.bytes, total });
        setState(answer);
        end();
      });
      own.addEventListener("error", (event) => {
        setState({ kind: "failed", message: event.message || "The verifier could not be started in this browser." });
        end();
      });
      // eslint-disable-next-line unicorn/require-post-message-target-origin -- a worker of our own, not a window
      own.postMessage(request);
    },
    cancel() {
      end();
      setState({ phase: "idle" });
    },
  };
}
