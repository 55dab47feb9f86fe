/* From a draft to a session at work: created once however often one presses, its further prompts put in its queue. */
import { ApiError } from "@signalbox/client/client";
import { createSession, promptSession, type SessionView } from "@signalbox/contract/sessions";
import { toast } from "@signalbox/ui/toasts";
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { client, queries } from "../../data/api.ts";
import { putSession } from "../../data/queries.ts";
import { budgetOf, hasPlace, type Draft } from "./draft.ts";

/** Which field a refusal belongs to. */
const FIELD: Readonly<Record<string, "source" | "model">> = {
  source_not_found: "source",
  source_not_allowed: "source",
  model_not_found: "model",
  no_model_configured: "model",
};

const promptsOf = (draft: Draft): readonly string[] => draft.prompts.filter((text) => text.trim() !== "");

export interface Start {
  readonly isStarting: boolean;
  /** What belongs to no field. */
  readonly error: Error | null;
  readonly refused: Partial<Record<"source" | "model", string>>;
  readonly mayStart: boolean;
  start(): void;
}

export function useStart(draft: Draft, model: string | undefined, onStarted: () => void): Start {
  const navigate = useNavigate();
  // One key for as long as the form says the same: pressing twice makes one session.
  const [attempt, setAttempt] = useState(() => crypto.randomUUID());
  const budget = budgetOf(draft.budget);
  const create = useMutation({
    mutationFn: async (): Promise<SessionView> => {
      const [first, ...further] = promptsOf(draft);
      const session = await client.call(createSession, {
        body: {
          source:
            draft.source === "scratch"
              ? { type: "scratch" }
              : { type: "repository", url: draft.url.trim(), ...(draft.ref.trim() === "" ? {} : { ref: draft.ref.trim() }) },
          harness: draft.harness,
          sandbox: first === undefined ? draft.sandbox : "immediate",
          ...(budget === null ? {} : { budget_micro_usd: budget }),
          ...(first === undefined ? {} : { prompt: first }),
          ...(model === undefined ? {} : { model }),
        },
        idempotencyKey: attempt,
      });
      try {
        for (const [i, content_md] of further.entries())
          await client.call(promptSession, { params: { id: session.id }, body: { content_md }, idempotencyKey: `${attempt}-${i}` });
      } catch (error) {
        // The session is there and at work; what could not be queued can be said in it.
        toast(`A further prompt was not queued: ${error instanceof Error ? error.message : "no answer"}`, "danger");
      }
      return session;
    },
    onSuccess: async (session) => {
      onStarted();
      putSession(session);
      void queries.invalidateQueries({ queryKey: ["repositories", "recent"] });
      await navigate({ to: "/sessions/$sessionId", params: { sessionId: session.id } });
    },
    // A refusal is kept under its key for a day; what is corrected is a new attempt.
    onError: (error) => {
      if (error instanceof ApiError && error.status > 0) setAttempt(crypto.randomUUID());
    },
  });
  const refusal = create.error instanceof ApiError ? create.error : null;
  const field = refusal === null ? undefined : FIELD[refusal.code];
  const mayStart = budget !== null && hasPlace(draft);
  return {
    isStarting: create.isPending,
    error: field === undefined ? create.error : null,
    refused:
      field === undefined || refusal === null ? {} : { [field]: `${refusal.message}${refusal.fix === undefined ? "" : ` ${refusal.fix}`}` },
    mayStart,
    start: () => {
      if (!create.isPending && mayStart) create.mutate();
    },
  };
}
