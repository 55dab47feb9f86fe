create table proj_model_keys (
  organization_id text        not null,
  key_id          text        not null,
  session_id      text        not null,
  room_id         text,
  principal_id    text        not null,
  key_hash        text        not null,
  models          text[]      not null,
  expires_at      timestamptz not null,
  revoked         boolean     not null,
  subject_version bigint      not null,
  primary key (organization_id, key_id)
);
create unique index proj_model_keys_hash on proj_model_keys (organization_id, key_hash);
create index proj_model_keys_session on proj_model_keys (organization_id, session_id);
-- Whether a key's session may still spend. Keyed by session; a resumed session may again.
create table proj_model_sessions (
  organization_id text    not null,
  session_id      text    not null,
  has_ended       boolean not null,
  subject_version bigint  not null,
  primary key (organization_id, session_id)
);
alter table proj_model_keys enable row level security;
alter table proj_model_sessions enable row level security;
create policy organization on proj_model_keys using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on proj_model_sessions using (organization_id = current_setting('signalbox.organization_id', true));
create table proj_model_connections (
  organization_id text        not null,
  name            text        not null,
  kind            text        not null,
  base_url        text,
  has_key         boolean     not null,
  -- Grows with every change: what was made of an older row is made anew.
  subject_version bigint      not null,
  -- Grows with every new key.
  key_version     bigint      not null,
  saved_at        timestamptz not null,
  -- One that was removed stays as a mark, so that an older event cannot bring it back.
  is_present      boolean     not null,
  primary key (organization_id, name)
);
create table proj_model_defaults (
  organization_id text   not null primary key,
  model           text,
  subject_version bigint not null
);
alter table proj_model_connections enable row level security;
alter table proj_model_defaults enable row level security;
create policy organization on proj_model_connections using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on proj_model_defaults using (organization_id = current_setting('signalbox.organization_id', true));
