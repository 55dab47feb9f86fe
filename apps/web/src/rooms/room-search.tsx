import { isId } from "@signalbox/contract/ids";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Trouble } from "@signalbox/ui/trouble";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { SearchX } from "lucide-react";
import { roomSearchQuery, type Room, type Thread } from "./room-queries.ts";

/** What was said in the room that has these words, newest first; each leads to its place. */
export function RoomSearch({ room, q, threads }: { room: Room; q: string; threads: readonly Thread[] }) {
  const { data, error, refetch } = useQuery(roomSearchQuery(room.id, q));
  const titleOf = new Map<string, string | null>(threads.map(({ id, title }) => [id, title]));
  return (
    <section aria-label="What was found" className="min-h-0 flex-1 overflow-y-auto px-4 py-4 sm:px-6">
      <div className="mx-auto max-w-3xl">
        {error !== null && data === undefined && <Trouble error={error} onRetry={() => void refetch()} />}
        {data === undefined && error === null && <Skeleton rows={4} className="h-16" />}
        {data?.length === 0 && (
          <Empty icon={<SearchX size={28} />} title="Nobody said that here">
            Whole words are looked for, in every thread of this room.
          </Empty>
        )}
        <ul className="space-y-1.5">
          {data?.map((hit) => {
            if (!isId("msg", hit.id) || hit.thread_id === null) return null;
            return (
              <li key={hit.id}>
                <Link
                  to="/rooms/$roomId"
                  params={{ roomId: room.id }}
                  search={{ thread: hit.thread_id, message: hit.id }}
                  className="block rounded-md border border-line bg-panel px-4 py-2.5 hover:bg-raised"
                >
                  <span className="flex flex-wrap items-baseline gap-x-3 text-sm text-ink-3">
                    <span className="font-medium text-ink-2">{titleOf.get(hit.thread_id) ?? "Untitled"}</span>
                    <Timestamp at={hit.at} />
                  </span>
                  <span className="line-clamp-3 [overflow-wrap:anywhere]">{hit.snippet ?? hit.title}</span>
                </Link>
              </li>
            );
          })}
        </ul>
      </div>
    </section>
  );
}
