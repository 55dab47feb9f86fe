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
