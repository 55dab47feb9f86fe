/*
 * better-auth keeps a session's token as it is; we keep its hash. This stands between the two: for the
 * model `session` whatever names a token, in data or in a condition, is replaced by its sha256 on the
 * way in, and by the token that was asked with on the way out. The row is one of `idn_sessions`, so
 * that a browser is the same whichever door it came in by.
 */
import type { DBAdapter } from "better-auth";
import { secretHash } from "../identity/public.ts";

/** As Postgres reads a bytea from text. */
const stored = (token: string): string => `\\x${secretHash(token).toString("hex")}`;

type Where = { field: string; value: unknown };
type Row = Record<string, unknown> | null;

/** `home`: the organization that a new session of this person acts in first. */
export function hashingSessions(adapter: DBAdapter, home: (principalId: string) => Promise<string>): DBAdapter {
  const hashed = (where: unknown): unknown =>
    (where as Where[] | undefined)?.map((one) =>
      one.field === "token"
        ? { ...one, value: Array.isArray(one.value) ? one.value.map((each) => stored(String(each))) : stored(String(one.value)) }
        : one,
    );
  const tokenIn = (where: unknown): string | undefined => {
    const found = (where as Where[] | undefined)?.find(({ field }) => field === "token");
    return typeof found?.value === "string" ? found.value : undefined;
  };
  const told = (row: Row, token: string | undefined): Row => (row === null ? null : { ...row, token: token ?? "" });

  const wrapped = {
    ...adapter,
    async create(of: { model: string; data: Record<string, unknown> }) {
      if (of.model !== "session") return adapter.create(of);
      const token = String(of.data["token"]);
      const organizationId = await home(String(of.data["userId"]));
      const row: Row = await adapter.create({ ...of, data: { ...of.data, token: stored(token), organizationId } });
      return told(row, token);
    },
    async findOne(of: { model: string; where: unknown }) {
      if (of.model !== "session") return adapter.findOne(of as never);
      return told(await adapter.findOne({ ...of, where: hashed(of.where) } as never), tokenIn(of.where));
    },
    async update(of: { model: string; where: unknown; update: Record<string, unknown> }) {
      if (of.model !== "session") return adapter.update(of as never);
      const { token: changed, ...rest } = of.update;
      const update = changed === undefined ? rest : { ...rest, token: stored(String(changed)) };
      const row: Row = await adapter.update({ ...of, where: hashed(of.where), update } as never);
      return told(row, typeof changed === "string" ? changed : tokenIn(of.where));
    },
    ...Object.fromEntries(
      (["findMany", "delete", "deleteMany", "updateMany", "count"] as const).map((name) => [
        name,
        (of: { model: string; where?: unknown }) =>
          (adapter[name] as (of: unknown) => Promise<unknown>)(of.model === "session" ? { ...of, where: hashed(of.where) } : of),
      ]),
    ),
    transaction: (work: (trx: DBAdapter) => Promise<unknown>) =>
      adapter.transaction((trx) => work(hashingSessions(trx as DBAdapter, home))),
  };
  return wrapped as unknown as DBAdapter;
}
