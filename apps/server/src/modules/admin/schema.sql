-- Who acts as whom; open while `ended_at` is null and `expires_at` is to come.
create table proj_impersonations (
  organization_id text        not null,
  id              text        primary key,
  operator_id     text        not null,
  session_id      text        not null,
  principal_id    text        not null,
  reason          text        not null,
  started_at      timestamptz not null,
  expires_at      timestamptz not null,
  ended_at        timestamptz
);
create index proj_impersonations_session on proj_impersonations (session_id) where ended_at is null;
alter table proj_impersonations enable row level security;
create policy organization on proj_impersonations using (organization_id = current_setting('signalbox.organization_id', true));

-- Asked about with every credential, whosever it is: few rows, by what is suspended.
create table proj_suspensions (
  organization_id text        not null,
  kind            text        not null check (kind in ('organization', 'person')),
  id              text        not null,
  reason          text        not null,
  at              timestamptz not null,
  primary key (kind, id)
);
alter table proj_suspensions enable row level security;
create policy organization on proj_suspensions using (organization_id = current_setting('signalbox.organization_id', true));
