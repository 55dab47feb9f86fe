/* Old streams whose events lie in the store of contents: what went there, when, and that its chain still holds. */
import { archiveStreams, listArchives, type ArchiveView } from "@signalbox/contract/archives";
import { verifyStream } from "@signalbox/contract/log";
import { Status } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { CopyButton } from "@signalbox/ui/copy-button";
import { Field, Input } from "@signalbox/ui/field";
import { bytes, count } from "@signalbox/ui/format";
import { List } from "@signalbox/ui/list-row";
import { LoadMore } from "@signalbox/ui/load-more";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Timestamp } from "@signalbox/ui/timestamp";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { infiniteQueryOptions, useInfiniteQuery, useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Archive, ShieldCheck } from "lucide-react";
import { useState } from "react";
import { client, queries } from "../data/api.ts";
import { meQuery } from "../data/queries.ts";
import { StreamLink } from "./stream-link.tsx";

const archivesQuery = infiniteQueryOptions({
  queryKey: ["audit", "archives"],
  queryFn: ({ pageParam, signal }) =>
    client.call(listArchives, { query: { limit: 50, ...(pageParam === "" ? {} : { cursor: pageParam }) }, signal }),
  initialPageParam: "",
  getNextPageParam: (page) => page.next_cursor,
  select: ({ pages }) => ({ items: pages.flatMap((page) => page.items), afterDays: pages[0]?.after_days ?? null }),
  // What was asked for is done by a job, one after the other.
  refetchInterval: 5_000,
});

export function Archives() {
  const { data: me } = useQuery(meQuery);
  const mayLook = me?.role === "admin" || me?.role === "owner";
  const list = useInfiniteQuery({ ...archivesQuery, enabled: mayLook });
  const [isAsking, setAsking] = useState(false);
  if (me !== undefined && !mayLook) return <p className="text-ink-2">Your role may not look at archives. Ask an admin or an owner.</p>;
  if (list.error !== null && list.data === undefined) return <Trouble error={list.error} onRetry={() => void list.refetch()} />;
  if (list.data === undefined) return <Skeleton rows={3} className="h-16" />;
  const { items, afterDays } = list.data;
  return (
    <div className="space-y-4">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p className="max-w-xl text-sm text-ink-2">
          {afterDays === null
            ? "Nothing is archived by itself here (docs/operate.md says how to change that)."
            : `What is over moves to the store of contents by itself, ${count(afterDays, "day")} after its last event.`}{" "}
          What is archived is read, proved and exported as before.
        </p>
        {me?.role === "owner" && (
          <Button onClick={() => setAsking(true)}>
            <Archive size={16} aria-hidden /> Archive now…
          </Button>
        )}
      </div>
      {items.length === 0 ? (
        <div className="rounded-lg border border-line bg-panel">
          <Empty icon={<Archive size={28} />} title="Nothing was archived">
            All events lie in the database. Those of ended sessions and archived rooms can move to the store of contents, where they cost
            less.
          </Empty>
        </div>
      ) : (
        <List label="Archives">
          {items.map((archive) => (
            <Row key={archive.id} archive={archive} />
          ))}
        </List>
      )}
      <LoadMore
        hasMore={list.hasNextPage}
        isLoading={list.isFetchingNextPage}
        onMore={() => void list.fetchNextPage()}
        label="Older ones"
      />
      {isAsking && <ArchiveNow afterDays={afterDays} onClose={() => setAsking(false)} />}
    </div>
  );
}

