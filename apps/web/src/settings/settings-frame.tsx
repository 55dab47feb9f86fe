/* The parts of the settings, and the one that is open. */
import { useScrolledTo } from "@signalbox/ui/use-scrolled-to";
import { Link, Outlet, useLocation } from "@tanstack/react-router";

const PARTS = [
  { to: "/settings", label: "General" },
  { to: "/settings/account", label: "Account" },
  { to: "/settings/organization", label: "Organization" },
  { to: "/settings/members", label: "Members" },
  { to: "/settings/single-sign-on", label: "Single sign-on" },
  { to: "/settings/models", label: "Models" },
  { to: "/settings/security", label: "Security" },
  { to: "/settings/tokens", label: "Tokens" },
  { to: "/settings/appearance", label: "Appearance" },
  { to: "/settings/notifications", label: "Notifications" },
  { to: "/settings/sinks", label: "Sinks" },
  { to: "/settings/data", label: "Data" },
] as const;

export function SettingsFrame() {
  const bar = useScrolledTo<HTMLElement>("[aria-current]", useLocation().pathname);
  return (
    <>
      <nav
        ref={bar}
        aria-label="Settings"
        className="mx-auto flex w-full max-w-5xl gap-1 overflow-x-auto border-b border-line px-3 pt-2 [scrollbar-width:none] sm:px-7"
      >
        {PARTS.map(({ to, label }) => (
          <Link
            key={to}
            to={to}
            activeOptions={{ exact: true, includeSearch: false }}
            className="-mb-px shrink-0 border-b-2 border-transparent px-2.5 py-2 text-sm text-ink-2 -outline-offset-2 hover:text-ink"
            activeProps={{ className: "!border-ink font-semibold !text-ink", "aria-current": "page" }}
          >
            {label}
          </Link>
        ))}
      </nav>
      <Outlet />
    </>
  );
}
