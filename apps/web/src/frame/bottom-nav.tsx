import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { Fragment } from "react";
import { openApprovalsQuery } from "../data/queries.ts";
import { NAV } from "./nav-items.ts";

/** The same four places, under a thumb; a new session in the middle. */
export function BottomNav({ onNew }: { onNew(): void }) {
  const { data: open } = useQuery(openApprovalsQuery);
  const waiting = open?.length ?? 0;
  return (
    <nav
      aria-label="Main"
      className="hidden shrink-0 grid-cols-5 border-t border-line bg-panel pb-[env(safe-area-inset-bottom)] narrow:grid"
    >
      {NAV.map(({ to, label, icon: Icon, exact }, i) => (
        <Fragment key={to}>
          {i === 2 && (
            <button type="button" onClick={onNew} className="flex flex-col items-center justify-center gap-0.5 py-2 text-plate text-ink-2">
              <span className="flex h-6 w-9 items-center justify-center rounded-md bg-ink text-on-ink">
                <Plus size={16} aria-hidden />
              </span>
              New
            </button>
          )}
          <Link
            to={to}
            activeOptions={{ exact, includeSearch: false }}
            className="relative flex flex-col items-center justify-center gap-0.5 py-2 text-plate text-ink-2"
            activeProps={{ className: "font-bold !text-ink", "aria-current": "page" }}
          >
            <span className="flex h-6 items-center">
              <Icon size={20} aria-hidden />
            </span>
            {label}
            {to === "/" && waiting > 0 && (
              <span className="absolute top-1 left-1/2 ml-1.5 min-w-4 rounded-full bg-signal px-1 text-center text-plate font-bold leading-4 text-on-signal">
                {waiting}
                <span className="sr-only"> waiting</span>
              </span>
            )}
          </Link>
        </Fragment>
      ))}
    </nav>
  );
}
