import { existsSync } from "node:fs";
import path from "node:path";

/** There while a restore is going on; what a killed one leaves behind. */
export const MARK = "restore.incomplete";

/** Where a server must not start: what it would find is half of a backup. */
export const isHalfRestored = (dataDir: string): boolean => existsSync(path.join(dataDir, MARK));
