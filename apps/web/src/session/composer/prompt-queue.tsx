/* Prompts that wait for the turn under way, in the order in which they will run: to change, reorder and take back. */
import { cancelPrompt, editPrompt, listPrompts, movePrompt } from "@signalbox/contract/session-queue";
import { promptSession, type SessionView } from "@signalbox/contract/sessions";
import type { Output } from "@signalbox/contract/route";
import { Button, IconButton } from "@signalbox/ui/button";
import { inputLook } from "@signalbox/ui/field";
import { count } from "@signalbox/ui/format";
import { toast } from "@signalbox/ui/toasts";
import { queryOptions, useMutation } from "@tanstack/react-query";
import { ArrowDown, ArrowUp, Pencil, Trash2 } from "lucide-react";
import { useState } from "react";
import { client, isRefusal, queries } from "../../data/api.ts";
import { useNames } from "../../data/queries.ts";
import { promptsKey } from "../session-source.ts";

type Prompts = Output<typeof listPrompts>["items"];

export const promptsQuery = (id: SessionView["id"]) =>
  queryOptions({
    queryKey: promptsKey(id),
    queryFn: ({ signal }) => client.call(listPrompts, { params: { id }, signal }),
    refetchInterval: 15_000,
  });

/** A queue that a program fills may have hundreds; each has a row with four buttons. */
const FIRST = 20;

export function PromptQueue({ session, prompts }: { session: SessionView; prompts: Prompts }) {
  const { id } = session;
  const nameOf = useNames();
  const [isWhole, setWhole] = useState(false);
  const [editing, setEditing] = useState<{ runId: string; text: string } | null>(null);
  const onSuccess = (queue: Output<typeof listPrompts>): void => {
    queries.setQueryData(promptsQuery(id).queryKey, queue);
  };
  const onError = (error: Error): void => {
    toast(isRefusal(error, "prompt_already_started") ? "Too late: the agent has begun with it already." : error.message, "danger");
    setEditing(null);
    void queries.invalidateQueries({ queryKey: promptsKey(id) });
  };
  const edit = useMutation({
    mutationFn: ({ run, text }: { run: Prompts[number]; text: string }) =>
      client.call(editPrompt, { params: { id, run_id: run.run_id }, body: { content_md: text } }),
    onSuccess: (queue) => {
      onSuccess(queue);
      setEditing(null);
    },
    onError,
  });
  const move = useMutation({
    mutationFn: ({ run, before }: { run: Prompts[number]; before: Prompts[number]["run_id"] | null }) =>
      client.call(movePrompt, { params: { id, run_id: run.run_id }, body: { before_run_id: before } }),
    onSuccess,
    onError,
  });
  const putBack = useMutation({
    mutationFn: async ({ run, before }: { run: Prompts[number]; before: Prompts[number]["run_id"] | null }) => {
      const again = await client.call(promptSession, { params: { id }, body: { content_md: run.content_md } });
      if (before !== null) await client.call(movePrompt, { params: { id, run_id: again.id }, body: { before_run_id: before } });
    },
    onError,
    onSettled: () => void queries.invalidateQueries({ queryKey: promptsKey(id) }),
  });
  const take = useMutation({
    mutationFn: (run: Prompts[number]) => client.call(cancelPrompt, { params: { id, run_id: run.run_id } }),
    onSuccess: (queue, run) => {
      const next = prompts[prompts.indexOf(run) + 1];
      onSuccess(queue);
      toast("Taken out of the queue", { action: { label: "Undo", run: () => putBack.mutate({ run, before: next?.run_id ?? null }) } });
    },
    onError,
  });
  const isBusy = move.isPending || take.isPending;

  return (
    <section aria-label="Queue" className="rounded-lg border border-line bg-panel">
      <h2 className="plate border-b border-line px-3 py-1.5">
        {count(prompts.length, "message")} queued <span className="narrow:hidden">· each runs when the turn before it is over</span>
      </h2>
      <ol className="max-h-56 divide-y divide-line overflow-y-auto">
        {prompts.slice(0, isWhole ? undefined : FIRST).map((run, i) => (
          <li key={run.run_id} className="flex items-start gap-2 px-3 py-1.5 text-sm">
            <span className="w-4 shrink-0 text-ink-3 tabular-nums">{i + 1}</span>
            {editing?.runId === run.run_id ? (
              <form
                className="min-w-0 flex-1 space-y-2 py-0.5"
                onSubmit={(event) => {
                  event.preventDefault();
                  if (editing.text.trim() !== "") edit.mutate({ run, text: editing.text });
                }}
              >
                <textarea
                  autoFocus
                  aria-label="Text of the queued message"
                  value={editing.text}
                  onChange={(event) => setEditing({ runId: run.run_id, text: event.target.value })}
                  onKeyDown={(event) => {
                    if (event.key === "Escape") setEditing(null);
                    else if (event.key === "Enter" && !event.shiftKey) {
                      event.preventDefault();
                      event.currentTarget.form?.requestSubmit();
                    }
                  }}
                  className={`${inputLook} max-h-40 resize-none !py-1.5 !text-sm [field-sizing:content]`}
                />
                <div className="flex justify-end gap-2">
                  <Button size="sm" look="quiet" onClick={() => setEditing(null)}>
                    Leave it
                  </Button>
                  <Button size="sm" type="submit" look="solid" busy={edit.isPending} disabled={editing.text.trim() === ""}>
                    Save
                  </Button>
                </div>
              </form>
            ) : (
              <>
                <p className="min-w-0 flex-1 py-0.5">
                  <span className="line-clamp-2 whitespace-pre-line">{run.content_md.slice(0, 400)}</span>
                  <span className="text-ink-3">
                    {nameOf(run.author)}
                    {run.edited_at !== null && " · edited"}
                  </span>
                </p>
                <span className="flex shrink-0">
                  <IconButton
                    label="Run it earlier"
                    disabled={i === 0 || isBusy}
                    onClick={() => move.mutate({ run, before: prompts[i - 1]!.run_id })}
                  >
                    <ArrowUp size={14} />
                  </IconButton>
                  <IconButton
                    label="Run it later"
                    disabled={i === prompts.length - 1 || isBusy}
                    onClick={() => move.mutate({ run, before: prompts[i + 2]?.run_id ?? null })}
                  >
                    <ArrowDown size={14} />
                  </IconButton>
                  <IconButton label="Change it" disabled={isBusy} onClick={() => setEditing({ runId: run.run_id, text: run.content_md })}>
                    <Pencil size={14} />
                  </IconButton>
                  <IconButton label="Take it out of the queue" disabled={isBusy} onClick={() => take.mutate(run)}>
                    <Trash2 size={14} />
                  </IconButton>
                </span>
              </>
            )}
          </li>
        ))}
      </ol>
      {!isWhole && prompts.length > FIRST && (
        <Button size="sm" look="quiet" className="m-1" onClick={() => setWhole(true)}>
          Show all {prompts.length.toLocaleString()}
        </Button>
      )}
    </section>
  );
}
