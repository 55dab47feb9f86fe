import type { OrganizationRole } from "@signalbox/contract/primitives";
import { getSingleSignOn, removeSingleSignOn, setSingleSignOn, testSingleSignOn } from "@signalbox/contract/single-sign-on";
import type { Output } from "@signalbox/contract/route";
import { Button } from "@signalbox/ui/button";
import { Checkbox } from "@signalbox/ui/checkbox";
import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { CopyButton } from "@signalbox/ui/copy-button";
import { Field, Input } from "@signalbox/ui/field";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Select } from "@signalbox/ui/select";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { X } from "lucide-react";
import { useState } from "react";
import { client, isRefusal, queries } from "../data/api.ts";
import { Page } from "../frame/page.tsx";
import { Domains } from "./domains.tsx";
import { Panel } from "./panel.tsx";

type Configuration = NonNullable<Output<typeof getSingleSignOn>["configuration"]>;
const ROLES = ["viewer", "member", "approver", "admin", "owner"] as const satisfies readonly OrganizationRole[];
const roleOptions = ROLES.map((value) => ({ value, label: value.charAt(0).toUpperCase() + value.slice(1) }));

export function SingleSignOnPage() {
  const { data, error, refetch } = useQuery({
    queryKey: ["single-sign-on"],
    queryFn: ({ signal }) => client.call(getSingleSignOn, { signal }),
    retry: false,
  });
  if (isRefusal(error, "forbidden"))
    return (
      <Page title="Single sign-on" lead="Your people come in through your own provider.">
        <p className="text-ink-2">An admin of the organization configures this.</p>
      </Page>
    );
  return (
    <Page title="Single sign-on" lead="Your people come in through your own OpenID provider, with the roles that it gives them.">
      <div className="space-y-5">
        {error !== null && <Trouble error={error} onRetry={() => void refetch()} />}
        {data === undefined && error === null && <Skeleton rows={3} className="h-20" />}
        {data !== undefined && (
          <Provider key={data.configuration?.changed_at ?? "none"} now={data.configuration} redirectUri={data.redirect_uri} />
        )}
        {data !== undefined && <Domains />}
      </div>
    </Page>
  );
}

const refresh = (): void => void queries.invalidateQueries({ queryKey: ["single-sign-on"] });

