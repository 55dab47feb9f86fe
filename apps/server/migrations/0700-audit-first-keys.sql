-- The key that signed an organization's first checkpoint since this is kept; later ones are in the log
-- (checkpoint.key_rotated). Not what anybody should believe: it lets the server itself notice, and say,
-- that the file in its keys directory is another than the one it began with.
create table audit_first_keys (
  organization_id text        not null primary key,
  key_id          text        not null,
  public_key      text        not null,
  since           timestamptz not null
);
alter table audit_first_keys enable row level security;
create policy organization on audit_first_keys using (organization_id = current_setting('signalbox.organization_id', true));
revoke insert, update, delete on audit_first_keys from sb_app, sb_log;
grant select on audit_first_keys to sb_app;
grant select, insert on audit_first_keys to sb_log;
