/* What each setting allows and all of them together do not: said at the start, with what to do. */
import { isIP } from "node:net";
import { isSsh } from "@signalbox/providers/anchor/git/ssh";
import { secretProblem } from "@signalbox/providers/sink/webhook/webhook";
import { type Config, ConfigError } from "./settings.ts";

const CRON = /^(\S+\s+){4}\S+$/;

export const isLoopback = (host: string): boolean => /^(localhost|\[?::1\]?|127(\.\d{1,3}){3})$/.test(host);

export function refuseUnsafe(config: Config): void {
  const { host, previewDomain, publicUrl, signIn, ownerEmail, driftCheckCron } = config;
  if (!CRON.test(driftCheckCron))
    throw new ConfigError(
      `SIGNALBOX_DRIFT_CHECK_CRON: "${driftCheckCron}" is not five fields of cron.`,
      "Write minute, hour, day, month and weekday, like 41 3 * * *; SIGNALBOX_DRIFT_CHECK=off turns the check off.",
    );
  if (previewDomain !== undefined) refuseUnsafeDomain(previewDomain, publicUrl);
  for (const [name, id, secret] of [
    ["GITHUB", config.githubClientId, config.githubClientSecret],
    ["GOOGLE", config.googleClientId, config.googleClientSecret],
  ] as const)
    if ((id === undefined) !== (secret === undefined))
      throw new ConfigError(`Of ${name}_CLIENT_ID and ${name}_CLIENT_SECRET only one is set.`, "Set both, or none.");
  if (config.blobs === "s3") refuseHalfBucket(config);
  refuseUnsafeAnchors(config);
  if (config.role !== "all") refuseHalfSplit(config);
  for (const one of proxiesOf(config) ?? [])
    if (!isNetwork(one))
      throw new ConfigError(
        `SIGNALBOX_TRUSTED_PROXIES: "${one}" is not an address or a network.`,
        "Write addresses and networks with commas between them, like 127.0.0.1,10.0.0.0/8.",
      );
  const { internalKey, natsUrl, node } = config;
  for (const one of natsUrl?.split(",") ?? [])
    if (!URL.canParse(one.trim()) || !/^(nats|tls):$/.test(new URL(one.trim()).protocol))
      throw new ConfigError(
        "SIGNALBOX_NATS_URL: its value is not the address of a NATS server.",
        "Write nats://host:4222, or tls://host:4222.",
      );
  if (internalKey !== undefined && !/^[0-9a-f]{64}$/i.test(internalKey))
    throw new ConfigError("SIGNALBOX_INTERNAL_KEY: its value is not a key.", "Make one: openssl rand -hex 32.");
  if (node !== undefined && !/^[a-z0-9][a-z0-9-]{0,62}$/.test(node))
    throw new ConfigError(`"${node}" is not a name for a process.`, "Use lower case letters, digits and hyphens, like gateway-2.");
  if (isLoopback(host)) return;
  if (signIn !== "accounts")
    throw new ConfigError(
      `Listening on ${host} would let whoever reaches this machine try to sign in, and the only sign-in that is configured is the printed link.`,
      "Set SIGNALBOX_SIGN_IN=accounts, SIGNALBOX_OWNER_EMAIL to your address and SIGNALBOX_PUBLIC_URL to where people reach it (SMTP_URL too, so that codes are mailed); or listen on 127.0.0.1, the default.",
    );
  if (publicUrl === undefined)
    throw new ConfigError(
      `Listening on ${host} with accounts needs the address that people reach it at: cookies, links and passkeys are bound to it.`,
      "Set SIGNALBOX_PUBLIC_URL, like https://signalbox.example.com.",
    );
  if (ownerEmail === undefined)
    throw new ConfigError(
      `Listening on ${host} with accounts needs to know who owns the installation.`,
      "Set SIGNALBOX_OWNER_EMAIL to your address; whoever proves it is the owner.",
    );
}

function refuseHalfBucket({ s3Bucket, s3AccessKeyId, s3SecretAccessKey, s3Prefix }: Config): void {
  for (const [name, value] of Object.entries({
    SIGNALBOX_S3_BUCKET: s3Bucket,
    SIGNALBOX_S3_ACCESS_KEY_ID: s3AccessKeyId,
    SIGNALBOX_S3_SECRET_ACCESS_KEY: s3SecretAccessKey,
  }))
    if (value === undefined)
      throw new ConfigError(`SIGNALBOX_BLOBS=s3 needs ${name}.`, `Set ${name}, or keep content on disk with SIGNALBOX_BLOBS=disk.`);
  if (!/^([0-9A-Za-z_.-]+(\/[0-9A-Za-z_.-]+)*)?$/.test(s3Prefix))
    throw new ConfigError(
      `SIGNALBOX_S3_PREFIX: "${s3Prefix}" is not a prefix.`,
      "Use letters, digits, hyphens, dots and underscores between single slashes, like team/signalbox.",
    );
}

