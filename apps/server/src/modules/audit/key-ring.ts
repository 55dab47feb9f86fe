/*
 * Which key signs an organization's checkpoints. The log says it, the keys directory has it:
 *
 *   first ── rotate (both keys sign the hand-over) ──► second ── rotate ──► …
 *     └───── replace (its private key is lost) ──────► second      verifiers are told apart: keys.ts of packages/verify
 *
 * A rotation writes the new private key first and appends `checkpoint.key_rotated` second; a crash in
 * between leaves a file that nothing names. The event's place in the log decides: what covers it is
 * signed by the new key, so no checkpoint is signed by a key that was handed over.
 */
import type { AuditKey } from "@signalbox/contract/log";
import type { AuditEvent } from "@signalbox/contract/events/audit";
import { accept, refuse, type Decider } from "@signalbox/kernel/decider";
import { rotationNote, rotationText } from "@signalbox/verify/keys";
import { nodePrimitives } from "@signalbox/verify/node";
import { parseKey, type VerifierKey } from "@signalbox/verify/note";
import type pg from "pg";
import type { z } from "zod";
import { ShellRefused } from "../../http/refusal.ts";
import type { Signer, SigningKeys } from "./signing-key.ts";

type Rotated = Extract<AuditEvent, { type: "checkpoint.key_rotated" }>;
export type RotationCommand = { readonly type: "rotate"; readonly rotation: Rotated["data"] };

export const keyRingSubject = (organizationId: string): string => `checkpoint_key:${organizationId}`;

/** `current` is null until the first rotation: the first key is nothing that anybody decided. */
export const rotation: Decider<{ current: string | null }, RotationCommand, Rotated, { code: "key_rotated_meanwhile" }> = {
  initial: { current: null },
  decide: ({ current }, { rotation: data }) =>
    current !== null && current !== data.from_key_id
      ? refuse({ code: "key_rotated_meanwhile" })
      : accept<Rotated>({ type: "checkpoint.key_rotated", data }),
  evolve: (_, event) => ({ current: event.data.to_key_id }),
};

export interface RingKey {
  readonly key: VerifierKey & { readonly text: string };
  readonly introduced: "first" | "rotated" | "replaced";
  readonly since: string | null;
  readonly statement: string | null;
}
type Client = Pick<pg.ClientBase, "query">;

/** Oldest first; the last one signs. Reads through `client`, so also inside a snapshot. Connects as `sb_log`. */
export async function ringOf(client: Client, organizationId: string, keys: SigningKeys): Promise<readonly RingKey[]> {
  const { rows } = await client.query<{ public_key: string; how: RingKey["introduced"]; since: Date; statement: string | null }>(
    `select public_key, 'first' as how, since, null as statement, 0 as n from audit_first_keys where organization_id = $1
     union all
     select p.data::jsonb ->> 'public_key', p.data::jsonb ->> 'how', e.recorded_at, p.data::jsonb ->> 'statement', e.subject_version
       from evt_events e join evt_payloads p using (position)
      where e.organization_id = $1 and e.subject = $2 and e.type = 'checkpoint.key_rotated'
      order by n`,
    [organizationId, keyRingSubject(organizationId)],
  );
  const ring: RingKey[] = [];
  if (rows[0]?.how !== "first") {
    const { key } = await keys.first(organizationId);
    ring.push({ key, introduced: "first", since: null, statement: null });
  }
  for (const { public_key, how, since, statement } of rows) {
    const key = await parseKey(nodePrimitives, public_key);
    ring.push({ key: { ...key, text: public_key }, introduced: how, since: since.toISOString(), statement });
  }
  return ring;
}

/** The one that signs now; a refusal when its private key is not here. */
export async function signerOf(client: Client, organizationId: string, keys: SigningKeys): Promise<Signer> {
  const current = (await ringOf(client, organizationId, keys)).at(-1)!;
  const signer = await keys.find(organizationId, current.key.id);
  if (signer === null) throw keyMissing(current.key.id);
  return signer;
}

export const keyMissing = (id: string): ShellRefused =>
  new ShellRefused("signing_key_missing", missingText(id), {
    fix: "Restore the keys directory from a backup. If the key is lost for good: signalbox log keys rotate --replace-lost, which verifiers will call a replaced key.",
  });
export const missingText = (id: string): string =>
  `The key ${id}, which signs this organization's checkpoints, is not in the keys directory of the server's data directory.`;

/** Remembers what the first checkpoint is signed with. Nothing once it is there. */
export async function recordFirstKey(client: Client, organizationId: string, key: RingKey["key"], now: string): Promise<void> {
  await client.query(
    "insert into audit_first_keys (organization_id, key_id, public_key, since) values ($1, $2, $3, $4) on conflict do nothing",
    [organizationId, key.id, key.text, now],
  );
}

export function ringViews(ring: readonly RingKey[]): z.input<typeof AuditKey>[] {
  return ring.map(({ key, introduced, since, statement }, i) => {
    const next = ring[i + 1];
    return {
      key_id: key.id,
      name: key.name,
      public_key: key.text,
      status: next === undefined ? "current" : "retired",
      introduced,
      valid_from: since,
      valid_until: next?.since ?? null,
      statement,
    };
  });
}

/** What is signed by whom, ready to be appended. `old` is null when it is lost. */
export function rotationOf(
  from: VerifierKey,
  old: Signer | null,
  next: Signer,
  at: { readonly position: number; readonly time: string; readonly reason: string | null },
): Rotated["data"] {
  const text = rotationText({ origin: from.name, next: next.key, position: at.position, time: at.time });
  return {
    from_key_id: from.id,
    to_key_id: next.key.id,
    public_key: next.key.text,
    how: old === null ? "replaced" : "rotated",
    statement:
      old === null ? null : rotationNote(text, { key: from, signature: old.sign(text) }, { key: next.key, signature: next.sign(text) }),
    reason: at.reason,
  };
}
