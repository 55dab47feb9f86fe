import { Link, useLocation, type ErrorComponentProps } from "@tanstack/react-router";
import { Compass } from "lucide-react";
import { Button, buttonLook } from "@signalbox/ui/button";
import { Empty } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { PLACES } from "./nav-items.ts";

/** A bug of ours: says so, and offers the two things that help. Inside the frame, so that every other page is still one press away. */
export function Crash({ error, reset }: ErrorComponentProps) {
  return (
    <div className="mx-auto max-w-xl space-y-4 p-6 pt-24">
      <h1 className="text-xl font-semibold">This page broke</h1>
      <p className="text-ink-2">Nothing was lost: everything that happened is in the log, on the server.</p>
      <Trouble error={error instanceof Error ? error : new Error(String(error))} onRetry={reset} isAlone />
      <Button onClick={() => window.location.assign("/")}>Back to the start</Button>
    </div>
  );
}

export function Missing() {
  const at = useLocation({ select: ({ pathname }) => pathname });
  const place = Object.values(PLACES).find(({ to }) => to !== "/" && at.startsWith(to)) ?? PLACES.sessions;
  return (
    <div className="pt-16">
      <Empty
        as="h1"
        icon={<Compass size={28} />}
        title="There is nothing at this address"
        action={
          <Link to={place.to} className={buttonLook({})}>
            Go to {place.label.toLowerCase()}
          </Link>
        }
      >
        It may have been mistyped, or belong to another organization.
      </Empty>
    </div>
  );
}

/** The same, where there is no frame around. */
export const CrashAlone = (props: ErrorComponentProps) => (
  <main>
    <Crash {...props} />
  </main>
);
export const MissingAlone = () => (
  <main>
    <Missing />
  </main>
);
