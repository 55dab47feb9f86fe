/* Who is here. What they can change about it is a menu, which is only loaded when it is asked for: it brings a positioner along. */
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState, type ComponentProps } from "react";
import { killSwitchQuery, meQuery } from "../data/queries.ts";
import { Avatar } from "@signalbox/ui/avatar";
import { ThemeToggle } from "./theme-toggle.tsx";

const AccountMenu = lazy(() => import("./account-menu.tsx").then(({ AccountMenu }) => ({ default: AccountMenu })));

export function Account({ isSlim, onHelp }: { isSlim: boolean; onHelp(): void }) {
  const [isAsked, setAsked] = useState(false);
  const asking = <Me isSlim={isSlim} aria-haspopup="menu" onClick={() => setAsked(true)} />;
  return (
    <footer className={`flex items-center gap-1 border-t border-line px-2 py-2 ${isSlim ? "flex-col" : ""}`}>
      {isAsked ? (
        <Suspense fallback={asking}>
          <AccountMenu trigger={<Me isSlim={isSlim} />} onHelp={onHelp} />
        </Suspense>
      ) : (
        asking
      )}
      <ThemeToggle />
    </footer>
  );
}

function Me({ isSlim, ...button }: { isSlim: boolean } & ComponentProps<"button">) {
  const { data: me } = useQuery(meQuery);
  const { data: killSwitch } = useQuery(killSwitchQuery);
  const isOn = killSwitch?.organization === true || killSwitch?.global === true;
  const name = me?.principal.display_name ?? "";
  return (
    <button
      type="button"
      title={isSlim ? `${name}, ${me?.organization.name ?? ""}` : undefined}
      className={`flex min-w-0 items-center gap-2.5 rounded-md p-1 text-left hover:bg-chosen ${isSlim ? "" : "flex-1"}`}
      {...button}
    >
      <span className="sr-only">Account:</span>
      <span className="relative">
        <Avatar name={name} kind={me?.principal.type === "service" ? "service" : "person"} />
        {isOn && <span aria-hidden className="absolute -top-0.5 -right-0.5 size-2.5 rounded-full border-2 border-panel bg-danger" />}
      </span>
      <span className={isSlim ? "sr-only" : "min-w-0 flex-1 text-sm leading-tight"}>
        <span className="clamp-1 block font-medium">{name}</span>
        <span className={`clamp-1 block ${isOn ? "font-semibold text-danger-ink" : "text-ink-3"}`}>
          {isOn ? "Kill switch is on" : me?.organization.name}
        </span>
      </span>
    </button>
  );
}
