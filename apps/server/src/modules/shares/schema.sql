-- Links under which sessions can be read without an account. The token itself is nowhere.
create table proj_shares (
  organization_id text        not null,
  id              text        primary key,
  session_id      text        not null,
  room_id         text        not null,
  token_hash      text        not null,
  created_by      text        not null,
  created_at      timestamptz not null,
  expires_at      timestamptz not null,
  revoked_at      timestamptz,
  event_id        text        not null
);
create unique index proj_shares_token on proj_shares (token_hash);
create index proj_shares_session on proj_shares (session_id, created_at desc);
alter table proj_shares enable row level security;
create policy organization on proj_shares using (organization_id = current_setting('signalbox.organization_id', true));
