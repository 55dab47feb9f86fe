import {
  createOrganization,
  deleteOrganization,
  getOrganization,
  leaveOrganization,
  listMembers,
  listOrganizations,
  listTeams,
  removeMember,
  renameOrganization,
  setMemberRole,
  transferOwnership,
} from "@signalbox/contract/organizations";
import { OrganizationRole, PrincipalId } from "@signalbox/contract/primitives";
import type { Output } from "@signalbox/contract/route";
import type { Command } from "commander";
import { action, type Context } from "../command.ts";
import { counted, table } from "../terminal.ts";
import { UserError } from "../user-error.ts";

type Member = Output<typeof listMembers>["items"][number];

export function registerOrganization(program: Command): void {
  const organization = program.command("organization").alias("org").description("organizations, and the one that this token acts in");
  organization
    .command("list")
    .description("those that you may act in")
    .action(
      action(async ({ client, terminal }: Context) => {
        const { items } = await client.call(listOrganizations, {});
        terminal.result(
          { items },
          table(
            ["id", "role", "name"],
            items.map(({ id, role, name }) => [id, role, name]),
          ),
        );
      }),
    );
  organization
    .command("show")
    .description("the one that this token acts in")
    .action(
      action(async ({ client, terminal }: Context) => {
        const shown = await client.call(getOrganization, {});
        terminal.result(shown, `${shown.name} (${shown.id}): ${counted(shown.member_count, "member")}; you are ${shown.role}`);
      }),
    );
  organization
    .command("create <name>")
    .description("found one and own it")
    .action(
      action(async ({ client, terminal }: Context, name: string) => {
        const made = await client.call(createOrganization, { body: { name } });
        terminal.result(made, `${made.id}  ${made.name}`);
      }),
    );
  organization
    .command("rename <name>")
    .description("rename it")
    .action(
      action(async ({ client, terminal }: Context, name: string) => {
        const renamed = await client.call(renameOrganization, { body: { name } });
        terminal.result(renamed, `now ${renamed.name}`);
      }),
    );
  organization
    .command("delete <name>")
    .description("delete it, all but its log; export first (signalbox log export)")
    .requiredOption("--exported-seq <seq>", "last seq of the organization's stream in the export that you keep")
    .action(
      action(async ({ client, terminal }: Context, name: string, { exportedSeq }: { exportedSeq: string }) => {
        if (!/^\d+$/.test(exportedSeq))
          throw new UserError(
            "--exported-seq is not a number.",
            `It is "${exportedSeq}".`,
            "Look into the export: the last seq of organization:<id>.",
          );
        const done = await client.call(deleteOrganization, { body: { name, exported_seq: Number(exportedSeq) } });
        terminal.result(done, `${name} is deleted`);
      }),
    );
  organization
    .command("leave")
    .description("leave it")
    .action(
      action(async ({ client, terminal }: Context) => {
        terminal.result(await client.call(leaveOrganization, { body: {} }), "you are out");
      }),
    );
  organization
    .command("transfer <member>")
    .description("make another member owner in your place")
    .action(
      action(async ({ client, terminal }: Context, to: string) => {
        const done = await client.call(transferOwnership, { body: { to: memberId(to) } });
        terminal.result(done, `${to} owns it now; you are an admin`);
      }),
    );
  registerMember(program);
}

function registerMember(program: Command): void {
  const member = program.command("member").description("people of the organization");
  member
    .command("list")
    .description("who is in it, and as what")
    .action(
      action(async ({ client, terminal }: Context) => {
        const items: Member[] = [];
        let cursor: string | null = null;
        do {
          const page: Output<typeof listMembers> = await client.call(listMembers, {
            query: { limit: 200, ...(cursor === null ? {} : { cursor }) },
          });
          items.push(...page.items);
          cursor = page.next_cursor;
        } while (cursor !== null);
        const teams = new Map((await client.call(listTeams, {})).items.map(({ id, name }) => [id, name]));
        terminal.result(
          { items, next_cursor: null },
          table(
            ["id", "role", "name", "teams"],
            items.map((one) => [one.principal_id, one.role, one.display_name, one.team_ids.map((id) => teams.get(id) ?? id).join(", ")]),
          ),
        );
      }),
    );
  member
    .command("role <member> <role>")
    .description("give a member another role: viewer, member, approver, admin, owner")
    .action(
      action(async ({ client, terminal }: Context, id: string, role: string) => {
        const parsed = OrganizationRole.safeParse(role);
        if (!parsed.success)
          throw new UserError(`"${role}" is no role.`, "There are five.", "Use viewer, member, approver, admin or owner.");
        const changed = await client.call(setMemberRole, { params: { id: memberId(id) }, body: { role: parsed.data } });
        terminal.result(changed, `${changed.display_name} is ${changed.role}`);
      }),
    );
  member
    .command("remove <member>")
    .description("remove a member; their tokens and connections here end at once")
    .action(
      action(async ({ client, terminal }: Context, id: string) => {
        terminal.result(await client.call(removeMember, { params: { id: memberId(id) } }), `${id} is out`);
      }),
    );
}

function memberId(text: string): PrincipalId {
  const parsed = PrincipalId.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new UserError(`"${text}" is not a member's id.`, "Ids look like usr_01J….", "List them with `signalbox member list`.");
}
