/* Shells in the session's sandbox, as tabs. */
import type { SessionView } from "@signalbox/contract/sessions";
import { closeTerminal, createTerminal, listTerminals, WORKBENCH_LIMITS, type TerminalView } from "@signalbox/contract/workbench";
import { Button, IconButton } from "@signalbox/ui/button";
import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { DropdownMenu } from "@signalbox/ui/dropdown-menu";
import { inputLook } from "@signalbox/ui/field";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { ArrowDown, ArrowUp, Ellipsis, Plus, Search, SquareTerminal, X } from "lucide-react";
import { useRef, useState } from "react";
import { client, queries } from "../../data/api.ts";
import { useKept } from "../../frame/kept.ts";
import { useMay } from "./may.ts";
import { shownName } from "./names.ts";
import { NowNote } from "./now-note.tsx";
import type { PaneProps } from "./panes.ts";
import { isAwake, SandboxAway } from "./sandbox-away.tsx";
import type { TerminalEnd, TerminalStatus } from "./terminal/connection.ts";
import { TerminalScreenView, type TerminalHandle } from "./terminal/terminal-view.tsx";
import { useRoomEvent } from "./use-room-event.ts";

const LATEST: TerminalStatus = { phase: "connecting", isReadOnly: false };

export function TerminalPane({ session, conversation, at }: PaneProps) {
  const isRunning = isAwake(session);
  const key = ["session", session.id, "terminals"];
  const list = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => client.call(listTerminals, { params: { id: session.id }, signal }),
    enabled: isRunning,
  });
  useRoomEvent(conversation, ({ type }) => {
    if (type.startsWith("terminal.")) void queries.invalidateQueries({ queryKey: key });
  });
  if (!isRunning) return <SandboxAway session={session} what="A terminal" />;
  return (
    <>
      {at !== null && <NowNote what="Terminals show what is now." />}
      {list.data === undefined ? (
        list.error !== null ? (
          <Trouble error={list.error} onRetry={() => void list.refetch()} className="m-4" />
        ) : (
          <div className="p-4">
            <Skeleton rows={1} className="h-64" />
          </div>
        )
      ) : (
        <Terminals session={session} items={list.data.items} onChange={() => queries.invalidateQueries({ queryKey: key })} />
      )}
    </>
  );
}

