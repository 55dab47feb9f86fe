-- Processes that make model calls, and when each was last seen alive. A reservation whose holder
-- has fallen silent is reconciled (specs/ledger.md).
create table ledger_holders (
  organization_id text        not null,
  holder          text        not null,
  seen_at         timestamptz not null default now(),
  primary key (organization_id, holder)
);
alter table ledger_holders enable row level security;
create policy organization on ledger_holders using (organization_id = current_setting('signalbox.organization_id', true));
