import { listAdminPeople, restorePerson, startImpersonation, suspendPerson } from "@signalbox/contract/admin";
import type { Output } from "@signalbox/contract/route";
import { Button } from "@signalbox/ui/button";
import { Field } from "@signalbox/ui/field";
import { List } from "@signalbox/ui/list-row";
import { LoadMore } from "@signalbox/ui/load-more";
import { Skeleton } from "@signalbox/ui/placeholder";
import { SearchInput } from "@signalbox/ui/search-input";
import { Select } from "@signalbox/ui/select";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Trouble } from "@signalbox/ui/trouble";
import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { client, queries } from "../data/api.ts";
import { startAnew } from "../settings/organization-queries.ts";
import { ReasonDialog } from "./reason-dialog.tsx";

type Person = Output<typeof listAdminPeople>["items"][number];

const openTo = ({ organizations }: Person) => organizations.filter((each) => !each.is_suspended);

export function People() {
  const [q, setQ] = useState("");
  const [asked, setAsked] = useState<{ readonly what: "suspend" | "act"; readonly person: Person } | null>(null);
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ["admin-people", q],
    queryFn: ({ signal, pageParam }) =>
      client.call(listAdminPeople, {
        query: { limit: 50, ...(q === "" ? {} : { q }), ...(pageParam === "" ? {} : { cursor: pageParam }) },
        signal,
      }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  });
  const refresh = (): void => void queries.invalidateQueries({ queryKey: ["admin-people"] });
  const suspend = useMutation({
    mutationFn: ({ id, reason }: { id: Person["id"]; reason: string }) => client.call(suspendPerson, { params: { id }, body: { reason } }),
    onSuccess: () => {
      setAsked(null);
      refresh();
    },
  });
  const restore = useMutation({
    mutationFn: (id: Person["id"]) => client.call(restorePerson, { params: { id }, body: {} }),
    onSuccess: refresh,
  });
  const items = data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="space-y-4">
      <SearchInput label="Search people" value={q} onChange={setQ} />
      {error !== null && <Trouble error={error} onRetry={() => void refetch()} />}
      {restore.error !== null && <Trouble error={restore.error} />}
      {data === undefined && error === null && <Skeleton rows={4} className="h-14" />}
      {data !== undefined && items.length === 0 && <p className="text-ink-2">Nobody is called that.</p>}
      {items.length > 0 && (
        <List label="People">
          {items.map((person) => (
            <li key={person.id} className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-2.5">
              <div className="min-w-0 flex-1 basis-64">
                <p className="clamp-1 font-medium" title={person.id}>
                  {person.name} {person.suspension !== null && <span className="font-normal text-danger-ink">(suspended)</span>}
                </p>
                <p className="clamp-1 text-sm text-ink-3">
                  {person.email ?? "no account"}
                  {person.email !== null && !person.is_email_proven && " (not proven)"}
                  {person.seen_at !== null && (
                    <>
                      {" "}
                      · seen <Timestamp at={person.seen_at} />
                    </>
                  )}
                </p>
                <p className="clamp-1 text-sm text-ink-2">
                  {person.organizations
                    .map(({ name, role, is_suspended: isSuspended }) => `${name} (${role}${isSuspended ? ", suspended" : ""})`)
                    .join(", ") || "in no organization"}
                </p>
                {person.suspension !== null && <p className="text-sm text-ink-2">“{person.suspension.reason}”</p>}
              </div>
              {/* Neither is done to whoever operates the installation, and nobody is acted as where nobody gets in. */}
              {person.is_operator && <span className="text-sm text-ink-3">operates the installation</span>}
              {!person.is_operator && person.suspension === null && openTo(person).length > 0 && (
                <Button size="sm" onClick={() => setAsked({ what: "act", person })} aria-label={`Act as ${person.name}`}>
                  Act as…
                </Button>
              )}
              {person.is_operator ? null : person.suspension === null ? (
                <Button size="sm" look="danger" onClick={() => setAsked({ what: "suspend", person })} aria-label={`Suspend ${person.name}`}>
                  Suspend…
                </Button>
              ) : (
                <Button
                  size="sm"
                  busy={restore.isPending && restore.variables === person.id}
                  onClick={() => restore.mutate(person.id)}
                  aria-label={`Restore ${person.name}`}
                >
                  Restore
                </Button>
              )}
            </li>
          ))}
        </List>
      )}
      <LoadMore hasMore={hasNextPage} isLoading={isFetchingNextPage} onMore={() => void fetchNextPage()} />
      {asked?.what === "suspend" && (
        <ReasonDialog
          title={`Suspend ${asked.person.name}?`}
          description="They get in nowhere, by no credential, until you restore them. What is theirs stays."
          confirm="Suspend"
          busy={suspend.isPending}
          error={suspend.error}
          onConfirm={(reason) => suspend.mutate({ id: asked.person.id, reason })}
          onClose={() => setAsked(null)}
        />
      )}
      {asked?.what === "act" && <ActAs person={asked.person} onClose={() => setAsked(null)} />}
    </div>
  );
}

function ActAs({ person, onClose }: { person: Person; onClose(): void }) {
  const organizations = openTo(person);
  const [organizationId, setOrganizationId] = useState<string>(organizations[0]?.id ?? "");
  const [minutes, setMinutes] = useState<"5" | "15" | "60">("15");
  const start = useMutation({
    mutationFn: async (reason: string) => {
      const chosen = organizations.find(({ id }) => id === organizationId);
      if (chosen === undefined) throw new Error("They are in no organization to act in.");
      return client.call(startImpersonation, {
        body: { organization_id: chosen.id, principal_id: person.id, reason, minutes: Number(minutes) },
      });
    },
    onSuccess: startAnew,
  });
  return (
    <ReasonDialog
      title={`Act as ${person.name}?`}
      description="You see and do what they can, but nothing of identities, keys or secrets. Both your names are in every event."
      confirm="Act as them"
      busy={start.isPending}
      error={start.error}
      onConfirm={(reason) => start.mutate(reason)}
      onClose={onClose}
    >
      <div className="grid gap-3 sm:grid-cols-2">
        <Field label="In">
          {(props) => (
            <Select
              {...props}
              value={organizationId}
              onChange={setOrganizationId}
              options={organizations.map(({ id, name }) => ({ value: id as string, label: name }))}
            />
          )}
        </Field>
        <Field label="For">
          {(props) => (
            <Select<"5" | "15" | "60">
              {...props}
              value={minutes}
              onChange={setMinutes}
              options={[
                { value: "5", label: "5 minutes" },
                { value: "15", label: "15 minutes" },
                { value: "60", label: "An hour" },
              ]}
            />
          )}
        </Field>
      </div>
    </ReasonDialog>
  );
}
