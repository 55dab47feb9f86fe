/** Exit codes of the command line, documented in docs/cli.md. */
export const EXIT = { ok: 0, failed: 1, usage: 2, unreachable: 3, refused: 4 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Something that the person at the terminal can mend: what, why, how to fix. */
export class UserError extends Error {
  override name = "UserError";
  readonly why: string;
  readonly fix: string;
  readonly exitCode: ExitCode;

  constructor(what: string, why: string, fix: string, options: { cause?: unknown; exitCode?: ExitCode } = {}) {
    super(what, options);
    this.why = why;
    this.fix = fix;
    this.exitCode = options.exitCode ?? EXIT.usage;
  }
}
