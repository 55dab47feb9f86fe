/*
 * The database roles, and who may do what:
 *
 *   admin     makes the others and the database's schema; used at boot only
 *   sb_owner  owns every table; nobody logs in as it while the server runs
 *   sb_log    append, projectors, workers: sees every organization (BYPASSRLS), inserts events
 *             only through the append functions
 *   sb_app    every request: neither superuser nor bypass, sees one organization at a time
 *   sb_eraser owns `evt_erase` and `evt_remove_import`, sb_archiver `evt_detach`: the exceptions to
 *             append-only; neither can log in
 *
 * With the embedded Postgres each role logs in by itself. With DATABASE_URL the one user that it
 * names connects and becomes the role (`-c role=…`), so no passwords have to be invented.
 */
import type pg from "pg";

export type DatabaseRole = "admin" | "sb_owner" | "sb_log" | "sb_app";
export type ConnectionFor = (role: DatabaseRole, database?: string) => pg.ClientConfig;

/** The connections of a Postgres that is not ours to run. */
export function connectionsOf(databaseUrl: string): ConnectionFor {
  return (role, database) => ({
    connectionString: databaseUrl,
    ...(database === undefined ? {} : { connectionString: withDatabase(databaseUrl, database) }),
    ...(role === "admin" ? {} : { options: `-c role=${role}` }),
  });
}

function withDatabase(databaseUrl: string, database: string): string {
  const url = new URL(databaseUrl);
  url.pathname = `/${database}`;
  return url.href;
}

const ROLES: readonly { name: string; attributes: string }[] = [
  { name: "sb_owner", attributes: "login nosuperuser nobypassrls nocreaterole nocreatedb" },
  { name: "sb_log", attributes: "login nosuperuser bypassrls nocreaterole nocreatedb" },
  { name: "sb_app", attributes: "login nosuperuser nobypassrls nocreaterole nocreatedb" },
  { name: "sb_eraser", attributes: "nologin nosuperuser nobypassrls nocreaterole nocreatedb" },
  { name: "sb_archiver", attributes: "nologin nosuperuser nobypassrls nocreaterole nocreatedb" },
];

/** What somebody with more rights has to run when we may not. */
const REMEDY = [
  ...ROLES.map(({ name, attributes }) => `create role ${name} ${attributes};`),
  `grant sb_owner, sb_log, sb_app to <the user of DATABASE_URL>;`,
  `grant sb_eraser, sb_archiver to sb_owner;`,
  `grant create on database <the database> to sb_owner;`,
  `grant create, usage on schema public to sb_owner, sb_eraser, sb_archiver;`,
].join("\n  ");

/** Creates what is missing. Idempotent, and safe when two servers boot at once. */
export async function ensureRoles(admin: pg.ClientBase): Promise<void> {
  const { rows } = await admin.query<{ rolname: string; rolbypassrls: boolean; rolsuper: boolean }>(
    "select rolname, rolbypassrls, rolsuper from pg_roles where rolname = any($1)",
    [ROLES.map(({ name }) => name)],
  );
  try {
    for (const { name, attributes } of ROLES) {
      if (!rows.some((row) => row.rolname === name)) await createRole(admin, name, attributes);
    }
    await grantMembership(admin);
  } catch (cause) {
    if ((cause as { code?: string }).code !== "42501") throw cause;
    throw new Error(
      `The database user may not create Signalbox's roles. Let an administrator of the database run this once, then start again:\n  ${REMEDY}`,
      { cause },
    );
  }
  await refuseBypass(admin);
}

async function createRole(admin: pg.ClientBase, name: string, attributes: string): Promise<void> {
  try {
    await admin.query(`create role ${name} ${attributes}`);
  } catch (error) {
    // Another server, booting beside us on the same cluster, was quicker.
    const code = (error as { code?: string }).code;
    if (code !== "42710" && code !== "23505") throw error;
  }
}

/** Lets the user we are become the roles, and the owner make schemas in this database. */
async function grantMembership(admin: pg.ClientBase): Promise<void> {
  // From Postgres 16 on, who creates a role is a member of it, but may not become it until granted.
  const { rows: version } = await admin.query<{ may: string }>(
    "select case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end as may",
  );
  const { rows } = await admin.query<{ me: string; super: boolean; database: string; granted: boolean }>(
    `select current_user as me, r.rolsuper as super, current_database() as database,
            pg_has_role(current_user, 'sb_owner', $1) and pg_has_role(current_user, 'sb_log', $1)
              and pg_has_role(current_user, 'sb_app', $1) as granted
       from pg_roles r where r.rolname = current_user`,
    [version[0]?.may ?? "member"],
  );
  const row = rows[0];
  if (row === undefined) throw new Error("the connected database user is not in pg_roles");
  const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;
  if (!row.super && !row.granted) await admin.query(`grant sb_owner, sb_log, sb_app to ${quote(row.me)}`);
  const { rows: may } = await admin.query<{ create: boolean }>(`
    select has_database_privilege('sb_owner', current_database(), 'create') and has_schema_privilege('sb_owner', 'public', 'create')
       and has_schema_privilege('sb_eraser', 'public', 'create') and pg_has_role('sb_owner', 'sb_eraser', 'member')
       and has_schema_privilege('sb_archiver', 'public', 'create') and pg_has_role('sb_owner', 'sb_archiver', 'member') as create`);
  if (may[0]?.create === true) return;
  await admin.query("grant sb_eraser, sb_archiver to sb_owner");
  await admin.query(`grant create on database ${quote(row.database)} to sb_owner`);
  // A function can only be given to a role that may create in its schema; these two cannot log in.
  await admin.query("grant create, usage on schema public to sb_owner, sb_eraser, sb_archiver");
}

/** A request role that could look past row-level security would make every policy a decoration. */
export async function refuseBypass(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ name: string }>(`
    select r.rolname as name from pg_roles r
     where (r.rolsuper or r.rolbypassrls or r.rolname in ('sb_owner', 'sb_log'))
       and pg_has_role('sb_app', r.oid, 'member')`);
  if (rows.length === 0) return;
  throw new Error(
    `The database role sb_app could bypass row-level security (through ${rows.map((row) => row.name).join(", ")}). ` +
      `Signalbox does not start like this. As an administrator of the database: alter role sb_app nosuperuser nobypassrls, and revoke those roles from it.`,
  );
}
