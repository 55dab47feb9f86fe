import { useEffect, useRef, useState } from "react";
import type { VerifyAnswer, VerifyRequest } from "./verify-worker.ts";

export type Verification =
  | { readonly phase: "idle" }
  | {
      readonly phase: "running";
      readonly lines: number;
      readonly bytes: number;
      /** 0 to 1; null while nobody knows. */
      readonly share: number | null;
      readonly startedAt: number;
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
    /** `newest`: position of the log's newest event, against which the server's own export is measured. */
    start(request: VerifyRequest, newest: number | null) {
      end();
      const startedAt = Date.now();
      const size = "file" in request.source ? request.source.file.size : null;
      setState({ phase: "running", lines: 0, bytes: 0, share: null, startedAt });
      const own = new Worker(new URL("./verify-worker.ts", import.meta.url), { type: "module" });
      worker.current = own;
      own.addEventListener("message", (event: MessageEvent<VerifyAnswer>) => {
        const answer = event.data;
        if (answer.kind === "progress") {
          const [done, all] = size === null ? [answer.position, newest] : [answer.bytes, size];
          const share = all === null || all === 0 || done === 0 ? null : Math.min(1, done / all);
          return setState({ phase: "running", lines: answer.lines, bytes: answer.bytes, share, startedAt });
        }
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
