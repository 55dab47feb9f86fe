/* Strips above the page, for the few things that concern all of it. Usually there are none. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { OctagonX, Unplug } from "lucide-react";
import { killSwitchQuery } from "../data/queries.ts";
import { useUnreachable } from "../data/reach.ts";

export function Notices() {
  const lost = useUnreachable();
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
      {lost && (
        <p className="flex items-center gap-2.5 border-b border-line bg-sunken px-4 py-2 text-sm text-ink-2">
          <Unplug size={16} aria-hidden />
          The server does not answer. What you see is the last known state; it goes on by itself when the server is back.
        </p>
      )}
    </div>
  );
}
