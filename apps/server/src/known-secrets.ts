/* What the scanner of the log knows exactly, and so finds whatever it looks like. */
import type { KnownSecret, SecretRegistry } from "@signalbox/eventlog/dlp";

/** The configuration's and those that an organization keeps. One list for as long as nothing changes: the scanner remembers by it. */
export function knownSecrets(configured: readonly string[], kept: SecretRegistry): SecretRegistry {
  const own = configured.map((value) => ({ name: "configured", value }));
  const joined = new WeakMap<readonly KnownSecret[], readonly KnownSecret[]>();
  return {
    secretsOf(organizationId) {
      const theirs = kept.secretsOf(organizationId);
      let all = joined.get(theirs);
      if (all === undefined) joined.set(theirs, (all = [...own, ...theirs]));
      return all;
    },
  };
}
