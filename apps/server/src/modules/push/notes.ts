/* What a note says of something that waits: little, for it shows on a locked screen; and where it leads. */
import type { AttentionItem } from "@signalbox/contract/attention";
import type { PushPayload } from "@signalbox/contract/push";
import type { z } from "zod";

export type Item = z.input<typeof AttentionItem>;

const LENGTH = 120;
const short = (text: string): string => {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length > LENGTH ? `${line.slice(0, LENGTH - 1)}…` : line;
};

export function noteOf(item: Item): PushPayload {
  const where = item.session?.title ?? null;
  const base = { tag: item.id, kind: item.kind, url: urlOf(item), actions: [] as PushPayload["actions"] };
  if (item.approval !== null) {
    return {
      ...base,
      title: "Approval needed",
      body: short(where === null ? item.title : `${item.title} · ${where}`),
      approval_id: item.approval.id,
      actions: [
        { action: "approve", title: "Approve" },
        { action: "deny", title: "Deny" },
      ],
    };
  }
  return {
    ...base,
    title: TITLE[item.kind],
    body: short(where === null || where === item.title ? item.title : `${item.title} · ${where}`),
  };
}

const TITLE: Readonly<Record<Item["kind"], string>> = {
  approval: "Approval needed",
  question: "The agent asks",
  environment_request: "Environment variables are asked for",
  run_failed: "A run failed",
  run_needs_human: "A run needs you",
  run_stuck: "A run says nothing",
  session_failed: "A session failed",
  invocation_unknown: "An outcome is not known",
  projection_drifted: "What is shown differs from the log",
};

function urlOf(item: Item): string {
  if (item.approval !== null) return `/approvals/${item.approval.id}`;
  if (item.session !== null) return `/sessions/${item.session.id}`;
  if (item.run_id !== null) return `/runs/${item.run_id}`;
  return "/";
}

export const TEST_NOTE: PushPayload = {
  title: "Signalbox",
  body: "Notes arrive here.",
  url: "/settings/notifications",
  tag: "test",
  kind: "test",
  actions: [],
};
