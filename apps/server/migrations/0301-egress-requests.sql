-- Every request that a sandbox made through the egress proxy. Rows, not events: their digest per run
-- and every refusal are events (specs/egress.md).
create table egress_requests (
  organization_id text        not null,
  id              text        not null,
  session_id      text        not null,
  sandbox_id      text        not null,
  -- The run whose digest pins this row; null until then.
  run_id          text,
  at              timestamptz not null,
  method          text        not null,
  scheme          text        not null,
  host            text        not null,
  port            int         not null,
  path            text,
  address         text,
  decision        text        not null check (decision in ('allow', 'deny')),
  reason_code     text        not null,
  status          int,
  bytes_sent      bigint      not null,
  bytes_received  bigint      not null,
  duration_ms     int         not null,
  primary key (organization_id, id)
);
create index egress_requests_session on egress_requests (organization_id, session_id, id);
alter table egress_requests enable row level security;
create policy organization on egress_requests using (organization_id = current_setting('signalbox.organization_id', true));
