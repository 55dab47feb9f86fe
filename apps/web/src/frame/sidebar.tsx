import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Keyboard, Plus } from "lucide-react";
import { meQuery, openApprovalsQuery, sessionsQuery } from "../data/queries.ts";
import { isEnded, lampOf } from "../sessions/state.ts";
import { Button } from "@signalbox/ui/button";
import { Lamp } from "@signalbox/ui/lamp";
import { Mark } from "./mark.tsx";
import { NAV } from "./nav-items.ts";
import { ThemeToggle } from "./theme-toggle.tsx";

const SHOWN = 8;

export function Sidebar({ onNew, onHelp }: { onNew(): void; onHelp(): void }) {
  const { data: open } = useQuery(openApprovalsQuery);
  const { data: sessions } = useInfiniteQuery(sessionsQuery("", false));
  const { data: me } = useQuery(meQuery);
  const waiting = open?.length ?? 0;
  const live = sessions?.filter((session) => !isEnded(session.status)).slice(0, SHOWN) ?? [];

  return (
    <aside className="flex w-60 shrink-0 flex-col border-r border-line bg-panel narrow:hidden">
      <Link to="/" className="flex items-center gap-2.5 px-4 pt-4 pb-3 text-lg font-semibold tracking-tight">
        <Mark lit={waiting > 0} />
        Signalbox
      </Link>
      <div className="px-3 pb-3">
        <Button onClick={onNew} className="w-full justify-start" title="New session (n)">
          <Plus size={16} aria-hidden /> New session
        </Button>
      </div>
      <nav aria-label="Main" className="space-y-0.5 px-3">
        {NAV.map(({ to, label, icon: Icon, exact }) => (
          <Link
            key={to}
            to={to}
            activeOptions={{ exact, includeSearch: false }}
            className="flex h-9 items-center gap-2.5 rounded-md px-2.5 text-sm text-ink-2 hover:bg-chosen hover:text-ink"
            activeProps={{ className: "bg-chosen font-semibold !text-ink", "aria-current": "page" }}
          >
            <Icon size={16} aria-hidden />
            <span className="flex-1">{label}</span>
            {to === "/" && waiting > 0 && (
              <span className="min-w-5 rounded-full bg-signal px-1.5 text-center text-plate font-bold text-on-signal">
                {waiting}
                <span className="sr-only"> waiting</span>
              </span>
            )}
          </Link>
        ))}
      </nav>
      <div className="mt-5 min-h-0 flex-1 overflow-y-auto px-3">
        {live.length > 0 && <h2 className="plate px-2.5 pb-1.5">On the line</h2>}
        <ul className="space-y-0.5">
          {live.map((session) => (
            <li key={session.id}>
              <Link
                to="/sessions/$sessionId"
                params={{ sessionId: session.id }}
                className="flex items-center gap-2.5 rounded-md px-2.5 py-1.5 text-sm text-ink-2 hover:bg-chosen hover:text-ink"
                activeProps={{ className: "bg-chosen !text-ink", "aria-current": "page" }}
              >
                <Lamp state={lampOf(session)} size="sm" />
                <span className="clamp-1">{session.title}</span>
              </Link>
            </li>
          ))}
        </ul>
      </div>
      <footer className="flex items-center gap-1 border-t border-line px-3 py-2.5">
        <span className="clamp-1 flex-1 px-1 text-sm text-ink-2" title={me?.organization.name}>
          {me?.principal.display_name}
        </span>
        <Button look="quiet" size="icon-sm" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)" onClick={onHelp}>
          <Keyboard size={16} />
        </Button>
        <ThemeToggle />
      </footer>
    </aside>
  );
}
