/*
 * What is said to the agent. Enter sends (on a phone the button does), Shift Enter makes a line; while a turn runs the
 * message waits in the queue, and this says so before it is sent. Escape leaves the field, Escape again ends the turn.
 */
import { cancelTurn, type SessionView } from "@signalbox/contract/sessions";
import { Button, IconButton } from "@signalbox/ui/button";
import { count } from "@signalbox/ui/format";
import { KeyHint } from "@signalbox/ui/key-hint";
import { toast } from "@signalbox/ui/toasts";
import { useMedia } from "@signalbox/ui/use-media";
import { useMutation, useQuery } from "@tanstack/react-query";
import { ArrowUp, ClipboardList, CircleStop, RotateCcw, X } from "lucide-react";
import { useEffect, useId, useImperativeHandle, useRef, useState, type ClipboardEvent, type KeyboardEvent, type Ref } from "react";
import { flushSync } from "react-dom";
import { client } from "../../data/api.ts";
import { meQuery, putSession } from "../../data/queries.ts";
import { useShortcuts } from "../../frame/shortcuts.ts";
import { isDeferred } from "../../sessions/state.ts";
import { inOrder } from "../conversation.ts";
import type { ConversationStore } from "../conversation-store.ts";
import { isLongPaste, keepDraft, mentionAt, messageOf, NO_DRAFT, quoted, readDraft, type Draft } from "./draft.ts";
import { MentionList, useMentions, type Mention } from "./mentions.tsx";
import { useOutbox, type Sending } from "./outbox.ts";
import { PromptQueue, promptsQuery } from "./prompt-queue.tsx";

/** Two presses of Escape within this end the turn. */
const TWICE_MS = 1_500;

export interface ComposerHandle {
  quote(text: string): void;
  focus(): void;
}

