import { ApiError } from "@signalbox/client/client";
import { createSession } from "@signalbox/contract/sessions";
import { createSample } from "@signalbox/contract/system";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { FlaskConical, GitBranch } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { client } from "../data/api.ts";
import { modelsQuery, putSession } from "../data/queries.ts";
import { Button } from "@signalbox/ui/button";
import { Dialog } from "@signalbox/ui/dialog";
import { Field, inputLook } from "@signalbox/ui/field";
import { Trouble } from "@signalbox/ui/trouble";

const LAST_REPOSITORY = "signalbox.last_repository";
const DEFAULT_BUDGET_USD = "2.00";

export function NewSessionDialog({ onClose, withSample }: { onClose(): void; withSample: boolean }) {
  const navigate = useNavigate();
  const models = useQuery(modelsQuery);
  const [source, setSource] = useState<"repository" | "scratch">("repository");
  const [url, setUrl] = useState(() => localStorage.getItem(LAST_REPOSITORY) ?? "");
  const [ref, setRef] = useState("");
  const [prompt, setPrompt] = useState("");
  const [chosenModel, setModel] = useState<string>();
  const [budget, setBudget] = useState(DEFAULT_BUDGET_USD);
  // One key for as long as the form says the same: pressing twice makes one session.
  const [attempt, setAttempt] = useState(() => crypto.randomUUID());

  const all = models.data?.items ?? [];
  const model = all.find(({ id }) => id === chosenModel) ?? all.find((each) => each.is_default) ?? all[0];
  const budgetMicroUsd = Math.round(Number(budget) * 1_000_000);
  const budgetWrong = !Number.isFinite(budgetMicroUsd) || budgetMicroUsd < 1 || budgetMicroUsd > 1_000_000_000;

  const sample = useMutation({
    mutationFn: () => client.call(createSample, { body: {} }),
    onSuccess: (made) => {
      setSource("repository");
      setUrl(made.repository_url);
      setRef("");
      setPrompt(made.prompt);
    },
  });
  const wanted = useRef(withSample);
  const { mutate: makeSample } = sample;
  useEffect(() => {
    if (!wanted.current) return;
    wanted.current = false;
    makeSample();
  }, [makeSample]);

  const create = useMutation({
    mutationFn: () =>
      client.call(createSession, {
        body: {
          source:
            source === "scratch"
              ? { type: "scratch" }
              : { type: "repository", url: url.trim(), ...(ref.trim() === "" ? {} : { ref: ref.trim() }) },
          budget_micro_usd: budgetMicroUsd,
          ...(prompt.trim() === "" ? {} : { prompt }),
          ...(model === undefined ? {} : { model: model.id }),
        },
        idempotencyKey: attempt,
      }),
    onSuccess: async (session) => {
      if (source === "repository") localStorage.setItem(LAST_REPOSITORY, url.trim());
      putSession(session);
      await navigate({ to: "/sessions/$sessionId", params: { sessionId: session.id } });
    },
    // A refusal is kept under its key for a day; what is corrected is a new attempt.
    onError: (error) => {
      if (error instanceof ApiError && error.status > 0) setAttempt(crypto.randomUUID());
    },
  });
  const refused = create.error instanceof ApiError ? create.error : null;
  const sourceError =
    refused?.code === "source_not_found" || refused?.code === "source_not_allowed"
      ? `${refused.message}${refused.fix === undefined ? "" : ` ${refused.fix}`}`
      : undefined;

  const submit = (): void => {
    if (!create.isPending && !budgetWrong && (source === "scratch" || url.trim() !== "")) create.mutate();
  };

  return (
    <Dialog wide title="New session" description="An agent, in a sandbox of its own, with a task." onClose={onClose}>
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit();
        }}
      >
        <fieldset>
          <legend className="mb-1.5 text-sm font-semibold">Where it works</legend>
          <div className="grid grid-cols-2 gap-2">
            {(
              [
                { value: "repository", label: "A repository", icon: GitBranch },
                { value: "scratch", label: "An empty folder", icon: FlaskConical },
              ] as const
            ).map(({ value, label, icon: Icon }) => (
              <label
                key={value}
                className="flex cursor-pointer items-center gap-2.5 rounded-md border border-line-strong px-3 py-2 text-sm has-checked:border-ink has-checked:bg-raised has-checked:font-semibold has-focus-visible:outline-2"
              >
                <input type="radio" name="source" className="sr-only" checked={source === value} onChange={() => setSource(value)} />
                <Icon size={16} aria-hidden className="text-ink-3" /> {label}
              </label>
            ))}
          </div>
        </fieldset>
        {source === "repository" && (
          <div className="grid gap-3 sm:grid-cols-[1fr_9rem]">
            <Field
              label="Repository"
              error={sourceError}
              hint={
                <>
                  An absolute path on this machine, or an http(s) URL. Nothing at hand?{" "}
                  <button
                    type="button"
                    className="text-moving-ink underline underline-offset-2"
                    disabled={sample.isPending}
                    onClick={() => makeSample()}
                  >
                    {sample.isPending ? "Making a sample…" : "Make a sample"}
                  </button>
                </>
              }
            >
              {(props) => (
                <input
                  {...props}
                  required
                  data-focus
                  spellCheck={false}
                  autoComplete="off"
                  placeholder="/home/you/project"
                  value={url}
                  onChange={(event) => setUrl(event.target.value)}
                  className={inputLook}
                />
              )}
            </Field>
            <Field label="Branch" hint="Default branch if empty.">
              {(props) => (
                <input
                  {...props}
                  spellCheck={false}
                  autoComplete="off"
                  placeholder="main"
                  value={ref}
                  onChange={(event) => setRef(event.target.value)}
                  className={inputLook}
                />
              )}
            </Field>
          </div>
        )}
        <Field label="Task" hint="What to do, and how you will know that it is done. You can also say it later.">
          {(props) => (
            <textarea
              {...props}
              rows={4}
              placeholder="A test fails. Find out why, fix it, run the tests, and push the fix."
              value={prompt}
              onChange={(event) => setPrompt(event.target.value)}
              className={`${inputLook} resize-y`}
            />
          )}
        </Field>
        <div className="grid gap-3 sm:grid-cols-[1fr_9rem]">
          <Field
            label="Model"
            error={
              models.error?.message ??
              (refused?.code === "model_not_found" || refused?.code === "no_model_configured"
                ? `${refused.message} ${refused.fix ?? ""}`
                : undefined)
            }
            hint={
              model?.is_demo === true
                ? "A scripted demonstration, not an AI: it plays one fixed task on the sample repository, with real tools."
                : model === undefined
                  ? models.isPending
                    ? "Asking which models there are…"
                    : "No model is configured. Set an API key, or start Ollama, and restart the server."
                  : `Through ${model.upstream}.`
            }
          >
            {(props) => (
              <select
                {...props}
                value={model?.id ?? ""}
                onChange={(event) => setModel(event.target.value)}
                className={inputLook}
                disabled={all.length === 0}
              >
                {all.map((each) => (
                  <option key={each.id} value={each.id}>
                    {each.name}
                    {each.is_demo && !/scripted/i.test(each.name) ? " (scripted, not AI)" : ""}
                  </option>
                ))}
              </select>
            )}
          </Field>
          <Field label="Budget" hint="US dollars, at most." error={budgetWrong ? "Between $0.000001 and $1,000." : undefined}>
            {(props) => (
              <input
                {...props}
                inputMode="decimal"
                value={budget}
                onChange={(event) => setBudget(event.target.value)}
                className={inputLook}
              />
            )}
          </Field>
        </div>
        {models.data?.problems.map((problem) => (
          <p key={problem.upstream} className="text-sm text-ink-3">
            {problem.upstream}: {problem.message}
          </p>
        ))}
        {sample.error !== null && <Trouble error={sample.error} />}
        {create.error !== null && sourceError === undefined && <Trouble error={create.error} />}
        <div className="flex items-center justify-end gap-2 pt-1">
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" look="solid" busy={create.isPending} disabled={budgetWrong}>
            {create.isPending ? "Starting…" : "Start"}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
