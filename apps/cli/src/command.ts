/* What every command gets: the client, the terminal, and the flags that all share. */
import { createClient, type Client } from "@signalbox/client/client";
import type { Command } from "commander";
import { serverAddress } from "./config.ts";
import { createTerminal, type Terminal } from "./terminal.ts";
import { EXIT, type ExitCode } from "./user-error.ts";

export interface GlobalFlags {
  readonly json?: boolean;
  readonly url?: string;
  readonly token?: string;
  readonly dataDir?: string;
}

export interface Context {
  readonly terminal: Terminal;
  readonly flags: GlobalFlags;
  /** Made on first use: commands that work offline need no server. */
  readonly client: Client;
  /** Aborted by Ctrl-C, so that a command can tidy up. */
  readonly signal: AbortSignal;
}

/** Runs an action with its context; the number it returns is the exit code. */
export const action =
  <Arguments extends unknown[]>(work: (context: Context, ...parameters: Arguments) => Promise<ExitCode | void>) =>
  async (...all: [...Arguments, Command]): Promise<void> => {
    const command = all.at(-1) as Command;
    const flags = command.optsWithGlobals<GlobalFlags>();
    const interrupted = new AbortController();
    process.once("SIGINT", () => interrupted.abort());
    process.once("SIGTERM", () => interrupted.abort());
    let client: Client | undefined;
    const context: Context = {
      terminal: createTerminal(flags.json === true),
      flags,
      get client() {
        if (client === undefined) {
          const { url, token } = serverAddress(flags);
          client = createClient({ baseUrl: url, token });
        }
        return client;
      },
      signal: interrupted.signal,
    };
    const code = await work(context, ...(all.slice(0, -1) as Arguments));
    process.exitCode = code ?? EXIT.ok;
  };
