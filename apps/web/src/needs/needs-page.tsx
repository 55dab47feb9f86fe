/* Home: everything that waits for a person, decided in place, by one key each. */
import { ATTENTION_KINDS, type AttentionItem, type AttentionKind } from "@signalbox/contract/attention";
import type { Verdict } from "@signalbox/contract/approvals";
import type { ApprovalId } from "@signalbox/contract/primitives";
import { Button, buttonLook } from "@signalbox/ui/button";
import { count } from "@signalbox/ui/format";
import { LoadMore } from "@signalbox/ui/load-more";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { Check, CircleCheck, X } from "lucide-react";
import { useState } from "react";
import { useDecide } from "../approvals/decide.ts";
import { sessionsQuery } from "../data/queries.ts";
import { Page } from "../frame/page.tsx";
import { useShortcuts } from "../frame/shortcuts.ts";
import { FirstSession } from "../sessions/first-session.tsx";
import { isEnded } from "../sessions/state.ts";
import { attentionQuery, useDecideMany, useDismiss } from "./attention-queries.ts";
import { DoneList } from "./done-list.tsx";
import { KIND_WORDS, NeedCard } from "./need-card.tsx";
import { useCurrent } from "./use-current.ts";

const route = getRouteApi("/frame/");
const tabLook = "rounded-sm px-3 py-1 text-ink-2";
const chosenTab = { className: "rounded-sm bg-raised px-3 py-1 font-semibold text-ink", "aria-current": "page" } as const;

const waits = (total: number | undefined): string =>
  total === undefined ? "…" : total === 0 ? "Nothing waits." : `${count(total, "thing waits", "things wait")} for a person.`;

export function NeedsPage() {
  const { tab, kind: wanted } = route.useSearch();
  const kind = ATTENTION_KINDS.find((one) => one === wanted);
  const { data } = useInfiniteQuery(attentionQuery("open", undefined));
  const total = data?.counts.total;
  return (
    <Page
      title="Needs you"
      lead={tab === "decided" ? "What was decided and put away, and by whom." : waits(total)}
      actions={
        <nav aria-label="Which" className="flex gap-1 rounded-md bg-sunken p-1 text-sm">
          <Link to="/" search={{}} {...(tab === undefined ? chosenTab : { className: tabLook })}>
            Open
          </Link>
          <Link to="/" search={{ tab: "decided" }} {...(tab === "decided" ? chosenTab : { className: tabLook })}>
            Done
          </Link>
        </nav>
      }
    >
      {tab === "decided" ? <DoneList /> : <Open key={wanted} kind={kind} byKind={data?.counts.by_kind ?? {}} />}
    </Page>
  );
}

function Open({ kind, byKind }: { kind: AttentionKind | undefined; byKind: Partial<Record<AttentionKind, number>> }) {
  const list = useInfiniteQuery(attentionQuery("open", kind));
  const items = list.data?.items ?? [];
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const at = useCurrent(items.map(({ id }) => id));
  const navigate = useNavigate();
  const decide = useDecide();
  const dismiss = useDismiss();
  const current = items[at.index];
  const answer = (decision: Verdict): void => {
    const approval = current?.approval;
    if (approval == null || decide.isPending || !at.isSettled()) return;
    if (decision !== "hold") at.answered();
    decide.mutate({ id: approval.id, decision });
  };
  const pick = (item: AttentionItem): void =>
    setPicked((before) => {
      const next = new Set(before);
      if (!next.delete(item.id)) next.add(item.id);
      return next;
    });
  useShortcuts([
    { keys: "j", label: "Next", run: () => at.move(1) },
    { keys: "k", label: "Previous", run: () => at.move(-1) },
    { keys: "a", label: "Approve", run: () => answer("approve") },
    { keys: "d", label: "Deny", run: () => answer("deny") },
    { keys: "h", label: "Hold", run: () => answer("hold") },
    { keys: "x", label: "Pick, to decide several at once", run: () => current !== undefined && pick(current) },
    {
      keys: "e",
      label: "Dismiss from your list",
      run: () => {
        if (current === undefined || dismiss.isPending || !at.isSettled()) return;
        at.answered();
        dismiss.mutate([current]);
      },
    },
    { keys: "z", label: "Put back what was dismissed last", run: dismiss.undo },
    {
      keys: "o",
      label: "Open where it comes from",
      run: () => {
        if (current?.session != null) void navigate({ to: "/sessions/$sessionId", params: { sessionId: current.session.id } });
        else if (current?.run_id != null) void navigate({ to: "/runs/$runId", params: { runId: current.run_id } });
      },
    },
  ]);

  if (list.error !== null && list.data === undefined) return <Trouble error={list.error} onRetry={() => void list.refetch()} />;
  if (list.data === undefined) return <Skeleton rows={2} className="h-48" />;
  const kinds = ATTENTION_KINDS.filter((one) => (byKind[one] ?? 0) > 0);
  const chosen = items.filter(({ id }) => picked.has(id));
  return (
    <>
      {(kinds.length > 1 || kind !== undefined) && (
        <nav aria-label="Kind" className="mb-4 flex flex-wrap gap-1.5">
          <KindLink kind={undefined} isChosen={kind === undefined} label="Everything" />
          {kinds.map((one) => (
            <KindLink key={one} kind={one} isChosen={kind === one} label={`${KIND_WORDS[one].many} ${byKind[one] ?? 0}`} />
          ))}
        </nav>
      )}
      {items.length === 0 ? (
        kind === undefined ? (
          <NothingWaits />
        ) : (
          <div className="rounded-lg border border-line bg-panel">
            <Empty
              icon={<CircleCheck size={28} />}
              title={`No ${KIND_WORDS[kind].one.toLowerCase()} waits`}
              action={
                <Link to="/" search={{}} className={buttonLook({})}>
                  Everything that waits
                </Link>
              }
            />
          </div>
        )
      ) : (
        <ul className="space-y-4" aria-label="What waits">
          {items.map((item, i) => (
            <li
              key={item.id}
              ref={at.rowRef(i)}
              tabIndex={-1}
              onFocus={() => at.choose(i)}
              // A verdict by the card's own buttons: the focus goes on as it does after a key.
              onClick={() => i === at.index && at.answered()}
              className={`rounded-lg ${i === at.index && at.isChosen ? "outline-2 outline-offset-4 outline-moving" : "outline-none"}`}
            >
              <NeedCard
                item={item}
                hasKeys={i === at.index}
                isPicked={picked.has(item.id)}
                onPick={items.length > 1 ? () => pick(item) : null}
                onDismiss={() => dismiss.mutate([item])}
              />
            </li>
          ))}
        </ul>
      )}
      <LoadMore hasMore={list.hasNextPage} isLoading={list.isFetchingNextPage} onMore={() => void list.fetchNextPage()} />
      {chosen.length > 0 && <BulkBar items={chosen} onDone={() => setPicked(new Set())} />}
    </>
  );
}