function Row({ archive }: { archive: ArchiveView }) {
  const isThere = archive.state === "detached";
  const { data, error, isFetching, refetch } = useQuery({
    queryKey: ["audit", "verified", archive.stream],
    queryFn: ({ signal }) => client.call(verifyStream, { query: { stream: archive.stream }, signal }),
    enabled: false,
    retry: false,
  });
  return (
    <li className="space-y-1 px-5 py-4 narrow:px-4">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <span className="min-w-0 flex-1 basis-56 font-semibold">
          <StreamLink of={archive} />
        </span>
        <Status state={isThere ? "clear" : "moving"}>{isThere ? "Archived, verified" : "Stored and verified, on its way"}</Status>
        <Button size="sm" busy={isFetching} onClick={() => void refetch()} aria-label={`Verify ${archive.title ?? archive.stream}`}>
          <ShieldCheck size={14} aria-hidden /> Verify
        </Button>
      </div>
      <p className="flex flex-wrap gap-x-4 text-sm text-ink-2">
        <span>
          <Link to="/timeline" search={{ stream: archive.stream }} className="tabular-nums underline underline-offset-2">
            {archive.from_seq === archive.to_seq
              ? `event ${archive.from_seq.toLocaleString()}`
              : `events ${archive.from_seq.toLocaleString()} to ${archive.to_seq.toLocaleString()}`}
          </Link>
        </span>
        <span className="tabular-nums">{bytes(archive.bytes)}</span>
        <span className="text-ink-3">
          {isThere ? "archived" : "stored"} <Timestamp at={archive.detached_at ?? archive.created_at} />
        </span>
      </p>
      <p className="flex items-center gap-1 text-sm text-ink-3">
        <span className="clamp-1 font-mono" title={archive.sha256}>
          {archive.sha256}
        </span>
        <CopyButton text={archive.sha256} label="Copy the content's name" />
      </p>
      <div role="status">
        {data !== undefined && !isFetching && (
          <p className={`text-sm ${data.valid ? "text-clear-ink" : "text-danger-ink"}`}>
            {data.valid
              ? `${count(data.checked, "event")} read back, and every hash follows from the one before.`
              : `The chain breaks at event ${data.first_mismatch?.seq.toLocaleString() ?? "?"}: ${data.first_mismatch?.kind.replaceAll("_", " ") ?? ""}.`}
          </p>
        )}
      </div>
      {error !== null && !isFetching && <Trouble error={error} />}
    </li>
  );
}

/** Says first what would go. */
function ArchiveNow({ afterDays, onClose }: { afterDays: number | null; onClose(): void }) {
  const [text, setText] = useState(String(afterDays ?? 90));
  const days = /^\d{1,5}$/.test(text.trim()) && Number(text) <= 36_500 ? Number(text) : null;
  const plan = useQuery({
    queryKey: ["audit", "archive-plan", days],
    queryFn: ({ signal }) => client.call(archiveStreams, { body: { dry_run: true, older_than_days: days! }, signal }),
    enabled: days !== null,
    gcTime: 0,
  });
  const archive = useMutation({
    mutationFn: () => client.call(archiveStreams, { body: { dry_run: false, older_than_days: days! } }),
    onSuccess: ({ streams }) => {
      toast(
        streams.length === 0
          ? "Nothing is that old and over"
          : `${count(streams.length, "stream")} on the way; each shows here as it is done`,
      );
      void queries.invalidateQueries({ queryKey: ["audit", "archives"] });
      onClose();
    },
  });
  const streams = plan.data?.streams ?? [];
  return (
    <ConfirmDialog
      title="Archive what is over?"
      description="Events of ended sessions and archived rooms move to the store of contents. They are read back and checked before anything leaves the database; nothing brings them back into it."
      confirm={streams.length === 0 ? "Archive" : `Archive ${count(streams.length, "stream")}`}
      disabled={streams.length === 0}
      busy={archive.isPending}
      error={archive.error ?? plan.error}
      onConfirm={() => archive.mutate()}
      onClose={onClose}
    >
      <div className="space-y-4">
        <Field label="Nothing happened in it for so many days" error={days === null ? "A whole number of days, up to 36,500." : undefined}>
          {(props) => (
            <Input {...props} inputMode="numeric" className="!w-32" value={text} onChange={(event) => setText(event.target.value)} />
          )}
        </Field>
        <div role="status" className="text-sm">
          {plan.data !== undefined && streams.length === 0 && (
            <p className="text-ink-2">
              Nothing is that old and over: a session’s events can go once it has ended, a room’s once it is archived.
            </p>
          )}
          {streams.length > 0 && (
            <p>
              {count(streams.length, "stream")} with {count(plan.data!.events, "event")}, about {bytes(plan.data!.bytes)}, would go:
            </p>
          )}
        </div>
        {streams.length > 0 && (
          <ul className="max-h-48 space-y-1 overflow-y-auto rounded-md bg-sunken px-3 py-2 text-sm">
            {streams.map((one) => (
              <li key={one.stream} className="flex gap-3">
                <span className="clamp-1 min-w-0 flex-1">{one.title ?? one.stream}</span>
                <span className="shrink-0 text-ink-3 tabular-nums">{count(one.events, "event")}</span>
              </li>
            ))}
          </ul>
        )}
      </div>
    </ConfirmDialog>
  );
}