function Provider({ now, redirectUri }: { now: Configuration | null; redirectUri: string }) {
  const [issuer, setIssuer] = useState(now?.issuer ?? "");
  const [clientId, setClientId] = useState(now?.client_id ?? "");
  const [secret, setSecret] = useState("");
  const [claim, setClaim] = useState(now?.role_claim ?? "");
  const [mapping, setMapping] = useState(now?.role_mapping ?? []);
  const [fallback, setFallback] = useState<OrganizationRole | "none">(now === null ? "member" : (now.default_role ?? "none"));
  const [isRequired, setRequired] = useState(now?.is_required ?? false);
  const [trustsEmail, setTrustsEmail] = useState(now?.trusts_email ?? false);
  const [asking, setAsking] = useState(false);
  const save = useMutation({
    mutationFn: () =>
      client.call(setSingleSignOn, {
        body: {
          issuer: issuer.trim(),
          client_id: clientId.trim(),
          ...(secret === "" ? {} : { client_secret: secret }),
          role_claim: claim.trim() === "" ? null : claim.trim(),
          role_mapping: mapping.filter(({ value }) => value.trim() !== ""),
          default_role: fallback === "none" ? null : fallback,
          is_required: isRequired,
          trusts_email: trustsEmail,
        },
      }),
    onSuccess: () => {
      toast("Saved");
      setSecret("");
      refresh();
    },
  });
  const check = useMutation({ mutationFn: () => client.call(testSingleSignOn, { body: {} }) });
  const remove = useMutation({
    mutationFn: () => client.call(removeSingleSignOn, {}),
    onSuccess: () => {
      setAsking(false);
      refresh();
    },
  });
  const trouble = save.error ?? check.error;
  return (
    <Panel
      title="Provider"
      note={
        now === null
          ? "None yet: people sign in with codes, passwords and passkeys."
          : now.has_worked
            ? "Somebody has signed in through it."
            : "Nobody has signed in through it yet."
      }
      actions={
        now !== null && (
          <div className="flex gap-2">
            <Button size="sm" busy={check.isPending} onClick={() => check.mutate()}>
              Test
            </Button>
            <Button size="sm" look="danger" onClick={() => setAsking(true)}>
              Remove…
            </Button>
          </div>
        )
      }
    >
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate();
        }}
      >
        <div>
          <p className="text-sm font-semibold">Register this address with the provider</p>
          <p className="mt-1 flex items-center gap-2">
            <code className="min-w-0 text-sm break-all">{redirectUri}</code>
            <CopyButton text={redirectUri} label="Copy the address" />
          </p>
        </div>
        <Field label="Issuer" hint="As the provider names it, like https://login.example.com.">
          {(props) => (
            <Input {...props} type="url" required maxLength={500} value={issuer} onChange={(event) => setIssuer(event.target.value)} />
          )}
        </Field>
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="Client id">
            {(props) => (
              <Input
                {...props}
                required
                maxLength={500}
                autoComplete="off"
                value={clientId}
                onChange={(event) => setClientId(event.target.value)}
              />
            )}
          </Field>
          <Field label="Client secret" hint={now === null ? "Kept sealed, never shown again." : "Left empty, the one that is kept stays."}>
            {(props) => (
              <Input
                {...props}
                type="password"
                required={now === null}
                maxLength={2000}
                autoComplete="off"
                value={secret}
                onChange={(event) => setSecret(event.target.value)}
              />
            )}
          </Field>
        </div>
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="Claim that roles follow from" hint="Like groups, or realm_access.roles. Empty: roles are given here.">
            {(props) => <Input {...props} maxLength={200} value={claim} onChange={(event) => setClaim(event.target.value)} />}
          </Field>
          <Field label={claim.trim() === "" ? "Role of newcomers" : "Role of everybody else"}>
            {(props) => (
              <Select<OrganizationRole | "none">
                {...props}
                value={fallback}
                onChange={setFallback}
                options={[
                  ...roleOptions,
                  { value: "none", label: claim.trim() === "" ? "None: only members come in" : "None: they stay out" },
                ]}
              />
            )}
          </Field>
        </div>
        {claim.trim() !== "" && <Mapping mapping={mapping} setMapping={setMapping} />}
        <div className="space-y-2">
          <Checkbox
            label="Members come in through it only"
            hint={now?.has_worked === true ? "Owners keep every other way in." : "Once somebody has signed in through it."}
            checked={isRequired}
            onChange={setRequired}
            disabled={now?.has_worked !== true && !isRequired}
          />
          <Checkbox
            label="Take addresses for verified when it does not say"
            hint="Some providers never say, Microsoft Entra among them."
            checked={trustsEmail}
            onChange={setTrustsEmail}
          />
        </div>
        {trouble !== null && <Trouble error={trouble} />}
        {check.data !== undefined && (
          <p role="status" className={check.data.works ? "text-ink-2" : "text-danger-ink"}>
            {check.data.works ? "The provider answers as one should." : `The provider does not work: ${check.data.problem}`}
          </p>
        )}
        <Button type="submit" look="solid" busy={save.isPending} disabled={issuer.trim() === "" || clientId.trim() === ""}>
          Save
        </Button>
      </form>
      {asking && (
        <ConfirmDialog
          title="Remove the provider?"
          description="Nobody comes in through it any more. Who is a member stays one, and signs in with a code or a password."
          confirm="Remove"
          danger
          busy={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate()}
          onClose={() => setAsking(false)}
        />
      )}
    </Panel>
  );
}

function Mapping({
  mapping,
  setMapping,
}: {
  mapping: Configuration["role_mapping"];
  setMapping(mapping: Configuration["role_mapping"]): void;
}) {
  const change = (at: number, to: Partial<Configuration["role_mapping"][number]>): void =>
    setMapping(mapping.map((one, i) => (i === at ? { ...one, ...to } : one)));
  return (
    <fieldset className="space-y-2">
      <legend className="text-sm font-semibold">Who gets which role</legend>
      {mapping.map(({ value, role }, i) => (
        // oxlint-disable-next-line react/no-array-index-key -- rows have no other identity while they are typed
        <div key={i} className="flex flex-wrap items-center gap-2">
          <Input
            aria-label="Value of the claim"
            placeholder="platform-admins"
            maxLength={300}
            className="!w-auto min-w-0 flex-1 basis-44"
            value={value}
            onChange={(event) => change(i, { value: event.target.value })}
          />
          <Select<OrganizationRole>
            aria-label={`Role for ${value}`}
            className="w-36"
            value={role}
            onChange={(to) => change(i, { role: to })}
            options={roleOptions}
          />
          <Button size="sm" look="quiet" aria-label={`Remove ${value}`} onClick={() => setMapping(mapping.filter((_, at) => at !== i))}>
            <X size={16} aria-hidden />
          </Button>
        </div>
      ))}
      <Button size="sm" onClick={() => setMapping([...mapping, { value: "", role: "member" }])}>
        Add a value
      </Button>
    </fieldset>
  );
}
