create table proj_terminals (
  organization_id text        not null,
  id              text        not null,
  session_id      text        not null,
  room_id         text        not null,
  cols            int         not null,
  rows            int         not null,
  created_by      text        not null,
  created_at      timestamptz not null,
  closed_at       timestamptz,
  reason          text,
  exit_code       int,
  signal          text,
  primary key (organization_id, id)
);
create index proj_terminals_session on proj_terminals (organization_id, session_id, created_at);
-- What a server that was killed has to look after.
create index proj_terminals_open on proj_terminals (created_at) where closed_at is null;
alter table proj_terminals enable row level security;
create policy organization on proj_terminals using (organization_id = current_setting('signalbox.organization_id', true));
