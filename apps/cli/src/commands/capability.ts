/* Capabilities: issued by the server, handed on offline, looked at, ended. A token is shown once and stands alone on its line. */
import { attenuate, type Chain, denial, publicKeyOf, seal, verify } from "@signalbox/capability/chain";
import {
  CapabilityGrant,
  CapabilityKind,
  delegateCapability,
  getCapability,
  inspectCapability,
  issueCapability,
  listCapabilities,
  listCapabilityKeys,
  revokeCapability,
  type CapabilityView,
} from "@signalbox/contract/capabilities";
import { CapabilityId } from "@signalbox/contract/primitives";
import type { Output } from "@signalbox/contract/route";
import type { Command } from "commander";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { action, type Context } from "../command.ts";
import { printable, table } from "../terminal.ts";
import { UserError } from "../user-error.ts";

interface GrantFlags {
  readonly scope: string[];
  readonly room: string[];
  readonly tool: string[];
  readonly action: string[];
  readonly egress: string[];
  readonly read: string[];
  readonly write: string[];
  readonly for?: string;
}

const collect = (value: string, before: string[]): string[] => [...before, ...value.split(",").map((one) => one.trim())];

function narrowed(command: Command): Command {
  return command
    .option("--scope <scope>", "read, write, approve, engine; several separated by commas", collect, [])
    .option("--room <id>", "only this room; may be repeated", collect, [])
    .option("--tool <name>", "only this tool (name, name.*)", collect, [])
    .option("--action <name>", "only this operation or action (runs.claim, runs.*, git.push)", collect, [])
    .option("--egress <host>", "only this host (*.example.com for all below it)", collect, [])
    .option("--read <class>", "only data of this class may be read", collect, [])
    .option("--write <class>", "only data of this class may be written", collect, [])
    .option("--for <time>", "how long it holds: 90m, 12h, 30d");
}

export function registerCapability(program: Command): void {
  const capability = program.command("capability").description("tokens that allow a part of what you may, and can be handed on");
  narrowed(capability.command("issue <name>"))
    .description("make one of what you may do yourself; its token is shown once")
    .option("--kind <kind>", "engine, worker or api", "api")
    .option("--replaces <id>", "the one that ends when this is first used")
    .action(
      action(async ({ client, terminal }: Context, name: string, flags: GrantFlags & { kind: string; replaces?: string }) => {
        const kind = CapabilityKind.safeParse(flags.kind);
        if (!kind.success)
          throw new UserError(`"${flags.kind}" is no kind of capability.`, "There are three.", "Use engine, worker or api.");
        const grant = grantOf(flags, kind.data === "engine" ? ["read", "engine"] : ["read"]);
        const made = await client.call(issueCapability, {
          body: {
            name,
            kind: kind.data,
            grant,
            ...(flags.for === undefined ? {} : { expires_in_s: secondsOf(flags.for) }),
            ...(flags.replaces === undefined ? {} : { replaces: idOf(flags.replaces) }),
          },
        });
        terminal.progress(`${made.id} holds until ${made.expires_at}. This is its token; it is not shown again:`);
        terminal.result(made, made.token);
      }),
    );
  narrowed(capability.command("delegate <name>"))
    .description("make a narrower one of a capability that you hold, without asking the server")
    .option("--of <file>", "where its token is; - for standard input", "-")
    .option("--sealed", "for use only: it cannot be handed on")
    .option("--register", "tell the server now, instead of with its first use")
    .action(
      action(async (context: Context, name: string, flags: GrantFlags & { of: string; sealed?: boolean; register?: boolean }) => {
        const { terminal } = context;
        const token = await tokenFrom(flags.of);
        const chain = read(token);
        const parent = chain.links.at(-1)!;
        const grant = grantOf(flags, parent.grant.scopes, parent.grant);
        const iat = Math.floor(Date.now() / 1000);
        const exp = flags.for === undefined ? Math.floor(parent.expiresAtMs / 1000) : iat + secondsOf(flags.for);
        const problem = denial(parent, { grant, expiresAtMs: exp * 1000 }, chain.links.length);
        if (problem !== null) {
          const [what, why, fix] = DENIED[problem];
          throw new UserError(what, why, fix);
        }
        if (chain.isSealed)
          throw new UserError(
            "This capability cannot be handed on.",
            "It was sealed when it was given to you.",
            "Ask whoever gave it to you.",
          );
        const id = idOf(`cap_${crockford()}`);
        const made =
          flags.register === true
            ? await context.client.call(delegateCapability, { body: { token, name, grant, expires_in_s: exp - iat } })
            : { id, token: (await attenuate(token, { id, name, grant, iat, exp }))!, expires_at: new Date(exp * 1000).toISOString() };
        const given = flags.sealed === true ? seal(made.token)! : made.token;
        terminal.progress(`${made.id} holds until ${made.expires_at}. This is its token; it is not shown again:`);
        terminal.result({ ...made, token: given }, given);
      }),
    );
  capability
    .command("inspect [file]")
    .description("what a token allows and until when; asks the server whether it was revoked, unless --offline")
    .option("--offline", "check it with the public keys alone")
    .option("--keys <file>", "public keys (GET /v1/capabilities/keys) for --offline; else they are fetched")
    .action(
      action(async (context: Context, file: string | undefined, flags: { offline?: boolean; keys?: string }) => {
        const token = await tokenFrom(file ?? "-");
        if (flags.offline === true) return show(context, await offline(context, token, flags.keys));
        const found = await context.client.call(inspectCapability, { body: { token } });
        return show(context, found);
      }),
    );
  capability
    .command("list")
    .description("yours, newest first; an administrator's list has all")
    .action(
      action(async ({ client, terminal }: Context) => {
        const items: CapabilityView[] = [];
        let cursor: string | null = null;
        do {
          const page: Output<typeof listCapabilities> = await client.call(listCapabilities, {
            query: { limit: 200, ...(cursor === null ? {} : { cursor }) },
          });
          items.push(...page.items);
          cursor = page.next_cursor;
        } while (cursor !== null);
        terminal.result(
          { items, next_cursor: null },
          table(
            ["id", "kind", "status", "depth", "name", "until", "allows"],
            items.map((one) => [
              one.id,
              one.kind,
              one.status,
              String(one.depth),
              printable(one.name),
              one.expires_at.slice(0, 16),
              wordsOf(one.grant),
            ]),
          ),
        );
      }),
    );
  capability
    .command("show <id>")
    .description("one of them")
    .action(
      action(async ({ client, terminal }: Context, id: string) => {
        const one = await client.call(getCapability, { params: { id: idOf(id) } });
        terminal.result(
          one,
          `${one.id}  ${one.kind}  ${one.status}  ${printable(one.name)}\n  allows ${wordsOf(one.grant)}\n  until ${one.expires_at}`,
        );
      }),
    );
  capability
    .command("revoke <id>")
    .description("end one, and with it every one that was made of it")
    .action(
      action(async ({ client, terminal }: Context, id: string) => {
        terminal.result(await client.call(revokeCapability, { params: { id: idOf(id) } }), `${id} is revoked, and whatever was made of it`);
      }),
    );
}

