/* What a person is about to start, kept in this browser while they make up their mind: a reload loses nothing. */
import { useState } from "react";

export const DEFAULT_BUDGET_USD = "2.00";
const LARGEST_MICRO_USD = 1_000_000_000;

export interface Draft {
  readonly source: "repository" | "scratch";
  readonly url: string;
  /** Empty: the default branch. */
  readonly ref: string;
  /** The first starts the session; the others wait in its queue. Never empty. */
  readonly prompts: string[];
  /** Null: the default one. */
  readonly model: string | null;
  readonly harness: "opencode" | "acp";
  readonly sandbox: "immediate" | "deferred";
  /** As it is typed, in dollars. */
  readonly budget: string;
}
const NEW: Draft = {
  source: "repository",
  url: "",
  ref: "",
  prompts: [""],
  model: null,
  harness: "opencode",
  sandbox: "immediate",
  budget: DEFAULT_BUDGET_USD,
};

const keyOf = (name: string): string => `signalbox.draft.${name}`;

function read(name: string): Draft {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(keyOf(name)) ?? "null");
    return typeof kept === "object" && kept !== null ? whole(kept) : NEW;
  } catch {
    return NEW; // Forbidden storage, or what another version wrote: begin anew.
  }
}

/** What another version wrote may lack something, or mean something else by it. */
function whole(kept: Partial<Record<keyof Draft, unknown>>): Draft {
  const text = (value: unknown, otherwise: string): string => (typeof value === "string" ? value : otherwise);
  const { prompts } = kept;
  const isSaid = Array.isArray(prompts) && prompts.length > 0 && prompts.every((each) => typeof each === "string");
  return {
    source: kept.source === "scratch" ? "scratch" : NEW.source,
    url: text(kept.url, NEW.url),
    ref: text(kept.ref, NEW.ref),
    prompts: isSaid ? prompts : NEW.prompts,
    model: typeof kept.model === "string" ? kept.model : NEW.model,
    harness: kept.harness === "acp" ? "acp" : NEW.harness,
    sandbox: kept.sandbox === "deferred" ? "deferred" : NEW.sandbox,
    budget: text(kept.budget, NEW.budget),
  };
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
