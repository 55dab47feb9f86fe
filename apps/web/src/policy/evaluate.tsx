/* Asks the gate without doing anything: the very function that enforcement calls. */
import { evaluatePolicy, type PolicyInput } from "@signalbox/contract/gate";
import { listPrincipals } from "@signalbox/contract/identity";
import { SessionId } from "@signalbox/contract/primitives";
import { Button } from "@signalbox/ui/button";
import { Combobox } from "@signalbox/ui/combobox";
import { Field, Input, Textarea } from "@signalbox/ui/field";
import { SegmentedControl } from "@signalbox/ui/segmented-control";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useId, useState } from "react";
import { client } from "../data/api.ts";
import { meQuery } from "../data/queries.ts";
import { actionsQuery } from "./policy-queries.ts";
import { Verdict } from "./verdict.tsx";

const route = getRouteApi("/frame/policy");
type Zone = PolicyInput["zone"];
const ZONES: readonly { readonly value: Zone; readonly label: string }[] = [
  { value: "sandbox", label: "Sandbox" },
  { value: "supervised", label: "Supervised" },
  { value: "high_stakes", label: "High stakes" },
];

interface Asked {
  readonly principal: string;
  readonly action: string;
  readonly resourceType: string;
  readonly resource: string;
  readonly zone: Zone;
  readonly session: string;
  readonly context: string;
}
const BLANK: Asked = {
  principal: "",
  action: "",
  resourceType: "repository",
  resource: "",
  zone: "supervised",
  session: "",
  context: "",
};
/** Questions that people really have, to start from. */
const EXAMPLES: readonly { readonly label: string; readonly asked: Partial<Asked> }[] = [
  {
    label: "Push a branch",
    asked: { action: "git.push", resourceType: "repository", resource: "https://example.com/app.git#refs/heads/fix" },
  },
  {
    label: "Force-push",
    asked: { action: "git.push.force", resourceType: "repository", resource: "https://example.com/app.git#refs/heads/main" },
  },
  {
    label: "Reach a host that is allowed",
    asked: { action: "egress.request", resourceType: "host", resource: "registry.npmjs.org", context: '{ "host_allowed": true }' },
  },
  {
    label: "Reach the metadata address",
    asked: {
      action: "egress.request",
      resourceType: "host",
      resource: "169.254.169.254",
      context: '{ "host_allowed": true, "address": "metadata" }',
    },
  },
  {
    label: "Call a model over budget",
    asked: { action: "model.call", resourceType: "model", resource: "any", context: '{ "within_budget": false }' },
  },
];

function parsed(text: string): PolicyInput["context"] | null {
  if (text.trim() === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as PolicyInput["context"]) : null;
  } catch {
    return null; // Said below the field.
  }
}

