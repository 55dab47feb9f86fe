import { listOutbox } from "@signalbox/contract/admin";
import { CopyButton } from "@signalbox/ui/copy-button";
import { List } from "@signalbox/ui/list-row";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Trouble } from "@signalbox/ui/trouble";
import { useQuery } from "@tanstack/react-query";
import { client } from "../data/api.ts";

export function Outbox() {
  const { data, error, refetch } = useQuery({
    queryKey: ["admin-outbox"],
    queryFn: ({ signal }) => client.call(listOutbox, { signal }),
    refetchInterval: 10_000,
  });
  return (
    <div className="space-y-4">
      <p className="text-ink-2">Without a mail server codes, links and invitations wait here until they expire: hand them over yourself.</p>
      {error !== null && <Trouble error={error} onRetry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton rows={3} className="h-16" />}
      {data?.items.length === 0 && <p className="text-ink-2">Nothing waits.</p>}
      {data !== undefined && data.items.length > 0 && (
        <List label="Waiting mails">
          {data.items.map((mail) => (
            <li key={mail.id} className="space-y-1 px-4 py-3">
              <div className="flex items-start gap-3">
                <div className="min-w-0 flex-1">
                  <p className="clamp-1 font-medium">{mail.subject}</p>
                  <p className="text-sm break-all text-ink-3">
                    to {mail.to} · <Timestamp at={mail.created_at} />
                  </p>
                </div>
                <CopyButton text={mail.text} label={`Copy the mail to ${mail.to}`} />
              </div>
              <p className="rounded-md bg-sunken px-3 py-2 text-sm break-words whitespace-pre-wrap">{mail.text}</p>
            </li>
          ))}
        </List>
      )}
    </div>
  );
}