const DENIED = {
  wider: ["That would allow more than you hold.", "A capability is only ever narrowed.", "See what you hold: signalbox capability inspect"],
  outlives: ["That would live longer than what you hold.", "It ends with the one that it is made of.", "Give a shorter --for, or none."],
  too_deep: ["It has been handed on three times already.", "That is as far as it goes.", "Ask whoever gave it to you for one of theirs."],
} as const satisfies Record<string, readonly [string, string, string]>;

/** What is not named stays as it is in `of`: one narrows the parts that one names. */
function grantOf(flags: GrantFlags, scopes: readonly string[], of?: CapabilityGrant): CapabilityGrant {
  const part = <T>(given: string[], before: T | undefined) => (given.length > 0 ? given : before);
  const isData = flags.read.length > 0 || flags.write.length > 0;
  const grant = {
    scopes: flags.scope.length > 0 ? flags.scope : [...scopes],
    rooms: part(flags.room, of?.rooms),
    tools: part(flags.tool, of?.tools),
    actions: part(flags.action, of?.actions),
    egress: part(flags.egress, of?.egress),
    data: isData ? { read: flags.read, write: flags.write } : of?.data,
  };
  const parsed = CapabilityGrant.safeParse(Object.fromEntries(Object.entries(grant).filter(([, value]) => value !== undefined)));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UserError(
    `${issue!.path.join(".")} is not something that a capability can say.`,
    issue!.message,
    "signalbox capability issue --help",
  );
}

function secondsOf(time: string): number {
  const [, n, unit] = /^(\d{1,6})([smhd])$/.exec(time) ?? [];
  if (n === undefined) throw new UserError(`"${time}" is no length of time.`, "It is a number and s, m, h or d.", "For example --for 12h");
  return Number(n) * { s: 1, m: 60, h: 3600, d: 86_400 }[unit as "s"];
}

