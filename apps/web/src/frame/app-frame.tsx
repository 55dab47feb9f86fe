/* The frame around every page: who is signed in decides whether there is one at all. */
import { ApiError } from "@signalbox/client/client";
import type { getMe } from "@signalbox/contract/identity";
import type { Output } from "@signalbox/contract/route";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Outlet, useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import { isRefusal } from "../data/api.ts";
import { meQuery } from "../data/queries.ts";
import { useWakeUps } from "../data/live.ts";
import { useLastKnown } from "../offline/last-known.ts";
import { LiveRegion } from "@signalbox/ui/live-region";
import { useSeen } from "../push/seen.ts";
import { Toasts } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { BottomNav } from "./bottom-nav.tsx";
import { PLACES } from "./nav-items.ts";
import { Notices } from "./notices.tsx";
import { KeysArrived, useShortcuts } from "./shortcuts.ts";
import { Sidebar } from "./sidebar.tsx";
import { useWaitingSigns } from "./waiting.ts";

type Me = Output<typeof getMe>;
const frameRoute = getRouteApi("/frame");
const Door = lazy(() => import("../login/signed-out-door.tsx").then(({ Door }) => ({ default: Door })));
const Onboarding = lazy(() => import("../login/onboarding.tsx").then(({ Onboarding }) => ({ default: Onboarding })));
const OrganizationDoor = lazy(() =>
  import("../login/organization-door.tsx").then(({ OrganizationDoor }) => ({ default: OrganizationDoor })),
);
const ActingBar = lazy(() => import("./acting-bar.tsx").then(({ ActingBar }) => ({ default: ActingBar })));
const NewSessionDialog = lazy(() =>
  import("../sessions/new-session-dialog.tsx").then(({ NewSessionDialog }) => ({ default: NewSessionDialog })),
);
const KeyboardHelp = lazy(() => import("./keyboard-help.tsx").then(({ KeyboardHelp }) => ({ default: KeyboardHelp })));
const CommandPalette = lazy(() => import("../palette/command-palette.tsx").then(({ CommandPalette }) => ({ default: CommandPalette })));

export function AppFrame() {
  const me = useQuery(meQuery);
  useLastKnown(me);
  useWakeUps(me.isSuccess);
  if (me.error instanceof ApiError && me.error.status === 401)
    return (
      <Suspense>
        <Door />
      </Suspense>
    );
  if (isRefusal(me.error, "organization_required"))
    return (
      <Suspense>
        <Onboarding />
      </Suspense>
    );
  if (isRefusal(me.error, "single_sign_on_required"))
    return (
      <Suspense>
        <OrganizationDoor details={me.error.details} />
      </Suspense>
    );
  if (me.data !== undefined) return <SignedIn me={me.data} />;
  if (me.error !== null) {
    return (
      <main className="mx-auto max-w-xl space-y-4 p-6 pt-24">
        <h1 className="text-xl font-semibold">The server does not answer</h1>
        <Trouble isAlone error={me.error} onRetry={() => void me.refetch()} />
      </main>
    );
  }
  return null;
}

function SignedIn({ me }: { me: Me }) {
  const search = frameRoute.useSearch();
  const navigate = useNavigate();
  const [over, setOver] = useState<"help" | "palette" | null>(null);
  const setNew = (open: boolean): void =>
    void navigate({ to: ".", search: (previous) => ({ ...previous, new: open ? true : undefined }), replace: !open });
  useWaitingSigns();
  useSeen();
  useShortcuts([
    { keys: "Mod+k", label: "Search and commands", group: "Anywhere", opens: true, run: () => setOver("palette") },
    { keys: "n", label: "New session", group: "Anywhere", opens: true, run: () => setNew(true) },
    { keys: "?", label: "This map", group: "Anywhere", opens: true, run: () => setOver("help") },
    ...Object.values(PLACES).map(({ keys, label, to }) => ({ keys, label, group: "Go to" as const, run: () => void navigate({ to }) })),
  ]);

  return (
    <div className="flex h-dvh overflow-hidden narrow:flex-col">
      <a
        href="#main"
        className="sr-only rounded-md bg-raised px-3 py-2 focus:not-sr-only focus:absolute focus:top-2 focus:left-2 focus:z-50"
      >
        Skip to content
      </a>
      <Sidebar onNew={() => setNew(true)} onPalette={() => setOver("palette")} onHelp={() => setOver("help")} />
      <div className="flex min-h-0 min-w-0 flex-1 flex-col">
        {me.impersonation !== undefined && (
          <Suspense>
            <ActingBar me={me} />
          </Suspense>
        )}
        <Notices />
        <main id="main" tabIndex={-1} className="relative min-h-0 flex-1 overflow-y-auto focus:outline-none">
          <Suspense>
            <Outlet />
          </Suspense>
        </main>
      </div>
      <BottomNav onNew={() => setNew(true)} onPalette={() => setOver("palette")} />
      <Suspense>
        {search.new !== undefined && <NewSessionDialog withSample={search.new === "sample"} onClose={() => setNew(false)} />}
        {over === "help" && <KeyboardHelp onClose={() => setOver(null)} />}
        {over === "palette" && (
          <CommandPalette
            onClose={() => setOver(null)}
            onNew={() => {
              setOver(null);
              setNew(true);
            }}
            onHelp={() => setOver("help")}
          />
        )}
        {(over !== null || search.new !== undefined) && <KeysArrived key={over ?? "new"} />}
      </Suspense>
      <Toasts />
      <LiveRegion />
    </div>
  );
}
