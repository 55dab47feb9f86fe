import type { Inspection } from "@signalbox/contract/evidence";
import { AnsiText } from "@signalbox/ui/ansi-text";
import { Status } from "@signalbox/ui/badge";
import { Disclosure } from "@signalbox/ui/disclosure";
import { duration } from "@signalbox/ui/format";
import { JsonView } from "@signalbox/ui/json-view";
import { Empty } from "@signalbox/ui/placeholder";
import { Link } from "@tanstack/react-router";
import { Wrench } from "lucide-react";
import { useEffect, useRef } from "react";
import { spanLamp } from "./run-state.ts";

type ToolCall = Inspection["tool_calls"][number];

/** Each opens to what was asked and what came back. */
export function ToolCalls({ calls, openId }: { calls: readonly ToolCall[]; openId: string | null }) {
  const list = useRef<HTMLOListElement>(null);
  useEffect(() => {
    if (openId !== null) list.current?.querySelector(`[data-call="${CSS.escape(openId)}"]`)?.scrollIntoView({ block: "center" });
  }, [openId]);
  if (calls.length === 0)
    return (
      <Empty icon={<Wrench size={32} />} title="No tool calls">
        The agent has used no tool in this run.
      </Empty>
    );
  return (
    <ol ref={list} className="soft-shadow divide-y divide-line overflow-clip rounded-lg border border-line bg-panel">
      {calls.map((call) => (
        <li key={call.id} data-call={call.id} className="px-4 py-1.5 [contain-intrinsic-size:auto_2.75rem] [content-visibility:auto]">
          <Disclosure
            key={call.id === openId ? "linked" : "plain"}
            defaultOpen={call.id === openId}
            summary={
              <span className="flex flex-wrap items-baseline gap-x-4">
                <span className="font-mono text-sm">{call.name}</span>
                <span className="clamp-1 min-w-0 flex-1 basis-40 text-ink-2">{call.title}</span>
                <Status state={spanLamp(call.status)}>{call.status}</Status>
                <span className="w-16 text-right text-sm text-ink-3 tabular-nums">
                  {call.duration_ms === null ? "…" : duration(call.duration_ms)}
                </span>
              </span>
            }
          >
            <ToolCallDetails call={call} />
          </Disclosure>
        </li>
      ))}
    </ol>
  );
}

/** What was asked and what came back. */
export function ToolCallDetails({ call }: { call: ToolCall }) {
  return (
    <div className="space-y-3 pb-2">
      <JsonView label="Arguments" value={call.arguments} />
      {call.error !== null && <p className="text-danger-ink [overflow-wrap:anywhere]">{call.error}</p>}
      {call.status === "invoked" && <p className="text-sm text-ink-3">It is still under way.</p>}
      {call.status === "succeeded" && (call.output === null || call.output === "") && (
        <p className="text-sm text-ink-3">It printed nothing.</p>
      )}
      {call.output !== null && call.output !== "" && <AnsiText text={call.output} label="Output" />}
      {call.artifact_id !== null && (
        <p className="text-sm">
          <Link to="/artifacts/$artifactId" params={{ artifactId: call.artifact_id }} className="underline underline-offset-2">
            {call.output_truncated ? "The whole output" : "Its artifact"}
          </Link>
        </p>
      )}
    </div>
  );
}