function idOf(text: string): CapabilityId {
  const parsed = CapabilityId.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new UserError(`"${text}" is not a capability's id.`, "Ids look like cap_01J….", "List them: signalbox capability list");
}

/** Not as an argument: what is typed there is in the shell's history and in everybody's list of processes. */
async function tokenFrom(file: string): Promise<string> {
  try {
    return (file === "-" ? await text(process.stdin) : readFileSync(file, "utf8")).trim();
  } catch (cause) {
    throw new UserError(
      `${file} cannot be read.`,
      (cause as Error).message,
      "Name a file with the token in it, or give it on standard input.",
    );
  }
}

/** What a token says of itself; whether that is true its verifier finds out. */
function read(token: string): Chain {
  const blocks = token.slice("sbcap_".length).split("~");
  const proof = blocks.pop() ?? "";
  try {
    const claims = blocks.map((block) => JSON.parse(Buffer.from(block.split(".")[1]!, "base64url").toString()) as Record<string, never>);
    return {
      organizationId: claims[0]!["org"]!,
      principalId: claims[0]!["sub"]!,
      kind: claims[0]!["kind"]!,
      links: claims.map((c) => ({
        id: c["jti"]!,
        name: c["name"]!,
        grant: CapabilityGrant.parse(c["grant"]),
        issuedAtMs: c["iat"]! * 1000,
        expiresAtMs: c["exp"]! * 1000,
      })),
      isSealed: proof.startsWith("s."),
      kid: (JSON.parse(Buffer.from(blocks[0]!.split(".")[0]!, "base64url").toString()) as { kid: string }).kid,
    };
  } catch {
    throw NO_TOKEN;
  }
}
const NO_TOKEN = new UserError(
  "That is no capability.",
  "A token begins with sbcap_ and is one long line.",
  "Give it as it was shown when it was made.",
);

async function offline(context: Context, token: string, file: string | undefined): Promise<Output<typeof inspectCapability>> {
  const { keys } =
    file === undefined
      ? await context.client.call(listCapabilityKeys, {})
      : (JSON.parse(readFileSync(file, "utf8")) as Output<typeof listCapabilityKeys>);
  const keyOf = async (kid: string) => {
    const key = keys.find((one) => one.kid === kid);
    return key === undefined ? null : publicKeyOf(key.x);
  };
  const verified = await verify(token, { keyOf, nowMs: Date.now() });
  const chain = verified.ok ? verified.chain : verified.problem === "expired" ? verified.genuine : undefined;
  if (chain === undefined)
    throw verified.ok || verified.problem === "malformed"
      ? NO_TOKEN
      : new UserError(
          `It does not hold: ${verified.problem.replaceAll("_", " ")}.`,
          "Checked with the public keys alone.",
          "Ask whoever gave it to you for another.",
        );
  const at = (ms: number): string => new Date(ms).toISOString();
  const leaf = chain.links.at(-1)!;
  return {
    organization_id: chain.organizationId,
    principal_id: chain.principalId,
    chain: chain.links.map(({ id, name, grant, expiresAtMs }) => ({ id, name, grant, expires_at: at(expiresAtMs) })),
    effective: leaf.grant,
    expires_at: at(leaf.expiresAtMs),
    status: verified.ok ? "active" : "expired",
  };
}

function show({ terminal }: Context, of: Output<typeof inspectCapability>): void {
  const lines = of.chain.map(
    ({ id, name, grant, expires_at }, depth) =>
      `${"  ".repeat(depth)}${id}  ${printable(name)}  until ${expires_at}\n${"  ".repeat(depth)}  allows ${wordsOf(grant)}`,
  );
  terminal.result(of, `${of.status}, for ${of.principal_id} in ${of.organization_id}\n${lines.join("\n")}`);
}

const wordsOf = (grant: CapabilityGrant): string => {
  const parts = Object.entries({
    rooms: grant.rooms,
    tools: grant.tools,
    actions: grant.actions,
    egress: grant.egress,
    read: grant.data?.read,
    write: grant.data?.write,
  });
  const narrowed = parts.flatMap(([name, list]) => (list === undefined ? [] : [`${name} ${list.length === 0 ? "none" : list.join(",")}`]));
  return [grant.scopes.join(",") || "nothing", ...narrowed].join("; ");
};

const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/** A ULID: its time first, so that lists are in order. */
function crockford(): string {
  let time = "";
  for (let rest = Date.now(), i = 0; i < 10; i++, rest = Math.floor(rest / 32)) time = DIGITS[rest % 32] + time;
  return time + Array.from(randomBytes(16), (byte) => DIGITS[byte & 31]).join("");
}
