import { expect, test } from "vitest";
import { helpText, secretValues, settingsTable } from "./printed.ts";
import { connectionsNeeded } from "./process.ts";
import { readConfig } from "./read.ts";
import { ConfigError, SETTINGS, type Config } from "./settings.ts";

const config = (argv: string[] = [], environment: Record<string, string> = {}): Config => {
  const read = readConfig(argv, environment);
  if (read === "help") throw new Error("help");
  return read;
};
const refusal = (argv: string[], environment: Record<string, string> = {}): ConfigError => {
  try {
    readConfig(argv, environment);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("was not refused");
};

test("defaults are those that are documented", () => {
  expect(config()).toMatchObject({ port: 4400, host: "127.0.0.1", json: false, open: true, killSwitch: false });
});

test("a flag wins over the environment, which wins over the default; an empty variable is none", () => {
  const environment = { SIGNALBOX_PORT: "1", LOG_LEVEL: "" };
  expect(config([], environment)).toMatchObject({ port: 1, logLevel: "info" });
  expect(config(["--port", "2"], environment).port).toBe(2);
  expect(config(["--port=3", "--no-open", "--json"], environment)).toMatchObject({ port: 3, open: false, json: true });
});

test.each([
  [["--port", "65536"], {}, "a whole number from 0 to 65535"],
  [["--port", "80x"], {}, "a whole number"],
  [["--port"], {}, "needs a value"],
  [["--prot", "1"], {}, "There is no flag --prot"],
  [["1"], {}, "There is no flag 1"],
  [["--no-port"], {}, "takes a value"],
  [["--json=maybe"], {}, "true or false"],
  [["--log-level", "loud"], {}, "one of fatal"],
  [[], { OLLAMA_URL: "ftp://x" }, "http or https"],
  [[], { POLICY_KILL_SWITCH_EXTERNAL_WRITE: "maybe" }, "true or false"],
] as const)("%j %j is refused: %s", (argv, environment, message) => {
  const error = refusal([...argv], environment);
  expect(error.message).toContain(message);
  expect(error.fix).not.toBe("");
});

test.each(["0.0.0.0", "::", "192.168.1.4", "example.com", "127.0.0.1.example.com"])(
  "listening on %s is refused while a printed link is the only sign-in",
  (host) => {
    expect(refusal(["--host", host])).toMatchObject({
      message: expect.stringContaining(host),
      fix: expect.stringContaining("SIGNALBOX_SIGN_IN=accounts"),
    });
  },
);

test("another address is listened on once people can really sign in, and what is missing for that is named", () => {
  const accounts = { SIGNALBOX_SIGN_IN: "accounts" };
  const at = { ...accounts, SIGNALBOX_PUBLIC_URL: "https://signalbox.example.com" };
  expect(refusal(["--host", "0.0.0.0"], accounts).fix).toContain("SIGNALBOX_PUBLIC_URL");
  expect(refusal(["--host", "0.0.0.0"], at).fix).toContain("SIGNALBOX_OWNER_EMAIL");
  expect(readConfig(["--host", "0.0.0.0"], { ...at, SIGNALBOX_OWNER_EMAIL: "me@example.com" })).toMatchObject({
    host: "0.0.0.0",
    signIn: "accounts",
  });
  expect(refusal([], { GITHUB_CLIENT_ID: "x" }).message).toContain("GITHUB_CLIENT_SECRET");
});

test("a bucket needs a name and credentials, and its prefix leads nowhere else", () => {
  const s3 = {
    SIGNALBOX_BLOBS: "s3",
    SIGNALBOX_S3_BUCKET: "b",
    SIGNALBOX_S3_ACCESS_KEY_ID: "id",
    SIGNALBOX_S3_SECRET_ACCESS_KEY: "hidden",
  };
  for (const name of ["SIGNALBOX_S3_BUCKET", "SIGNALBOX_S3_ACCESS_KEY_ID", "SIGNALBOX_S3_SECRET_ACCESS_KEY"])
    expect(refusal([], { ...s3, [name]: "" }).message).toContain(name);
  expect(refusal([], { ...s3, SIGNALBOX_S3_PREFIX: "/a//b/" }).message).toContain("is not a prefix");
  const read = readConfig([], { ...s3, SIGNALBOX_S3_PREFIX: "a/b" });
  expect(read).toMatchObject({ blobs: "s3", s3Region: "us-east-1", s3PathStyle: false });
  expect(secretValues(read as Config)).toContain("hidden");
});

test("every setting is reachable, documented, and named once", () => {
  const settings = Object.values(SETTINGS) as { env?: string; flag?: string; desc: string }[];
  for (const { env, flag, desc } of settings) {
    expect(env ?? flag).toBeDefined();
    expect(desc).toMatch(/\.$|\)\.?$/);
    expect(helpText()).toContain(env ?? `--`);
    expect(settingsTable()).toContain(desc);
  }
  const names = settings.flatMap(({ env, flag }) => [env, flag].filter((name) => name !== undefined));
  expect(new Set(names).size).toBe(names.length);
});

test("what is parsed cannot be changed, and secrets are known as such", () => {
  const read = config([], { OPENAI_API_KEY: "sk-verysecret", DATABASE_URL: "postgres://u:p@h/d" });
  expect(Object.isFrozen(read)).toBe(true);
  expect(secretValues(read)).toEqual(["postgres://u:p@h/d", "sk-verysecret"]);
});

test("the connections of every pool are counted", () => {
  expect(connectionsNeeded(config([], { SIGNALBOX_REQUEST_CONNECTIONS: "20" })) - connectionsNeeded(config())).toBe(10);
});

test("a git anchor over ssh needs a key and the host's keys, and nothing that looks like an option of ssh is a repository", () => {
  const remote = { SIGNALBOX_ANCHOR_GIT: "git@git.example.com:team/log.git" };
  const key = { ...remote, SIGNALBOX_ANCHOR_GIT_SSH_KEY: "/srv/key" };
  expect(refusal([], remote).message).toContain("SIGNALBOX_ANCHOR_GIT_SSH_KEY");
  expect(refusal([], key).message).toContain("SIGNALBOX_ANCHOR_GIT_KNOWN_HOSTS");
  expect(config([], { ...key, SIGNALBOX_ANCHOR_GIT_KNOWN_HOSTS: "/srv/known" })).toMatchObject({ anchorGitSshKey: "/srv/key" });
  expect(refusal([], { ...key, SIGNALBOX_ANCHOR_GIT: "ssh://-oProxyCommand=id/x" }).message).toContain("no repository");
});
