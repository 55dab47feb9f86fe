-- What must be kept but never shown: sealed values, each organization's under a data key of its own, which the
-- master key in the data directory wraps (specs/secrets.md). Not events: a value must be forgettable.
create table secret_data_keys (
  organization_id text        primary key,
  -- nonce (12) ‖ ciphertext ‖ tag (16), AES-256-GCM.
  wrapped         bytea       not null,
  master_version  int         not null,
  -- First bytes of the master key's hash: tells a wrong key from a damaged row.
  master_id       text        not null,
  created_at      timestamptz not null default now()
);
create table secrets (
  organization_id text        not null,
  name            text        not null,
  sealed          bytea       not null,
  updated_at      timestamptz not null default now(),
  primary key (organization_id, name)
);
alter table secret_data_keys enable row level security;
alter table secrets enable row level security;
create policy organization on secret_data_keys using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on secrets using (organization_id = current_setting('signalbox.organization_id', true));
