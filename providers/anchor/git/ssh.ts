/*
 * git over ssh with one key, to hosts whose keys are known: nothing of the machine's own ssh is used (no agent, no
 * configuration, no known_hosts of anybody), and a host that is not in the file is refused, never learned.
 */
export interface SshAccess {
  /** Private key, readable by its owner alone: ssh refuses any other. */
  readonly keyFile: string;
  /** sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"; `ssh-keyscan` writes it. */
  readonly knownHostsFile: string;
}

/** `ssh://[user@]host[:port]/path`, or `user@host:path`. */
export const isSsh = (remote: string): boolean =>
  /^ssh:\/\/([A-Za-z0-9][A-Za-z0-9._-]*@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]*)(:\d{1,5})?\/\S+$/.test(remote) ||
  /^[A-Za-z0-9][A-Za-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[^\s:]\S*$/.test(remote);

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
/** Of a path in ssh's own configuration, which splits at blanks and knows % and ~. */
const inConfig = (path: string): string => `"${path.replaceAll(/["\\]/g, "\\$&").replaceAll("%", "%%")}"`;

/** For git's environment. */
export function sshEnvironment({ keyFile, knownHostsFile }: SshAccess): Readonly<Record<string, string>> {
  const options = [
    `IdentityFile=${inConfig(keyFile)}`,
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "PreferredAuthentications=publickey",
    "BatchMode=yes",
    `UserKnownHostsFile=${inConfig(knownHostsFile)}`,
    "GlobalKnownHostsFile=none",
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
    "ClearAllForwardings=yes",
    "ConnectTimeout=20",
    "ServerAliveInterval=15",
  ];
  return {
    GIT_SSH_COMMAND: ["ssh", "-F", "none", ...options.flatMap((option) => ["-o", quoted(option)])].join(" "),
    GIT_SSH_VARIANT: "ssh",
  };
}
