/* The navigation of a phone: four places and a new session under the thumb, the rest in a sheet. */
import { Link } from "@tanstack/react-router";
import { Menu, Plus, Search } from "lucide-react";
import { useState } from "react";
import { CountBadge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { Drawer } from "@signalbox/ui/drawer";
import { BEHIND_MORE, UNDER_THUMB } from "./nav-items.ts";
import { useWaiting } from "./waiting.ts";

const slot = "relative flex min-w-0 flex-col items-center justify-center gap-0.5 py-2 text-plate text-ink-2 -outline-offset-2";

export function BottomNav({ onNew, onPalette }: { onNew(): void; onPalette(): void }) {
  const waiting = useWaiting();
  const [isMore, setMore] = useState(false);
  return (
    <>
      <nav
        aria-label="Main"
        className="hidden shrink-0 grid-cols-6 border-t border-line bg-panel pb-[env(safe-area-inset-bottom)] narrow:grid"
      >
        {UNDER_THUMB.slice(0, 2).map((place) => (
          <Thumb key={place.to} place={place} waiting={place.to === "/" ? waiting : 0} />
        ))}
        <button type="button" onClick={onNew} className={slot}>
          <span className="flex h-6 w-9 items-center justify-center rounded-md bg-ink text-on-ink">
            <Plus size={16} aria-hidden />
          </span>
          New
        </button>
        {UNDER_THUMB.slice(2).map((place) => (
          <Thumb key={place.to} place={place} waiting={0} />
        ))}
        <button type="button" onClick={() => setMore(true)} aria-haspopup="dialog" className={slot}>
          <span className="flex h-6 items-center">
            <Menu size={20} aria-hidden />
          </span>
          More
        </button>
      </nav>
      {isMore && (
        <Drawer title="More" onClose={() => setMore(false)}>
          <Button
            className="mb-3 w-full justify-start"
            size="lg"
            onClick={() => {
              setMore(false);
              onPalette();
            }}
          >
            <Search size={18} aria-hidden /> Search and commands
          </Button>
          <nav aria-label="More places" className="divide-y divide-line">
            {BEHIND_MORE.map(({ to, label, icon: Icon }) => (
              <Link key={to} to={to} onClick={() => setMore(false)} className="flex h-12 items-center gap-3.5 px-1">
                <Icon size={20} aria-hidden className="text-ink-3" />
                {label}
              </Link>
            ))}
          </nav>
        </Drawer>
      )}
    </>
  );
}

function Thumb({ place: { to, label, icon: Icon, exact }, waiting }: { place: (typeof UNDER_THUMB)[number]; waiting: number }) {
  return (
    <Link
      to={to}
      activeOptions={{ exact, includeSearch: false }}
      className={slot}
      activeProps={{ className: "font-bold !text-ink", "aria-current": "page" }}
    >
      <span className="flex h-6 items-center">
        <Icon size={20} aria-hidden />
      </span>
      <span className="clamp-1 max-w-full px-0.5">{label}</span>
      {waiting > 0 && (
        <span className="absolute top-0.5 left-1/2 ml-1">
          <CountBadge count={waiting} of="waiting" />
        </span>
      )}
    </Link>
  );
}
