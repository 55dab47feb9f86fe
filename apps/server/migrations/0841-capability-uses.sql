-- breaking: no
-- When a capability was last used, to the minute: a row, not an event. What it is and whether it holds is in the log.
create table cap_uses (
  organization_id text        not null,
  capability_id   text        not null,
  last_used_at    timestamptz not null,
  primary key (organization_id, capability_id)
);
alter table cap_uses enable row level security;
create policy organization on cap_uses using (organization_id = current_setting('signalbox.organization_id', true));