export function Composer({ session, store, ref }: { session: SessionView; store: ConversationStore; ref?: Ref<ComposerHandle> }) {
  const [draft, setDraft] = useState<Draft>(() => readDraft(session.id));
  const [caret, setCaret] = useState(0);
  const [mentionIndex, setMentionIndex] = useState(0);
  const [isMentionClosed, setMentionClosed] = useState(false);
  const area = useRef<HTMLTextAreaElement>(null);
  const list = useId();
  const isTouch = useMedia("(pointer: coarse)");
  const outbox = useOutbox(session.id);
  const { data: me } = useQuery(meQuery);
  const { data: queue } = useQuery({ ...promptsQuery(session.id), enabled: session.current_run !== null || session.queued_prompts !== 0 });
  const waiting = queuedOf(session, queue?.items ?? []);
  const isBusy = session.current_run !== null;
  const message = messageOf(draft);

  const write = (next: Draft): void => {
    setDraft(next);
    keepDraft(session.id, next);
  };
  const setText = (text: string, at = text.length): void => {
    // At once: a frame later, whoever types on already has letters behind it.
    flushSync(() => {
      write({ ...draft, text });
      setCaret(at);
    });
    area.current?.setSelectionRange(at, at);
  };
  useImperativeHandle(ref, () => ({
    focus: () => area.current?.focus(),
    quote(text) {
      const before = draft.text === "" || draft.text.endsWith("\n") ? draft.text : `${draft.text}\n\n`;
      setText(before + quoted(text));
      area.current?.focus();
    },
  }));

  const submit = (): void => {
    if (message === "") return;
    outbox.send(message);
    write(NO_DRAFT);
    setCaret(0);
    walkedTo.current = -1;
    void store.toNewest();
  };

  const cancel = useMutation({
    mutationFn: () => client.call(cancelTurn, { params: { id: session.id }, body: {} }),
    onSuccess: putSession,
    onError: (error) => toast(error.message, "danger"),
  });
  const escapedAt = useRef(-Infinity);
  const [isWarned, setWarned] = useState(false);
  useEffect(() => {
    if (!isWarned) return;
    const timer = setTimeout(() => setWarned(false), TWICE_MS);
    return () => clearTimeout(timer);
  }, [isWarned]);
  const escape = (): void => {
    if (!isBusy || cancel.isPending) return;
    if (performance.now() - escapedAt.current < TWICE_MS) {
      setWarned(false);
      cancel.mutate();
    } else setWarned(true);
    escapedAt.current = performance.now();
  };
  useShortcuts([
    { keys: "c", label: "Write to the agent", run: () => area.current?.focus() },
    { keys: "Escape", label: "Twice: end the turn under way", run: escape },
  ]);

  const mention = isMentionClosed ? null : mentionAt(draft.text, caret);
  const mentions = useMentions(session.id, mention?.query ?? null);
  const chosen = Math.min(mentionIndex, mentions.length - 1);
  const isMentioning = mention !== null && mentions.length > 0;
  const takeMention = ({ text }: Mention): void => {
    if (mention === null) return;
    setText(`${draft.text.slice(0, mention.from)}${text} ${draft.text.slice(caret)}`, mention.from + text.length + 1);
  };

  /** Own messages, newest first; -1 is what one writes oneself. */
  const walkedTo = useRef(-1);
  const walkBack = (by: 1 | -1): boolean => {
    const mine = inOrder(store.get().conversation.items)
      .flatMap((item) => (item.type === "message" && item.role === "user" && item.author === me?.principal.id ? [item.content_md] : []))
      .reverse();
    const to = walkedTo.current + by;
    if (to >= mine.length || to < -1) return false;
    walkedTo.current = to;
    setText(to === -1 ? "" : mine[to]!);
    return true;
  };

  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
    if (event.nativeEvent.isComposing) return;
    if (isMentioning && /^(ArrowUp|ArrowDown|Enter|Tab|Escape)$/.test(event.key) && !event.shiftKey) {
      event.preventDefault();
      if (event.key === "Escape") setMentionClosed(true);
      else if (event.key.startsWith("Arrow"))
        setMentionIndex((chosen + (event.key === "ArrowDown" ? 1 : -1) + mentions.length) % mentions.length);
      else takeMention(mentions[chosen]!);
      return;
    }
    const isFirstLine = !event.currentTarget.value.slice(0, event.currentTarget.selectionStart).includes("\n");
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey || (!event.shiftKey && !isTouch))) {
      event.preventDefault();
      submit();
    } else if (event.key === "Escape") {
      event.preventDefault();
      area.current?.blur();
      escape();
    } else if (event.key === "ArrowUp" && isFirstLine && (draft.text === "" || walkedTo.current >= 0)) {
      if (walkBack(1)) event.preventDefault();
    } else if (event.key === "ArrowDown" && walkedTo.current >= 0) {
      if (walkBack(-1)) event.preventDefault();
    }
  };

  const onPaste = (event: ClipboardEvent): void => {
    const { files } = event.clipboardData;
    const text = event.clipboardData.getData("text/plain");
    if (files.length > 0 && text === "") {
      event.preventDefault();
      toast("This agent takes words only: the picture was not added. Describe it, or put it into the repository.", "danger");
      return;
    }
    if (!isLongPaste(text)) return;
    event.preventDefault();
    write({ ...draft, pasted: [...draft.pasted, text] });
  };

  return (
    <div className="shrink-0 border-t border-line bg-ground px-4 pt-2.5 pb-2.5 sm:px-8">
      <div className="mx-auto max-w-3xl space-y-2">
        {waiting.length > 0 && <PromptQueue session={session} prompts={waiting} />}
        {outbox.items.map((item) => (
          <OnItsWay
            key={item.key}
            item={item}
            onRetry={() => outbox.retry(item.key)}
            onTakeBack={() => {
              outbox.drop(item.key);
              write({ ...draft, text: draft.text === "" ? item.content : `${item.content}\n\n${draft.text}` });
              area.current?.focus();
            }}
          />
        ))}
        <form
          className="relative"
          onSubmit={(event) => {
            event.preventDefault();
            submit();
          }}
        >
          {isMentioning && <MentionList id={list} mentions={mentions} at={chosen} onTake={takeMention} />}
          <div className="rounded-lg border border-line-strong bg-raised p-1.5 pl-3.5 focus-within:outline-2 focus-within:outline-moving">
            {draft.pasted.length > 0 && (
              <ul className="flex flex-wrap gap-1.5 pt-1 pb-1.5" aria-label="Pasted texts">
                {draft.pasted.map((text, i) => (
                  <li key={i} className="flex items-center gap-1.5 rounded-md border border-line bg-panel py-0.5 pr-0.5 pl-2 text-sm">
                    <ClipboardList size={14} aria-hidden className="text-ink-3" />
                    <span title={text.slice(0, 600)}>
                      Pasted text · {count(text.split("\n").length, "line")}, {text.length.toLocaleString()} characters
                    </span>
                    <IconButton
                      label="Remove the pasted text"
                      className="!size-6"
                      onClick={() => write({ ...draft, pasted: draft.pasted.filter((_, j) => j !== i) })}
                    >
                      <X size={13} />
                    </IconButton>
                  </li>
                ))}
              </ul>
            )}
            <div className="flex items-end gap-2">
              <textarea
                ref={area}
                rows={1}
                aria-label="Message to the agent"
                aria-describedby={`${list}-what`}
                aria-autocomplete="list"
                aria-controls={isMentioning ? list : undefined}
                aria-activedescendant={isMentioning ? `${list}-${chosen}` : undefined}
                placeholder={isBusy ? "Add to the queue…" : "Tell the agent what to do next…"}
                enterKeyHint={isTouch ? "enter" : "send"}
                value={draft.text}
                onChange={(event) => {
                  write({ ...draft, text: event.target.value });
                  setCaret(event.target.selectionStart);
                  setMentionIndex(0);
                  setMentionClosed(false);
                  walkedTo.current = -1;
                }}
                onSelect={(event) => setCaret(event.currentTarget.selectionStart)}
                onKeyDown={onKeyDown}
                onPaste={onPaste}
                className="max-h-[40dvh] min-h-9 flex-1 resize-none bg-transparent py-1.5 outline-none [field-sizing:content] placeholder:text-ink-3"
              />
              {isBusy && (
                <Button
                  size="icon"
                  busy={cancel.isPending}
                  onClick={() => cancel.mutate()}
                  aria-label="Cancel turn"
                  title="End this turn; the session stays (Esc Esc)"
                >
                  <CircleStop size={18} />
                </Button>
              )}
              <Button
                type="submit"
                look="solid"
                size="icon"
                disabled={message === ""}
                aria-label={isBusy ? "Queue the message" : "Send the message"}
              >
                <ArrowUp size={18} />
              </Button>
            </div>
          </div>
          <p id={`${list}-what`} className="flex min-h-5 flex-wrap items-center gap-x-3 pt-1 text-sm text-ink-3 narrow:hidden">
            <span className={isWarned ? "text-signal-ink" : ""}>
              {isWarned ? "Escape again ends the turn." : whatHappens(session, waiting.length, draft)}
            </span>
            <span className="ml-auto flex items-center gap-1.5">
              <KeyHint keys="Shift+Enter" /> new line <KeyHint keys="@" /> file or person
            </span>
          </p>
        </form>
      </div>
    </div>
  );
}

