import type { ConversationItem } from "@signalbox/contract/sessions";
import { Check, Circle, CircleDot } from "lucide-react";
import { OnTrack } from "./on-track.tsx";

type PlanItem = Extract<ConversationItem, { type: "plan" }>;

const MARK = {
  completed: <Check size={15} className="text-clear-ink" aria-label="done" />,
  in_progress: <CircleDot size={15} className="text-moving-ink" aria-label="under way" />,
  pending: <Circle size={15} className="text-ink-3" aria-label="to do" />,
};
export const doneOf = (plan: Pick<PlanItem, "entries">): number => plan.entries.filter(({ status }) => status === "completed").length;

export function Checklist({ entries }: Pick<PlanItem, "entries">) {
  return (
    <ul className="space-y-0.5 text-sm">
      {entries.map((entry, i) => (
        <li
          key={i}
          className={`flex items-start gap-2 ${entry.status === "completed" ? "text-ink-3" : entry.status === "in_progress" ? "font-medium" : ""}`}
        >
          <span className="mt-[3px] shrink-0">{MARK[entry.status]}</span>
          {entry.content}
        </li>
      ))}
    </ul>
  );
}

export function Plan({ item }: { item: PlanItem }) {
  return (
    <OnTrack>
      <section className="my-1 rounded-md border border-line bg-panel px-3 py-2.5" aria-label="Plan">
        <h3 className="plate mb-1">
          Plan · {doneOf(item)} of {item.entries.length}
        </h3>
        <Checklist entries={item.entries} />
      </section>
    </OnTrack>
  );
}
