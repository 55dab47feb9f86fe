import { ChevronRight, ListTodo } from "lucide-react";
import { useState, useSyncExternalStore } from "react";
import type { ConversationStore } from "./conversation-store.ts";
import { activePlan } from "./rows.ts";
import { Checklist, doneOf } from "./rows/plan-row.tsx";

/** The plan of the turn under way, in sight wherever one reads. */
export function PinnedPlan({ store, runId }: { store: ConversationStore; runId: string | null }) {
  const [isOpen, setOpen] = useState(false);
  const plan = useSyncExternalStore(store.subscribe, () => activePlan(store.get().conversation, runId));
  if (plan === null) return null;
  const now = plan.entries.find(({ status }) => status === "in_progress") ?? plan.entries.find(({ status }) => status === "pending");
  return (
    <section aria-label="Plan of this turn" className="shrink-0 border-b border-line bg-panel px-4 sm:px-8">
      <div className="mx-auto max-w-3xl">
        <button
          type="button"
          aria-expanded={isOpen}
          onClick={() => setOpen(!isOpen)}
          className="flex w-full items-center gap-2.5 py-1.5 text-left text-sm -outline-offset-2"
        >
          <ListTodo size={15} aria-hidden className="shrink-0 text-ink-3" />
          <span className="font-semibold whitespace-nowrap text-ink-2 tabular-nums">
            {doneOf(plan)} of {plan.entries.length}
          </span>
          <span className="clamp-1 min-w-0 flex-1">{now?.content}</span>
          <ChevronRight size={14} aria-hidden className={`shrink-0 text-ink-3 transition-transform ${isOpen ? "rotate-90" : ""}`} />
        </button>
        {isOpen && (
          <div className="max-h-[40dvh] overflow-y-auto pb-2.5">
            <Checklist entries={plan.entries} />
          </div>
        )}
      </div>
    </section>
  );
}
