import { getUsage, renameSession, type SessionView } from "@signalbox/contract/sessions";
import { Button } from "@signalbox/ui/button";
import { inputLook } from "@signalbox/ui/field";
import { count, money } from "@signalbox/ui/format";
import { CostMeter } from "@signalbox/ui/meter";
import { Popover } from "@signalbox/ui/popover";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useId, useState } from "react";
import { client, isRefusal } from "../../data/api.ts";
import { putSession } from "../../data/queries.ts";
import type { Cost } from "../conversation.ts";

/** What the session cost of what it may cost; opens to where it went, and to another limit. */
export function Budget({ session, cost, canChange }: { session: SessionView; cost: Cost | null; canChange: boolean }) {
  const [isOpen, setOpen] = useState(false);
  const spent = cost?.spent ?? session.cost_micro_usd;
  const cap = cost?.cap ?? session.budget_micro_usd;
  return (
    <div className="relative shrink-0 rounded-md px-2 py-1 hover:bg-chosen">
      <CostMeter spent={spent} reserved={cost?.reserved ?? 0} cap={cap} />
      {/* Over the meter and not around it: what is in a button is not read out as anything else. */}
      <Popover
        label="Cost and budget"
        align="end"
        open={isOpen}
        onOpenChange={setOpen}
        className="w-80 p-4"
        trigger={
          <button
            type="button"
            aria-label="Where the money went, and the limit"
            title={`${money(spent)} of ${money(cap)}`}
            className="absolute inset-0 rounded-md"
          />
        }
      >
        <Usage session={session} />
        {canChange && <Limit session={session} onDone={() => setOpen(false)} />}
      </Popover>
    </div>
  );
}

function Usage({ session }: { session: SessionView }) {
  const { data, error } = useQuery({
    queryKey: ["session", session.id, "usage"],
    queryFn: ({ signal }) => client.call(getUsage, { params: { id: session.id }, signal }),
    staleTime: 0,
  });
  if (error !== null) return <Trouble error={error} />;
  return (
    <dl className="grid grid-cols-[1fr_auto] gap-x-4 gap-y-1">
      <dt className="text-ink-2">Spent</dt>
      <dd className="tabular-nums">{money(data?.spent_micro_usd ?? session.cost_micro_usd)}</dd>
      {data !== undefined && data.reserved_micro_usd > 0 && (
        <>
          <dt className="text-ink-2">Held for calls under way</dt>
          <dd className="tabular-nums">{money(data.reserved_micro_usd)}</dd>
        </>
      )}
      <dt className="text-ink-2">Limit</dt>
      <dd className="tabular-nums">{money(session.budget_micro_usd)}</dd>
      {data?.by_model.map((model) => (
        <div key={model.model} className="col-span-2 mt-1 border-t border-line pt-1.5">
          <p className="flex justify-between gap-3">
            <span className="clamp-1 font-medium">{model.model}</span>
            <span className="tabular-nums">{money(model.cost_micro_usd)}</span>
          </p>
          <p className="text-ink-3">
            {count(model.calls, "call")}, {model.input_tokens.toLocaleString()} tokens in, {model.output_tokens.toLocaleString()} out
          </p>
        </div>
      ))}
    </dl>
  );
}

function Limit({ session, onDone }: { session: SessionView; onDone(): void }) {
  const [text, setText] = useState((session.budget_micro_usd / 1_000_000).toString());
  const id = useId();
  const micro = Math.round(Number(text) * 1_000_000);
  const isAmount = Number.isFinite(micro) && micro >= 1 && micro <= 1_000_000_000;
  const change = useMutation({
    mutationFn: () => client.call(renameSession, { params: { id: session.id }, body: { budget_micro_usd: micro } }),
    onSuccess: (changed) => {
      putSession(changed);
      onDone();
    },
  });
  return (
    <form
      className="mt-4 space-y-2 border-t border-line pt-3"
      onSubmit={(event) => {
        event.preventDefault();
        if (isAmount) change.mutate();
      }}
    >
      <label htmlFor={id} className="block font-semibold">
        Limit in dollars
      </label>
      <div className="flex gap-2">
        <input
          id={id}
          inputMode="decimal"
          value={text}
          aria-invalid={!isAmount}
          onChange={(event) => setText(event.target.value)}
          className={`${inputLook} !py-1 tabular-nums`}
        />
        <Button type="submit" busy={change.isPending} disabled={!isAmount || micro === session.budget_micro_usd}>
          Set
        </Button>
      </div>
      {!isAmount && <p className="text-danger-ink">An amount between a millionth and a thousand dollars.</p>}
      {change.error !== null && (
        <Trouble error={isRefusal(change.error, "budget_below_spent") ? new Error("More than that is spent already.") : change.error} />
      )}
    </form>
  );
}
