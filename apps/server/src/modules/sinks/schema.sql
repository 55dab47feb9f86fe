-- Where events are published outward to. Secrets are sealed elsewhere; how far each is: sink_cursors.
create table proj_sinks (
  organization_id text        not null,
  id              text        primary key,
  name            text        not null,
  kind            text        not null,
  url             text        not null,
  types           text[]      not null,
  room_ids        text[]      not null,
  status          text        not null,
  paused_reason   text,
  created_at      timestamptz not null,
  created_by      text        not null,
  subject_version bigint      not null
);
create index proj_sinks_organization on proj_sinks (organization_id, created_at, id);
alter table proj_sinks enable row level security;
create policy organization on proj_sinks using (organization_id = current_setting('signalbox.organization_id', true));
