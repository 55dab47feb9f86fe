/* The rules that hold for this session, its own and everybody's; taking one away can be undone. */
import { addEgressRule, removeEgressRule, type EgressRule } from "@signalbox/contract/gate";
import type { SessionView } from "@signalbox/contract/sessions";
import { Button, IconButton } from "@signalbox/ui/button";
import { Timestamp } from "@signalbox/ui/timestamp";
import { toast } from "@signalbox/ui/toasts";
import { useMutation } from "@tanstack/react-query";
import { Plus, Trash2 } from "lucide-react";
import type { z } from "zod";
import { client } from "../../../data/api.ts";
import { useNames } from "../../../data/queries.ts";

type Rule = z.infer<typeof EgressRule>;

export function Rules({
  session,
  rules,
  mayRule,
  onAdd,
  onChange,
}: {
  session: SessionView;
  rules: readonly Rule[];
  mayRule: boolean;
  onAdd(): void;
  onChange(): void;
}) {
  const nameOf = useNames();
  const shown = rules.filter((rule) => rule.session_id === null || rule.session_id === session.id);
  const change = useMutation({
    mutationFn: async ({ rule, isBack }: { rule: Rule; isBack: boolean }): Promise<void> => {
      const body = { host: rule.host, ...(rule.session_id === null ? {} : { session_id: rule.session_id }) };
      await (isBack ? client.call(addEgressRule, { body }) : client.call(removeEgressRule, { body }));
    },
    onSuccess: (_, { rule, isBack }) => {
      onChange();
      if (isBack) toast(`${rule.host} is allowed again`);
      else toast(`${rule.host} is not allowed any more`, { action: { label: "Undo", run: () => change.mutate({ rule, isBack: true }) } });
    },
    onError: (error) => toast(error.message, "danger"),
  });
  return (
    <section aria-label="Rules" className="border-t border-line px-4 py-3">
      <div className="flex items-center gap-2">
        <h2 className="plate flex-1">Rules in force here</h2>
        {mayRule && (
          <Button size="sm" onClick={onAdd}>
            <Plus size={14} aria-hidden /> Allow a host
          </Button>
        )}
      </div>
      {shown.length === 0 ? (
        <p className="mt-1 text-sm text-ink-2">
          None: nothing leaves the sandbox but model calls and git, which pass the gate on their own.
        </p>
      ) : (
        <ul aria-label="Rules in force" className="mt-1 divide-y divide-line">
          {shown.map((rule) => (
            <li key={`${rule.host} ${rule.session_id}`} className="flex items-center gap-3 py-1.5">
              <span className="min-w-0 flex-1">
                <span className="block font-mono text-sm wrap-anywhere">{rule.host}</span>
                <span className="block text-sm text-ink-3">
                  {rule.session_id === null ? "Everywhere" : "This session"} · {nameOf(rule.added_by)}, <Timestamp at={rule.added_at} />
                </span>
              </span>
              {mayRule && (
                <IconButton
                  label={`Remove the rule for ${rule.host}`}
                  disabled={change.isPending}
                  onClick={() => change.mutate({ rule, isBack: false })}
                >
                  <Trash2 size={14} />
                </IconButton>
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
