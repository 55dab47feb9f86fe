/* What people write to each other. Enter sends (on a phone the button does), `@` names someone. */
import { createMessage } from "@signalbox/contract/rooms";
import { Button } from "@signalbox/ui/button";
import { Trouble } from "@signalbox/ui/trouble";
import { useMedia } from "@signalbox/ui/use-media";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ArrowUp } from "lucide-react";
import { useId, useRef, useState, type KeyboardEvent } from "react";
import { flushSync } from "react-dom";
import { client, queries } from "../data/api.ts";
import { useNames } from "../data/queries.ts";
import { useShortcuts } from "../frame/shortcuts.ts";
import { mentionAt } from "../session/composer/draft.ts";
import { MentionList, type Mention } from "../session/composer/mentions.tsx";
import { membersQuery, type Room, type Thread } from "./room-queries.ts";

const draftKey = (threadId: string): string => `signalbox.draft.${threadId}`;

export function MessageComposer({ room, thread }: { room: Room; thread: Thread }) {
  const nameOf = useNames();
  const { data: members } = useQuery(membersQuery(room.id));
  const [text, setText] = useState(() => sessionStorage.getItem(draftKey(thread.id)) ?? "");
  const [caret, setCaret] = useState(0);
  const [at, setAt] = useState(0);
  // The same words sent twice by a shaky connection are one message.
  const [attempt, setAttempt] = useState(() => crypto.randomUUID());
  const area = useRef<HTMLTextAreaElement>(null);
  const list = useId();
  const isTouch = useMedia("(pointer: coarse)");

  const write = (next: string): void => {
    setText(next);
    setAttempt(crypto.randomUUID());
    if (next === "") sessionStorage.removeItem(draftKey(thread.id));
    else sessionStorage.setItem(draftKey(thread.id), next);
  };
  const send = useMutation({
    mutationFn: () => client.call(createMessage, { params: { id: thread.id }, body: { content_md: text.trim() }, idempotencyKey: attempt }),
    onSuccess: () => {
      write("");
      void queries.invalidateQueries({ queryKey: ["room", room.id] });
    },
  });
  const submit = (): void => {
    if (text.trim() !== "" && !send.isPending) send.mutate();
  };
  useShortcuts([{ keys: "c", label: "Write a message", run: () => area.current?.focus() }]);

  const asked = mentionAt(text, caret);
  const mentions: readonly Mention[] =
    asked === null
      ? []
      : (members ?? [])
          .map(({ principal_id: id }): Mention => ({ key: id, kind: "person", label: nameOf(id), text: `@${nameOf(id)}` }))
          .filter(({ label }) => label !== "You" && label.toLowerCase().includes(asked.query.toLowerCase()))
          .slice(0, 8);
  const chosen = Math.min(at, mentions.length - 1);
  const take = (mention: Mention): void => {
    if (asked === null) return;
    const next = `${text.slice(0, asked.from)}${mention.text} ${text.slice(caret)}`;
    const to = asked.from + mention.text.length + 1;
    // At once: a frame later, whoever types on already has letters behind the name.
    flushSync(() => {
      write(next);
      setCaret(to);
    });
    area.current?.setSelectionRange(to, to);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (mentions.length > 0) {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        return setAt((chosen + (event.key === "ArrowDown" ? 1 : -1) + mentions.length) % mentions.length);
      }
      if ((event.key === "Enter" || event.key === "Tab") && mentions[chosen] !== undefined) {
        event.preventDefault();
        return take(mentions[chosen]);
      }
    }
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing && (!isTouch || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      submit();
    } else if (event.key === "Escape") area.current?.blur();
  };

  return (
    <div className="border-t border-line px-4 py-3 sm:px-6">
      <form
        className="relative mx-auto max-w-3xl space-y-2"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        {send.error !== null && <Trouble error={send.error} />}
        {mentions.length > 0 && <MentionList id={list} mentions={mentions} at={chosen} onTake={take} />}
        <div className="flex items-end gap-2 rounded-lg border border-line-strong bg-raised p-1.5 pl-3.5 focus-within:outline-2 focus-within:outline-moving">
          <textarea
            ref={area}
            rows={1}
            aria-label="Message to the room"
            aria-controls={mentions.length > 0 ? list : undefined}
            aria-activedescendant={mentions.length > 0 ? `${list}-${chosen}` : undefined}
            placeholder="Write to the room…"
            value={text}
            onChange={(event) => {
              write(event.target.value);
              setCaret(event.target.selectionStart);
              setAt(0);
            }}
            onSelect={(event) => setCaret(event.currentTarget.selectionStart)}
            onKeyDown={onKeyDown}
            className="field-sizing-content max-h-60 min-h-9 flex-1 resize-none bg-transparent py-1.5 outline-none placeholder:text-ink-3"
          />
          <Button
            type="submit"
            look="solid"
            size="icon"
            busy={send.isPending}
            disabled={text.trim() === ""}
            aria-label="Send the message"
            title="Enter"
          >
            <ArrowUp size={18} />
          </Button>
        </div>
        {room.session_id !== null && (
          <p className="text-sm text-ink-3">
            People read this; the agent does not. To tell the agent something, go{" "}
            <Link to="/sessions/$sessionId" params={{ sessionId: room.session_id }} className="underline underline-offset-2">
              to the session
            </Link>
            .
          </p>
        )}
      </form>
    </div>
  );
}
