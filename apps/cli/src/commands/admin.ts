import {
  listAdminLogins,
  listAdminOrganizations,
  listAdminPeople,
  listOutbox,
  restoreOrganization,
  restorePerson,
  suspendOrganization,
  suspendPerson,
} from "@signalbox/contract/admin";
import { OrganizationId, PrincipalId } from "@signalbox/contract/primitives";
import { setQuotas } from "@signalbox/contract/quotas";
import type { Output } from "@signalbox/contract/route";
import type { Command } from "commander";
import { action, type Context } from "../command.ts";
import { printable, table } from "../terminal.ts";
import { UserError } from "../user-error.ts";

type Organization = Output<typeof listAdminOrganizations>["items"][number];
type Person = Output<typeof listAdminPeople>["items"][number];
interface Found {
  readonly q?: string;
}
interface Limits {
  readonly sessions?: string;
  readonly storageBytes?: string;
  readonly eventsPerDay?: string;
}

/** Of the whole installation: with a token of whoever operates it. The running server's own is one. */
export function registerAdmin(program: Command): void {
  const admin = program
    .command("admin")
    .description("the whole installation, for whoever operates it: organizations, people, waiting mail");
  admin
    .command("organizations")
    .description("all of them, the newest first")
    .option("--q <text>", "in their names and ids")
    .action(
      action(async ({ client, terminal }: Context, { q }: Found) => {
        const items = await all<Organization>((query) => client.call(listAdminOrganizations, { query }), q);
        terminal.result(
          { items },
          table(
            ["id", "state", "members", "live", "events", "since", "name"],
            items.map((one) => [
              one.id,
              one.state,
              String(one.member_count),
              String(one.live_session_count),
              String(one.event_count),
              one.created_at.slice(0, 10),
              printable(one.name),
            ]),
          ),
        );
      }),
    );
  admin
    .command("people")
    .description("everybody, the newest first")
    .option("--q <text>", "in their names, addresses and ids")
    .action(
      action(async ({ client, terminal }: Context, { q }: Found) => {
        const items = await all<Person>((query) => client.call(listAdminPeople, { query }), q);
        terminal.result(
          { items },
          table(
            ["id", "state", "address", "seen", "in", "name"],
            items.map((one) => [
              one.id,
              one.suspension === null ? "open" : "suspended",
              one.email === null ? "-" : `${one.email}${one.is_email_proven ? "" : " (unproven)"}`,
              one.seen_at?.slice(0, 10) ?? "never",
              one.organizations.map(({ id, role }) => `${id}:${role}`).join(" ") || "-",
              printable(one.name),
            ]),
          ),
        );
      }),
    );
  admin
    .command("sign-ins <person>")
    .description("a person's open sign-ins")
    .action(
      action(async ({ client, terminal }: Context, person: string) => {
        const { items } = await client.call(listAdminLogins, { params: { id: personId(person) } });
        terminal.result(
          { items },
          table(
            ["id", "method", "from", "seen", "browser"],
            items.map((one) => [one.id, one.method, one.ip_address ?? "-", one.seen_at, printable(one.user_agent ?? "-")]),
          ),
        );
      }),
    );
  admin
    .command("suspend <id>")
    .description("let an organization, or a person, in no more; what an organization runs is paused")
    .requiredOption("--reason <text>", "why, in at least ten characters; it stands in the log")
    .action(
      action(async ({ client, terminal }: Context, id: string, { reason }: { reason: string }) => {
        const done = isOrganization(id)
          ? await client.call(suspendOrganization, { params: { id: OrganizationId.parse(id) }, body: { reason } })
          : await client.call(suspendPerson, { params: { id: personId(id) }, body: { reason } });
        terminal.result(done, `${id} is suspended; signalbox admin restore ${id} lets it in again`);
      }),
    );
  admin
    .command("restore <id>")
    .description("let it in again")
    .action(
      action(async ({ client, terminal }: Context, id: string) => {
        const done = isOrganization(id)
          ? await client.call(restoreOrganization, { params: { id: OrganizationId.parse(id) }, body: {} })
          : await client.call(restorePerson, { params: { id: personId(id) }, body: {} });
        terminal.result(done, `${id} is let in again`);
      }),
    );
  admin
    .command("mail")
    .description("codes, links and invitations that no mail server sends: hand them over")
    .action(
      action(async ({ client, terminal }: Context) => {
        const shown = await client.call(listOutbox, {});
        terminal.result(
          shown,
          shown.items.length === 0
            ? "no mail waits"
            : shown.items
                .map(
                  ({ to, subject, text, expires_at }) =>
                    `to ${printable(to)}, of use until ${expires_at}\n  ${printable(subject)}\n\n${printable(text).replaceAll(/^/gm, "    ")}`,
                )
                .join("\n\n"),
        );
      }),
    );
  admin
    .command("quota <organization>")
    .description("set what an organization may use; what is not named stays")
    .option("--sessions <number>", "sessions at once, or `default`")
    .option("--storage-bytes <number>", "bytes kept, or `default`")
    .option("--events-per-day <number>", "events of a day (UTC), or `default`")
    .action(
      action(async ({ client, terminal }: Context, organization: string, given: Limits) => {
        if (!isOrganization(organization)) throw notAnId(organization);
        const limits = {
          ...limit("sessions", given.sessions),
          ...limit("storage_bytes", given.storageBytes),
          ...limit("events_per_day", given.eventsPerDay),
        };
        if (Object.keys(limits).length === 0)
          throw new UserError("Nothing is to be set.", "No limit was named.", "Add --sessions, --storage-bytes or --events-per-day.");
        const quotas = await client.call(setQuotas, {
          params: { organization_id: OrganizationId.parse(organization) },
          body: limits,
        });
        terminal.result(
          quotas,
          table(
            ["quota", "used", "limit"],
            (["sessions", "storage_bytes", "events_per_day"] as const).map((name) => [
              name,
              String(quotas[name].used),
              quotas[name].limit === null ? "none" : String(quotas[name].limit),
            ]),
          ),
        );
      }),
    );
}

async function all<T>(
  ask: (query: { limit: number; q?: string; cursor?: string }) => Promise<{ items: T[]; next_cursor: string | null }>,
  q: string | undefined,
): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const page: { items: T[]; next_cursor: string | null } = await ask({
      limit: 200,
      ...(q === undefined ? {} : { q }),
      ...(cursor === null ? {} : { cursor }),
    });
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return items;
}

const isOrganization = (id: string): boolean => OrganizationId.safeParse(id).success;
const notAnId = (id: string): UserError =>
  new UserError("That is no id.", `It is "${printable(id)}".`, "signalbox admin organizations and signalbox admin people list them.");
function personId(id: string): PrincipalId {
  const parsed = PrincipalId.safeParse(id);
  if (!parsed.success) throw notAnId(id);
  return parsed.data;
}
function limit(name: string, text: string | undefined): Record<string, number | null> {
  if (text === undefined) return {};
  if (text === "default") return { [name]: null };
  if (!/^\d{1,15}$/.test(text))
    throw new UserError(
      "That is no limit.",
      `${name} is "${printable(text)}".`,
      "Give a whole number, or `default` for the configuration's.",
    );
  return { [name]: Number(text) };
}
