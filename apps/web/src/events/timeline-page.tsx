/* The register of everything that happened: by stream, by kind, each entry open to the bytes, the chain on demand. */
import { listEvents } from "@signalbox/contract/log";
import { isId } from "@signalbox/contract/ids";
import { infiniteQueryOptions, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { Download } from "lucide-react";
import { ToggleGroup } from "radix-ui";
import { client } from "../data/api.ts";
import { meQuery, roomsQuery } from "../data/queries.ts";
import { useTitle } from "../frame/title.ts";
import { Button } from "@signalbox/ui/button";
import { Select } from "@signalbox/ui/select";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { download } from "../session/download.ts";
import { defined, EventFilters, isLike, moment, type EventFilter } from "./event-filters.tsx";
import { EventList } from "./event-list.tsx";
import { LinkedEvent } from "./linked-event.tsx";
import { useRoomEvents } from "./room-events.ts";
import { FAMILIES, familyOf, type Family } from "./summary.ts";
import { VerifyButton } from "./verify-button.tsx";

const route = getRouteApi("/frame/timeline");
const LIVE_MS = 4_000;
const KINDS: readonly (readonly [string, string])[] = [
  ["all", "All"],
  ...Object.entries(FAMILIES).map(([name, { label }]) => [name, label] as const),
];

/** Newest first; `streamType` narrows to the organization's or the ledger's stream. */
const recordQuery = (streamType: "organization" | "ledger" | undefined, filter: Pick<EventFilter, "subject" | "after" | "before">) =>
  infiniteQueryOptions({
    queryKey: ["events", streamType ?? "all", filter],
    queryFn: ({ pageParam, signal }) =>
      client.call(listEvents, {
        query: {
          limit: 100,
          ...(streamType === undefined ? {} : { stream_type: streamType }),
          ...defined(filter),
          ...(pageParam === "" ? {} : { cursor: pageParam }),
        },
        signal,
      }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    select: (data) => data.pages.flatMap((page) => page.items),
    // Following along costs one small page; whoever reads far back is not following.
    refetchInterval: (query) => ((query.state.data?.pages.length ?? 0) <= 1 ? LIVE_MS : false),
  });

export function TimelinePage() {
  useTitle("Timeline");
  const { stream = "", type, event: linked, who, subject, after, before } = route.useSearch();
  const filter: EventFilter = { who, subject, after, before };
  const family = type !== undefined && type in FAMILIES ? (type as Family) : undefined;
  const navigate = useNavigate();
  const { data: me } = useQuery(meQuery);
  const { data: rooms } = useQuery(roomsQuery);

  const room = stream.replace(/^room:/, "");
  const roomId = isId("room", room) ? room : null;
  const record = useInfiniteQuery({
    ...recordQuery(stream === "organization" || stream === "ledger" ? stream : undefined, {
      subject,
      after: moment(after),
      before: moment(before),
    }),
    enabled: roomId === null,
  });
  const inRoom = useRoomEvents(roomId);

  const all = roomId === null ? (record.data ?? []) : inRoom.events;
  const events = all.filter((event) => (family === undefined || familyOf(event.type) === family) && isLike(event, filter));
  const isNarrowed = family !== undefined || Object.values(filter).some((each) => each !== undefined);
  const isLoading = roomId === null ? record.isPending : inRoom.isLoading;
  const error = roomId === null ? record.error : inRoom.error;
  const hasMore = roomId === null ? record.hasNextPage : inRoom.hasEarlier;
  const more = (): void => (roomId === null ? void record.fetchNextPage() : inRoom.loadEarlier());

  const organization = me?.organization.id ?? "";
  const streams =
    roomId !== null
      ? [`room:${roomId}`]
      : stream === "organization" || stream === "ledger"
        ? [`${stream}:${organization}`]
        : [`organization:${organization}`, `ledger:${organization}`, ...(rooms?.items.map(({ id }) => `room:${id}`) ?? [])];

  return (
    <div className="flex h-full flex-col">
      <header className="space-y-3 border-b border-line px-4 pt-5 pb-3 sm:px-8 sm:pt-8">
        <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-3">
          <div>
            <h1 className="text-xl font-semibold tracking-tight">Timeline</h1>
            <p className="mt-0.5 text-ink-2">Every change of state, once, in order; each entry carries the hash of the one before.</p>
          </div>
          <div className="flex flex-wrap items-start gap-2">
            <Button
              disabled={events.length === 0}
              title="One event a line, as the log has them"
              onClick={() => download("signalbox-events.jsonl", `${events.map((event) => JSON.stringify(event)).join("\n")}\n`)}
            >
              <Download size={16} aria-hidden /> Save {events.length.toLocaleString()} shown
            </Button>
            <VerifyButton key={streams.join()} streams={streams} />
          </div>
        </div>
        <div className="flex min-w-0 flex-wrap items-center gap-2">
          <Select
            small
            aria-label="Stream"
            className="w-60 narrow:w-full"
            value={stream}
            onChange={(chosen) =>
              void navigate({ to: "/timeline", search: (previous) => ({ ...previous, stream: chosen === "" ? undefined : chosen }) })
            }
            options={[
              { value: "", label: "Everything" },
              { value: "organization", label: "The organization" },
              { value: "ledger", label: "The ledger" },
              ...(rooms?.items.map(({ id, title }) => ({ value: `room:${id}`, label: title })) ?? []),
            ]}
          />
          <ToggleGroup.Root
            type="single"
            aria-label="Kind of event"
            value={family ?? "all"}
            onValueChange={(chosen) =>
              void navigate({
                to: "/timeline",
                search: (previous) => ({ ...previous, type: chosen === "all" || chosen === "" ? undefined : chosen }),
                replace: true,
              })
            }
            className="-my-1 flex max-w-[100vw] gap-1 py-1 narrow:-mx-4 narrow:overflow-x-auto narrow:px-4"
          >
            {KINDS.map(([value, label]) => (
              <ToggleGroup.Item
                key={value}
                value={value}
                className="shrink-0 rounded-full border border-line px-2.5 py-1 text-sm text-ink-2 hover:bg-chosen data-[state=on]:border-ink data-[state=on]:bg-ink data-[state=on]:text-on-ink"
              >
                {label}
              </ToggleGroup.Item>
            ))}
          </ToggleGroup.Root>
          <EventFilters
            filter={filter}
            onChange={(change) => void navigate({ to: "/timeline", search: (previous) => ({ ...previous, ...change }), replace: true })}
          />
        </div>
        {linked !== undefined && (
          <LinkedEvent
            key={linked}
            id={linked}
            onClose={() => void navigate({ to: "/timeline", search: (previous) => ({ ...previous, event: undefined }), replace: true })}
          />
        )}
      </header>
      {error !== null && <Trouble error={error} className="m-4" />}
      {isLoading ? (
        <div className="p-4 sm:px-8">
          <Skeleton rows={12} className="h-7" />
        </div>
      ) : (
        <div className="flex min-h-0 flex-1 flex-col sm:px-5">
          <EventList
            events={events}
            showStream={roomId === null}
            footer={
              <div className="py-5 text-center">
                {events.length === 0 && (
                  <Empty title={isNarrowed ? "No event like that among those read so far" : "Nothing is recorded here yet"} />
                )}
                {hasMore && (
                  <Button onClick={more} busy={record.isFetchingNextPage}>
                    Earlier
                  </Button>
                )}
              </div>
            }
          />
        </div>
      )}
    </div>
  );
}
