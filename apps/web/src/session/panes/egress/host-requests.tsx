/* The requests to one host, newest first. */
import { REASON_CODES, listEgressRequests, type ReasonCode } from "@signalbox/contract/gate";
import type { Output } from "@signalbox/contract/route";
import type { SessionId } from "@signalbox/contract/primitives";
import { bytes, duration } from "@signalbox/ui/format";
import { Table, type Column } from "@signalbox/ui/table";
import { Timestamp } from "@signalbox/ui/timestamp";
import { useInfiniteQuery } from "@tanstack/react-query";
import { client } from "../../../data/api.ts";
import { shownName } from "../names.ts";

const PAGE = 100;
type Request = Output<typeof listEgressRequests>["items"][number];

export function HostRequests({ sessionId, host }: { sessionId: SessionId; host: { host: string } }) {
  const requests = useInfiniteQuery({
    queryKey: ["session", sessionId, "egress", "requests", host.host],
    queryFn: ({ pageParam, signal }) =>
      client.call(listEgressRequests, {
        query: { session_id: sessionId, limit: PAGE, ...(pageParam === "" ? {} : { cursor: pageParam }) },
        signal,
      }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    select: ({ pages }) => pages.flatMap(({ items }) => items).filter((request) => request.host === host.host),
  });
  return (
    <div className="border-t border-line bg-sunken px-3 py-2">
      <Table
        caption={`Requests to ${shownName(host.host)}`}
        rows={requests.data}
        rowKey={({ id }) => id}
        error={requests.error}
        onRetry={() => void requests.refetch()}
        empty={<p className="px-1 py-2 text-sm text-ink-2">None among the newest {PAGE} requests of this session.</p>}
        more={{
          hasMore: requests.hasNextPage,
          isLoading: requests.isFetchingNextPage,
          onMore: () => void requests.fetchNextPage(),
          label: "Earlier",
        }}
        columns={COLUMNS}
      />
    </div>
  );
}

/** Cells are functions of a row, not components. */
// oxlint-disable react/no-unstable-nested-components -- made once, here
const COLUMNS: readonly Column<Request>[] = [
  {
    key: "what",
    header: "Request",
    isName: true,
    cell: ({ method, path, port, scheme }) => (
      <span className="font-mono text-sm font-normal wrap-anywhere">
        {method} {shownName(path ?? `${scheme} tunnel, port ${port}`)}
      </span>
    ),
  },
  {
    key: "decision",
    header: "Decision",
    cell: ({ decision, reason_code: code, status }) => (
      <span className={decision === "deny" ? "text-danger-ink" : ""} title={reasonOf(code)}>
        {decision === "deny" ? "Blocked" : (status ?? "Allowed")}
      </span>
    ),
  },
  {
    key: "size",
    header: "In",
    align: "end",
    cell: ({ bytes_received: size, bytes_sent: sent }) => <span title={`${bytes(sent)} out`}>{bytes(size)}</span>,
  },
  { key: "took", header: "Took", align: "end", cell: ({ duration_ms: ms }) => duration(ms) },
  { key: "at", header: "When", align: "end", cell: ({ at }) => <Timestamp at={at} exact /> },
];
// oxlint-enable react/no-unstable-nested-components

const reasonOf = (code: string): string => (Object.hasOwn(REASON_CODES, code) ? REASON_CODES[code as ReasonCode] : code);
