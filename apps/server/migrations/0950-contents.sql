-- breaking: no
-- What the collector of orphaned contents knows of the store: one row a content (modules/audit/contents.ts).
create table content_watch (
  organization_id text        not null,
  sha256          text        not null,
  bytes           bigint      not null,
  -- An event that names it, or 0: an archive or an anchor does. Null: nothing is known to.
  named_at        bigint,
  -- Since when nothing is known to.
  unnamed_since   timestamptz not null,
  primary key (organization_id, sha256)
);
create index content_watch_unnamed on content_watch (unnamed_since) where named_at is null;
alter table content_watch enable row level security;
create policy organization on content_watch using (organization_id = current_setting('signalbox.organization_id', true));
revoke all on content_watch from sb_app, sb_log;
grant select, insert, update, delete on content_watch to sb_log;

-- What holds contents beside the events in the database. Not those that an archive had before (`replaced`).
create view content_holders with (security_invoker = true) as
  select organization_id, sha256 from evt_archives
  union select organization_id, unnest(contents) from evt_archives
  union select organization_id, ref from audit_anchored where anchor = 'blob';
revoke all on content_holders from sb_app, sb_log;
grant select on content_holders to sb_log;
grant select on audit_anchored to sb_log;
