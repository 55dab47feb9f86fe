-- Capabilities that were issued here, or made of one and used here. A token is in no table.
create table proj_capabilities (
  organization_id text        not null,
  id              text        not null,
  kind            text        not null,
  name            text        not null,
  principal_id    text        not null,
  issued_by       text        not null,
  "grant"         jsonb       not null,
  -- From the root to itself: it holds as long as all of them do.
  path            text[]      not null,
  offline         boolean     not null,
  replaces        text,
  created_at      timestamptz not null,
  expires_at      timestamptz not null,
  revoked_at      timestamptz,
  subject_version bigint      not null,
  primary key (organization_id, id)
);
create index proj_capabilities_newest on proj_capabilities (organization_id, id desc);
create index proj_capabilities_path on proj_capabilities using gin (path);
alter table proj_capabilities enable row level security;
create policy organization on proj_capabilities using (organization_id = current_setting('signalbox.organization_id', true));
