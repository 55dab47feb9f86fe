/* The places of the control room, in the order in which a hand looks for them. */
import { Activity, BellDot, HeartPulse, ListTree, MessagesSquare, ScrollText, ShieldCheck, SlidersHorizontal, Stamp } from "lucide-react";

export const PLACES = {
  needs: { to: "/", label: "Needs you", icon: BellDot, exact: true, keys: "g i" },
  sessions: { to: "/sessions", label: "Sessions", icon: ListTree, exact: false, keys: "g s" },
  rooms: { to: "/rooms", label: "Rooms", icon: MessagesSquare, exact: false, keys: "g r" },
  runs: { to: "/runs", label: "Runs", icon: Activity, exact: false, keys: "g u" },
  timeline: { to: "/timeline", label: "Timeline", icon: ScrollText, exact: false, keys: "g t" },
  policy: { to: "/policy", label: "Policy", icon: ShieldCheck, exact: false, keys: "g p" },
  audit: { to: "/audit", label: "Audit", icon: Stamp, exact: false, keys: "g a" },
  health: { to: "/health", label: "Health", icon: HeartPulse, exact: false, keys: "g h" },
  settings: { to: "/settings", label: "Settings", icon: SlidersHorizontal, exact: false, keys: "g ," },
} as const;

export type Place = (typeof PLACES)[keyof typeof PLACES];

export const GROUPS: readonly { readonly label: string | null; readonly places: readonly Place[] }[] = [
  { label: null, places: [PLACES.needs, PLACES.sessions, PLACES.rooms, PLACES.runs] },
  { label: "Record", places: [PLACES.timeline, PLACES.policy, PLACES.audit] },
  { label: "Box", places: [PLACES.health, PLACES.settings] },
];

/** Under the thumb; the rest is behind "More". */
export const UNDER_THUMB: readonly Place[] = [PLACES.needs, PLACES.sessions, PLACES.rooms, PLACES.runs];
export const BEHIND_MORE: readonly Place[] = [PLACES.timeline, PLACES.policy, PLACES.audit, PLACES.health, PLACES.settings];
