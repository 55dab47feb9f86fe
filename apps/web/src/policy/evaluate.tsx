/*
 * Asks the gate without doing anything: the very function that enforcement calls. A question that was put stands in
 * the address, so that it can be sent to somebody, and so that any decision shown elsewhere can lead here.
 */
import { evaluatePolicy, type PolicyInput } from "@signalbox/contract/gate";
import { listPrincipals } from "@signalbox/contract/identity";
import { isId, isPrincipalId } from "@signalbox/contract/ids";
import { Button } from "@signalbox/ui/button";
import { Combobox } from "@signalbox/ui/combobox";
import { Field, Input, Textarea } from "@signalbox/ui/field";
import { SegmentedControl } from "@signalbox/ui/segmented-control";
import { Trouble } from "@signalbox/ui/trouble";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useId, useState } from "react";
import { client } from "../data/api.ts";
import { meQuery } from "../data/queries.ts";
import { actionsQuery } from "./policy-queries.ts";
import { CopyButton } from "@signalbox/ui/copy-button";
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

type Search = Partial<Record<"action" | "who" | "kind" | "resource" | "zone" | "session" | "context", string | undefined>>;

function fromAddress({ action = "", who = "", kind, resource = "", zone, session = "", context = "" }: Search): Asked {
  return {
    ...BLANK,
    action,
    principal: who,
    resource,
    session,
    context,
    ...(kind === undefined ? {} : { resourceType: kind }),
    ...(ZONES.some(({ value }) => value === zone) ? { zone: zone as Zone } : {}),
  };
}
/** What is as it would be anyway is left out. */
function toAddress(asked: Asked): Search & { tab: string } {
  const said = (name: keyof Asked): string | undefined => (asked[name] === BLANK[name] ? undefined : asked[name].trim());
  return {
    tab: "evaluate",
    action: asked.action,
    who: said("principal"),
    kind: said("resourceType"),
    resource: said("resource"),
    zone: said("zone"),
    session: said("session"),
    context: said("context"),
  };
}
/** What kind of principal it is stands in its id; one that nobody knows is the gate's to refuse. */
function named(id: string): PolicyInput["principal"] | undefined {
  const isKnown = isPrincipalId(id);
  const type = ({ usr: "user", agt: "agent", svc: "service" } as Readonly<Record<string, PolicyInput["principal"]["type"]>>)[
    id.split("_")[0] ?? ""
  ];
  return isKnown && type !== undefined ? { id, type } : undefined;
}
/** Written, but no id. */
const isNoSession = (text: string): boolean => text !== "" && !isId("ses", text);

/** Null: it is no whole question. */
function bodyOf(asked: Asked, principal: PolicyInput["principal"] | undefined) {
  const context = parsed(asked.context);
  const session = isId("ses", asked.session) ? asked.session : undefined;
  if (asked.action === "" || asked.resource === "" || context === null || isNoSession(asked.session) || principal === undefined)
    return null;
  return {
    principal: { id: principal.id, type: principal.type },
    action: asked.action,
    resource: { type: asked.resourceType === "" ? "resource" : asked.resourceType, id: asked.resource },
    zone: asked.zone,
    context,
    ...(session === undefined ? {} : { session_id: session }),
  };
}

export function Evaluate() {
  const put = fromAddress(route.useSearch());
  const navigate = useNavigate();
  const [asked, setAsked] = useState<Asked>(put);
  // Another question came by the address (a link, the way back): that is the one now.
  const address = JSON.stringify(put);
  const [seen, setSeen] = useState(address);
  if (seen !== address) {
    setSeen(address);
    setAsked(put);
  }
  const { data: me } = useQuery(meQuery);
  const { data: actions } = useQuery(actionsQuery);
  const { data: principals } = useQuery({
    queryKey: ["principals", "all"],
    queryFn: ({ signal }) => client.call(listPrincipals, { query: { limit: 200 }, signal }),
    staleTime: 60_000,
  });
  const zoneLabel = useId();
  const set = (change: Partial<Asked>): void => setAsked((before) => ({ ...before, ...change }));

  const principal = asked.principal === "" ? me?.principal : named(asked.principal);
  const context = parsed(asked.context);
  const isSessionWrong = isNoSession(asked.session.trim());
  const entry = actions?.items.find(({ action }) => action === asked.action);
  const isReady = asked.action !== "" && asked.resource.trim() !== "" && context !== null && !isSessionWrong && principal !== undefined;

  const asks = bodyOf(put, put.principal === "" ? me?.principal : named(put.principal));
  const evaluate = useQuery({
    queryKey: ["policy", "evaluate", asks],
    queryFn: ({ signal }) => client.call(evaluatePolicy, { body: asks!, signal }),
    enabled: asks !== null,
    placeholderData: (previous) => previous,
  });
  const isUnasked = JSON.stringify(asked) !== address;
  const ask = (): void => {
    if (isUnasked) void navigate({ to: "/policy", search: toAddress(asked) });
    else void evaluate.refetch();
  };

  return (
    <div className="grid items-start gap-6 wide:grid-cols-[minmax(0,1fr)_minmax(0,24rem)]">
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (isReady) ask();
        }}
      >
        <div className="flex flex-wrap items-center gap-1.5">
          <span className="text-sm text-ink-2">Start from</span>
          {EXAMPLES.map(({ label, asked: example }) => (
            <Button key={label} size="sm" onClick={() => setAsked({ ...BLANK, principal: asked.principal, ...example })}>
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
          <Field label="With (kind)" hint="Of what kind it is, like repository, host or model.">
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
            error={isSessionWrong ? "A session's id looks like ses_01J…; copy it from the session's menu." : undefined}
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
        <Button type="submit" look="solid" busy={evaluate.isFetching} disabled={!isReady}>
          Ask the gate
        </Button>
      </form>
      <div role="status">
        {evaluate.error !== null && <Trouble error={evaluate.error} />}
        {asks !== null && evaluate.data !== undefined && evaluate.error === null && (
          <div className={isUnasked ? "opacity-60" : ""}>
            <Verdict decision={evaluate.data} />
            <p className="mt-2 flex items-center gap-1 text-sm text-ink-3">
              {isUnasked
                ? "The answer to the question before: this one has not been asked yet."
                : "The address of this page holds the question."}
              {!isUnasked && <CopyButton text={window.location.href} label="Copy a link to this question" />}
            </p>
          </div>
        )}
        {(asks === null || evaluate.data === undefined) && evaluate.error === null && (
          <p className="rounded-lg border border-dashed border-line-strong px-5 py-8 text-center text-sm text-ink-3">
            Nothing is done and nothing is recorded. The answer stands here.
          </p>
        )}
      </div>
    </div>
  );
}
