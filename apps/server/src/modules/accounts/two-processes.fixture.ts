/* An installation with accounts, of two processes on one database and one directory. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestDatabase } from "@signalbox/testkit/database";
import { type Composed, startComposed } from "../../composed.fixture.ts";

export const ORIGIN = "http://localhost";

export interface TwoProcesses {
  readonly dataDir: string;
  readonly environment: Record<string, string>;
  readonly c: Composed;
  /** The other one. */
  readonly other: Composed;
  close(): Promise<void>;
}

/** `options` are the first one's alone. */
export async function startTwo(
  database: Pick<TestDatabase, "connection">,
  options: Pick<NonNullable<Parameters<typeof startComposed>[1]>, "atDeletion"> = {},
): Promise<TwoProcesses> {
  const dataDir = mkdtempSync(path.join(tmpdir(), "signalbox-two-"));
  chmodSync(dataDir, 0o711);
  const environment = {
    SIGNALBOX_SIGN_IN: "accounts",
    SIGNALBOX_SIGN_UP: "open",
    SIGNALBOX_OWNER_EMAIL: "owner@example.com",
    SIGNALBOX_PUBLIC_URL: ORIGIN,
  };
  const c = await startComposed(database, { ...options, environment, dataDir });
  const other = await startComposed(database, { environment, dataDir });
  return {
    dataDir,
    environment,
    c,
    other,
    async close() {
      await other.close();
      await c.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