/** With nothing under way the first of them is about to begin, and stands in the conversation already. */
export const queuedOf = <T,>(session: Pick<SessionView, "current_run">, prompts: readonly T[]): T[] =>
  session.current_run === null ? prompts.slice(1) : [...prompts];

function whatHappens(session: SessionView, waiting: number, draft: Draft): string {
  const size = draft.pasted.length > 0 ? ` ${count(draft.pasted.length, "pasted text")} goes with it.` : "";
  if (session.current_run !== null)
    return `The agent is at work: your message ${waiting === 0 ? "runs when this turn is over" : `is number ${waiting + 1} in the queue`}.${size}`;
  if (isDeferred(session)) return `The sandbox is made with it.${size}`;
  if (session.status === "creating" || session.status === "resuming")
    return `The sandbox is being made: your message runs as soon as it is up.${size}`;
  if (session.status === "paused") return `The session is paused: sending wakes it up.${size}`;
  return `Sends now.${size}`;
}

function OnItsWay({ item, onRetry, onTakeBack }: { item: Sending; onRetry(): void; onTakeBack(): void }) {
  return (
    <div
      role={item.error === null ? undefined : "alert"}
      className={`flex items-start gap-3 rounded-lg border px-3 py-2 text-sm ${item.error === null ? "border-dashed border-line-strong" : "border-danger-line bg-danger-wash"}`}
    >
      <div className="min-w-0 flex-1">
        <p className="line-clamp-2 whitespace-pre-line">{item.content.slice(0, 400)}</p>
        <p className={item.error === null ? "text-ink-3" : "text-danger-ink"}>
          {item.error === null ? "Sending…" : `Not sent: ${item.error.message}`}
        </p>
      </div>
      {item.error !== null && (
        <>
          <Button size="sm" onClick={onRetry}>
            <RotateCcw size={14} aria-hidden /> Try again
          </Button>
          <Button size="sm" look="quiet" onClick={onTakeBack}>
            Change it
          </Button>
        </>
      )}
    </div>
  );
}
