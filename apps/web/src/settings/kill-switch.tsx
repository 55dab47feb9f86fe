/* The one lever that stops everything. Big, and never pulled by a single press. */
import { setKillSwitch } from "@signalbox/contract/gate";
import { useMutation, useQuery } from "@tanstack/react-query";
import { OctagonX, Play } from "lucide-react";
import { useState } from "react";
import { client, queries } from "../data/api.ts";
import { killSwitchQuery, useNames } from "../data/queries.ts";
import { Button } from "@signalbox/ui/button";
import { Dialog } from "@signalbox/ui/dialog";
import { Field, inputLook } from "@signalbox/ui/field";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";

export function KillSwitch() {
  const nameOf = useNames();
  const { data, error, refetch } = useQuery(killSwitchQuery);
  const [isAsking, setAsking] = useState(false);
  if (error !== null && data === undefined) return <Trouble error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Skeleton rows={1} className="h-28" />;
  const on = data.organization || data.global;
  return (
    <section aria-label="Kill switch" className={`rounded-lg border ${on ? "border-danger bg-danger-wash" : "border-line bg-panel"}`}>
      <div className="flex flex-wrap items-center gap-x-6 gap-y-4 px-5 py-5">
        <OctagonX size={36} strokeWidth={1.5} aria-hidden className={on ? "text-danger-ink" : "text-ink-3"} />
        <div className="min-w-0 flex-1 basis-72">
          <h2 className={`text-lg font-semibold ${on ? "text-danger-ink" : ""}`}>{on ? "The kill switch is on" : "Kill switch"}</h2>
          <p className="text-sm text-ink-2">
            {on
              ? "No push, call, request or model answer leaves the box, and everything that waited was denied."
              : "Stops every effect on the outside world within a second: pushes, requests, model calls, payments. What waits for approval is denied."}
          </p>
          {on && (
            <p className="mt-1 text-sm">
              {data.forced_by_environment
                ? "Forced by the server's environment; no one can lift it from here."
                : data.by !== null && `By ${nameOf(data.by) === "You" ? "you" : nameOf(data.by)}`}
              {data.since !== null && (
                <>
                  , <Timestamp at={data.since} />
                </>
              )}
              {data.reason !== null && `: ${data.reason}`}
            </p>
          )}
        </div>
        {!data.forced_by_environment && (
          <Button look={on ? "plain" : "alarm"} size="lg" onClick={() => setAsking(true)}>
            {on ? <Play size={18} aria-hidden /> : <OctagonX size={18} aria-hidden />}
            {on ? "Let it go on" : "Stop everything"}
          </Button>
        )}
      </div>
      {isAsking && <Confirm engage={!on} onClose={() => setAsking(false)} />}
    </section>
  );
}

function Confirm({ engage, onClose }: { engage: boolean; onClose(): void }) {
  const [reason, setReason] = useState("");
  const pull = useMutation({
    mutationFn: () => client.call(setKillSwitch, { body: { engaged: engage, ...(reason.trim() === "" ? {} : { reason: reason.trim() }) } }),
    onSuccess: (view) => {
      queries.setQueryData(killSwitchQuery.queryKey, view);
      void queries.invalidateQueries({ queryKey: ["approvals"] });
      onClose();
    },
  });
  return (
    <Dialog
      title={engage ? "Stop everything?" : "Let effects go on?"}
      description={
        engage
          ? "Open model answers and connections are cut, open approvals are denied. Agents keep their files."
          : "New effects are decided by the policy again. What was denied stays denied."
      }
      onClose={onClose}
    >
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          pull.mutate();
        }}
      >
        {engage && (
          <Field label="Why" hint="Goes into the log; others see it.">
            {(props) => (
              <input
                {...props}
                data-focus
                maxLength={500}
                value={reason}
                onChange={(event) => setReason(event.target.value)}
                className={inputLook}
              />
            )}
          </Field>
        )}
        {pull.error !== null && <Trouble error={pull.error} />}
        <div className="flex justify-end gap-2">
          <Button look="quiet" onClick={onClose}>
            Leave it
          </Button>
          <Button type="submit" look={engage ? "alarm" : "solid"} busy={pull.isPending}>
            {engage ? "Stop everything" : "Let it go on"}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
