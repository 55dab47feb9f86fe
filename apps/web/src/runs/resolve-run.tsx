import { resolveRun, type RunStatus } from "@signalbox/contract/runs";
import type { RunId } from "@signalbox/contract/primitives";
import { Button } from "@signalbox/ui/button";
import { Dialog } from "@signalbox/ui/dialog";
import { Field, Textarea } from "@signalbox/ui/field";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { client } from "../data/api.ts";
import { refreshRun } from "./refresh-run.ts";
import { runWord } from "./run-state.ts";

const OUTCOMES = [
  { outcome: "succeeded", label: "It succeeded", look: "solid" },
  { outcome: "failed", label: "It failed", look: "danger" },
  { outcome: "canceled", label: "Let it be", look: "plain" },
] as const;

/** A person's verdict, the one way out for a run that nobody works on any more. */
export function ResolveRun({ runId, onClose }: { runId: RunId; onClose(): void }) {
  const [comment, setComment] = useState("");
  const resolve = useMutation({
    mutationFn: (outcome: (typeof OUTCOMES)[number]["outcome"] & RunStatus) =>
      client.call(resolveRun, { params: { id: runId }, body: { outcome, ...(comment.trim() === "" ? {} : { comment: comment.trim() }) } }),
    onSuccess: (resolved) => {
      refreshRun(runId);
      toast(`Resolved: ${runWord(resolved.status).toLowerCase()}`);
      onClose();
    },
  });
  return (
    <Dialog title="Resolve the run" description="Your verdict ends it, and stands in the log with your name." onClose={onClose}>
      <div className="space-y-4">
        {resolve.error !== null && <Trouble error={resolve.error} />}
        <Field label="Comment" hint="May be empty.">
          {(field) => <Textarea {...field} data-focus rows={3} value={comment} onChange={(event) => setComment(event.target.value)} />}
        </Field>
        <div className="flex flex-wrap justify-end gap-2">
          {OUTCOMES.map(({ outcome, label, look }) => (
            <Button key={outcome} look={look} busy={resolve.isPending} onClick={() => resolve.mutate(outcome)}>
              {label}
            </Button>
          ))}
        </div>
      </div>
    </Dialog>
  );
}
