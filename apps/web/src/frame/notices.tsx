/* Strips above the page, for the few things that concern all of it. Usually there are none. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { OctagonX, Unplug } from "lucide-react";
import { killSwitchQuery } from "../data/queries.ts";
import { useLastHeard } from "../data/reach.ts";
import { ago } from "@signalbox/ui/format";
import { useNow } from "@signalbox/ui/now";

export function Notices() {
  const heardAt = useLastHeard();
  const { data: killSwitch } = useQuery(killSwitchQuery);
  return (
    <div role="status">
      {(killSwitch?.organization === true || killSwitch?.global === true) && (
        <Link to="/settings" className="flex items-center gap-2.5 bg-danger px-4 py-2 text-sm font-medium text-on-danger">
          <OctagonX size={16} aria-hidden />
          <span className="flex-1">
            The kill switch is on: nothing leaves the box{killSwitch.reason === null ? "." : ` (${killSwitch.reason}).`}
          </span>
          <span className="underline">Settings</span>
        </Link>
      )}
      {heardAt !== null && <Away heardAt={heardAt} />}
    </div>
  );
}

function Away({ heardAt }: { heardAt: number }) {
  const now = useNow();
  const since = ago(new Date(heardAt).toISOString(), now);
  return (
    <p className="flex items-start gap-2.5 border-b border-line bg-sunken px-4 py-2 text-sm text-ink-2">
      <Unplug size={16} aria-hidden className="mt-0.5 shrink-0" />
      <span>
        {navigator.onLine ? "The server does not answer." : "This device is offline."} What you see is the last known state
        {/* The minute changes while one looks: it is not read out each time. */}
        <span aria-hidden>{since === "just now" ? "" : ` (${since})`}</span>; it goes on by itself.
      </span>
    </p>
  );
}