export function Evaluate() {
  const { action: linked } = route.useSearch();
  const [asked, setAsked] = useState<Asked>({ ...BLANK, action: linked ?? "" });
  const { data: me } = useQuery(meQuery);
  const { data: actions } = useQuery(actionsQuery);
  const { data: principals } = useQuery({
    queryKey: ["principals", "all"],
    queryFn: ({ signal }) => client.call(listPrincipals, { query: { limit: 200 }, signal }),
    staleTime: 60_000,
  });
  const zoneLabel = useId();
  const set = (change: Partial<Asked>): void => setAsked((before) => ({ ...before, ...change }));

  const principal = principals?.items.find(({ id }) => id === asked.principal) ?? me?.principal;
  const context = parsed(asked.context);
  const session = asked.session.trim() === "" ? undefined : SessionId.safeParse(asked.session.trim());
  const entry = actions?.items.find(({ action }) => action === asked.action);
  const isReady =
    asked.action !== "" && asked.resource.trim() !== "" && context !== null && session?.success !== false && principal !== undefined;

  const evaluate = useMutation({
    mutationFn: () =>
      client.call(evaluatePolicy, {
        body: {
          principal: { id: principal!.id, type: principal!.type },
          action: asked.action,
          resource: { type: asked.resourceType.trim() || "resource", id: asked.resource.trim() },
          zone: asked.zone,
          context: context ?? {},
          ...(session?.success === true ? { session_id: session.data } : {}),
        },
      }),
  });

  return (
    <div className="grid items-start gap-6 wide:grid-cols-[minmax(0,1fr)_minmax(0,24rem)]">
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (isReady) evaluate.mutate();
        }}
      >
        <div className="flex flex-wrap items-center gap-1.5">
          <span className="text-sm text-ink-2">Start from</span>
          {EXAMPLES.map(({ label, asked: example }) => (
            <Button
              key={label}
              size="sm"
              onClick={() => {
                setAsked({ ...BLANK, principal: asked.principal, ...example });
                evaluate.reset();
              }}
            >
              {label}
            </Button>
          ))}
        </div>
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="Who" hint="People, agents and services of the organization.">
            {(field) => (
              <Combobox
                id={field.id}
                aria-describedby={field["aria-describedby"]}
                options={(principals?.items ?? []).map(({ id, display_name, type }) => ({
                  value: id,
                  label: display_name,
                  detail: `${type} ${id}`,
                }))}
                value={asked.principal === "" ? (me?.principal.id ?? "") : asked.principal}
                onChange={(value) => set({ principal: value })}
              />
            )}
          </Field>
          <Field
            label="Wants to do"
            hint={
              entry === undefined
                ? "An action of the registry."
                : `${entry.description}. Risk: ${entry.risk}${entry.reversible ? "" : ", cannot be undone"}.`
            }
          >
            {(field) => (
              <Combobox
                id={field.id}
                aria-describedby={field["aria-describedby"]}
                isFree
                placeholder="git.push"
                options={(actions?.items ?? []).map(({ action, description }) => ({ value: action, label: action, detail: description }))}
                value={asked.action}
                onChange={(value) => set({ action: value })}
              />
            )}
          </Field>
          <Field label="With (kind)" hint="What kind of thing it is: repository, host, model, …">
            {(field) => <Input {...field} value={asked.resourceType} onChange={(event) => set({ resourceType: event.target.value })} />}
          </Field>
          <Field label="With (which)" hint="Its name: an address, a host, an id.">
            {(field) => <Input {...field} value={asked.resource} onChange={(event) => set({ resource: event.target.value })} />}
          </Field>
        </div>
        <div className="space-y-1.5">
          <p id={zoneLabel} className="text-sm font-semibold">
            Zone
          </p>
          <SegmentedControl label="Zone" segments={ZONES} value={asked.zone} onChange={(zone) => set({ zone })} />
        </div>
        <div className="grid gap-4 sm:grid-cols-2">
          <Field
            label="Context"
            hint='JSON that the policies look at, like { "host_allowed": true }. May be empty.'
            error={context === null ? "This is not a JSON object. Check quotes and commas." : undefined}
          >
            {(field) => (
              <Textarea
                {...field}
                rows={2}
                spellCheck={false}
                className="font-mono !text-sm"
                value={asked.context}
                onChange={(event) => set({ context: event.target.value })}
              />
            )}
          </Field>
          <Field
            label="Session"
            hint="If it happens in one, its id. May be empty."
            error={session?.success === false ? "A session's id looks like ses_01J…; copy it from the session's menu." : undefined}
          >
            {(field) => (
              <Input
                {...field}
                spellCheck={false}
                className="font-mono !text-sm"
                value={asked.session}
                onChange={(event) => set({ session: event.target.value })}
              />
            )}
          </Field>
        </div>
        <Button type="submit" look="solid" busy={evaluate.isPending} disabled={!isReady}>
          Ask the gate
        </Button>
      </form>
      <div role="status">
        {evaluate.error !== null && <Trouble error={evaluate.error} />}
        {evaluate.data !== undefined && <Verdict decision={evaluate.data} />}
        {evaluate.data === undefined && evaluate.error === null && (
          <p className="rounded-lg border border-dashed border-line-strong px-5 py-8 text-center text-sm text-ink-3">
            Nothing is done and nothing is recorded. The answer stands here.
          </p>
        )}
      </div>
    </div>
  );
}
