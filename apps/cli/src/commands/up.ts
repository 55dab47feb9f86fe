import type { Command } from "commander";
import { spawn } from "node:child_process";
import { serverProgram } from "../server-process.ts";

export function registerUp(program: Command): void {
  program
    .command("up")
    .description("run the server here, in the foreground (its own flags: signalbox up --help)")
    .allowUnknownOption()
    .allowExcessArguments()
    .helpOption(false)
    .action((_: unknown, command: Command) => {
      const global = command.optsWithGlobals<{ json?: boolean; dataDir?: string }>();
      // Flags that both know were taken by us; the server must see them too.
      const shared = [...(global.json ? ["--json"] : []), ...(global.dataDir === undefined ? [] : ["--data-dir", global.dataDir])];
      const child = spawn(process.execPath, [serverProgram(), ...shared, ...command.args], { stdio: "inherit" });
      // The server decides when it has drained; a Ctrl-C at the terminal reaches it directly.
      process.on("SIGINT", () => undefined);
      process.on("SIGTERM", () => child.kill("SIGTERM"));
      return new Promise<void>((resolve) => {
        child.on("exit", (code) => {
          process.exitCode = code ?? 1;
          resolve();
        });
      });
    });
}
