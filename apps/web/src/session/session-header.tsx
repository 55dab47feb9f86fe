/* What the session is, how it stands, what it costs, and the levers that end things. */
import { cancelTurn, renameSession, resumeSession, stopSession, archiveSession, type SessionView } from "@signalbox/contract/sessions";
import { useMutation } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Archive, ChevronLeft, CirclePause, OctagonX, Pencil, RotateCcw } from "lucide-react";
import { useState } from "react";
import { client } from "../data/api.ts";
import { putSession } from "../data/queries.ts";
import { isEnded, lampOf, stateWord } from "../sessions/state.ts";
import { Button } from "@signalbox/ui/button";
import { Dialog } from "@signalbox/ui/dialog";
import { inputLook } from "@signalbox/ui/field";
import { repositoryName } from "@signalbox/ui/format";
import { Lamp } from "@signalbox/ui/lamp";
import { CostMeter } from "@signalbox/ui/meter";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import type { Cost } from "./conversation.ts";

/** Every lever answers with the session as it then is. */
function useLever(pull: () => Promise<SessionView>, done?: (session: SessionView) => void) {
  return useMutation({
    mutationFn: pull,
    onSuccess: (session) => {
      putSession(session);
      done?.(session);
    },
    onError: (error) => toast(error.message, "danger"),
  });
}

export function SessionHeader({ session, cost }: { session: SessionView; cost: Cost | null }) {
  const navigate = useNavigate();
  const [isStopping, setStopping] = useState(false);
  const at = { params: { id: session.id } };
  const cancel = useLever(() => client.call(cancelTurn, { ...at, body: {} }));
  const resume = useLever(() => client.call(resumeSession, { ...at, body: {} }));
  const archive = useLever(
    () => client.call(archiveSession, { ...at, body: {} }),
    () => void navigate({ to: "/sessions" }),
  );
  const ended = isEnded(session.status);
  const lamp = lampOf(session);

  return (
    <header className="flex flex-wrap items-center gap-x-4 gap-y-2 border-b border-line bg-panel px-3 py-2.5 sm:px-5">
      <Link
        to="/sessions"
        aria-label="All sessions"
        className="flex size-7 items-center justify-center rounded-md text-ink-2 hover:bg-sunken"
      >
        <ChevronLeft size={18} />
      </Link>
      <div className="min-w-0 flex-1 basis-64">
        <Title session={session} />
        <p className="clamp-1 flex items-center gap-2 text-sm text-ink-2">
          <Lamp state={lamp} size="sm" />
          <span
            className={`font-semibold ${lamp === "wants" ? "text-signal-ink" : lamp === "danger" ? "text-danger-ink" : ""}`}
            role="status"
          >
            {stateWord(session)}
          </span>
          <span className="clamp-1 text-ink-3">
            {session.source.type === "repository" ? repositoryName(session.source.url) : "scratch"} · {session.model}
            {session.status_reason !== null && session.pending_approvals === 0 && ` · ${session.status_reason}`}
          </span>
        </p>
      </div>
      <CostMeter spent={cost?.spent ?? session.cost_micro_usd} reserved={cost?.reserved ?? 0} cap={cost?.cap ?? session.budget_micro_usd} />
      <div className="flex gap-2">
        {session.current_run !== null && !ended && (
          <Button size="sm" busy={cancel.isPending} onClick={() => cancel.mutate()} title="End this turn; the session stays">
            <CirclePause size={14} aria-hidden /> Cancel turn
          </Button>
        )}
        {!ended && session.status !== "paused" && (
          <Button size="sm" look="danger" onClick={() => setStopping(true)}>
            <OctagonX size={14} aria-hidden /> Stop
          </Button>
        )}
        {(ended || session.status === "paused") && (
          <Button size="sm" busy={resume.isPending} onClick={() => resume.mutate()}>
            <RotateCcw size={14} aria-hidden /> Resume
          </Button>
        )}
        {ended && !session.archived && (
          <Button size="sm" look="quiet" busy={archive.isPending} onClick={() => archive.mutate()}>
            <Archive size={14} aria-hidden /> Archive
          </Button>
        )}
      </div>
      {isStopping && <StopDialog session={session} onClose={() => setStopping(false)} />}
    </header>
  );
}

function Title({ session }: { session: SessionView }) {
  const [text, setText] = useState<string | null>(null);
  const rename = useLever(
    () => client.call(renameSession, { params: { id: session.id }, body: { title: text?.trim() ?? session.title } }),
    () => setText(null),
  );
  if (text === null) {
    return (
      <h1 className="clamp-1 group flex items-center gap-1.5 font-semibold">
        <span className="clamp-1">{session.title}</span>
        <Button
          look="quiet"
          size="icon-sm"
          className="!size-6 shrink-0 opacity-0 group-hover:opacity-100 focus-visible:opacity-100"
          aria-label="Rename the session"
          onClick={() => setText(session.title)}
        >
          <Pencil size={13} />
        </Button>
      </h1>
    );
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim() !== "") rename.mutate();
      }}
    >
      <input
        autoFocus
        aria-label="Title of the session"
        maxLength={200}
        value={text}
        disabled={rename.isPending}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => event.key === "Escape" && setText(null)}
        onBlur={() => !rename.isPending && setText(null)}
        className={`${inputLook} !py-0.5 font-semibold`}
      />
    </form>
  );
}

function StopDialog({ session, onClose }: { session: SessionView; onClose(): void }) {
  const stop = useLever(() => client.call(stopSession, { params: { id: session.id }, body: {} }), onClose);
  return (
    <Dialog
      title="Stop this session?"
      description="The turn ends and the sandbox is taken down. The conversation, the log and what was pushed stay; you can resume later."
      onClose={onClose}
    >
      {stop.error !== null && <Trouble error={stop.error} className="mb-4" />}
      <div className="flex justify-end gap-2">
        <Button look="quiet" onClick={onClose}>
          Keep it running
        </Button>
        <Button look="alarm" busy={stop.isPending} onClick={() => stop.mutate()}>
          Stop the session
        </Button>
      </div>
    </Dialog>
  );
}
