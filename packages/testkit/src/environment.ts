/** Of our environment what each program of ours needs, and nothing that would configure it. */
export function processEnvironment(own: Readonly<Record<string, string>> = {}): Record<string, string> {
  const kept: Record<string, string> = {};
  // The last one: where the run keeps what was compiled (vitest.config.ts), so that each server need not do it again.
  for (const name of ["PATH", "HOME", "NODE_COMPILE_CACHE"]) {
    // oxlint-disable-next-line node/no-process-env -- see above
    const value = process.env[name];
    if (value !== undefined) kept[name] = value;
  }
  return { ...kept, ...own };
}
