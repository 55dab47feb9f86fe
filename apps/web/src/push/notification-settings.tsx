/* Notes on one's own devices: this browser's, the others', and a way to try. Permission is asked by the button alone. */
import { testPush } from "@signalbox/contract/push";
import { useMutation, useQuery } from "@tanstack/react-query";
import { BellRing, Send, Trash2 } from "lucide-react";
import { client } from "../data/api.ts";
import { Badge } from "@signalbox/ui/badge";
import { Button, IconButton } from "@signalbox/ui/button";
import { List } from "@signalbox/ui/list-row";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Timestamp } from "@signalbox/ui/timestamp";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { idHere, subscribe, subscriptionsQuery, support, unsubscribe, type Support } from "./subscription.ts";

const IN_THE_WAY: Record<Exclude<Support, "yes">, string> = {
  denied: "Notes from this address are blocked in this browser. Allow them in its settings for this site, then come back.",
  "no-worker": "Notes need an address with https (or this machine itself). Open the box under one.",
  "no-push": "This browser cannot get notes here. On an iPhone or iPad, add the app to the Home Screen and open it from there.",
};

export function NotificationSettings() {
  const list = useQuery(subscriptionsQuery);
  const can = support();
  const here = idHere();
  const isHere = list.data?.items.some(({ id }) => id === here) ?? false;
  const begin = useMutation({ mutationFn: subscribe, onSuccess: () => toast("Notes come to this browser now") });
  const end = useMutation({ mutationFn: unsubscribe, onError: (error) => toast(error.message, "danger") });
  const tryIt = useMutation({
    mutationFn: () => client.call(testPush, { body: {} }),
    onSuccess: ({ items }) => {
      const failed = items.filter(({ ok }) => !ok);
      if (failed.length === 0) toast("Sent: it should be here in a moment");
      else toast(`Not delivered: ${failed[0]!.message}`, "danger");
    },
    onError: (error) => toast(error.message, "danger"),
  });

  return (
    <div className="max-w-2xl space-y-4">
      <p className="text-ink-2">
        When something waits for you and no page of the box is in front, a note says so. Its buttons open exactly that record; nothing is
        decided from a lock screen.
      </p>
      {can === "yes" ? (
        !isHere && (
          <Button look="solid" busy={begin.isPending} onClick={() => begin.mutate()}>
            <BellRing size={16} aria-hidden /> Send notes to this browser
          </Button>
        )
      ) : (
        <p className="rounded-md border border-line bg-sunken px-3.5 py-3 text-sm text-ink-2">{IN_THE_WAY[can]}</p>
      )}
      {begin.error !== null && <Trouble error={begin.error} />}
      {list.error !== null && list.data === undefined && <Trouble error={list.error} onRetry={() => void list.refetch()} />}
      {list.isPending && <Skeleton rows={2} className="h-14" />}
      {list.data?.items.length === 0 && (
        <div className="rounded-lg border border-line bg-panel">
          <Empty title="No browser gets notes">Each device that should is asked once, here.</Empty>
        </div>
      )}
      {list.data !== undefined && list.data.items.length > 0 && (
        <>
          <List label="Browsers that get notes">
            {list.data.items.map((each) => (
              <li key={each.id} className="flex items-start gap-3 px-4 py-3">
                <div className="min-w-0 flex-1">
                  <p className="flex items-center gap-2 font-medium">
                    {each.label ?? each.service} {each.id === here && <Badge>this one</Badge>}
                  </p>
                  <p className="text-sm text-ink-3">
                    {each.service} ·{" "}
                    {each.last_sent_at === null ? (
                      "nothing sent yet"
                    ) : (
                      <>
                        last note <Timestamp at={each.last_sent_at} />
                      </>
                    )}
                  </p>
                  {each.last_error !== null && <p className="text-sm text-danger-ink">{each.last_error}</p>}
                </div>
                <IconButton
                  label={`Send no more notes to ${each.label ?? each.service}`}
                  busy={end.isPending && end.variables === each.id}
                  onClick={() => end.mutate(each.id)}
                >
                  <Trash2 size={16} />
                </IconButton>
              </li>
            ))}
          </List>
          <Button busy={tryIt.isPending} onClick={() => tryIt.mutate()}>
            <Send size={16} aria-hidden /> Send a note to try
          </Button>
        </>
      )}
    </div>
  );
}
