import { promptSession, type SessionView } from "@signalbox/contract/sessions";
import { useMutation } from "@tanstack/react-query";
import { ArrowUp } from "lucide-react";
import { useRef, useState } from "react";
import { client, queries } from "../data/api.ts";
import { sessionQuery } from "../data/queries.ts";
import { useShortcuts } from "../frame/shortcuts.ts";
import { Button } from "@signalbox/ui/button";
import { Trouble } from "@signalbox/ui/trouble";

/** What is written survives a reload and a look at another page, until it is sent. */
const draftKey = (id: string): string => `signalbox.draft.${id}`;

export function Composer({ session }: { session: SessionView }) {
  const [text, setText] = useState(() => sessionStorage.getItem(draftKey(session.id)) ?? "");
  // The same words sent twice by a shaky connection are one prompt.
  const [attempt, setAttempt] = useState(() => crypto.randomUUID());
  const area = useRef<HTMLTextAreaElement>(null);
  const busy = session.current_run !== null;

  const write = (next: string): void => {
    setText(next);
    setAttempt(crypto.randomUUID());
    if (next === "") sessionStorage.removeItem(draftKey(session.id));
    else sessionStorage.setItem(draftKey(session.id), next);
  };
  const send = useMutation({
    mutationFn: () => client.call(promptSession, { params: { id: session.id }, body: { content_md: text }, idempotencyKey: attempt }),
    onSuccess: () => {
      write("");
      void queries.invalidateQueries({ queryKey: sessionQuery(session.id).queryKey, exact: true });
    },
  });
  const submit = (): void => {
    if (text.trim() !== "" && !send.isPending) send.mutate();
  };
  useShortcuts([{ keys: "c", label: "Write to the agent", run: () => area.current?.focus() }]);

  return (
    <div className="border-t border-line bg-ground px-4 pt-3 pb-3 sm:px-8">
      <form
        className="mx-auto max-w-3xl space-y-2"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        {send.error !== null && <Trouble error={send.error} />}
        <div className="flex items-end gap-2 rounded-lg border border-line-strong bg-raised p-1.5 pl-3.5 focus-within:outline-2 focus-within:outline-moving">
          <textarea
            ref={area}
            rows={1}
            aria-label="Message to the agent"
            placeholder={busy ? "Add to the queue…" : "Tell the agent what to do next…"}
            value={text}
            onChange={(event) => write(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
                event.preventDefault();
                submit();
              } else if (event.key === "Escape") area.current?.blur();
            }}
            className="max-h-60 min-h-9 flex-1 resize-none bg-transparent py-1.5 outline-none [field-sizing:content] placeholder:text-ink-3"
          />
          <Button
            type="submit"
            look="solid"
            size="icon"
            busy={send.isPending}
            disabled={text.trim() === ""}
            aria-label={busy ? "Queue the message" : "Send the message"}
            title="Ctrl Enter"
          >
            <ArrowUp size={18} />
          </Button>
        </div>
      </form>
    </div>
  );
}
