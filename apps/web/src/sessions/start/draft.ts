/* What a person is about to start, kept in this browser while they make up their mind: a reload loses nothing. */
import { z } from "zod";
import { useState } from "react";

export const DEFAULT_BUDGET_USD = "2.00";
const LARGEST_MICRO_USD = 1_000_000_000;

const Draft = z.object({
  source: z.enum(["repository", "scratch"]).default("repository"),
  url: z.string().default(""),
  /** Empty: the default branch. */
  ref: z.string().default(""),
  /** The first starts the session; the others wait in its queue. Never empty. */
  prompts: z.array(z.string()).min(1).default([""]),
  /** Null: the default one. */
  model: z.string().nullable().default(null),
  harness: z.enum(["opencode", "acp"]).default("opencode"),
  sandbox: z.enum(["immediate", "deferred"]).default("immediate"),
  /** As it is typed, in dollars. */
  budget: z.string().default(DEFAULT_BUDGET_USD),
});
export type Draft = z.infer<typeof Draft>;

const keyOf = (name: string): string => `signalbox.draft.${name}`;

function read(name: string): Draft {
  try {
    const kept = localStorage.getItem(keyOf(name));
    return Draft.parse(kept === null ? {} : JSON.parse(kept));
  } catch {
    return Draft.parse({}); // Forbidden storage, or what another version wrote: begin anew.
  }
}

/** `name`: one draft for the dialog, another for the first run. */
export function useDraft(name: string): { draft: Draft; change(what: Partial<Draft>): void; forget(): void } {
  const [draft, setDraft] = useState(() => read(name));
  const keep = (next: Draft | null): void => {
    try {
      if (next === null) localStorage.removeItem(keyOf(name));
      else localStorage.setItem(keyOf(name), JSON.stringify(next));
    } catch {
      // Storage may be forbidden; the draft then lasts until the page is left.
    }
  };
  return {
    draft,
    change: (what) =>
      setDraft((before) => {
        const next = { ...before, ...what };
        keep(next);
        return next;
      }),
    /** Started: the next draft has the same place and the same means, but no task. */
    forget: () => keep({ ...draft, prompts: [""] }),
  };
}

/** Null when it is no amount that a session may have. */
export function budgetOf(text: string): number | null {
  const micro = Math.round(Number(text.replace(",", ".")) * 1_000_000);
  return text.trim() !== "" && Number.isFinite(micro) && micro >= 1 && micro <= LARGEST_MICRO_USD ? micro : null;
}

export const hasPlace = (draft: Draft): boolean => draft.source === "scratch" || draft.url.trim() !== "";
