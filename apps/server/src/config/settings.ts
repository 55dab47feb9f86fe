/*
 * Every setting there is, declared once: environment variable, flag, `--help` and the reference in
 * docs/ (printed.ts) derive from `SETTINGS`; read.ts reads the environment, and nothing else does.
 */
import { ROLES } from "../cluster/roles.ts";
import { defaultDataDir } from "../postgres/embedded.ts";

export type Kind = "string" | "integer" | "boolean" | "url";
export interface Setting {
  readonly type: Kind;
  /** Absent: the setting has no value unless it is given. */
  readonly default?: string | number | boolean | (() => string);
  readonly desc: string;
  readonly env?: string;
  readonly flag?: string;
  /** Never printed, and taken out of logs. */
  readonly secret?: true;
  readonly min?: number;
  readonly max?: number;
  readonly oneOf?: readonly string[];
}

export const SETTINGS = {
  port: {
    type: "integer",
    default: 4400,
    min: 0,
    max: 65535,
    env: "SIGNALBOX_PORT",
    flag: "port",
    desc: "Port to listen on; 0 takes any free one.",
  },
  host: {
    type: "string",
    default: "127.0.0.1",
    env: "SIGNALBOX_HOST",
    flag: "host",
    desc: "Address to listen on. Others than loopback need SIGNALBOX_SIGN_IN=accounts.",
  },
  signIn: {
    type: "string",
    default: "link",
    oneOf: ["link", "accounts"],
    env: "SIGNALBOX_SIGN_IN",
    flag: "sign-in",
    desc: "How people sign in: link (the printed one-time link, for one person on this machine) or accounts (e-mail codes, passwords, passkeys, providers; the link goes on working).",
  },
  signUp: {
    type: "string",
    default: "invited",
    oneOf: ["invited", "open"],
    env: "SIGNALBOX_SIGN_UP",
    desc: "Who may make an account: invited people, or everybody who reaches the server.",
  },
  ownerEmail: {
    type: "string",
    env: "SIGNALBOX_OWNER_EMAIL",
    desc: "With accounts: the address whose owner is the installation's owner, with everything that was made before there were accounts.",
  },
  operators: {
    type: "string",
    env: "SIGNALBOX_OPERATORS",
    desc: "Addresses, with commas between them, whose provers operate the installation beside its owner: the admin area with all organizations and people, and acting as somebody.",
  },
  smtpUrl: {
    type: "string",
    secret: true,
    env: "SMTP_URL",
    desc: "Mail server, like smtps://user:password@mail.example.com. Without one, codes and invitations are shown on the console.",
  },
  mailFrom: {
    type: "string",
    default: "Signalbox <signalbox@localhost>",
    env: "SIGNALBOX_MAIL_FROM",
    desc: "Sender of mails.",
  },
  githubClientId: { type: "string", env: "GITHUB_CLIENT_ID", desc: "Offers sign-in with GitHub; an OAuth app's." },
  githubClientSecret: { type: "string", secret: true, env: "GITHUB_CLIENT_SECRET", desc: "Its secret." },
  githubUrl: { type: "url", default: "https://github.com", env: "SIGNALBOX_GITHUB_URL", desc: "GitHub, or a GitHub Enterprise server." },
  githubApiUrl: { type: "url", default: "https://api.github.com", env: "SIGNALBOX_GITHUB_API_URL", desc: "Its API." },
  googleClientId: { type: "string", env: "GOOGLE_CLIENT_ID", desc: "Offers sign-in with Google; an OAuth client's." },
  googleClientSecret: { type: "string", secret: true, env: "GOOGLE_CLIENT_SECRET", desc: "Its secret." },
  googleUrl: {
    type: "url",
    default: "https://accounts.google.com",
    env: "SIGNALBOX_GOOGLE_URL",
    desc: "Google's issuer, or another OpenID provider that stands in for it.",
  },
  ssoAllowPrivate: {
    type: "boolean",
    default: false,
    env: "SIGNALBOX_SSO_ALLOW_PRIVATE",
    desc: "Lets organizations' OpenID providers be on private addresses, over http too: a provider in your own network.",
  },
  nameServer: {
    type: "string",
    env: "SIGNALBOX_NAME_SERVER",
    desc: "Name server that is asked for the TXT records that prove mail domains, like 192.0.2.53; the machine's own when absent.",
  },
  publicUrl: {
    type: "url",
    env: "SIGNALBOX_PUBLIC_URL",
    flag: "public-url",
    desc: "Where people reach the server, when that is not http://<host>:<port> (a reverse proxy on this machine).",
  },
  trustedProxies: {
    type: "string",
    env: "SIGNALBOX_TRUSTED_PROXIES",
    desc: "Addresses or networks of the reverse proxies in front, like 127.0.0.1,10.0.0.0/8: of what they say in X-Forwarded-For, the last address that is none of them is whom limits count and sign-ins are shown with. Nobody is believed when absent.",
  },
  previewDomain: {
    type: "string",
    env: "SIGNALBOX_PREVIEW_DOMAIN",
    flag: "preview-domain",
    desc: "Domain of which every name below leads here (a wildcard DNS record and certificate), for previews of what runs in sandboxes; not one that the public URL is in. preview.localhost, which browsers resolve to this machine, when absent.",
  },
  previewTtlS: {
    type: "integer",
    default: 8 * 3600,
    min: 60,
    max: 30 * 86_400,
    env: "SIGNALBOX_PREVIEW_TTL_S",
    desc: "Seconds until a preview's address expires.",
  },
  dataDir: {
    type: "string",
    default: defaultDataDir,
    env: "SIGNALBOX_DATA_DIR",
    flag: "data-dir",
    desc: "Where everything is kept: database, blobs, sandboxes, keys.",
  },
  databaseUrl: {
    type: "string",
    secret: true,
    env: "DATABASE_URL",
    desc: "A Postgres 15 or newer to use instead of the embedded one. A direct connection, not a transaction pooler.",
  },

  blobs: {
    type: "string",
    default: "disk",
    oneOf: ["disk", "s3"],
    env: "SIGNALBOX_BLOBS",
    desc: "Where large content is kept (outputs, artifacts, archived history): disk (blobs/ in the data directory) or s3 (a bucket of Amazon S3 or of any server that speaks its protocol). Changing it moves nothing: back up, then restore with the new one.",
  },
  s3Bucket: { type: "string", env: "SIGNALBOX_S3_BUCKET", desc: "With SIGNALBOX_BLOBS=s3: the bucket, which must exist." },
  s3Endpoint: {
    type: "url",
    env: "SIGNALBOX_S3_ENDPOINT",
    desc: "Address of the S3 server, like https://minio.example.com:9000; Amazon's of the region when absent.",
  },
  s3Region: { type: "string", default: "us-east-1", env: "SIGNALBOX_S3_REGION", desc: "Region of the bucket." },
  s3PathStyle: {
    type: "boolean",
    default: false,
    env: "SIGNALBOX_S3_PATH_STYLE",
    desc: "Names the bucket in the path rather than in the host; most servers that are not Amazon's want it.",
  },
  s3Prefix: { type: "string", default: "", env: "SIGNALBOX_S3_PREFIX", desc: "Before every key in the bucket, where several share it." },
  s3AccessKeyId: { type: "string", env: "SIGNALBOX_S3_ACCESS_KEY_ID", desc: "Access key of the bucket." },
  s3SecretAccessKey: { type: "string", secret: true, env: "SIGNALBOX_S3_SECRET_ACCESS_KEY", desc: "Its secret." },
  archiveAfterDays: {
    type: "integer",
    default: 0,
    min: 0,
    max: 36_500,
    env: "SIGNALBOX_ARCHIVE_AFTER_DAYS",
    desc: "Days after its last event that the history of an ended session, or of an archived room, moves to the store of contents (it is read as ever); 0 keeps all of it in the database.",
  },
  contentGraceH: {
    type: "integer",
    default: 48,
    min: 0,
    max: 8760,
    env: "SIGNALBOX_CONTENT_GRACE_H",
    desc: "Hours after which large content that nothing in the history names any more, or ever did, is removed; 0 keeps it for ever.",
  },
  anchorFile: {
    type: "string",
    env: "SIGNALBOX_ANCHOR_FILE",
    desc: "Leaves every signed checkpoint in this directory too, best on another disk or machine.",
  },
  anchorBlobs: {
    type: "boolean",
    default: false,
    env: "SIGNALBOX_ANCHOR_BLOBS",
    desc: "Leaves every signed checkpoint in the store of contents too (SIGNALBOX_BLOBS).",
  },
  anchorGit: {
    type: "string",
    secret: true,
    env: "SIGNALBOX_ANCHOR_GIT",
    desc: "Pushes every signed checkpoint as a commit to this git repository: a path, file://, http(s)://, ssh://git@host/path or git@host:path. Logins are read from the git credentials file; ssh needs the two settings below.",
  },
  anchorGitSshKey: {
    type: "string",
    env: "SIGNALBOX_ANCHOR_GIT_SSH_KEY",
    desc: "File with the private key that git logs in with over ssh, readable by the server's user alone.",
  },
  anchorGitKnownHosts: {
    type: "string",
    env: "SIGNALBOX_ANCHOR_GIT_KNOWN_HOSTS",
    desc: "File with the host's public keys, as ssh-keyscan prints them; any other host is refused. Compare them with what its operator publishes.",
  },
  anchorGitBranch: {
    type: "string",
    default: "signalbox-checkpoints",
    env: "SIGNALBOX_ANCHOR_GIT_BRANCH",
    desc: "The branch they are pushed to.",
  },
  anchorWebhook: {
    type: "url",
    secret: true,
    env: "SIGNALBOX_ANCHOR_WEBHOOK",
    desc: "Sends every signed checkpoint to this address (Standard Webhooks, CloudEvents).",
  },
  anchorWebhookSecret: {
    type: "string",
    secret: true,
    env: "SIGNALBOX_ANCHOR_WEBHOOK_SECRET",
    desc: "What those are signed with: whsec_ and 24 to 64 bytes in base64.",
  },

  role: {
    type: "string",
    default: "all",
    oneOf: ROLES,
    env: "SIGNALBOX_ROLE",
    flag: "role",
    desc: "What this process does: all of it, or one part of an installation that is split into several (api, gateway, worker, ingress). See docs/operate.md.",
  },
  node: {
    type: "string",
    env: "SIGNALBOX_NODE",
    flag: "node",
    desc: "Name of this process, when several of a role share a data directory (gateway-2). The role when absent.",
  },
  machine: {
    type: "string",
    env: "SIGNALBOX_MACHINE",
    desc: "Name of this machine, for good, where gateways run on more than one: a session stays on the machine that runs its sandbox, and only gateways of that machine take it over.",
  },
  sharedDataDir: {
    type: "boolean",
    default: false,
    env: "SIGNALBOX_SHARED_DATA_DIR",
    desc: "Says that all processes of a split installation have this same data directory (one machine, or a file system that they share): keys, blobs and mirrors are files in it.",
  },
  gatewayUrl: {
    type: "url",
    env: "SIGNALBOX_GATEWAY_URL",
    flag: "gateway-url",
    desc: "Where people reach the gateways of a split installation: sockets, terminals and previews go there, not through the api.",
  },
  internalUrl: {
    type: "url",
    env: "SIGNALBOX_INTERNAL_URL",
    desc: "Where the other processes reach this one; http://<host>:<port> when absent.",
  },
  internalKey: {
    type: "string",
    secret: true,
    env: "SIGNALBOX_INTERNAL_KEY",
    desc: "Key under which the processes sign what they ask of each other: 64 hexadecimal digits, the same everywhere. keys/internal.key in the data directory when absent.",
  },
  natsUrl: {
    type: "string",
    secret: true,
    env: "SIGNALBOX_NATS_URL",
    desc: "NATS server over which the processes of a split installation wake each other, instead of Postgres' NOTIFY: nats://[user:password@]host:4222. The same for all of them.",
  },
  leaseMs: {
    type: "integer",
    default: 30_000,
    min: 500,
    max: 600_000,
    env: "SIGNALBOX_NODE_LEASE_MS",
    desc: "Milliseconds after which a process that is not heard of is taken for gone, and others take its sessions over; it is heard of three times as often.",
  },
  drainMs: {
    type: "integer",
    default: 3000,
    min: 0,
    max: 600_000,
    env: "SIGNALBOX_DRAIN_MS",
    desc: "Milliseconds over which a process of a split installation, told to stop, sends its sockets elsewhere, a few at a time.",
  },
  json: { type: "boolean", default: false, flag: "json", desc: "Print one line of JSON when ready, for programs, and logs as JSON." },
  sampleSession: {
    type: "boolean",
    default: true,
    env: "SIGNALBOX_SAMPLE_SESSION",
    flag: "sample",
    desc: "Show a finished session, recorded with the scripted demo model, in an installation that has none yet (--no-sample: do not).",
  },
  open: { type: "boolean", default: true, flag: "open", desc: "Open the browser when ready (--no-open: do not)." },
  logLevel: {
    type: "string",
    default: "info",
    oneOf: ["fatal", "error", "warn", "info", "debug", "trace", "silent"],
    env: "LOG_LEVEL",
    flag: "log-level",
    desc: "How much is logged.",
  },

  openaiApiKey: { type: "string", secret: true, env: "OPENAI_API_KEY", desc: "Offers OpenAI's models." },
  openaiBaseUrl: { type: "url", env: "OPENAI_BASE_URL", desc: "Another address for OpenAI's API." },
  anthropicApiKey: { type: "string", secret: true, env: "ANTHROPIC_API_KEY", desc: "Offers Anthropic's models." },
  anthropicBaseUrl: { type: "url", env: "ANTHROPIC_BASE_URL", desc: "Another address for Anthropic's API." },
  ollamaUrl: { type: "url", env: "OLLAMA_URL", desc: "Offers the models of an Ollama server, like http://127.0.0.1:11434." },
  ollamaHost: {
    type: "string",
    env: "OLLAMA_HOST",
    desc: "Where an Ollama server is looked for when people connect a model; 127.0.0.1:11434 when absent.",
  },
  compatibleBaseUrl: { type: "url", env: "OPENAI_COMPATIBLE_BASE_URL", desc: "Offers any server that speaks OpenAI's chat completions." },
  compatibleApiKey: { type: "string", secret: true, env: "OPENAI_COMPATIBLE_API_KEY", desc: "Its key, if it wants one." },
  defaultModel: {
    type: "string",
    env: "SIGNALBOX_DEFAULT_MODEL",
    desc: "Model of a session that names none; the first real one when absent.",
  },
  apiPerMinute: {
    type: "integer",
    min: 0,
    max: 10_000_000,
    env: "SIGNALBOX_API_PER_MINUTE",
    desc: "Requests a minute that one API token, capability or browser may make; 0 is no limit. Absent: 6000 with SIGNALBOX_SIGN_IN=accounts, else none.",
  },
  quotaSessions: {
    type: "integer",
    min: 0,
    max: 1_000_000,
    env: "SIGNALBOX_QUOTA_SESSIONS",
    desc: "Sessions that an organization may run at once, where an operator set nothing else. Absent: no limit.",
  },
  quotaStorageBytes: {
    type: "integer",
    min: 0,
    env: "SIGNALBOX_QUOTA_STORAGE_BYTES",
    desc: "Bytes of artifacts that an organization may keep. Absent: no limit.",
  },
  quotaEventsPerDay: {
    type: "integer",
    min: 0,
    env: "SIGNALBOX_QUOTA_EVENTS_PER_DAY",
    desc: "Events that an organization may make in a day (UTC) before nothing new is begun. Absent: no limit.",
  },
  sessionBudgetMicroUsd: {
    type: "integer",
    default: 5_000_000,
    min: 1,
    max: 1_000_000_000,
    env: "SIGNALBOX_SESSION_BUDGET_MICRO_USD",
    desc: "What a session may spend on models, in millionths of a US dollar, when it names no budget.",
  },

  gitCredentialsFile: {
    type: "string",
    env: "SIGNALBOX_GIT_CREDENTIALS_FILE",
    desc: "Logins for http(s) repositories, as git's credential store keeps them (one URL with user and password a line). git-credentials in the data directory when absent. Only the server's own git reads it; no sandbox does.",
  },

  killSwitch: {
    type: "boolean",
    default: false,
    env: "POLICY_KILL_SWITCH_EXTERNAL_WRITE",
    desc: "Stops every outside effect of every organization. While it is set, nothing in the product lifts it.",
  },
  approvalTtlS: {
    type: "integer",
    default: 86_400,
    min: 60,
    max: 30 * 86_400,
    env: "SIGNALBOX_APPROVAL_TTL_S",
    desc: "Seconds until an undecided approval expires.",
  },
  pushContact: {
    type: "string",
    default: "mailto:operator@signalbox.invalid",
    env: "SIGNALBOX_PUSH_CONTACT",
    desc: "Whom a push service may ask about this server's notes: a mailto: or https: address. Apple's wants a real one.",
  },
  pushAllowLoopback: {
    type: "boolean",
    default: false,
    env: "SIGNALBOX_PUSH_ALLOW_LOOPBACK",
    desc: "Lets push services be on this machine, over http. For tests only.",
  },
  stuckAfterS: {
    type: "integer",
    default: 600,
    min: 10,
    max: 86_400,
    env: "SIGNALBOX_STUCK_AFTER_S",
    desc: "Seconds without any event after which a run that works, and waits for nobody, is shown as stuck.",
  },
  syncRetentionH: {
    type: "integer",
    default: 24,
    min: 24,
    max: 168,
    env: "SIGNALBOX_SYNC_RETENTION_H",
    desc: "Hours that updates of the topics of sync:v1 are kept for clients that come back; who stayed away longer reads the documents anew.",
  },
  sinkAllowPrivate: {
    type: "boolean",
    default: false,
    env: "SIGNALBOX_SINK_ALLOW_PRIVATE",
    desc: "Lets sinks be on private addresses, over http too: receivers in your own network.",
  },
  sinkMaxFailures: {
    type: "integer",
    default: 8,
    min: 1,
    max: 100,
    env: "SIGNALBOX_SINK_MAX_FAILURES",
    desc: "Failures in a row after which a sink is paused and its event given up.",
  },
  sinkFirstRetryMs: {
    type: "integer",
    default: 1000,
    min: 10,
    max: 600_000,
    env: "SIGNALBOX_SINK_FIRST_RETRY_MS",
    desc: "Milliseconds after which a sink is tried again; each further time twice as long, up to 15 minutes.",
  },
  driftCheck: {
    type: "string",
    oneOf: ["all", "sample", "off"],
    default: "all",
    env: "SIGNALBOX_DRIFT_CHECK",
    desc: "What the nightly check compares with the log: every projection, a seventh of them (so that a week sees them all), or nothing.",
  },
  driftCheckCron: {
    type: "string",
    default: "41 3 * * *",
    env: "SIGNALBOX_DRIFT_CHECK_CRON",
    desc: "When it runs, as five fields of cron in UTC.",
  },
  leaseTtlMs: {
    type: "integer",
    default: 30_000,
    min: 1000,
    max: 3_600_000,
    env: "SIGNALBOX_LEASE_TTL_MS",
    desc: "Milliseconds that a claimed run is an engine's without a heartbeat.",
  },

  sandboxMemoryMb: {
    type: "integer",
    default: 4096,
    min: 128,
    max: 1_048_576,
    env: "SIGNALBOX_SANDBOX_MEMORY_MB",
    desc: "Memory of one sandbox.",
  },
  sandboxPids: {
    type: "integer",
    default: 1024,
    min: 32,
    max: 32_768,
    env: "SIGNALBOX_SANDBOX_PIDS",
    desc: "Processes and threads of one sandbox.",
  },
  sandboxDiskMb: {
    type: "integer",
    default: 10_240,
    min: 64,
    max: 1_048_576,
    env: "SIGNALBOX_SANDBOX_DISK_MB",
    desc: "What one sandbox may write to disk.",
  },
  sandboxCpus: {
    type: "integer",
    default: 2,
    min: 1,
    max: 1024,
    env: "SIGNALBOX_SANDBOX_CPUS",
    desc: "Cores that one sandbox may keep busy.",
  },

  requestConnections: {
    type: "integer",
    default: 10,
    min: 2,
    max: 500,
    env: "SIGNALBOX_REQUEST_CONNECTIONS",
    desc: "Database connections for requests.",
  },
  logReadConnections: {
    type: "integer",
    default: 4,
    min: 1,
    max: 100,
    env: "SIGNALBOX_LOG_READ_CONNECTIONS",
    desc: "Database connections that read the log (feeds, commands).",
  },
  jobConnections: {
    type: "integer",
    default: 6,
    min: 2,
    max: 100,
    env: "SIGNALBOX_JOB_CONNECTIONS",
    desc: "Database connections of jobs and workers.",
  },
  jobConcurrency: { type: "integer", default: 8, min: 1, max: 200, env: "SIGNALBOX_JOB_CONCURRENCY", desc: "Jobs that run at once." },

  otlpEndpoint: {
    type: "url",
    env: "OTEL_EXPORTER_OTLP_ENDPOINT",
    desc: "Sends traces to this OpenTelemetry collector (HTTP), like http://127.0.0.1:4318.",
  },
} as const satisfies Record<string, Setting>;

type ValueOf<K extends Kind> = K extends "integer" ? number : K extends "boolean" ? boolean : string;
export type Config = {
  readonly [K in keyof typeof SETTINGS]: (typeof SETTINGS)[K] extends { readonly default: unknown }
    ? ValueOf<(typeof SETTINGS)[K]["type"]>
    : ValueOf<(typeof SETTINGS)[K]["type"]> | undefined;
};

export const settings = Object.entries(SETTINGS) as readonly [keyof Config, Setting][];

/** What, why, and what to do; the process ends with exit code 2. */
export class ConfigError extends Error {
  override name = "ConfigError";
  readonly fix: string;
  constructor(message: string, fix: string) {
    super(message);
    this.fix = fix;
  }
}
