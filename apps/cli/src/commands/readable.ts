import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { UserError } from "../user-error.ts";

/** A missing file must be said as such. */
export async function readable(file: string): Promise<string> {
  try {
    await access(file, constants.R_OK);
    return file;
  } catch (cause) {
    throw new UserError(
      `${file} cannot be read.`,
      cause instanceof Error ? cause.message : "",
      "Name the file that `signalbox log export` (or proof, or checkpoint) wrote.",
      { cause },
    );
  }
}
