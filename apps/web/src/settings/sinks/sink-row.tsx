/* One sink: how far it is and why it stands, its levers, and what became of its deliveries. */
import { deleteSink, pauseSink, resumeSink, testSink, type SinkView } from "@signalbox/contract/sinks";
import { Badge, Status } from "@signalbox/ui/badge";
import { Button, IconButton } from "@signalbox/ui/button";
import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { Disclosure } from "@signalbox/ui/disclosure";
import { DropdownMenu } from "@signalbox/ui/dropdown-menu";
import { Timestamp } from "@signalbox/ui/timestamp";
import { toast } from "@signalbox/ui/toasts";
import { useMutation } from "@tanstack/react-query";
import { Ellipsis, Pause, Play, Send } from "lucide-react";
import { useState } from "react";
import { client } from "../../data/api.ts";
import { CheckSink } from "./check-sink.tsx";
import { Deliveries } from "./deliveries.tsx";
import { KIND_WORD, refreshSinks, standing } from "./sink-queries.ts";

export function SinkRow({ sink }: { sink: SinkView }) {
  const { lamp, word } = standing(sink);
  const [dialog, setDialog] = useState<"check" | "delete" | null>(null);
  const params = { id: sink.id };
  const turn = useMutation({
    mutationFn: () => client.call(sink.status === "paused" ? resumeSink : pauseSink, { params, body: {} }),
    onSuccess: refreshSinks,
    onError: (error) => toast(error.message, "danger"),
  });
  const test = useMutation({ mutationFn: () => client.call(testSink, { params, body: {} }) });
  const remove = useMutation({
    mutationFn: () => client.call(deleteSink, { params }),
    onSuccess: () => {
      toast(`${sink.name} gets nothing any more`);
      refreshSinks();
    },
  });
  const isPaused = sink.status === "paused";
  return (
    <li aria-label={sink.name} className="px-5 py-4 narrow:px-4">
      <div className="flex flex-wrap items-start gap-x-4 gap-y-3">
        <div className="min-w-0 flex-1 basis-72">
          <p className="flex flex-wrap items-center gap-x-3 gap-y-1">
            <span className="clamp-1 font-semibold" title={sink.name}>
              {sink.name}
            </span>
            <Badge>{KIND_WORD[sink.kind]}</Badge>
            <Status state={lamp}>{word}</Status>
          </p>
          <p className="clamp-1 mt-0.5 font-mono text-sm text-ink-2" title={sink.url}>
            {sink.url}
          </p>
          <p className="mt-0.5 text-sm text-ink-3">
            {sink.types.length === 0 ? "all events" : <span className="font-mono">{sink.types.join(" ")}</span>}
            {sink.room_ids.length > 0 && ` of ${sink.room_ids.length === 1 ? "one room" : `${sink.room_ids.length} rooms`}`}
            {" · "}
            {sink.last_delivered_at === null ? (
              "nothing delivered yet"
            ) : (
              <>
                up to event <span className="tabular-nums">{sink.position.toLocaleString()}</span>,{" "}
                <Timestamp at={sink.last_delivered_at} />
              </>
            )}
          </p>
        </div>
        <div className="flex shrink-0 items-center gap-2">
          <Button size="sm" busy={test.isPending} onClick={() => test.mutate()}>
            <Send size={14} aria-hidden /> Test
          </Button>
          <Button size="sm" busy={turn.isPending} onClick={() => turn.mutate()}>
            {isPaused ? <Play size={14} aria-hidden /> : <Pause size={14} aria-hidden />} {isPaused ? "Resume" : "Pause"}
          </Button>
          <DropdownMenu
            align="end"
            trigger={
              <IconButton label={`More about ${sink.name}`}>
                <Ellipsis size={15} />
              </IconButton>
            }
            entries={[
              { label: "Compare with the log…", onSelect: () => setDialog("check") },
              { kind: "separator" },
              { label: "Delete…", tone: "danger", onSelect: () => setDialog("delete") },
            ]}
          />
        </div>
      </div>
      {(isPaused || sink.last_error !== null) && (
        <p
          className={`mt-2 rounded-md border px-3.5 py-2 text-sm [overflow-wrap:anywhere] ${sink.last_error === null ? "border-line bg-sunken" : "border-danger-line bg-danger-wash"}`}
        >
          <span className={`font-medium ${sink.last_error === null ? "" : "text-danger-ink"}`}>
            {isPaused ? (sink.paused_reason ?? "Paused.") : "Not taken:"}
          </span>
          {/* Why it was given up names the last error. */}
          {sink.last_error !== null && sink.paused_reason?.includes(sink.last_error) !== true && ` ${sink.last_error}`}
          {!isPaused && sink.next_attempt_at !== null && (
            <span className="text-ink-2">
              {" "}
              Next try <Timestamp at={sink.next_attempt_at} />.
            </span>
          )}
          {isPaused && <span className="text-ink-2"> Nothing is lost: it goes on from where it stood.</span>}
        </p>
      )}
      <div aria-live="polite">
        {test.data !== undefined && (
          <p className={`mt-2 text-sm ${test.data.ok ? "text-clear-ink" : "text-danger-ink"}`}>
            {test.data.ok ? "The test message was taken" : "The test message was not taken"}: {test.data.message}
          </p>
        )}
        {test.error !== null && <p className="mt-2 text-sm text-danger-ink">{test.error.message}</p>}
      </div>
      <Disclosure className="mt-1" summary={<span className="text-sm text-ink-2">Deliveries of the last seven days</span>}>
        <Deliveries id={sink.id} />
      </Disclosure>
      {dialog === "check" && <CheckSink sink={sink} onClose={() => setDialog(null)} />}
      {dialog === "delete" && (
        <ConfirmDialog
          title={`Delete “${sink.name}”?`}
          description="Nothing is published there any more, and its secret is forgotten. What the receiver has stays with it."
          confirm="Delete the sink"
          danger
          busy={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate()}
          onClose={() => setDialog(null)}
        />
      )}
    </li>
  );
}
