/*
 * The end of an account against whatever gives its person a place in an organization, or a higher one.
 *
 * An account's end is recorded in the installation's log, a place in an organization's: no version is common to the two,
 * so neither would see the other. Both therefore hold a lock of that person in the database, those who give a place
 * together, the end alone. What was given before the end is recorded is found by it; after that nobody gives any more.
 *
 *   give:  lock shared ─► is the account ending? ─no─► append ─► let go        end:  lock alone ─► append ─► let go
 *
 * `work` must not ask the requests' pool for a connection: all of them may be held by those who wait for the lock.
 */
import type { Kysely } from "kysely";
import { sql } from "kysely";
import { ShellRefused } from "../../http/refusal.ts";
import type { IdentityDeps } from "./public.ts";

export interface Admission {
  /** `otherwise` when their account is ending. */
  give<T>(principalId: string, work: () => Promise<T>, otherwise: () => T): Promise<T>;
  /** Whoever keeps accounts records in `work` that one ends. */
  end<T>(principalId: string, work: () => Promise<T>): Promise<T>;
}
export type IsEnding = (principalId: string) => Promise<boolean>;

export function createAdmission({
  db,
  localOrganizationId,
  isEnding,
}: Pick<IdentityDeps, "db" | "localOrganizationId"> & { readonly isEnding: IsEnding }): Admission {
  const holding = <T>(principalId: string, how: "shared" | "alone", work: () => Promise<T>): Promise<T> =>
    db.inOrganization(localOrganizationId, async (tx: Kysely<unknown>) => {
      const key = `person ${principalId}`;
      await (
        how === "shared"
          ? sql`select pg_advisory_xact_lock_shared(hashtextextended(${key}, 0))`
          : sql`select pg_advisory_xact_lock(hashtextextended(${key}, 0))`
      ).execute(tx);
      return work();
    });
  return {
    give: (principalId, work, otherwise) =>
      holding(principalId, "shared", async () => ((await isEnding(principalId)) ? otherwise() : work())),
    end: (principalId, work) => holding(principalId, "alone", work),
  };
}

/** To whoever asked for a place themselves. */
export function accountEnds(): never {
  throw new ShellRefused("unauthenticated", "This account was deleted.", { fix: "Make a new one." });
}