function KindLink({ kind, isChosen, label }: { kind: AttentionKind | undefined; isChosen: boolean; label: string }) {
  return (
    <Link
      to="/"
      search={kind === undefined ? {} : { kind }}
      aria-current={isChosen ? "true" : undefined}
      className={`rounded-full border px-2.5 py-1 text-sm ${isChosen ? "border-ink bg-ink text-on-ink" : "border-line text-ink-2 hover:bg-chosen"}`}
    >
      {label}
    </Link>
  );
}

/** Several at once. What is dangerous is left out by the server, one by one, with its reason. */
function BulkBar({ items, onDone }: { items: readonly AttentionItem[]; onDone(): void }) {
  const decide = useDecideMany();
  const dismiss = useDismiss();
  const ids = items.flatMap(({ approval }): ApprovalId[] => (approval === null ? [] : [approval.id]));
  const isBusy = decide.isPending || dismiss.isPending;
  return (
    <div
      role="region"
      aria-label="What was picked"
      className="soft-shadow sticky bottom-4 z-20 mt-6 flex flex-wrap items-center gap-2 rounded-lg border border-line-strong bg-raised px-4 py-3"
    >
      <p className="mr-auto font-semibold">{items.length} picked</p>
      {ids.length > 0 && (
        <>
          <Button look="approve" busy={isBusy} onClick={() => decide.mutate({ ids, decision: "approve" }, { onSuccess: onDone })}>
            <Check size={16} aria-hidden /> Approve {ids.length}
          </Button>
          <Button look="danger" busy={isBusy} onClick={() => decide.mutate({ ids, decision: "deny" }, { onSuccess: onDone })}>
            <X size={16} aria-hidden /> Deny {ids.length}
          </Button>
        </>
      )}
      <Button busy={isBusy} onClick={() => dismiss.mutate(items, { onSuccess: onDone })}>
        Dismiss {items.length}
      </Button>
      <Button look="quiet" onClick={onDone}>
        Pick none
      </Button>
    </div>
  );
}

function NothingWaits() {
  const { data: sessions, isSuccess } = useInfiniteQuery(sessionsQuery("", false));
  if (!isSuccess) return null;
  // What was imported is of elsewhere: without a session of one's own the box is as new.
  if (sessions.every(({ imported }) => imported != null)) return <FirstSession isHome />;
  const atWork = sessions.filter((session) => !isEnded(session.status) && session.current_run !== null).length;
  return (
    <div className="rounded-lg border border-line bg-panel">
      <Empty
        icon={<CircleCheck size={28} />}
        title="The line is clear"
        action={
          <Link to="/sessions" className={buttonLook({})}>
            See the sessions
          </Link>
        }
      >
        {atWork === 0 ? "No agent is at work." : `${count(atWork, "agent")} at work.`} When one wants to touch anything outside its sandbox,
        or something goes wrong, it comes up here.
      </Empty>
    </div>
  );
}
