-- The lease on a claimed task run (specs/lease.md). A row, not an event: it changes every 10 s.
-- The log says who claimed last; this row says until when. `epoch` only ever grows.
create table run_leases (
  organization_id text        not null,
  run_id          text        not null,
  epoch           bigint      not null check (epoch > 0),
  token_hash      text        not null,
  claimed_by      text        not null,
  expires_at      timestamptz not null,
  primary key (organization_id, run_id)
);
alter table run_leases enable row level security;
create policy organization on run_leases
  using (organization_id = current_setting('signalbox.organization_id', true))
  with check (organization_id = current_setting('signalbox.organization_id', true));
