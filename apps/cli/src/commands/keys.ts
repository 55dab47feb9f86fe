/* The installation's rings of keys, for whoever runs it. */
import { KeyRingName, listKeyRings, rotateKeyRing } from "@signalbox/contract/key-rings";
import type { Command } from "commander";
import { action, type Context } from "../command.ts";
import { table } from "../terminal.ts";
import { UserError } from "../user-error.ts";

export function registerKeys(program: Command): void {
  const keys = program.command("keys").description("keys that this installation signs tokens with (operators)");
  keys
    .command("list")
    .description("rings and their keys, by name")
    .action(
      action(async ({ client, terminal }: Context) => {
        const { items } = await client.call(listKeyRings, {});
        terminal.result(
          { items },
          table(
            ["ring", "key", "made", "rotates every"],
            items.flatMap(({ ring, rotates_every_s, keys: each }) =>
              each.map(({ kid, created_at }) => [ring, kid, created_at, `${rotates_every_s / 86_400} d`]),
            ),
          ),
        );
      }),
    );
  keys
    .command("rotate <ring>")
    .description("make another key of sync, service or capability now; the one before goes on verifying")
    .option("--drop", "forget those before: what was signed with them ends within a second")
    .action(
      action(async ({ client, terminal }: Context, ring: string, { drop }: { drop?: boolean }) => {
        const name = KeyRingName.safeParse(ring);
        if (!name.success) throw new UserError(`There is no ring ${ring}.`, "There are three.", "Use sync, service or capability.");
        const rotated = await client.call(rotateKeyRing, { params: { ring: name.data }, body: { drop: drop === true } });
        terminal.result(rotated, `${name.data}: ${rotated.keys[0]?.kid ?? ""} is the newest of ${rotated.keys.length}`);
      }),
    );
}
