/*
 * `signalbox login`: shows a code, waits until somebody lets it in from a browser, and keeps the token
 * in `~/.signalbox/credentials.json` (0600, in a 0700 directory), one a server. `logout` revokes nothing
 * (another machine may share the account) but forgets it here.
 */
import { createClient } from "@signalbox/client/client";
import { ApiError, pause } from "@signalbox/client/client";
import { pollDevice, startDevice } from "@signalbox/contract/accounts";
import { getMe } from "@signalbox/contract/identity";
import type { Command } from "commander";
import { hostname, userInfo } from "node:os";
import { action, type Context } from "../command.ts";
import { forgetToken, keepToken } from "../credentials.ts";
import { EXIT, UserError } from "../user-error.ts";

export function registerLogin(program: Command): void {
  program
    .command("login <url>")
    .description("sign this machine in to a server, by a code that you confirm in a browser")
    .option("--scopes <list>", "what the token may do, with commas", "read,write,approve")
    .action(
      action(async ({ terminal, signal }: Context, url: string, { scopes }: { scopes: string }) => {
        const origin = originOf(url);
        const client = createClient({ baseUrl: origin });
        const started = await client.call(startDevice, {
          body: {
            client_name: `signalbox on ${hostname()} (${userInfo().username})`,
            scopes: scopes.split(",").map((each) => each.trim()) as never,
          },
          signal,
        });
        terminal.progress(
          `Open ${started.verification_uri_complete}\nand let in the program that shows ${terminal.style("bold", started.user_code)}.`,
        );
        const token = await waitFor(client, started, signal);
        keepToken(origin, token);
        const me = await createClient({ baseUrl: origin, token }).call(getMe, { signal });
        terminal.result(me, `signed in to ${origin} as ${me.principal.display_name}, in ${me.organization.name}`);
        return EXIT.ok;
      }),
    );
  program
    .command("logout <url>")
    .description("forget the token of a server on this machine")
    .action(
      action(async ({ terminal }: Context, url: string) => {
        const origin = originOf(url);
        const had = forgetToken(origin);
        terminal.result(
          { ok: had },
          had ? `forgot the token of ${origin}; revoke it under Settings, Tokens` : `there is no token of ${origin} here`,
        );
      }),
    );
}

async function waitFor(
  client: ReturnType<typeof createClient>,
  { device_code, interval, expires_in }: { device_code: string; interval: number; expires_in: number },
  signal: AbortSignal,
): Promise<string> {
  let everyMs = interval * 1000;
  const until = Date.now() + expires_in * 1000;
  while (Date.now() < until && !signal.aborted) {
    await pause(everyMs, signal);
    try {
      return (await client.call(pollDevice, { body: { device_code }, signal })).access_token;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.code === "slow_down") everyMs += 5000;
      // A lost connection is no answer; anything else that is not "wait" is.
      else if (error.code !== "authorization_pending" && error.status !== 0) throw error;
    }
  }
  throw new UserError("Nobody let this machine in.", "The code was good for 15 minutes.", "Run it again.");
}

function originOf(url: string): string {
  const parsed = URL.parse(url);
  if (parsed === null || !/^https?:$/.test(parsed.protocol))
    throw new UserError(
      `"${url}" is not the address of a server.`,
      "It must be an http:// or https:// URL.",
      "For example signalbox login https://signalbox.example.com",
    );
  return parsed.origin;
}
