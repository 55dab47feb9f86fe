/* Last: what to do. Examples that suit what was chosen before, and how much it may cost. */
import { Button } from "@signalbox/ui/button";
import { Trouble } from "@signalbox/ui/trouble";
import { Play } from "lucide-react";
import { BudgetField } from "../sessions/start/budget-field.tsx";
import type { Draft } from "../sessions/start/draft.ts";
import { ModelField } from "../sessions/start/model-field.tsx";
import { PromptsField } from "../sessions/start/prompts-field.tsx";
import type { Start } from "../sessions/start/use-start.ts";
import { examplesFor } from "./examples.ts";

export function TaskStep({
  draft,
  onChange,
  start,
  isDemo,
}: {
  draft: Draft;
  onChange(what: Partial<Draft>): void;
  start: Start;
  isDemo: boolean;
}) {
  const examples = examplesFor({ source: draft.source, url: draft.url, isDemo });
  return (
    <form
      className="space-y-5"
      onSubmit={(event) => {
        event.preventDefault();
        start.start();
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
          event.preventDefault();
          start.start();
        }
      }}
    >
      {isDemo && examples.length === 0 && (
        <p className="rounded-md border border-line bg-sunken px-3.5 py-2.5 text-sm text-ink-2">
          The demo is a script and plays one task only, on the sample repository. Make the sample in the step before, or choose a real model
          for this one.
        </p>
      )}
      {examples.length > 0 && (
        <div role="group" aria-label="Examples" className="flex flex-wrap gap-1.5">
          {examples.map(({ label, prompt }) => (
            <Button key={label} size="sm" onClick={() => onChange({ prompts: [prompt] })}>
              {label}
            </Button>
          ))}
        </div>
      )}
      <PromptsField prompts={draft.prompts} onChange={(prompts) => onChange({ prompts })} />
      <div className="grid items-start gap-3 sm:grid-cols-[1fr_11rem]">
        <ModelField value={draft.model} onChange={(model) => onChange({ model })} refused={start.refused.model} />
        <BudgetField value={draft.budget} onChange={(budget) => onChange({ budget })} />
      </div>
      {start.refused.source !== undefined && <Trouble error={new Error(start.refused.source)} />}
      {start.error !== null && <Trouble error={start.error} />}
      <Button type="submit" look="solid" size="lg" busy={start.isStarting} disabled={!start.mayStart}>
        <Play size={16} aria-hidden /> Start the session
      </Button>
      {!start.mayStart && <p className="text-sm text-ink-2">It has no place to work yet: choose one in the step before.</p>}
    </form>
  );
}
