import { Button, IconButton } from "@signalbox/ui/button";
import { Field, Textarea } from "@signalbox/ui/field";
import { Plus, X } from "lucide-react";

/** The task, and whatever is to follow it: each waits in the queue until the one before is done. */
export function PromptsField({ prompts, onChange }: { prompts: readonly string[]; onChange(prompts: string[]): void }) {
  const set = (at: number, text: string): void => onChange(prompts.map((prompt, i) => (i === at ? text : prompt)));
  return (
    <div className="space-y-3">
      {prompts.map((prompt, i) => (
        // By place: the prompts have no identity but their order.
        <div key={i} className="relative">
          <Field
            label={i === 0 ? "Task" : `Then (${i + 1})`}
            hint={i === 0 ? "What to do, and how you will know that it is done. You can also say it later." : undefined}
          >
            {(props) => (
              <Textarea
                {...props}
                rows={i === 0 ? 4 : 2}
                className={i === 0 ? "min-h-24" : "min-h-16"}
                placeholder={i === 0 ? "A test fails. Find out why, fix it, run the tests, and push the fix." : "When that is done: …"}
                value={prompt}
                onChange={(event) => set(i, event.target.value)}
              />
            )}
          </Field>
          {i > 0 && (
            <span className="absolute -top-1 right-0">
              <IconButton label={`Take prompt ${i + 1} out`} onClick={() => onChange(prompts.filter((_, at) => at !== i))}>
                <X size={16} />
              </IconButton>
            </span>
          )}
        </div>
      ))}
      {prompts.at(-1)?.trim() !== "" && prompts.length < 10 && (
        <Button size="sm" look="quiet" onClick={() => onChange([...prompts, ""])}>
          <Plus size={14} aria-hidden /> Add a prompt that follows
        </Button>
      )}
    </div>
  );
}
