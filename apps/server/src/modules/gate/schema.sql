create table proj_kill_switch (
  organization_id text        primary key,
  engaged         boolean     not null,
  epoch           bigint      not null,
  by              text        not null,
  reason          text,
  since           timestamptz not null
);
alter table proj_kill_switch enable row level security;
create policy organization on proj_kill_switch using (organization_id = current_setting('signalbox.organization_id', true));
