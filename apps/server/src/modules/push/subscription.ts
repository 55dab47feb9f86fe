/* A browser that gets notes, and what the module needs to reach it. */
import { createECDH } from "node:crypto";
import type { OrganizationRole } from "@signalbox/contract/primitives";
import { newId } from "@signalbox/kernel/id";
import type { enqueueJobs } from "@signalbox/jobs/enqueue";
import type { Pool } from "pg";
import type { Deps } from "../../module.ts";
import type { Item } from "./notes.ts";
import type { VapidKeys } from "./vapid.ts";

export interface PushDeps extends Deps {
  /** As `sb_log`. */
  readonly pool: Pool;
  readonly vapid: VapidKeys;
  /** `mailto:` or https: whom a push service may ask about us. */
  readonly contact: string;
  readonly allowLoopback: boolean;
  /** The item as that person has it on their open list; null when they do not, or not any more. */
  readonly openItem: (who: { organizationId: string; principalId: string; role: OrganizationRole }, id: string) => Promise<Item | null>;
  readonly roleOf: (organizationId: string, principalId: string) => Promise<OrganizationRole | null>;
  readonly enqueue: (jobs: Parameters<typeof enqueueJobs>[1]) => Promise<void>;
}

export interface Subscription {
  id: string;
  principal_id: string;
  endpoint: string;
  p256dh: string;
  auth: string;
  label: string | null;
  created_at: Date;
  last_sent_at: Date | null;
  last_error: string | null;
}

/** As a browser gives them: a point of P-256 and 16 bytes, in base64url. */
export function keysAreValid(p256dh: string, auth: string): boolean {
  const bytes = (text: string): Buffer => Buffer.from(text, "base64url");
  if (bytes(auth).length !== 16 || bytes(p256dh).length !== 65) return false;
  try {
    const ecdh = createECDH("prime256v1");
    ecdh.generateKeys();
    ecdh.computeSecret(bytes(p256dh));
    return true;
  } catch {
    return false; // not a point of the curve
  }
}

export const newSubscriptionId = (): string => newId("psub");
