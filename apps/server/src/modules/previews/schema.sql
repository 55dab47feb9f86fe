create table proj_previews (
  organization_id text        not null,
  id              text        not null,
  session_id      text        not null,
  room_id         text        not null,
  port            int         not null,
  created_by      text        not null,
  created_at      timestamptz not null,
  expires_at      timestamptz not null,
  closed_at       timestamptz,
  reason          text,
  primary key (organization_id, id)
);
-- By the host name of a request, which says no organization.
create index proj_previews_id on proj_previews (id);
create index proj_previews_open on proj_previews (session_id) where closed_at is null;
create index proj_previews_due on proj_previews (expires_at) where closed_at is null;
alter table proj_previews enable row level security;
create policy organization on proj_previews using (organization_id = current_setting('signalbox.organization_id', true));
