/* TXT records of a name, each with its parts joined. None: nothing is published, or nobody answers. */
import { Resolver } from "node:dns/promises";

export type TextRecords = (name: string) => Promise<readonly string[]>;

/** `server`: whom to ask (`127.0.0.1:5353`); the machine's own when absent. */
export function createTextRecords(server: string | undefined): TextRecords {
  const resolver = new Resolver({ timeout: 3000, tries: 2 });
  if (server !== undefined) resolver.setServers([server]);
  return async (name) => {
    try {
      return (await resolver.resolveTxt(name)).map((parts) => parts.join(""));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Whether it is not there or cannot be asked for: it is not proven.
      if (code !== undefined && /^E(NOTFOUND|NODATA|TIMEOUT|SERVFAIL|REFUSED|CONNREFUSED|FORMERR|NOTIMP|BADRESP)$/.test(code)) return [];
      throw error;
    }
  };
}