function Terminals({ session, items, onChange }: { session: SessionView; items: readonly TerminalView[]; onChange(): Promise<void> }) {
  const mayWrite = useMay("member");
  const [chosen, setChosen] = useState<string | null>(null);
  /** Terminals that ended while they were looked at stay until they are put away. */
  const [kept, setKept] = useState<readonly string[]>([]);
  const [titles, setTitles] = useState<Readonly<Record<string, string>>>({});
  const [status, setStatus] = useState<TerminalStatus>(LATEST);
  const [closing, setClosing] = useState<TerminalView | null>(null);
  const [isFinding, setFinding] = useState(false);
  const [isScreenReader, setScreenReader] = useKept("signalbox.terminal.screen-reader", false);
  const handle = useRef<TerminalHandle>(null);
  /** A screen that is not there yet takes the focus when it is: what is typed meanwhile must not be keys of the page for long. */
  const takesFocus = useRef(false);
  const focusIt = (): void => {
    takesFocus.current = true;
    requestAnimationFrame(() => handle.current?.focus());
  };

  const shown = items.filter(({ id, alive }) => alive || kept.includes(id));
  const current = shown.find(({ id }) => id === chosen) ?? shown.findLast(({ alive }) => alive) ?? shown.at(-1);
  const look = (id: string): void => {
    setChosen(id);
    setStatus(LATEST);
    setFinding(false);
  };

  const create = useMutation({
    mutationFn: () => client.call(createTerminal, { params: { id: session.id }, body: {} }),
    onSuccess: async (made) => {
      await onChange();
      look(made.id);
      focusIt();
    },
    onError: (error) => toast(error.message, "danger"),
  });
  const close = useMutation({
    mutationFn: ({ id }: TerminalView) => client.call(closeTerminal, { params: { id: session.id, terminal_id: id } }),
    onSuccess: async ({ id }) => {
      setClosing(null);
      setKept((before) => before.filter((each) => each !== id));
      await onChange();
    },
  });
  const putAway = (terminal: TerminalView): void => {
    if (!terminal.alive) setKept((before) => before.filter((each) => each !== terminal.id));
    else if (terminal.id === current?.id && handle.current?.isAtPrompt() === true) close.mutate(terminal);
    else setClosing(terminal);
  };
  const alive = items.filter((each) => each.alive).length;
  const canOpen = mayWrite && alive < WORKBENCH_LIMITS.terminalsPerSession;

  if (current === undefined)
    return (
      <Empty
        icon={<SquareTerminal size={28} />}
        title="No terminal is open"
        action={
          mayWrite ? (
            <Button look="solid" busy={create.isPending} onClick={() => create.mutate()}>
              Open a terminal
            </Button>
          ) : undefined
        }
      >
        {mayWrite
          ? "A shell in the session's workspace, beside the agent. What is typed and shown is recorded nowhere."
          : "Your role may watch terminals that others open."}
      </Empty>
    );
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex h-10 shrink-0 items-stretch border-b border-line">
        <div role="group" aria-label="Terminals" className="flex min-w-0 flex-1 overflow-x-auto [scrollbar-width:none]">
          {shown.map((terminal, i) => {
            const title = shownName(titles[terminal.id] ?? terminal.title);
            const isCurrent = terminal.id === current.id;
            return (
              <span
                key={terminal.id}
                className={`flex min-w-0 shrink-0 items-center border-r border-line pr-1 ${isCurrent ? "bg-sunken" : "hover:bg-raised"}`}
              >
                <button
                  type="button"
                  aria-pressed={isCurrent}
                  onClick={() => {
                    look(terminal.id);
                    focusIt();
                  }}
                  className={`clamp-1 h-full max-w-40 pr-1 pl-3 text-sm -outline-offset-2 ${isCurrent ? "font-semibold" : "text-ink-2"} ${terminal.alive ? "" : "line-through"}`}
                  title={title}
                >
                  {title === "" ? `Terminal ${i + 1}` : title}
                </button>
                {(mayWrite || !terminal.alive) && (
                  <IconButton
                    label={`Close ${title === "" ? `terminal ${i + 1}` : title}`}
                    className="!size-6"
                    onClick={() => putAway(terminal)}
                  >
                    <X size={13} />
                  </IconButton>
                )}
              </span>
            );
          })}
          {mayWrite && (
            <span className="flex items-center px-1">
              <IconButton
                label={canOpen ? "New terminal" : `At most ${WORKBENCH_LIMITS.terminalsPerSession} terminals are open at a time`}
                disabled={!canOpen}
                busy={create.isPending}
                onClick={() => create.mutate()}
              >
                <Plus size={15} />
              </IconButton>
            </span>
          )}
        </div>
        <span className="flex shrink-0 items-center gap-1 px-2">
          {current.viewers > 1 && <span className="text-plate text-ink-3 narrow:hidden">{current.viewers} look at it</span>}
          <IconButton label="Find in the output" aria-pressed={isFinding} onClick={() => setFinding(!isFinding)}>
            <Search size={15} />
          </IconButton>
          <DropdownMenu
            align="end"
            trigger={
              <IconButton label="More about this terminal">
                <Ellipsis size={15} />
              </IconButton>
            }
            entries={[
              { label: "Copy what is selected", hint: "Ctrl Shift C", onSelect: () => handle.current?.copySelection() },
              { label: "Paste", hint: "Ctrl Shift V", disabled: status.isReadOnly, onSelect: () => handle.current?.paste() },
              { kind: "separator" },
              { kind: "check", label: "For screen readers", checked: isScreenReader, onChange: setScreenReader },
            ]}
          />
        </span>
      </div>
      {isFinding && (
        <Find onFind={(words, direction) => handle.current?.find(words, direction) ?? false} onClose={() => setFinding(false)} />
      )}
      {status.isReadOnly && status.phase !== "ended" && (
        <p className="shrink-0 border-b border-line bg-sunken px-3 py-1 text-sm text-ink-2">You may watch this terminal, not type in it.</p>
      )}
      <TerminalScreenView
        takesFocus={takesFocus}
        key={current.id}
        ref={handle}
        terminal={current}
        isScreenReader={isScreenReader}
        onStatus={(next) => {
          setStatus(next);
          if (next.phase === "ended") {
            setKept((before) => (before.includes(current.id) ? before : [...before, current.id]));
            void onChange();
          }
        }}
        onTitle={(title) => setTitles((before) => ({ ...before, [current.id]: title }))}
      />
      {status.phase === "retrying" && (
        <p role="status" className="shrink-0 border-t border-line px-3 py-1.5 text-sm text-ink-2">
          The connection is gone; it goes on by itself where it was.
        </p>
      )}
      {status.phase === "ended" && (
        <div role="status" className="flex shrink-0 flex-wrap items-center gap-3 border-t border-line px-3 py-2 text-sm">
          <span className="min-w-0 flex-1">{endWords(status.end)}</span>
          {mayWrite && status.end.kind !== "forbidden" && (
            <Button size="sm" busy={create.isPending} onClick={() => create.mutate()}>
              Start again
            </Button>
          )}
        </div>
      )}
      {closing !== null && (
        <ConfirmDialog
          title="Close this terminal?"
          description="Something may be running in it, and it ends with the terminal."
          confirm="Close it"
          danger
          busy={close.isPending}
          error={close.error}
          onConfirm={() => close.mutate(closing)}
          onClose={() => setClosing(null)}
        />
      )}
    </div>
  );
}

