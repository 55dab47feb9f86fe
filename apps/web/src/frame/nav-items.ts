import { BellDot, ListTree, ScrollText, SlidersHorizontal } from "lucide-react";

export const NAV = [
  { to: "/", label: "Needs you", icon: BellDot, exact: true },
  { to: "/sessions", label: "Sessions", icon: ListTree, exact: false },
  { to: "/timeline", label: "Timeline", icon: ScrollText, exact: false },
  { to: "/settings", label: "Settings", icon: SlidersHorizontal, exact: false },
] as const;
