import type { Tx } from "@signalbox/eventlog/log";
import type { Clock } from "@signalbox/kernel/clock";
import { createHash } from "node:crypto";

/** How much in how long. */
export interface Limit {
  readonly name: string;
  readonly most: number;
  readonly windowS: number;
}

export const LIMITS = {
  sendCode: { name: "send_code", most: 6, windowS: 60 },
  tryCode: { name: "try_code", most: 10, windowS: 60 },
  password: { name: "password", most: 10, windowS: 60 },
  /** Of one address on the network, whatever it tries: generous, since a whole office may share one. */
  address: { name: "address", most: 120, windowS: 60 },
  device: { name: "device", most: 20, windowS: 60 },
  userCode: { name: "user_code", most: 20, windowS: 60 },
  invite: { name: "invite", most: 60, windowS: 3600 },
} as const satisfies Record<string, Limit>;

export interface Attempts {
  /** Counts one, for every process together. False: too many, and the one that was counted must not happen. */
  take(limit: Limit, of: string): Promise<boolean>;
}

export function createAttempts({ anywhere, clock }: { anywhere: Tx; clock: Clock }): Attempts {
  return {
    async take({ name, most, windowS }, of) {
      // Hashed: the table is no list of who tried to sign in.
      const key = `${name}:${createHash("sha256").update(of).digest("base64url")}`;
      const { rows } = await anywhere.query<{ ok: boolean }>("select idn_attempt($1, $2, $3, $4) as ok", [key, clock.now(), windowS, most]);
      return rows[0]?.ok === true;
    },
  };
}
