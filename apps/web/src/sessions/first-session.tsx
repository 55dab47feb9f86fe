import { Button, buttonLook } from "@signalbox/ui/button";
import { Lamp } from "@signalbox/ui/lamp";
import { Link, Navigate, useNavigate } from "@tanstack/react-router";
import { FlaskConical, GitBranch, ShieldCheck } from "lucide-react";
import { FinishedSession } from "../welcome/finished-session.tsx";
import { useFirstRun } from "../welcome/first-run.ts";

const STAGES = [
  {
    icon: GitBranch,
    title: "Point it at a repository",
    text: "A folder on this machine or a URL. The agent gets a copy, in a sandbox of its own.",
  },
  {
    icon: FlaskConical,
    title: "Say what you want",
    text: "Watch it read, edit and run. Nothing that it does there touches anything outside.",
  },
  { icon: ShieldCheck, title: "Decide what leaves", text: "A push, a call, a payment: you see exactly what, and one key lets it through." },
];

/** What a new box shows where sessions would be. `isHome`: the first time it leads to the welcome instead. */
export function FirstSession({ isHome = false }: { isHome?: boolean }) {
  const navigate = useNavigate();
  const firstRun = useFirstRun();
  const open = (what: true | "sample"): void => void navigate({ to: ".", search: (previous) => ({ ...previous, new: what }) });
  if (isHome && firstRun === undefined) return null;
  if (isHome && firstRun?.leadsToWelcome === true) return <Navigate to="/welcome" replace />;
  const finished = firstRun?.finished ?? null;
  return (
    <div className={`grid items-start gap-5 ${finished === null ? "" : "wide:grid-cols-[1fr_21rem]"}`}>
      <section className="soft-shadow overflow-hidden rounded-lg border border-line bg-panel">
        <div className="px-6 pt-9 pb-7 sm:px-10">
          <h2 className="text-2xl font-semibold tracking-tight text-balance">The line is clear.</h2>
          <p className="mt-2 max-w-prose text-ink-2">
            No agent is at work yet. Give one a task and it sets off at once, in isolation; this panel stays quiet until something needs
            your hand.
          </p>
          <div className="mt-6 flex flex-wrap gap-3">
            <Button look="solid" size="lg" onClick={() => open(true)}>
              Start the first session
            </Button>
            <Button size="lg" onClick={() => open("sample")}>
              Try it on a sample
            </Button>
            <Link to="/welcome" className={buttonLook({ look: "quiet", size: "lg" })}>
              Step by step
            </Link>
          </div>
        </div>
        <ol
          className={`grid border-t border-line ${finished === null ? "sm:grid-cols-3 sm:divide-x sm:divide-line" : "divide-y divide-line"}`}
        >
          {STAGES.map(({ icon: Icon, title, text }, i) => (
            <li key={title} className={`relative px-6 sm:px-10 ${finished === null ? "py-6" : "py-4"}`}>
              <p className="flex items-center gap-2.5 font-semibold">
                {i === 2 ? <Lamp state="wants" /> : <Icon size={16} aria-hidden className="text-ink-3" />} {title}
              </p>
              <p className="mt-1.5 text-sm text-ink-2">{text}</p>
            </li>
          ))}
        </ol>
      </section>
      {finished !== null && <FinishedSession session={finished} />}
    </div>
  );
}
