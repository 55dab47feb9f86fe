-- Signed checkpoints as published, each with the stream heads that it was signed over.
-- The note is the evidence; the other columns only find it.
create table audit_checkpoints (
  organization_id text        not null,
  position        bigint      not null,
  streams         integer     not null,
  root_hash       text        not null,
  key_id          text        not null,
  note            text        not null,
  heads           text        not null, -- JSON: [{stream, seq, hash}]
  created_at      timestamptz not null,
  primary key (organization_id, position)
);
alter table audit_checkpoints enable row level security;
create policy organization on audit_checkpoints using (organization_id = current_setting('signalbox.organization_id', true));
grant select on audit_checkpoints to sb_app;
grant select, insert on audit_checkpoints to sb_log;
