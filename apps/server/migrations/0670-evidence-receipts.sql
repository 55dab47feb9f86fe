-- Receipts as they were first given out: a run has one, for ever.
create table run_receipts (
  organization_id text        not null,
  run_id          text        not null,
  envelope        text        not null, -- JSON, DSSE
  created_at      timestamptz not null default now(),
  primary key (organization_id, run_id)
);
alter table run_receipts enable row level security;
create policy organization on run_receipts using (organization_id = current_setting('signalbox.organization_id', true));
revoke all on run_receipts from sb_app, sb_log;
grant select, insert on run_receipts to sb_app;
