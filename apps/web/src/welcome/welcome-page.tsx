/*
 * The first run: three steps, each with an address of its own, each skippable, none of them a trap. What was chosen
 * is either a fact of the server (a connected model) or in the draft, so that leaving and coming back loses nothing.
 *
 *   model ──▶ repository ──▶ task ──▶ the live session
 */
import { Button, buttonLook } from "@signalbox/ui/button";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { ArrowRight, Check } from "lucide-react";
import { useEffect, useRef } from "react";
import { meQuery } from "../data/queries.ts";
import { Page } from "../frame/page.tsx";
import { hasPlace, useDraft } from "../sessions/start/draft.ts";
import { useModel } from "../sessions/start/model-field.tsx";
import { RepositoryPicker } from "../sessions/start/repository-picker.tsx";
import { useStart } from "../sessions/start/use-start.ts";
import { FinishedSession } from "./finished-session.tsx";
import { markWelcomed, useFirstRun } from "./first-run.ts";
import { ModelStep } from "./model-step.tsx";
import { TaskStep } from "./task-step.tsx";

const STEPS = [
  { name: "model", label: "A model", lead: "Who does the thinking. The key stays on this machine." },
  { name: "repository", label: "A place to work", lead: "The agent gets a clone of it, in a sandbox of its own. Yours stays as it is." },
  { name: "task", label: "The first task", lead: "Say what to do. Anything that would leave the sandbox is asked of you first." },
] as const;
type Step = (typeof STEPS)[number]["name"];

const route = getRouteApi("/frame/welcome");

export function WelcomePage() {
  const { step: asked } = route.useSearch();
  const navigate = useNavigate();
  const { data: me } = useQuery(meQuery);
  const firstRun = useFirstRun();
  const { draft, change, forget } = useDraft("welcome");
  const { model } = useModel(draft.model);
  const start = useStart(draft, model?.id, forget);
  const heading = useRef<HTMLHeadingElement>(null);
  const organization = me?.organization.id;
  useEffect(() => {
    if (organization !== undefined) markWelcomed(organization);
  }, [organization]);

  const hasModel = model !== undefined && !model.is_demo;
  const step: Step = STEPS.find(({ name }) => name === asked)?.name ?? (!hasModel ? "model" : hasPlace(draft) ? "task" : "repository");
  const at = STEPS.findIndex(({ name }) => name === step);
  const next = STEPS[at + 1]?.name;
  const isDone: Record<Step, boolean> = { model: hasModel, repository: hasPlace(draft), task: firstRun?.isFresh === false };
  const go = (to: Step): void => {
    void navigate({ to: "/welcome", search: { step: to } });
    // The step is new, the page is not: whoever does not see it is taken to its beginning.
    requestAnimationFrame(() => heading.current?.focus());
  };

  return (
    <Page
      title="Welcome"
      lead="Three steps to an agent at work. Skip any of them; you can come back."
      actions={
        <Link to="/" className={`${buttonLook({ look: "quiet" })} narrow:-ml-3.5`}>
          Look around first
        </Link>
      }
    >
      <div className="grid items-start gap-5 wide:grid-cols-[1fr_21rem]">
        <section className="soft-shadow overflow-clip rounded-lg border border-line bg-panel" aria-labelledby="step">
          <nav aria-label="Steps" className="border-b border-line">
            <ol className="grid grid-cols-3 divide-x divide-line">
              {STEPS.map(({ name, label }, i) => (
                <li key={name}>
                  <Link
                    to="/welcome"
                    search={{ step: name }}
                    aria-current={name === step ? "step" : undefined}
                    className={`flex h-full items-center gap-2.5 px-4 py-3 text-sm -outline-offset-2 narrow:flex-col narrow:gap-1 narrow:px-2 narrow:text-center ${name === step ? "bg-raised font-semibold" : "text-ink-2 hover:bg-raised"}`}
                  >
                    <span
                      className={`flex size-6 shrink-0 items-center justify-center rounded-full border-2 text-plate font-bold tabular-nums ${isDone[name] ? "border-clear text-clear-ink" : name === step ? "border-ink" : "border-line-strong"}`}
                    >
                      {isDone[name] ? <Check size={14} strokeWidth={3} aria-label="done" /> : i + 1}
                    </span>
                    {label}
                  </Link>
                </li>
              ))}
            </ol>
          </nav>
          <div className="px-5 py-5 sm:px-7 sm:py-6">
            <h2 id="step" ref={heading} tabIndex={-1} className="text-lg font-semibold outline-none">
              {STEPS[at]!.label}
            </h2>
            <p className="mt-0.5 mb-5 text-ink-2">{STEPS[at]!.lead}</p>
            {step === "model" && <ModelStep />}
            {step === "repository" && (
              <>
                {model?.is_demo === true && (
                  <p className="mb-4 rounded-md border border-line bg-sunken px-3.5 py-2.5 text-sm text-ink-2">
                    The demo plays its one task on the sample repository: press <em className="font-semibold not-italic">Make a sample</em>.
                  </p>
                )}
                <RepositoryPicker
                  draft={draft}
                  onChange={change}
                  refused={start.refused.source}
                  onSample={(made) => change({ source: "repository", url: made.repository_url, ref: "", prompts: [made.prompt] })}
                />
              </>
            )}
            {step === "task" && <TaskStep draft={draft} onChange={change} start={start} isDemo={model?.is_demo === true} />}
          </div>
          <footer className="flex flex-wrap items-center gap-2 border-t border-line px-5 py-3 sm:px-7">
            {at > 0 && (
              <Button look="quiet" onClick={() => go(STEPS[at - 1]!.name)}>
                Back
              </Button>
            )}
            <span className="flex-1" />
            {next === undefined ? (
              <Link to="/" className={buttonLook({ look: "quiet" })}>
                Not now
              </Link>
            ) : (
              <>
                {!isDone[step] && (
                  <Button look="quiet" onClick={() => go(next)}>
                    Skip
                  </Button>
                )}
                <Button look="solid" onClick={() => go(next)} disabled={step === "repository" && !isDone.repository}>
                  {step === "model" && !hasModel ? "Go on with the demo" : "Go on"} <ArrowRight size={16} aria-hidden />
                </Button>
              </>
            )}
          </footer>
        </section>
        {firstRun?.finished != null && (
          <aside className="order-first wide:order-none">
            <FinishedSession session={firstRun.finished} />
          </aside>
        )}
      </div>
    </Page>
  );
}
