import { listKeyRings, rotateKeyRing } from "@signalbox/contract/key-rings";
import type { Output } from "@signalbox/contract/route";
import { Button } from "@signalbox/ui/button";
import { Checkbox } from "@signalbox/ui/checkbox";
import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { count } from "@signalbox/ui/format";
import { List } from "@signalbox/ui/list-row";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Timestamp } from "@signalbox/ui/timestamp";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { RefreshCw } from "lucide-react";
import { useState } from "react";
import { client, queries } from "../data/api.ts";

type Ring = Output<typeof listKeyRings>["items"][number];
const WHAT: Readonly<Record<Ring["ring"], { readonly name: string; readonly signs: string; readonly lost: string }>> = {
  sync: {
    name: "Live connections",
    signs: "Signs the short tokens that browsers and programs open sockets with.",
    lost: "Every open page connects anew.",
  },
  service: {
    name: "Requests between the roles",
    signs: "What one process of a split installation asks of another.",
    lost: "For a second they may refuse each other; nothing that anybody holds ends.",
  },
  capability: {
    name: "Capabilities",
    signs: "Signs what engines, workers and agents are handed.",
    lost: "Every capability of every organization ends, and has to be issued anew.",
  },
};
const span = (seconds: number): string => {
  const days = Math.round(seconds / 86_400);
  return days >= 1 ? count(days, "day") : `${Math.round(seconds / 3_600)} h`;
};
/** "every day", and not "every 1 day". */
const every = (seconds: number): string => span(seconds).replace(/^1 /, "");

export function KeyRings() {
  const [asked, setAsked] = useState<Ring | null>(null);
  const { data, error, refetch } = useQuery({ queryKey: ["key-rings"], queryFn: ({ signal }) => client.call(listKeyRings, { signal }) });
  return (
    <div className="space-y-4">
      <p className="max-w-xl text-sm text-ink-2">
        The installation signs tokens with these. They change by themselves; one that may have been seen by others can be changed now.
      </p>
      {error !== null && <Trouble error={error} onRetry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton rows={2} className="h-20" />}
      {data !== undefined && (
        <List label="Key rings">
          {data.items.map((ring) => (
            <li key={ring.ring} className="flex flex-wrap items-start gap-x-4 gap-y-2 px-5 py-4 narrow:px-4">
              <div className="min-w-0 flex-1 basis-72 space-y-1">
                <p className="font-semibold">{WHAT[ring.ring].name}</p>
                <p className="text-sm text-ink-2">
                  {WHAT[ring.ring].signs} A new key every {every(ring.rotates_every_s)}; the one before verifies for {span(ring.kept_s)}{" "}
                  more.
                </p>
                <ul className="text-sm text-ink-3" aria-label={`Keys of ${WHAT[ring.ring].name}`}>
                  {ring.keys.map(({ kid, created_at: at }, i) => (
                    <li key={kid} className="flex flex-wrap gap-x-3">
                      <span className="font-mono break-all">{kid}</span>
                      <span>
                        {i === 0 ? "newest, made" : "made"} <Timestamp at={at} />
                      </span>
                    </li>
                  ))}
                  {ring.keys.length === 0 && <li>No key yet: the first token makes it.</li>}
                </ul>
              </div>
              <Button size="sm" onClick={() => setAsked(ring)} aria-label={`Rotate the keys of ${WHAT[ring.ring].name}`}>
                <RefreshCw size={14} aria-hidden /> Rotate…
              </Button>
            </li>
          ))}
        </List>
      )}
      {asked !== null && <Rotate ring={asked} onClose={() => setAsked(null)} />}
    </div>
  );
}

function Rotate({ ring: { ring }, onClose }: { ring: Ring; onClose(): void }) {
  const [drop, setDrop] = useState(false);
  const rotate = useMutation({
    mutationFn: () => client.call(rotateKeyRing, { params: { ring }, body: { drop } }),
    onSuccess: () => {
      toast("Another key signs from now on");
      void queries.invalidateQueries({ queryKey: ["key-rings"] });
      onClose();
    },
  });
  return (
    <ConfirmDialog
      title={`Another key for ${WHAT[ring].name.toLowerCase()}?`}
      description="It signs from now on. What was signed before holds as long as it was meant to, unless you say otherwise."
      confirm={drop ? "Rotate and end the rest" : "Rotate"}
      danger={drop}
      busy={rotate.isPending}
      error={rotate.error}
      onConfirm={() => rotate.mutate()}
      onClose={onClose}
    >
      <Checkbox
        label="End what was signed with those before"
        hint={`Within a second. ${WHAT[ring].lost}`}
        checked={drop}
        onChange={setDrop}
      />
    </ConfirmDialog>
  );
}
