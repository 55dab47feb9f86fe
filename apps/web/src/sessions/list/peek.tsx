/* A look at a session without leaving the list: what was said last, and what waits, decided here. */
import type { SessionId } from "@signalbox/contract/primitives";
import { getConversation, type ConversationItem } from "@signalbox/contract/sessions";
import { buttonLook } from "@signalbox/ui/button";
import { Status } from "@signalbox/ui/badge";
import { Drawer } from "@signalbox/ui/drawer";
import { Markdown } from "@signalbox/ui/markdown";
import { CostMeter } from "@signalbox/ui/meter";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Trouble } from "@signalbox/ui/trouble";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ArrowRight, Wrench } from "lucide-react";
import { ApprovalCard } from "../../approvals/approval-card.tsx";
import { client } from "../../data/api.ts";
import { sessionQuery, useNames } from "../../data/queries.ts";
import { attentionQuery } from "../../needs/attention-queries.ts";
import { QuestionCard } from "../../needs/question-card.tsx";
import { detailOf, lampOf, stateWord } from "../state.ts";

const LAST = 12;
const EVERY_MS = 3_000;

export function Peek({ id, onClose }: { id: SessionId; onClose(): void }) {
  const session = useQuery(sessionQuery(id));
  const said = useQuery({
    queryKey: ["sessions", "peek", id],
    queryFn: ({ signal }) => client.call(getConversation, { params: { id }, query: { order: "newest", limit: LAST }, signal }),
    refetchInterval: EVERY_MS,
  });
  const attention = useInfiniteQuery(attentionQuery("open", undefined));
  const waiting = attention.data?.items.filter((item) => item.session?.id === id) ?? [];
  const view = session.data;
  return (
    <Drawer title={view?.title ?? "Session"} onClose={onClose}>
      {session.error !== null && <Trouble error={session.error} />}
      {view === undefined && session.error === null && <Skeleton rows={4} className="h-12" />}
      {view !== undefined && (
        <div className="space-y-4">
          <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
            <Status state={lampOf(view)}>{stateWord(view)}</Status>
            <CostMeter spent={view.cost_micro_usd} cap={view.budget_micro_usd} />
          </div>
          {detailOf(view) !== null && <p className="text-sm text-ink-2">{detailOf(view)}</p>}
          <Link
            to="/sessions/$sessionId"
            params={{ sessionId: id }}
            data-focus
            className={`${buttonLook({ look: waiting.length === 0 ? "solid" : "plain" })} w-full`}
          >
            Open the session <ArrowRight size={16} aria-hidden />
          </Link>
          {waiting.map((item) => {
            if (item.approval !== null) return <ApprovalCard key={item.id} approval={item.approval} />;
            if (item.question !== null) return <QuestionCard key={item.id} question={item.question} session={null} hasKeys={false} />;
            return null;
          })}
          <section aria-label="Last said and done">
            <h3 className="plate mb-2">Last said and done</h3>
            {said.error !== null && said.data === undefined && <Trouble error={said.error} onRetry={() => void said.refetch()} />}
            {said.data?.items.length === 0 && <p className="text-sm text-ink-2">Nothing was said yet.</p>}
            <ol className="space-y-3">
              {said.data?.items.map((item) => (
                <Said key={`${item.type}:${item.id}`} item={item} />
              ))}
            </ol>
          </section>
        </div>
      )}
    </Drawer>
  );
}

function Said({ item }: { item: ConversationItem }) {
  const nameOf = useNames();
  switch (item.type) {
    case "message":
      return (
        <li className={`rounded-md border border-line px-3 py-2 ${item.role === "user" ? "bg-sunken" : "bg-raised"}`}>
          <p className="mb-1 flex justify-between gap-3 text-sm text-ink-3">
            <span className="font-medium">{item.role === "agent" ? "Agent" : nameOf(item.author)}</span>
            <Timestamp at={item.at} />
          </p>
          <Markdown text={item.content_md} className="max-h-60 overflow-y-auto text-sm" />
        </li>
      );
    case "tool_call":
      return (
        <li className="flex items-center gap-2 px-1 text-sm text-ink-2">
          <Wrench size={14} aria-hidden className="shrink-0 text-ink-3" />
          <span className="clamp-1 min-w-0 flex-1">{item.title ?? item.name}</span>
          <span className={item.status === "failed" ? "text-danger-ink" : "text-ink-3"}>
            {item.status === "invoked" ? "under way" : item.status === "failed" ? "failed" : "done"}
          </span>
        </li>
      );
    case "run_ended":
      return (
        <li className="px-1 text-sm text-ink-3">
          Turn ended: {item.status.replaceAll("_", " ")}
          {item.message !== null && `. ${item.message}`}
        </li>
      );
    case "notice":
      return <li className={`px-1 text-sm ${item.level === "error" ? "text-danger-ink" : "text-ink-3"}`}>{item.text}</li>;
    case "plan":
    case "thought":
    case "approval":
    case "question":
      return null; // Opened in the session itself; what waits is above.
  }
}
