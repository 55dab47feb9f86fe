/* What the agent wants to know: options under number keys, own words where they are possible, or neither. */
import { answerQuestion, dismissQuestion } from "@signalbox/contract/questions";
import type { QuestionId } from "@signalbox/contract/primitives";
import type { ConversationItem } from "@signalbox/contract/sessions";
import { Button } from "@signalbox/ui/button";
import { inputLook } from "@signalbox/ui/field";
import { KeyHint } from "@signalbox/ui/key-hint";
import { Lamp } from "@signalbox/ui/lamp";
import { Markdown } from "@signalbox/ui/markdown";
import { toast } from "@signalbox/ui/toasts";
import { Check } from "lucide-react";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { client, isRefusal } from "../../data/api.ts";
import { useShortcuts } from "../../frame/shortcuts.ts";
import { OnTrack } from "./on-track.tsx";
import { useRows } from "./row-context.ts";

type QuestionItem = Extract<ConversationItem, { type: "question" }>;

export function QuestionRow({ item }: { item: QuestionItem }) {
  const { isReadOnly } = useRows();
  return (
    <OnTrack nodeAt="top-5" node={item.status === "open" ? undefined : <Lamp state={item.status === "answered" ? "clear" : "dark"} />}>
      <div className="my-2">{item.status === "open" && !isReadOnly ? <Open item={item} /> : <Closed item={item} />}</div>
    </OnTrack>
  );
}

function Closed({ item }: { item: QuestionItem }) {
  const { nameOf } = useRows();
  const said = [...(item.answer?.options ?? []), ...(item.answer?.text == null ? [] : [`“${item.answer.text}”`])].join(", ");
  return (
    <div className="rounded-md border border-line bg-panel px-3 py-2 text-sm">
      <Markdown text={item.text} className="text-ink-2" />
      <p className="mt-1">
        {item.status === "answered" ? (
          <>
            <span className="text-ink-3">{nameOf(item.closed_by)} answered:</span> <span className="font-semibold">{said}</span>
          </>
        ) : (
          <span className="text-ink-3">
            {item.status === "open" ? "Waits for an answer." : "Nobody answered; the agent went on without."}
          </span>
        )}
      </p>
    </div>
  );
}

function Open({ item }: { item: QuestionItem }) {
  const { keyedQuestion } = useRows();
  const hasKeys = keyedQuestion === item.question_id;
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const [text, setText] = useState("");
  const at = { params: { id: item.question_id as QuestionId } };
  const onError = (error: Error): void => {
    toast(isRefusal(error, "question_closed") ? "Somebody was faster: it is answered already." : error.message, "danger");
  };
  const answer = useMutation({
    mutationFn: (options: readonly string[]) =>
      client.call(answerQuestion, {
        ...at,
        body: { ...(options.length === 0 ? {} : { options: [...options] }), ...(text.trim() === "" ? {} : { text: text.trim() }) },
      }),
    onError,
  });
  const dismiss = useMutation({ mutationFn: () => client.call(dismissQuestion, { ...at, body: {} }), onError });
  const isBusy = answer.isPending || dismiss.isPending;
  const choose = (label: string): void => {
    if (isBusy) return;
    if (item.multiple) setChosen(chosen.includes(label) ? chosen.filter((each) => each !== label) : [...chosen, label]);
    else answer.mutate([label]);
  };
  useShortcuts(
    hasKeys
      ? [
          ...item.options
            .slice(0, 9)
            .map(({ label }, i) => ({ keys: String(i + 1), label: `Answer “${label}”`, run: () => choose(label) })),
          { keys: "x", label: "Let the agent go on without an answer", run: () => !isBusy && dismiss.mutate() },
        ]
      : [],
  );

  return (
    <article
      aria-label={`Question: ${item.header ?? item.text.slice(0, 80)}`}
      className="soft-shadow overflow-clip rounded-lg border border-signal-line bg-panel"
    >
      <header className="flex items-start gap-3 border-b border-signal-line bg-signal-wash px-4 py-3">
        <span className="flex h-6 items-center">
          <Lamp state="wants" />
        </span>
        <div className="min-w-0 flex-1">
          <h3 className="font-semibold">{item.header ?? "A question"}</h3>
          <p className="text-sm text-signal-ink">The agent asks, and waits for the answer</p>
        </div>
      </header>
      <form
        className="space-y-3 px-4 py-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (!isBusy && (chosen.length > 0 || text.trim() !== "")) answer.mutate(chosen);
        }}
      >
        <Markdown text={item.text} />
        {item.options.length > 0 && (
          <ul className="space-y-1.5" aria-label={item.multiple ? "Options, any number of them" : "Options"}>
            {item.options.map(({ label, description }, i) => {
              const isChosen = chosen.includes(label);
              return (
                <li key={label}>
                  <button
                    type="button"
                    disabled={isBusy}
                    aria-pressed={item.multiple ? isChosen : undefined}
                    onClick={() => choose(label)}
                    className={`flex w-full items-start gap-3 rounded-md border px-3 py-2 text-left hover:bg-chosen disabled:opacity-60 ${isChosen ? "border-ink bg-chosen" : "border-line-strong bg-raised"}`}
                  >
                    {hasKeys && i < 9 && (
                      <span aria-hidden className="mt-0.5 narrow:hidden">
                        <KeyHint keys={String(i + 1)} />
                      </span>
                    )}
                    <span className="min-w-0 flex-1">
                      <span className="block font-medium">{label}</span>
                      {description !== undefined && <span className="block text-sm text-ink-2">{description}</span>}
                    </span>
                    {isChosen && <Check size={16} aria-hidden className="mt-1 shrink-0" />}
                  </button>
                </li>
              );
            })}
          </ul>
        )}
        {item.free_text && (
          <input
            aria-label="Answer in your own words"
            placeholder="Answer in your own words"
            value={text}
            maxLength={20_000}
            onChange={(event) => setText(event.target.value)}
            className={inputLook}
          />
        )}
        <div className="flex flex-wrap gap-2">
          {(item.free_text || item.multiple) && (
            <Button type="submit" look="approve" busy={answer.isPending} disabled={chosen.length === 0 && text.trim() === ""}>
              Answer
            </Button>
          )}
          <Button look="quiet" busy={dismiss.isPending} onClick={() => dismiss.mutate()}>
            Let it go on without{" "}
            {hasKeys && (
              <span aria-hidden className="narrow:hidden">
                <KeyHint keys="x" />
              </span>
            )}
          </Button>
        </div>
      </form>
    </article>
  );
}