function refuseUnsafeAnchors(config: Config): void {
  const { anchorGit, anchorGitBranch, anchorGitSshKey, anchorGitKnownHosts, anchorWebhook, anchorWebhookSecret } = config;
  if (anchorGit !== undefined && !/^(\/|(file|https?):\/\/)/.test(anchorGit) && !isSsh(anchorGit))
    throw new ConfigError(
      "SIGNALBOX_ANCHOR_GIT: its value is no repository.",
      "Name a path from the root, file://, http(s)://, ssh://git@host/path or git@host:path.",
    );
  if (anchorGit !== undefined && isSsh(anchorGit))
    for (const [name, value, fix] of [
      [
        "SIGNALBOX_ANCHOR_GIT_SSH_KEY",
        anchorGitSshKey,
        "Make a key for it (ssh-keygen -t ed25519 -N '' -f FILE), let the repository take it, and name the file.",
      ],
      [
        "SIGNALBOX_ANCHOR_GIT_KNOWN_HOSTS",
        anchorGitKnownHosts,
        "Write ssh-keyscan HOST > FILE, compare its keys with those that the host publishes, and name the file.",
      ],
    ] as const)
      if (value === undefined) throw new ConfigError(`SIGNALBOX_ANCHOR_GIT over ssh needs ${name}.`, fix);
  if (!/^[0-9A-Za-z][0-9A-Za-z_-]*([./][0-9A-Za-z_-]+)*$/.test(anchorGitBranch))
    throw new ConfigError(
      `SIGNALBOX_ANCHOR_GIT_BRANCH: "${anchorGitBranch}" is not a branch.`,
      "Use a plain name, like signalbox-checkpoints.",
    );
  if (anchorWebhook !== undefined && (anchorWebhookSecret === undefined || secretProblem(anchorWebhookSecret) !== null))
    throw new ConfigError(
      "SIGNALBOX_ANCHOR_WEBHOOK needs SIGNALBOX_ANCHOR_WEBHOOK_SECRET: whsec_ and 24 to 64 bytes in base64.",
      'Make one: echo "whsec_$(openssl rand -base64 32)".',
    );
}

export const proxiesOf = ({ trustedProxies }: Pick<Config, "trustedProxies">): string[] | undefined =>
  trustedProxies?.split(",").map((one) => one.trim());
function isNetwork(text: string): boolean {
  const [address = "", bits, ...rest] = text.split("/");
  const kind = isIP(address);
  // All of the internet is nobody's proxy: whoever connects would say where they come from.
  return (
    kind !== 0 && rest.length === 0 && (bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= (kind === 4 ? 32 : 128)))
  );
}

/** A role alone is no installation: what the roles must agree on has to be said. */
function refuseHalfSplit({ role, databaseUrl, sharedDataDir, publicUrl, gatewayUrl }: Config): void {
  const missing = (what: string, fix: string): ConfigError => new ConfigError(`The role ${role} is one part of several: ${what}`, fix);
  if (databaseUrl === undefined)
    throw missing(
      "they need one Postgres that all of them reach.",
      "Set DATABASE_URL; the embedded one belongs to a server that does everything.",
    );
  if (!sharedDataDir)
    throw missing(
      "blobs, keys and mirrors are files, and every process must see the same ones.",
      "Run all of them on one machine (or a file system that they share) with the same --data-dir, and say so with SIGNALBOX_SHARED_DATA_DIR=true.",
    );
  if (publicUrl === undefined || gatewayUrl === undefined)
    throw missing(
      "people must be led to the right one.",
      "Set SIGNALBOX_PUBLIC_URL (where people reach the api) and SIGNALBOX_GATEWAY_URL (where they reach the gateways), the same for all.",
    );
}

/** What runs in a sandbox must not share a host name, nor the cookies of one, with the application. */
function refuseUnsafeDomain(domain: string, publicUrl: string | undefined): void {
  if (!/^(?=.{1,190}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$/.test(domain))
    throw new ConfigError(
      `"${domain}" is not a domain for previews.`,
      "Name one in lower case, without * and without a port, like preview.example.com.",
    );
  if (publicUrl === undefined)
    throw new ConfigError("A preview domain needs the public URL too.", "Name it with --public-url: previews use its scheme and port.");
  const { hostname } = new URL(publicUrl);
  if (hostname === domain || hostname.endsWith(`.${domain}`))
    throw new ConfigError(
      `${hostname} is in the preview domain ${domain}, so that pages of sandboxes could set cookies for the application.`,
      "Use another domain for previews, best one that is registered apart.",
    );
}
