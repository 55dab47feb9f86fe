import { retryJob, type listDeadJobs } from "@signalbox/contract/operations";
import type { Output } from "@signalbox/contract/route";
import { Button } from "@signalbox/ui/button";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { LoadMore } from "@signalbox/ui/load-more";
import { count } from "@signalbox/ui/format";
import { Timestamp } from "@signalbox/ui/timestamp";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { CircleCheck } from "lucide-react";
import { client, queries } from "../data/api.ts";
import { deadJobsQuery } from "./system-query.ts";

type DeadJob = Output<typeof listDeadJobs>["items"][number];

/** Work that failed too often to be tried again by itself. */
export function DeadJobs() {
  const list = useInfiniteQuery(deadJobsQuery);
  if (list.error !== null && list.data === undefined) return <Trouble error={list.error} onRetry={() => void list.refetch()} />;
  if (list.data === undefined) return <Skeleton rows={3} className="h-16" />;
  if (list.data.length === 0)
    return (
      <Empty icon={<CircleCheck size={32} />} title="None was given up">
        A job that fails again and again stops here, with its last error, until someone tries it once more.
      </Empty>
    );
  return (
    <>
      <ol className="soft-shadow divide-y divide-line overflow-clip rounded-lg border border-line bg-panel">
        {list.data.map((job) => (
          <Row key={job.id} job={job} />
        ))}
      </ol>
      <LoadMore hasMore={list.hasNextPage} isLoading={list.isFetchingNextPage} onMore={() => void list.fetchNextPage()} />
    </>
  );
}

function Row({ job }: { job: DeadJob }) {
  const retry = useMutation({
    mutationFn: () => client.call(retryJob, { params: { id: job.id }, body: {} }),
    onSuccess: () => {
      toast(`${job.kind} is tried once more`);
      void queries.invalidateQueries({ queryKey: ["jobs"] });
      void queries.invalidateQueries({ queryKey: ["system"] });
    },
    onError: (error) => toast(error.message, "danger"),
  });
  return (
    <li className="flex flex-wrap items-start gap-x-4 gap-y-2 px-4 py-3">
      <div className="min-w-0 flex-1 basis-60">
        <p className="flex flex-wrap items-baseline gap-x-3">
          <span className="font-mono text-sm">{job.kind}</span>
          <span className="text-sm text-ink-3">
            {count(job.attempts, "attempt")}, <Timestamp at={job.died_at} />
          </span>
        </p>
        {job.last_error !== null && <p className="mt-0.5 text-sm break-words text-danger-ink">{job.last_error}</p>}
      </div>
      <Button size="sm" busy={retry.isPending} onClick={() => retry.mutate()}>
        Try again
      </Button>
    </li>
  );
}
