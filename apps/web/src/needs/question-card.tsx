/* A question of an agent, answered where it is found. */
import type { AttentionItem } from "@signalbox/contract/attention";
import { answerQuestion, dismissQuestion, type QuestionView } from "@signalbox/contract/questions";
import { Button } from "@signalbox/ui/button";
import { Input } from "@signalbox/ui/field";
import { KeyHint } from "@signalbox/ui/key-hint";
import { Lamp } from "@signalbox/ui/lamp";
import { Markdown } from "@signalbox/ui/markdown";
import { Timestamp } from "@signalbox/ui/timestamp";
import { toast } from "@signalbox/ui/toasts";
import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Check } from "lucide-react";
import { useState } from "react";
import { client, isRefusal } from "../data/api.ts";
import { useShortcuts } from "../frame/shortcuts.ts";
import { refreshAttention } from "./attention-queries.ts";

interface QuestionCardProps {
  question: QuestionView;
  session: AttentionItem["session"];
  /** Whether number keys answer this one. */
  hasKeys: boolean;
}

export function QuestionCard({ question, session, hasKeys }: QuestionCardProps) {
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const [text, setText] = useState("");
  const params = { id: question.id };
  const onError = (error: Error): void => {
    refreshAttention();
    toast(isRefusal(error, "question_closed") ? "Somebody was faster: it is answered already." : error.message, "danger");
  };
  const answer = useMutation({
    mutationFn: (options: readonly string[]) =>
      client.call(answerQuestion, {
        params,
        body: { ...(options.length === 0 ? {} : { options: [...options] }), ...(text.trim() === "" ? {} : { text: text.trim() }) },
      }),
    onSuccess: () => {
      toast("Answered");
      refreshAttention();
    },
    onError,
  });
  const skip = useMutation({ mutationFn: () => client.call(dismissQuestion, { params, body: {} }), onSuccess: refreshAttention, onError });
  const isBusy = answer.isPending || skip.isPending;
  const choose = (label: string): void => {
    if (isBusy) return;
    if (question.multiple) setChosen(chosen.includes(label) ? chosen.filter((each) => each !== label) : [...chosen, label]);
    else answer.mutate([label]);
  };
  useShortcuts(
    hasKeys
      ? question.options.slice(0, 9).map(({ label }, i) => ({ keys: String(i + 1), label: `Answer “${label}”`, run: () => choose(label) }))
      : [],
  );
  return (
    <article
      aria-label={`Question: ${question.header ?? question.text.slice(0, 80)}`}
      className="soft-shadow overflow-clip rounded-lg border border-signal-line bg-panel"
    >
      <header className="flex items-start gap-3 border-b border-signal-line bg-signal-wash px-4 py-3">
        <span className="flex h-6 items-center">
          <Lamp state="wants" />
        </span>
        <div className="min-w-0 flex-1">
          <h2 className="font-semibold">{question.header ?? "A question"}</h2>
          <p className="text-sm text-signal-ink">
            The agent asks, <Timestamp at={question.asked_at} />
          </p>
        </div>
        {session !== null && (
          <Link
            to="/sessions/$sessionId"
            params={{ sessionId: session.id }}
            className="clamp-1 max-w-56 text-sm underline underline-offset-2"
          >
            {session.title}
          </Link>
        )}
      </header>
      <form
        className="space-y-3 px-4 py-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (!isBusy && (chosen.length > 0 || text.trim() !== "")) answer.mutate(chosen);
        }}
      >
        <Markdown text={question.text} />
        {question.options.length > 0 && (
          <ul className="grid gap-1.5 sm:grid-cols-2" aria-label={question.multiple ? "Options, any number of them" : "Options"}>
            {question.options.map(({ label, description }, i) => {
              const isChosen = chosen.includes(label);
              return (
                <li key={label}>
                  <button
                    type="button"
                    disabled={isBusy}
                    aria-pressed={question.multiple ? isChosen : undefined}
                    onClick={() => choose(label)}
                    className={`flex h-full w-full items-start gap-3 rounded-md border px-3 py-2 text-left hover:bg-chosen disabled:opacity-60 ${isChosen ? "border-ink bg-chosen" : "border-line-strong bg-raised"}`}
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
        {question.free_text && (
          <Input
            aria-label="Answer in your own words"
            placeholder="Answer in your own words"
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        )}
        <div className="flex flex-wrap gap-2">
          {(question.multiple || question.free_text) && (
            <Button type="submit" look="approve" busy={isBusy} disabled={chosen.length === 0 && text.trim() === ""}>
              Answer
            </Button>
          )}
          <Button look="quiet" busy={isBusy} onClick={() => skip.mutate()}>
            Let it go on without an answer
          </Button>
        </div>
      </form>
    </article>
  );
}
