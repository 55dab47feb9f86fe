/* What the session is, how it stands and why, what it costs, who else is here, and the levers that end things. */
import { resumeSession, type SessionView } from "@signalbox/contract/sessions";
import { Badge } from "@signalbox/ui/badge";
import { Button, IconButton } from "@signalbox/ui/button";
import { count, duration, repositoryName } from "@signalbox/ui/format";
import { Lamp } from "@signalbox/ui/lamp";
import { Link } from "@tanstack/react-router";
import { ChevronLeft, FileDiff, OctagonX, RotateCcw, Share2 } from "lucide-react";
import { useState } from "react";
import { client } from "../../data/api.ts";
import { detailOf, isEnded, lampOf, stateWord } from "../../sessions/state.ts";
import type { Cost } from "../conversation.ts";
import { Budget } from "./budget.tsx";
import { StopDialog } from "./ending-dialogs.tsx";
import { useLever } from "./lever.ts";
import { ModelPicker } from "./model-picker.tsx";
import { Presence } from "./presence.tsx";
import { SessionMenu } from "./session-menu.tsx";
import { SessionTitle } from "./session-title.tsx";
import { ShareDialog } from "./share-dialog.tsx";

export function SessionHeader({ session, cost, isImported }: { session: SessionView; cost: Cost | null; isImported: boolean }) {
  const [dialog, setDialog] = useState<"stop" | "share" | null>(null);
  const resume = useLever(() => client.call(resumeSession, { params: { id: session.id }, body: {} }));
  const ended = isEnded(session.status);
  const lamp = lampOf(session);
  const detail = detailOf(session);
  const canChange = !isImported && !ended;

  return (
    <header className="flex shrink-0 flex-wrap items-center gap-x-3 gap-y-1 border-b border-line bg-panel px-3 py-2 sm:px-4">
      <Link
        to="/sessions"
        aria-label="All sessions"
        className="flex size-8 shrink-0 items-center justify-center rounded-md text-ink-2 hover:bg-chosen"
      >
        <ChevronLeft size={18} />
      </Link>
      <div className="min-w-0 flex-1 basis-56">
        <div className="flex min-w-0 items-center gap-2">
          <SessionTitle session={session} canRename={!isImported} />
          {isImported && (
            <span title={`From ${session.imported?.from ?? "elsewhere"}`}>
              <Badge>Imported: read only</Badge>
            </span>
          )}
        </div>
        <p className="flex min-w-0 items-center gap-2 text-sm text-ink-2">
          <Lamp state={lamp} size="sm" />
          <span
            className={`shrink-0 font-semibold ${lamp === "wants" ? "text-signal-ink" : lamp === "danger" ? "text-danger-ink" : ""}`}
            role="status"
          >
            {stateWord(session)}
          </span>
          {detail !== null && (
            <span className="clamp-1 min-w-0" title={detail}>
              {detail}
            </span>
          )}
        </p>
      </div>
      <div className="flex min-w-0 flex-wrap items-center gap-x-3 gap-y-1 text-sm text-ink-3 narrow:order-last narrow:w-full narrow:flex-nowrap narrow:pl-1">
        <span
          className="clamp-1 max-w-40 narrow:hidden"
          title={session.source.type === "repository" ? session.source.url : "No repository"}
        >
          {session.source.type === "repository" ? repositoryName(session.source.url) : "empty folder"}
        </span>
        <ModelPicker session={session} canChange={canChange} />
        <Active session={session} />
        {session.files_changed.length > 0 && (
          <Link
            to="."
            search={(previous) => ({ ...previous, pane: "changes" as const })}
            replace
            className="flex items-center gap-1 rounded-sm px-1 hover:bg-chosen hover:text-ink"
            aria-label={count(session.files_changed.length, "changed file")}
          >
            <FileDiff size={14} aria-hidden /> {session.files_changed.length}
          </Link>
        )}
        <Budget session={session} cost={cost} canChange={canChange} />
      </div>
      <div className="flex shrink-0 items-center gap-1">
        {!isImported && <Presence id={session.id} />}
        {!isImported && (
          <IconButton label="Share this session" className="narrow:hidden" onClick={() => setDialog("share")}>
            <Share2 size={16} />
          </IconButton>
        )}
        {!isImported && !ended && session.status !== "paused" && (
          <Button size="sm" look="danger" className="narrow:hidden" onClick={() => setDialog("stop")}>
            <OctagonX size={14} aria-hidden /> Stop
          </Button>
        )}
        {!isImported && (ended || session.status === "paused") && (
          <Button size="sm" busy={resume.isPending} onClick={() => resume.mutate()}>
            <RotateCcw size={14} aria-hidden /> Resume
          </Button>
        )}
        <SessionMenu session={session} isImported={isImported} onResume={() => resume.mutate()} />
      </div>
      {dialog === "stop" && <StopDialog session={session} onClose={() => setDialog(null)} />}
      {dialog === "share" && <ShareDialog session={session} onClose={() => setDialog(null)} />}
    </header>
  );
}

/** How long the turns that ended ran, in all. */
function Active({ session: { active_seconds: seconds } }: { session: SessionView }) {
  if (seconds === 0) return null;
  return (
    <span className="shrink-0 whitespace-nowrap tabular-nums" title="How long its turns ran, in all">
      {duration(seconds * 1_000)}
    </span>
  );
}
