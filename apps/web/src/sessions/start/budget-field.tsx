import { Field, Input } from "@signalbox/ui/field";
import { budgetOf } from "./draft.ts";

/** The most that a session may cost; nothing goes beyond it. */
export function BudgetField({ value, onChange }: { value: string; onChange(text: string): void }) {
  return (
    <Field label="Budget" hint="US dollars, at most." error={budgetOf(value) === null ? "Between $0.000001 and $1,000." : undefined}>
      {(props) => (
        <span className="relative block">
          <span aria-hidden className="absolute top-1/2 left-3 -translate-y-1/2 text-ink-3">
            $
          </span>
          <Input
            {...props}
            inputMode="decimal"
            autoComplete="off"
            value={value}
            onChange={(event) => onChange(event.target.value)}
            className="!pl-6 tabular-nums"
          />
        </span>
      )}
    </Field>
  );
}
