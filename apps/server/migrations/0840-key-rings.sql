-- breaking: no
-- The installation's rings of keys: of sync tokens, of capabilities, of requests between processes. Sealed with its
-- master key. No organization's, so no request can read them: there is no policy.
--
-- `feed_token_keys` is read by nobody from here on (a sync token lives fifteen minutes at most, and is asked for anew);
-- processes of the version before may still run beside this one.
create table key_rings (
  ring           text        not null,
  kid            text        not null,
  sealed         bytea       not null,
  master_version int         not null,
  master_id      text        not null,
  created_at     timestamptz not null,
  primary key (ring, kid)
);
alter table key_rings enable row level security;
