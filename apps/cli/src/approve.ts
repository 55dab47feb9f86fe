import type { Client } from "@signalbox/client/client";
import { decideApproval, getApproval, type ApprovalView, type Verdict } from "@signalbox/contract/approvals";
import { confirm, isCancel } from "@clack/prompts";
import { printable, type Terminal } from "./terminal.ts";

/** Everything a person must see before answering: the exact call, why, and what could go wrong. */
export function describeApproval(approval: ApprovalView, terminal: Terminal): string {
  const { request } = approval;
  const lines = [
    terminal.style("bold", oneLine(approval.title)),
    `  action   ${approval.action}`,
    ...(request.purpose === undefined ? [] : [`  purpose  ${request.purpose}`]),
    ...(request.external_impact === undefined ? [] : [`  impact   ${request.external_impact}`]),
    ...(request.risks ?? []).map((risk) => `  risk     ${risk}`),
    ...(request.rollback_plan === undefined ? [] : [`  undo     ${request.rollback_plan}`]),
    ...(request.notes_md === undefined
      ? []
      : request.notes_md
          .split("\n")
          .filter((line) => line.trim() !== "")
          .map((line) => `           ${line}`)),
    `  call     ${JSON.stringify(approval.params)}`,
    `  hash     ${approval.call_hash}`,
    `  expires  ${approval.expires_at}`,
  ];
  return printableLines(lines);
}

/** A line break in what was written by the one who asks must not begin a line that looks like ours. */
const oneLine = (text: string): string => printable(text).replaceAll("\n", " ⏎ ");
const printableLines = (lines: readonly string[]): string => lines.map((line, i) => (i === 0 ? line : oneLine(line))).join("\n");

export const decide = (client: Client, id: string, decision: Verdict, reason?: string): Promise<ApprovalView> =>
  client.call(decideApproval, { params: { id }, body: { decision, ...(reason === undefined ? {} : { reason }) } });

/**
 * Asks the person at the terminal, or answers yes when told to beforehand. Null: nobody is there to
 * ask, so the approval stays open.
 */
export async function ask(client: Client, terminal: Terminal, approvalId: string, yes: boolean): Promise<ApprovalView | null> {
  const approval = await client.call(getApproval, { params: { id: approvalId } });
  if (approval.status !== "pending" && approval.status !== "held") return approval;
  terminal.progress(`\n${describeApproval(approval, terminal)}\n`);
  if (yes) return decide(client, approvalId, "approve", "approved beforehand with --yes");
  if (!terminal.interactive) {
    terminal.progress(`Waiting for a person: signalbox approve ${approvalId}`);
    return null;
  }
  const answer = await confirm({ message: "Approve exactly this call?", initialValue: false, output: process.stderr });
  if (isCancel(answer)) return null;
  return decide(client, approvalId, answer ? "approve" : "deny");
}
