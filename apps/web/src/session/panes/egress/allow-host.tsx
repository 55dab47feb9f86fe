/* A rule, said in words before it is made; then what the gate answers, whichever way. */
import { HostPattern } from "@signalbox/contract/egress-hosts";
import { addEgressRule, evaluatePolicy, type PolicyDecision } from "@signalbox/contract/gate";
import type { SessionView } from "@signalbox/contract/sessions";
import { Button } from "@signalbox/ui/button";
import { Dialog } from "@signalbox/ui/dialog";
import { Field, Input } from "@signalbox/ui/field";
import { RadioGroup } from "@signalbox/ui/radio-group";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation } from "@tanstack/react-query";
import { CircleCheck, OctagonX } from "lucide-react";
import { useState } from "react";
import { client } from "../../../data/api.ts";

type Reach = "session" | "everywhere";

export function AllowHost({
  session,
  host: asked,
  onClose,
  onChange,
}: {
  session: SessionView;
  host: string;
  onClose(): void;
  onChange(): void;
}) {
  const [host, setHost] = useState(asked);
  const [reach, setReach] = useState<Reach>("session");
  const pattern = HostPattern.safeParse(host.trim().toLowerCase());
  const allow = useMutation({
    mutationFn: async (): Promise<PolicyDecision> => {
      const rule = pattern.data ?? host;
      await client.call(addEgressRule, { body: { host: rule, ...(reach === "session" ? { session_id: session.id } : {}) } });
      onChange();
      return client.call(evaluatePolicy, {
        body: {
          principal: { id: session.agent_id, type: "agent" },
          action: "egress.request",
          resource: { type: "host", id: rule.replace(/^\*\./, "") },
          context: {},
          zone: "sandbox",
          session_id: session.id,
        },
      });
    },
  });
  const isWild = host.startsWith("*.");
  const name = host.replace(/^\*\./, "");
  if (allow.data !== undefined) {
    const isAllowed = allow.data.decision === "allow";
    const Icon = isAllowed ? CircleCheck : OctagonX;
    return (
      <Dialog title="The rule holds" onClose={onClose}>
        <section
          aria-label="The gate's answer"
          className={`rounded-md border px-4 py-3 ${isAllowed ? "border-clear bg-clear-wash" : "border-danger-line bg-danger-wash"}`}
        >
          <p className={`flex items-center gap-2 font-semibold ${isAllowed ? "text-clear-ink" : "text-danger-ink"}`}>
            <Icon size={18} aria-hidden /> {isAllowed ? `${name} is let through from now on` : `${name} is still refused`}
          </p>
          <p className="mt-1 text-sm">
            {allow.data.reason} <span className="font-mono text-ink-2">{allow.data.reason_code}</span>
          </p>
        </section>
        <div className="mt-4 flex justify-end">
          <Button look="solid" data-focus onClick={onClose}>
            Done
          </Button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title={asked === "" ? "Allow a host" : `Allow ${asked}?`} onClose={onClose}>
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (pattern.success) allow.mutate();
        }}
      >
        <Field
          label="Host"
          hint="A name, or *.example.com for it and everything below it"
          error={host !== "" && !pattern.success ? "Expected a host like example.com or *.example.com" : undefined}
        >
          {(props) => (
            <Input
              {...props}
              data-focus
              value={host}
              onChange={(event) => setHost(event.target.value)}
              className="font-mono"
              autoCapitalize="off"
              spellCheck={false}
            />
          )}
        </Field>
        <RadioGroup<Reach>
          legend="Where it holds"
          value={reach}
          onChange={setReach}
          choices={[
            { value: "session", label: "In this session" },
            { value: "everywhere", label: "Everywhere, for every session of the organization" },
          ]}
        />
        {pattern.success && (
          <p className="text-sm text-ink-2">
            {reach === "session" ? "This session's sandbox" : "Every sandbox"} may then send anything to{" "}
            <strong className="font-mono font-semibold">{name}</strong>
            {isWild && " and every name below it"}, and get anything from it, without asking. Private addresses and the kill switch still
            hold.
          </p>
        )}
        {allow.error !== null && <Trouble error={allow.error} />}
        <div className="flex flex-wrap justify-end gap-2">
          <Button look="quiet" onClick={onClose}>
            Leave it
          </Button>
          <Button look="solid" type="submit" disabled={!pattern.success} busy={allow.isPending}>
            {reach === "session" ? "Allow in this session" : "Allow everywhere"}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
