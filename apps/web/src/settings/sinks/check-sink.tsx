/* Whether the sink has what the log has, window by window; and delivering again, from where it differs or from where one says. */
import { checkSink, replaySink, type SinkView } from "@signalbox/contract/sinks";
import { Button } from "@signalbox/ui/button";
import { Dialog } from "@signalbox/ui/dialog";
import { Field, Input } from "@signalbox/ui/field";
import { count } from "@signalbox/ui/format";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation } from "@tanstack/react-query";
import { ShieldCheck, TriangleAlert } from "lucide-react";
import { useState } from "react";
import { client } from "../../data/api.ts";
import { refreshSinks } from "./sink-queries.ts";

export function CheckSink({ sink, onClose }: { sink: SinkView; onClose(): void }) {
  const params = { id: sink.id };
  const check = useMutation({
    mutationFn: (repair: boolean) => client.call(checkSink, { params, body: { from_position: 1, repair } }),
    onSuccess: ({ replayed_from: from }) => {
      if (from === null) return;
      toast(`${sink.name} gets everything from event ${from.toLocaleString()} on again`);
      refreshSinks();
      onClose();
    },
  });
  const [from, setFrom] = useState("1");
  const position = Number(from);
  const isPosition = Number.isSafeInteger(position) && position >= 1;
  const replay = useMutation({
    mutationFn: () => client.call(replaySink, { params, body: { from_position: position } }),
    onSuccess: () => {
      toast(`${sink.name} gets everything from event ${position.toLocaleString()} on again`);
      refreshSinks();
      onClose();
    },
  });
  const report = check.data;
  const isRepairing = check.isPending && check.variables;
  const differing = report?.windows.filter(({ agrees }) => !agrees) ?? [];
  return (
    <Dialog title={`Compare ${sink.name} with the log`} onClose={onClose}>
      <div className="space-y-5">
        {sink.kind === "convex" ? (
          <section aria-label="Compare" className="space-y-3">
            <p className="text-sm text-ink-2">
              It is asked what it has of each thousand events up to the last one that was delivered; counts and digests are compared.
            </p>
            <Button busy={check.isPending && !isRepairing} onClick={() => check.mutate(false)}>
              <ShieldCheck size={16} aria-hidden /> Compare now
            </Button>
            {check.error !== null && <Trouble error={check.error} />}
            {report !== undefined && report.agrees && (
              <p role="status" className="flex items-center gap-2 text-clear-ink">
                <ShieldCheck size={16} aria-hidden /> It has what the log has: {count(report.windows.length, "window")} compared.
              </p>
            )}
            {report !== undefined && !report.agrees && (
              <div role="status" className="space-y-2 rounded-md border border-danger-line bg-danger-wash px-3.5 py-3">
                <p className="flex items-center gap-2 font-medium text-danger-ink">
                  <TriangleAlert size={16} aria-hidden /> It differs in {count(differing.length, "window")} of {report.windows.length}
                </p>
                <ul className="max-h-40 space-y-0.5 overflow-y-auto text-sm tabular-nums">
                  {differing.map((each) => (
                    <li key={each.from_position}>
                      events {each.from_position.toLocaleString()} to {each.to_position.toLocaleString()}:{" "}
                      {each.count === each.their_count
                        ? "as many, but not the same"
                        : `${each.count.toLocaleString()} here, ${each.their_count.toLocaleString()} there`}
                    </li>
                  ))}
                </ul>
                <Button size="sm" busy={isRepairing} onClick={() => check.mutate(true)}>
                  Repair from event {differing[0]?.from_position.toLocaleString()} on
                </Button>
              </div>
            )}
          </section>
        ) : (
          <p className="text-sm text-ink-2">
            A webhook cannot be asked what it has. What it did not take is among its deliveries, and can be delivered again.
          </p>
        )}
        <form
          aria-label="Deliver again"
          className="space-y-3 border-t border-line pt-4"
          onSubmit={(event) => {
            event.preventDefault();
            if (isPosition) replay.mutate();
          }}
        >
          <Field
            label="Deliver again from event"
            error={isPosition ? undefined : "A whole number from 1 on; deliveries and the timeline say it."}
            hint="The receiver tells repeats by their ids."
          >
            {(field) => (
              <Input
                {...field}
                inputMode="numeric"
                className="max-w-40 tabular-nums"
                value={from}
                onChange={(event) => setFrom(event.target.value)}
              />
            )}
          </Field>
          {replay.error !== null && <Trouble error={replay.error} />}
          <Button type="submit" busy={replay.isPending} disabled={!isPosition}>
            Deliver again
          </Button>
        </form>
      </div>
    </Dialog>
  );
}
