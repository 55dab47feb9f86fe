/* How far a session is on its way to its first word, as its own events tell; and, when it did not get there, why. */
import type { SessionView } from "@signalbox/contract/sessions";
import { resumeSession } from "@signalbox/contract/sessions";
import { Button } from "@signalbox/ui/button";
import { Check, Circle, LoaderCircle, RotateCcw, TriangleAlert } from "lucide-react";
import { useEffect, useState } from "react";
import { client } from "../data/api.ts";
import { isDeferred } from "../sessions/state.ts";
import { repositoryName } from "@signalbox/ui/format";
import type { ConversationStore } from "./conversation-store.ts";
import { useLever } from "./header/lever.ts";

export function Starting({ session, store, progress }: { session: SessionView; store: ConversationStore; progress: string | null }) {
  const hasSandbox = useSandbox(session, store);
  if (isDeferred(session)) {
    return (
      <p className="py-12 text-center text-ink-2">
        Nothing was said yet. Give the agent its task below; its sandbox is made with your first message.
      </p>
    );
  }
  if (session.status === "failed") return <FailedStart session={session} />;
  if (session.status !== "creating" && session.status !== "resuming")
    return <p className="py-12 text-center text-ink-2">Nothing was said yet. Give the agent its task below.</p>;
  const isCloning = hasSandbox && session.source.type === "repository";
  const steps = [
    { label: "Sandbox: its own user, no network", isDone: hasSandbox },
    ...(session.source.type === "repository" ? [{ label: `Clone of ${repositoryName(session.source.url)}`, isDone: false }] : []),
    { label: `Agent (${session.harness === "opencode" ? "OpenCode" : "ACP"}) on ${session.model}`, isDone: false },
  ];
  const at = hasSandbox ? (isCloning ? 1 : steps.length - 1) : 0;
  return (
    <section aria-label="Starting" className="mx-auto max-w-md py-12">
      <h2 className="mb-3 text-lg font-semibold">{session.status === "resuming" ? "Coming back" : "Getting ready"}</h2>
      <ol className="space-y-2">
        {steps.map(({ label, isDone }, i) => (
          <li key={label} className={`flex items-center gap-3 ${i > at ? "text-ink-3" : ""}`}>
            {isDone ? (
              <Check size={16} className="text-clear-ink" aria-label="done" />
            ) : i === at ? (
              <LoaderCircle size={16} className="turning text-moving-ink" aria-label="under way" />
            ) : (
              <Circle size={16} aria-label="to come" />
            )}
            {label}
          </li>
        ))}
      </ol>
      {progress !== null && <p className="mt-3 text-sm text-ink-2">{progress}</p>}
    </section>
  );
}

/** Whether the sandbox is there: told by the event that names it. */
function useSandbox(session: SessionView, store: ConversationStore): boolean {
  const [has, setHas] = useState(session.status === "running");
  useEffect(
    () =>
      store.onEvent(({ type }) => {
        if (type === "session.starting") setHas(true);
        if (type === "session.created" || type === "session.resumed") setHas(false);
      }),
    [store],
  );
  return has;
}

export function FailedStart({ session }: { session: SessionView }) {
  const again = useLever(() => client.call(resumeSession, { params: { id: session.id }, body: {} }));
  return (
    <section role="alert" className="mx-auto my-8 max-w-xl rounded-lg border border-danger-line bg-danger-wash px-5 py-4">
      <h2 className="flex items-center gap-2.5 font-semibold text-danger-ink">
        <TriangleAlert size={18} aria-hidden /> It did not start
      </h2>
      <p className="mt-1.5">{session.status_reason ?? "No reason was given."}</p>
      <p className="mt-1.5 text-sm text-ink-2">{fixFor(session.status_reason ?? "")}</p>
      <div className="mt-3">
        <Button busy={again.isPending} onClick={() => again.mutate()}>
          <RotateCcw size={15} aria-hidden /> Try again
        </Button>
      </div>
    </section>
  );
}

function fixFor(reason: string): string {
  if (/budget/i.test(reason)) return "Raise the limit in the header, then try again.";
  if (/model|key|upstream/i.test(reason))
    return "Check the model's connection under Settings, Models, or choose another model in the header.";
  if (/clone|repository|checkout|git|ref/i.test(reason))
    return "Check that the repository and the branch are there and can be read from this machine.";
  if (/sandbox|bubblewrap|bwrap|namespace/i.test(reason)) return "The health page says what the sandbox is missing on this machine.";
  return "What happened is in the Events pane. Trying again makes a new sandbox.";
}
