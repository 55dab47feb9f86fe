import type { Tx } from "@signalbox/eventlog/log";

/** The address that somebody has proven to be theirs. */
export async function provenEmail(anywhere: Tx, principalId: string): Promise<{ readonly email: string; readonly name: string } | null> {
  const { rows } = await anywhere.query<{ email: string; name: string }>(
    "select email, name from auth_users where id = $1 and email_verified",
    [principalId],
  );
  return rows[0] ?? null;
}

/**
 * The one spelling of an address that two people cannot both have. Compatibility forms and case are
 * folded; whatever still is not plain ASCII is refused, because look-alikes of another person's
 * address (a Cyrillic а, a dotless ı) would pass for it. Null: not an address.
 */
export function normalEmail(text: string): string | null {
  const folded = text.normalize("NFKC").trim().toLowerCase();
  // Folding must not make an address out of what was none: `ı@…` stays out, and so does a hidden character.
  return /^[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+$/.test(
    folded,
  ) && folded.length <= 254
    ? folded
    : null;
}
