-- breaking: no
-- Who puts what, as an erasure has to know it (modules/audit/redacted-content.ts): one row a content.
create table content_puts (
  organization_id text not null,
  sha256          text not null,
  -- When it was put though it had been before, by the database's clock: an event that names it may be on its way.
  again_at        timestamptz,
  primary key (organization_id, sha256)
);
alter table content_puts enable row level security;
create policy organization on content_puts using (organization_id = current_setting('signalbox.organization_id', true));
revoke all on content_puts from sb_app, sb_log;
grant select, insert, update, delete on content_puts to sb_log;
-- What is there by now has been put before.
insert into content_puts (organization_id, sha256) select organization_id, sha256 from content_watch;