function endWords(end: TerminalEnd): string {
  switch (end.kind) {
    case "exited":
      return end.signal !== null ? `The shell was ended by ${shownName(end.signal)}.` : `The shell exited with code ${end.code ?? 0}.`;
    case "closed":
      return "Somebody closed this terminal.";
    case "session_ended":
      return "The session ended, and this terminal with it.";
    case "sandbox_ended":
      return "The sandbox ended, and this terminal with it.";
    case "forbidden":
      return "You may not see this terminal any more.";
    case "not_found":
      return "This terminal is not there any more.";
  }
}

function Find({ onFind, onClose }: { onFind(words: string, direction: "up" | "down"): boolean; onClose(): void }) {
  const [words, setWords] = useState("");
  const [isMissing, setMissing] = useState(false);
  const find = (direction: "up" | "down"): void => setMissing(words !== "" && !onFind(words, direction));
  return (
    <div className="flex shrink-0 items-center gap-1 border-b border-line px-2 py-1">
      <input
        type="search"
        aria-label="Find in the output"
        placeholder="Find in the output"
        autoFocus
        value={words}
        onChange={(event) => {
          setWords(event.target.value);
          setMissing(false);
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter") find(event.shiftKey ? "down" : "up");
          else if (event.key === "Escape") onClose();
        }}
        className={`${inputLook} !py-1 !text-sm`}
      />
      <span role="status" className="shrink-0 px-1 text-sm text-ink-2 empty:hidden">
        {isMissing && "Not found"}
      </span>
      <IconButton label="Further up" onClick={() => find("up")}>
        <ArrowUp size={15} />
      </IconButton>
      <IconButton label="Further down" onClick={() => find("down")}>
        <ArrowDown size={15} />
      </IconButton>
      <IconButton label="Close the search" onClick={onClose}>
        <X size={15} />
      </IconButton>
    </div>
  );
}
