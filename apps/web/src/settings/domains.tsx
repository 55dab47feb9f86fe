import type { DomainId } from "@signalbox/contract/primitives";
import { changeDomain, checkDomain, claimDomain, listDomains, releaseDomain } from "@signalbox/contract/single-sign-on";
import type { Output } from "@signalbox/contract/route";
import { Button } from "@signalbox/ui/button";
import { CopyButton } from "@signalbox/ui/copy-button";
import { List } from "@signalbox/ui/list-row";
import { Select } from "@signalbox/ui/select";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { client, queries } from "../data/api.ts";
import { AddForm } from "./add-form.tsx";
import { Panel } from "./panel.tsx";

type Domain = Output<typeof listDomains>["items"][number];

export function Domains() {
  const [name, setName] = useState("");
  const { data, error, refetch } = useQuery({ queryKey: ["domains"], queryFn: ({ signal }) => client.call(listDomains, { signal }) });
  const refresh = (): void => void queries.invalidateQueries({ queryKey: ["domains"] });
  const claim = useMutation({
    mutationFn: () => client.call(claimDomain, { body: { domain: name.trim() } }),
    onSuccess: () => {
      setName("");
      refresh();
    },
  });
  return (
    <Panel title="Mail domains" note="People are led to your provider by their address. A record in the DNS proves that a domain is yours.">
      <div className="space-y-4">
        <AddForm
          label="A mail domain of yours"
          placeholder="example.com"
          deed="Claim"
          maxLength={253}
          value={name}
          onChange={setName}
          onAdd={() => claim.mutate()}
          busy={claim.isPending}
        />
        {claim.error !== null && <Trouble error={claim.error} />}
        {error !== null && <Trouble error={error} onRetry={() => void refetch()} />}
        {data !== undefined && data.items.length > 0 && (
          <List label="Mail domains">
            {data.items.map((domain) => (
              <Row key={domain.id} domain={domain} refresh={refresh} />
            ))}
          </List>
        )}
      </div>
    </Panel>
  );
}

function Row({ domain, refresh }: { domain: Domain; refresh(): void }) {
  const id: DomainId = domain.id;
  const check = useMutation({ mutationFn: () => client.call(checkDomain, { params: { id }, body: {} }), onSuccess: refresh });
  const change = useMutation({
    mutationFn: (join_role: "viewer" | "member" | null) => client.call(changeDomain, { params: { id }, body: { join_role } }),
    onSuccess: refresh,
  });
  const release = useMutation({ mutationFn: () => client.call(releaseDomain, { params: { id } }), onSuccess: refresh });
  const trouble = check.error ?? change.error ?? release.error;
  return (
    <li className="space-y-2 px-4 py-3">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <div className="min-w-0 flex-1 basis-40">
          <p className="font-medium break-all">{domain.domain}</p>
          <p className="text-sm text-ink-3">{domain.is_proven ? "proven" : "not proven yet"}</p>
        </div>
        <div className="flex flex-wrap items-center gap-2">
          {domain.is_proven ? (
            <Select<"none" | "viewer" | "member">
              small
              aria-label={`Who has an address of ${domain.domain}`}
              value={domain.join_role === "viewer" || domain.join_role === "member" ? domain.join_role : "none"}
              onChange={(to) => change.mutate(to === "none" ? null : to)}
              options={[
                { value: "none", label: "Nobody is offered to join" },
                { value: "viewer", label: "May join as viewer" },
                { value: "member", label: "May join as member" },
              ]}
            />
          ) : (
            <Button size="sm" busy={check.isPending} onClick={() => check.mutate()} aria-label={`Check ${domain.domain}`}>
              Check
            </Button>
          )}
          <Button size="sm" look="danger" busy={release.isPending} onClick={() => release.mutate()} aria-label={`Release ${domain.domain}`}>
            Release
          </Button>
        </div>
      </div>
      {!domain.is_proven && (
        <dl className="grid items-center gap-x-3 gap-y-1 rounded-md bg-sunken px-3 py-2 text-sm sm:grid-cols-[auto_1fr]">
          <dt className="text-ink-3">TXT record</dt>
          <dd className="flex min-w-0 items-center gap-2">
            <code className="min-w-0 break-all">{domain.record_name}</code>
            <CopyButton text={domain.record_name} label="Copy the name" />
          </dd>
          <dt className="text-ink-3">Value</dt>
          <dd className="flex min-w-0 items-center gap-2">
            <code className="min-w-0 break-all">{domain.record_value}</code>
            <CopyButton text={domain.record_value} label="Copy the value" />
          </dd>
        </dl>
      )}
      {trouble !== null && <Trouble error={trouble} />}
    </li>
  );
}
