/* Which hosts the sandbox asked for, what the gate said, and the rules that let through. */
import { listEgressHosts } from "@signalbox/contract/egress-hosts";
import { listEgressRules } from "@signalbox/contract/gate";
import type { Output } from "@signalbox/contract/route";
import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { bytes, count } from "@signalbox/ui/format";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { SearchInput } from "@signalbox/ui/search-input";
import { SegmentedControl } from "@signalbox/ui/segmented-control";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Trouble } from "@signalbox/ui/trouble";
import { useQuery } from "@tanstack/react-query";
import { ChevronRight, Globe } from "lucide-react";
import { useState } from "react";
import { client, queries } from "../../data/api.ts";
import { isEnded } from "../../sessions/state.ts";
import { AllowHost } from "./egress/allow-host.tsx";
import { HostRequests } from "./egress/host-requests.tsx";
import { Rules } from "./egress/rules.tsx";
import { useMay } from "./may.ts";
import { shownName } from "./names.ts";
import { NowNote } from "./now-note.tsx";
import type { PaneProps } from "./panes.ts";
import { useRoomEvent } from "./use-room-event.ts";

/** What is let through is in no event; while the sandbox lives its hosts are asked for. */
const LOOK_MS = 4_000;
type Host = Output<typeof listEgressHosts>["items"][number];

export function EgressPane({ session, conversation, at }: PaneProps) {
  const key = ["session", session.id, "egress"];
  const isLive = !isEnded(session.status) && session.imported == null;
  const hosts = useQuery({
    queryKey: [...key, "hosts"],
    queryFn: ({ signal }) => client.call(listEgressHosts, { params: { id: session.id }, signal }),
    refetchInterval: isLive ? LOOK_MS : false,
  });
  const rules = useQuery({
    queryKey: [...key, "rules"],
    queryFn: ({ signal }) => client.call(listEgressRules, { query: { session_id: session.id }, signal }),
    enabled: session.imported == null,
  });
  const refresh = (): void => void queries.invalidateQueries({ queryKey: key });
  useRoomEvent(conversation, ({ type }) => {
    if (type.startsWith("egress.")) refresh();
  });
  const [words, setWords] = useState("");
  const [which, setWhich] = useState<"all" | "blocked">("all");
  const [open, setOpen] = useState<string | null>(null);
  const [allowing, setAllowing] = useState<string | null>(null);
  const mayRule = useMay("admin") && session.imported == null;
  const all = hosts.data?.items ?? [];
  const shown = all.filter(({ host, blocked }) => host.includes(words.toLowerCase()) && (which === "all" || blocked > 0));
  const blocked = all.filter((host) => host.blocked > 0).length;
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      {at !== null && <NowNote what="Counted up to now, not up to that moment." />}
      {all.length > 0 && (
        <div className="flex shrink-0 flex-wrap items-center gap-2 border-b border-line p-2">
          <SearchInput label="Filter hosts" value={words} onChange={setWords} className="min-w-40 flex-1" />
          <SegmentedControl<"all" | "blocked">
            label="Which hosts"
            segments={[
              { value: "all", label: `All ${all.length}` },
              { value: "blocked", label: `Blocked ${blocked}` },
            ]}
            value={which}
            onChange={setWhich}
          />
        </div>
      )}
      <div className="min-h-0 flex-1 overflow-y-auto">
        {hosts.error !== null && <Trouble error={hosts.error} onRetry={() => void hosts.refetch()} className="m-4" />}
        {hosts.isPending && hosts.error === null && (
          <div className="p-4">
            <Skeleton rows={4} className="h-10" />
          </div>
        )}
        {hosts.data !== undefined && all.length === 0 && (
          <Empty icon={<Globe size={28} />} title="No host was asked for">
            {session.imported == null
              ? "Everything that leaves the sandbox passes the gate and is counted here. Nothing has tried to."
              : "Requests are not part of an imported log; what was blocked is among its events."}
          </Empty>
        )}
        {all.length > 0 && shown.length === 0 && <p className="px-4 py-3 text-sm text-ink-2">No host like that.</p>}
        <ul aria-label="Hosts" className="divide-y divide-line">
          {shown.map((host) => (
            <li key={host.host}>
              <HostRow
                host={host}
                isOpen={open === host.host}
                onToggle={() => setOpen(open === host.host ? null : host.host)}
                onAllow={mayRule && canBeAllowed(host) ? () => setAllowing(host.host) : null}
              />
              {open === host.host && <HostRequests sessionId={session.id} host={host} />}
            </li>
          ))}
        </ul>
        {rules.data !== undefined && (
          <Rules session={session} rules={rules.data.items} mayRule={mayRule} onAdd={() => setAllowing("")} onChange={refresh} />
        )}
      </div>
      {allowing !== null && <AllowHost session={session} host={allowing} onClose={() => setAllowing(null)} onChange={refresh} />}
    </div>
  );
}

/** A rule helps only where the want of one was the reason. */
const canBeAllowed = ({ last_decision, last_reason_code, rule }: Host): boolean =>
  last_decision === "deny" && rule === null && last_reason_code === "egress_host_not_allowed";

/** Names that this server answers itself (specs/egress.md); they need no rule. */
const isOurs = (host: string): boolean => host.endsWith(".signalbox.invalid");

function HostRow({ host, isOpen, onToggle, onAllow }: { host: Host; isOpen: boolean; onToggle(): void; onAllow: (() => void) | null }) {
  const isDenied = host.last_decision === "deny";
  return (
    <div className="flex items-start gap-2 px-3 py-2.5 hover:bg-raised">
      <button
        type="button"
        aria-expanded={isOpen}
        onClick={onToggle}
        className="flex min-w-0 flex-1 items-start gap-2 rounded-sm text-left"
      >
        <ChevronRight size={14} aria-hidden className={`mt-1 shrink-0 text-ink-3 ${isOpen ? "rotate-90" : ""}`} />
        <span className="min-w-0 flex-1">
          <span className="flex flex-wrap items-center gap-x-2">
            <span className="font-mono text-sm font-semibold wrap-anywhere">{shownName(host.host)}</span>
            <Badge tone={isDenied ? "danger" : "clear"}>{isDenied ? "Blocked" : "Allowed"}</Badge>
          </span>
          <span className="block text-sm text-ink-2">
            {!isDenied && isOurs(host.host)
              ? "Signalbox itself answers there, and what is behind it passes the gate on its own."
              : host.last_reason}
            {host.rule !== null && (
              <>
                {" "}
                Rule <span className="font-mono">{host.rule.host}</span>, {host.rule.session_id === null ? "everywhere" : "this session"}.
              </>
            )}
          </span>
          <span className="block text-sm text-ink-3">
            {count(host.requests, "request")}
            {host.blocked > 0 && `, ${host.blocked.toLocaleString()} blocked`} · {bytes(host.bytes_sent)} out, {bytes(host.bytes_received)}{" "}
            in · <Timestamp at={host.last_at} />
          </span>
          {host.first_tool_call !== null && (
            <span className="clamp-1 block text-sm text-ink-3">
              First asked for during {shownName(host.first_tool_call.title ?? host.first_tool_call.name)}
            </span>
          )}
        </span>
      </button>
      {onAllow !== null && (
        <Button size="sm" onClick={onAllow}>
          Allow…
        </Button>
      )}
    </div>
  );
}
