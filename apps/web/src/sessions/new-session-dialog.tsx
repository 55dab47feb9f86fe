import { Button } from "@signalbox/ui/button";
import { Dialog } from "@signalbox/ui/dialog";
import { Disclosure } from "@signalbox/ui/disclosure";
import { KeyHint } from "@signalbox/ui/key-hint";
import { RadioGroup } from "@signalbox/ui/radio-group";
import { Trouble } from "@signalbox/ui/trouble";
import { BudgetField } from "./start/budget-field.tsx";
import { useDraft, type Draft } from "./start/draft.ts";
import { ModelField, useModel } from "./start/model-field.tsx";
import { PromptsField } from "./start/prompts-field.tsx";
import { RepositoryPicker } from "./start/repository-picker.tsx";
import { useStart } from "./start/use-start.ts";

const HARNESSES: readonly { value: Draft["harness"]; label: string; hint: string }[] = [
  { value: "opencode", label: "OpenCode", hint: "Through its own interface; every feature." },
  { value: "acp", label: "OpenCode over ACP", hint: "Through the Agent Client Protocol, as any ACP agent is driven." },
];
const SANDBOXES: readonly { value: Draft["sandbox"]; label: string; hint: string }[] = [
  { value: "immediate", label: "At once", hint: "Ready when you say the first word." },
  { value: "deferred", label: "With the first message", hint: "Costs nothing until then." },
];

export function NewSessionDialog({ onClose, withSample }: { onClose(): void; withSample: boolean }) {
  const { draft, change, forget } = useDraft("new-session");
  const { model } = useModel(draft.model);
  const { start, isStarting, error, refused, mayStart } = useStart(draft, model?.id, forget);
  const hasTask = draft.prompts.some((text) => text.trim() !== "");
  return (
    <Dialog wide title="New session" description="An agent, in a sandbox of its own, with a task." onClose={onClose}>
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          start();
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
            event.preventDefault();
            start();
          }
        }}
      >
        <RepositoryPicker
          draft={draft}
          onChange={change}
          refused={refused.source}
          withSample={withSample}
          onSample={(made) => change({ source: "repository", url: made.repository_url, ref: "", prompts: [made.prompt] })}
        />
        <PromptsField prompts={draft.prompts} onChange={(prompts) => change({ prompts })} />
        <div className="grid items-start gap-3 sm:grid-cols-[1fr_11rem]">
          <ModelField value={draft.model} onChange={(id) => change({ model: id })} refused={refused.model} />
          <BudgetField value={draft.budget} onChange={(budget) => change({ budget })} />
        </div>
        <Disclosure summary={<span className="text-sm text-ink-2">Agent and sandbox</span>}>
          <div className="grid gap-4 sm:grid-cols-2">
            <RadioGroup legend="Agent" choices={HARNESSES} value={draft.harness} onChange={(harness) => change({ harness })} />
            {!hasTask && (
              <RadioGroup legend="Make the sandbox" choices={SANDBOXES} value={draft.sandbox} onChange={(sandbox) => change({ sandbox })} />
            )}
          </div>
        </Disclosure>
        {error !== null && <Trouble error={error} />}
        <div className="sticky bottom-0 -mx-5 -mb-5 flex items-center justify-end gap-2 border-t border-line bg-panel px-5 py-3 sm:-mx-6 sm:-mb-6 sm:px-6">
          <span aria-hidden className="mr-auto text-sm text-ink-3 narrow:hidden">
            <KeyHint keys="Mod+Enter" /> starts it
          </span>
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" look="solid" busy={isStarting} disabled={!mayStart}>
            Start
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
