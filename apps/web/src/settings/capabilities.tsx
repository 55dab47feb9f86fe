import { listCapabilities, revokeCapability, type CapabilityView } from "@signalbox/contract/capabilities";
import type { CapabilityId } from "@signalbox/contract/primitives";
import { Button } from "@signalbox/ui/button";
import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { List } from "@signalbox/ui/list-row";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Timestamp } from "@signalbox/ui/timestamp";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { queryOptions, useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { client, queries } from "../data/api.ts";
import { useNames } from "../data/queries.ts";

const capabilitiesQuery = queryOptions({
  queryKey: ["capabilities"],
  queryFn: ({ signal }) => client.call(listCapabilities, { query: { limit: 200 }, signal }),
});

/** Those that hold, each below what it was made of; the command line makes them. */
export function Capabilities() {
  const capabilities = useQuery(capabilitiesQuery);
  const [ending, setEnding] = useState<CapabilityView | null>(null);
  const nameOf = useNames();
  const revoke = useMutation({
    mutationFn: (id: CapabilityId) => client.call(revokeCapability, { params: { id } }),
    onSuccess: (ended) => {
      toast(`Revoked: ${ended.name}`);
      setEnding(null);
      void queries.invalidateQueries({ queryKey: ["capabilities"] });
    },
  });
  const live = inOrder(capabilities.data?.items.filter(({ status }) => status === "active") ?? []);
  return (
    <section className="space-y-3" aria-labelledby="capabilities">
      <h2 id="capabilities" className="font-semibold">
        Capabilities
      </h2>
      <p className="text-ink-2">
        For engines, workers and agents: a part of what somebody may, that can be handed on and only narrowed. Made with{" "}
        <code className="font-mono text-sm">signalbox capability issue</code>.
      </p>
      {capabilities.error !== null && <Trouble error={capabilities.error} onRetry={() => void capabilities.refetch()} />}
      {capabilities.isPending && <Skeleton rows={2} className="h-14" />}
      {capabilities.isSuccess && live.length === 0 && <p className="text-ink-3">There is none that holds.</p>}
      {live.length > 0 && (
        <List label="Capabilities">
          {live.map((one) => (
            <li
              key={one.id}
              className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-3"
              style={{ paddingInlineStart: `${1 + one.depth * 1.25}rem` }}
            >
              <div className="min-w-0 flex-1 basis-64">
                <p className="clamp-1 font-medium" title={one.name}>
                  {one.name} <span className="font-normal text-ink-3">· {one.kind}</span>
                </p>
                <p className="text-sm break-words text-ink-2">{wordsOf(one)}</p>
                <p className="text-sm text-ink-3">
                  {one.depth > 0 && (one.offline ? "handed on by its holder · " : "handed on · ")}
                  {nameOf(one.issued_by)} · ends <Timestamp at={one.expires_at} /> ·{" "}
                  {one.last_used_at === null ? (
                    "never used"
                  ) : (
                    <>
                      used <Timestamp at={one.last_used_at} />
                    </>
                  )}
                </p>
              </div>
              <Button size="sm" look="danger" onClick={() => setEnding(one)} aria-label={`Revoke ${one.name}`}>
                Revoke
              </Button>
            </li>
          ))}
        </List>
      )}
      {ending !== null && (
        <ConfirmDialog
          title={`Revoke “${ending.name}”?`}
          description="It and every one that was made of it, known here or not, are refused within a second. There is no way back."
          confirm="Revoke the capability"
          danger
          busy={revoke.isPending}
          error={revoke.error}
          onConfirm={() => revoke.mutate(ending.id)}
          onClose={() => setEnding(null)}
        />
      )}
    </section>
  );
}

/** Newest roots first, and below each what was made of it. One whose parent is not in the list stands for itself. */
function inOrder(items: readonly CapabilityView[]): CapabilityView[] {
  const known = new Set(items.map(({ id }) => id));
  const under = (parent: CapabilityId | null): CapabilityView[] =>
    items.filter(({ parent_id: of }) => (of !== null && known.has(of) ? of : null) === parent).flatMap((one) => [one, ...under(one.id)]);
  return under(null);
}

function wordsOf({ grant }: CapabilityView): string {
  const parts = {
    rooms: grant.rooms,
    tools: grant.tools,
    actions: grant.actions,
    hosts: grant.egress,
    "data read": grant.data?.read,
    "data written": grant.data?.write,
  };
  const narrowed = Object.entries(parts).flatMap(([name, list]) =>
    list === undefined
      ? []
      : [
          list.length === 0
            ? `no ${name}`
            : name === "rooms"
              ? `${list.length} ${list.length === 1 ? "room" : "rooms"}`
              : `${name}: ${list.join(", ")}`,
        ],
  );
  return [grant.scopes.join(" ") || "nothing", ...narrowed].join(" · ");
}
