/* The frame around every page: who is signed in decides whether there is one at all. */
import { ApiError } from "@signalbox/client/client";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Outlet, useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import { meQuery } from "../data/queries.ts";
import { useWakeUps } from "../data/live.ts";
import { SignedOut } from "../login/signed-out.tsx";
import { Toasts } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { BottomNav } from "./bottom-nav.tsx";
import { KeyboardHelp } from "./keyboard-help.tsx";
import { Notices } from "./notices.tsx";
import { useShortcuts } from "./shortcuts.ts";
import { Sidebar } from "./sidebar.tsx";

const frameRoute = getRouteApi("/frame");
const NewSessionDialog = lazy(() =>
  import("../sessions/new-session-dialog.tsx").then(({ NewSessionDialog }) => ({ default: NewSessionDialog })),
);

export function AppFrame() {
  const me = useQuery(meQuery);
  useWakeUps(me.isSuccess);
  if (me.data !== undefined) return <SignedIn />;
  if (me.error instanceof ApiError && me.error.status === 401) return <SignedOut />;
  if (me.error !== null) {
    return (
      <main className="mx-auto max-w-xl space-y-4 p-6 pt-24">
        <h1 className="text-xl font-semibold">The server does not answer</h1>
        <Trouble error={me.error} onRetry={() => void me.refetch()} />
      </main>
    );
  }
  return null;
}

function SignedIn() {
  const search = frameRoute.useSearch();
  const navigate = useNavigate();
  const [help, setHelp] = useState(false);
  const setNew = (open: boolean): void =>
    void navigate({ to: ".", search: (previous) => ({ ...previous, new: open ? true : undefined }), replace: !open });

  useShortcuts([
    { keys: "n", label: "New session", run: () => setNew(true) },
    { keys: "g i", label: "Go to Needs you", run: () => void navigate({ to: "/" }) },
    { keys: "g s", label: "Go to sessions", run: () => void navigate({ to: "/sessions" }) },
    { keys: "g t", label: "Go to the timeline", run: () => void navigate({ to: "/timeline" }) },
    { keys: "g ,", label: "Go to settings", run: () => void navigate({ to: "/settings" }) },
    { keys: "?", label: "This help", run: () => setHelp(true) },
  ]);

  return (
    <div className="flex h-dvh overflow-hidden narrow:flex-col">
      <a
        href="#main"
        className="sr-only rounded-md bg-raised px-3 py-2 focus:not-sr-only focus:absolute focus:top-2 focus:left-2 focus:z-50"
      >
        Skip to content
      </a>
      <Sidebar onNew={() => setNew(true)} onHelp={() => setHelp(true)} />
      <div className="flex min-h-0 min-w-0 flex-1 flex-col">
        <Notices />
        <main id="main" tabIndex={-1} className="relative min-h-0 flex-1 overflow-y-auto focus:outline-none">
          <Suspense>
            <Outlet />
          </Suspense>
        </main>
      </div>
      <BottomNav onNew={() => setNew(true)} />
      <Suspense>
        {search.new !== undefined && <NewSessionDialog withSample={search.new === "sample"} onClose={() => setNew(false)} />}
      </Suspense>
      {help && <KeyboardHelp onClose={() => setHelp(false)} />}
      <Toasts />
    </div>
  );
}
