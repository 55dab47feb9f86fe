import { setQuotas } from "@signalbox/contract/quotas";
import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { Field, Input } from "@signalbox/ui/field";
import { toast } from "@signalbox/ui/toasts";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { client } from "../data/api.ts";
import { QUOTAS, type Quotas } from "../settings/quota-figures.tsx";

const HINT = { sessions: "Running or about to.", storage_bytes: "In bytes.", events_per_day: "From midnight UTC on." } as const;
type Typed = Record<(typeof QUOTAS)[number]["name"], string>;

/** Sets what an organization may use; only what was changed here is sent. */
export function QuotasDialog({ name, quotas, onDone, onClose }: { name: string; quotas: Quotas; onDone(): void; onClose(): void }) {
  const [before] = useState(() => Object.fromEntries(QUOTAS.map((of) => [of.name, String(quotas[of.name].limit ?? "")])) as Typed);
  const [typed, setTyped] = useState(before);
  const isWrong = (text: string): boolean => text !== "" && !(/^\d+$/.test(text) && Number.isSafeInteger(Number(text)));
  const changed = QUOTAS.filter((of) => typed[of.name].trim() !== before[of.name]);
  const set = useMutation({
    mutationFn: () =>
      client.call(setQuotas, {
        params: { organization_id: quotas.organization_id },
        body: Object.fromEntries(changed.map((of) => [of.name, typed[of.name].trim() === "" ? null : Number(typed[of.name])])),
      }),
    onSuccess: () => {
      toast(`The quotas of ${name} are set`);
      onDone();
    },
  });
  return (
    <ConfirmDialog
      title={`What may ${name} use?`}
      description="It holds everywhere within a second. What is emptied is again what the configuration says."
      confirm="Set the quotas"
      disabled={changed.length === 0 || QUOTAS.some((of) => isWrong(typed[of.name].trim()))}
      busy={set.isPending}
      error={set.error}
      onConfirm={() => set.mutate()}
      onClose={onClose}
    >
      <div className="grid gap-3 sm:grid-cols-3">
        {QUOTAS.map(({ name: quota, label, say }) => (
          <Field
            key={quota}
            label={label}
            hint={`${HINT[quota]} Now: ${say(quotas[quota].used)}.`}
            error={isWrong(typed[quota].trim()) ? "A whole number, or nothing." : undefined}
          >
            {(props) => (
              <Input
                {...props}
                inputMode="numeric"
                placeholder="no limit"
                value={typed[quota]}
                onChange={(event) => setTyped({ ...typed, [quota]: event.target.value })}
              />
            )}
          </Field>
        ))}
      </div>
    </ConfirmDialog>
  );
}
