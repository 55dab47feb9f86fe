/* The navigation where there is room for it: places in groups, the sessions on the line, who is here. Folds to icons. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { PanelLeftClose, PanelLeftOpen, Plus, Search } from "lucide-react";
import { sessionsQuery } from "../data/queries.ts";
import { isEnded, lampOf, stateWord } from "../sessions/state.ts";
import { CountBadge } from "@signalbox/ui/badge";
import { Button, IconButton } from "@signalbox/ui/button";
import { KeyHint } from "@signalbox/ui/key-hint";
import { Lamp } from "@signalbox/ui/lamp";
import { Account } from "./account.tsx";
import { useKept } from "./kept.ts";
import { Mark } from "./mark.tsx";
import { GROUPS, type Place } from "./nav-items.ts";
import { useShortcuts } from "./shortcuts.ts";
import { useWaiting } from "./waiting.ts";

const SHOWN = 8;

interface SidebarProps {
  onNew(): void;
  onPalette(): void;
  onHelp(): void;
}

export function Sidebar({ onNew, onPalette, onHelp }: SidebarProps) {
  const waiting = useWaiting();
  const [isSlim, setSlim] = useKept("signalbox.slim", false);
  useShortcuts([{ keys: "[", label: "Fold or unfold the navigation", group: "Anywhere", run: () => setSlim(!isSlim) }]);
  return (
    <aside
      className={`flex shrink-0 flex-col border-r border-line bg-panel narrow:hidden ${isSlim ? "w-14" : "w-60"}`}
      aria-label="Navigation"
    >
      <div className={`flex items-center gap-1 pt-3 pb-2 ${isSlim ? "flex-col px-2" : "px-3"}`}>
        <Link
          to="/"
          aria-label={isSlim ? "Signalbox" : undefined}
          className="flex min-w-0 flex-1 items-center gap-2.5 rounded-md px-1.5 py-1 text-lg font-semibold tracking-tight"
        >
          <Mark lit={waiting > 0} />
          {!isSlim && "Signalbox"}
        </Link>
        <IconButton
          label={isSlim ? "Unfold the navigation" : "Fold the navigation"}
          aria-expanded={!isSlim}
          onClick={() => setSlim(!isSlim)}
        >
          {isSlim ? <PanelLeftOpen size={16} /> : <PanelLeftClose size={16} />}
        </IconButton>
      </div>
      <div className={`space-y-1.5 pb-3 ${isSlim ? "px-2" : "px-3"}`}>
        <Button onClick={onNew} className={`w-full ${isSlim ? "!px-0" : "justify-start"}`} title="New session (n)">
          <Plus size={16} aria-hidden />
          <span className={isSlim ? "sr-only" : ""}>New session</span>
        </Button>
        <Button
          look="quiet"
          onClick={onPalette}
          className={`w-full ${isSlim ? "!px-0" : "justify-start !border-line"}`}
          title="Search and commands"
        >
          <Search size={16} aria-hidden />
          <span className={isSlim ? "sr-only" : "flex-1 text-left font-normal text-ink-3"}>Search</span>
          {!isSlim && <KeyHint keys="Mod+K" />}
        </Button>
      </div>
      <nav aria-label="Main" className={`space-y-3 ${isSlim ? "px-2" : "px-3"}`}>
        {GROUPS.map(({ label, places }) => (
          <div key={label ?? ""} className="space-y-px">
            {label !== null && (isSlim ? <hr className="mx-2 border-line" /> : <h2 className="plate px-2.5 pb-0.5">{label}</h2>)}
            {places.map((place) => (
              <PlaceLink key={place.to} place={place} isSlim={isSlim} waiting={place.to === "/" ? waiting : 0} />
            ))}
          </div>
        ))}
      </nav>
      {isSlim ? <div className="flex-1" /> : <OnTheLine />}
      <Account isSlim={isSlim} onHelp={onHelp} />
    </aside>
  );
}

function PlaceLink({ place: { to, label, icon: Icon, exact }, isSlim, waiting }: { place: Place; isSlim: boolean; waiting: number }) {
  return (
    <Link
      to={to}
      activeOptions={{ exact, includeSearch: false }}
      title={isSlim ? label : undefined}
      className={`relative flex h-8 items-center gap-2.5 rounded-md text-sm text-ink-2 -outline-offset-2 hover:bg-chosen hover:text-ink ${isSlim ? "justify-center" : "px-2.5"}`}
      activeProps={{ className: "bg-chosen font-semibold !text-ink", "aria-current": "page" }}
    >
      <Icon size={16} aria-hidden />
      <span className={isSlim ? "sr-only" : "flex-1"}>{label}</span>
      {waiting > 0 && (
        <span className={isSlim ? "absolute -top-1 -right-1 leading-none" : ""}>
          <CountBadge count={waiting} of="waiting" />
        </span>
      )}
    </Link>
  );
}

/** The sessions that are not over, lamps and all. */
function OnTheLine() {
  const { data: sessions } = useInfiniteQuery(sessionsQuery("", false));
  const live = sessions?.filter((session) => !isEnded(session.status)) ?? [];
  if (live.length === 0) return <div className="flex-1" />;
  return (
    <section aria-label="Sessions on the line" className="mt-4 min-h-0 flex-1 overflow-y-auto px-3">
      <h2 className="plate px-2.5 pb-1">On the line</h2>
      <ul className="space-y-px">
        {live.slice(0, SHOWN).map((session) => (
          <li key={session.id}>
            <Link
              to="/sessions/$sessionId"
              params={{ sessionId: session.id }}
              title={`${session.title}: ${stateWord(session)}`}
              className="flex h-8 items-center gap-2.5 rounded-md px-2.5 text-sm text-ink-2 -outline-offset-2 hover:bg-chosen hover:text-ink"
              activeProps={{ className: "bg-chosen !text-ink", "aria-current": "page" }}
            >
              <Lamp state={lampOf(session)} size="sm" />
              <span className="clamp-1 min-w-0">{session.title}</span>
              <span className="sr-only">, {stateWord(session)}</span>
            </Link>
          </li>
        ))}
      </ul>
      {live.length > SHOWN && (
        <Link to="/sessions" className="block rounded-md px-2.5 py-1.5 text-sm text-ink-3 hover:text-ink">
          {live.length - SHOWN} more
        </Link>
      )}
    </section>
  );
}
