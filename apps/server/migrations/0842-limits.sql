-- breaking: no
-- A part of what a key may ask in the window that runs, for a process to hand out by itself. One row a key, locked while
-- it is decided, so that all parts together are never more than `most`. Later parts are smaller: what one process did
-- not use of its own is then little.
create function idn_take(what text, at timestamptz, window_s int, most int, wanted int)
returns table (granted int, remaining int, ends_at timestamptz)
language plpgsql set search_path = pg_catalog as $$
declare
  a public.idn_attempts;
begin
  insert into public.idn_attempts as i (key, started_at, count) values (what, at, 0) on conflict do nothing;
  select * into a from public.idn_attempts i where i.key = what for update;
  if a.started_at <= at - make_interval(secs => window_s) then
    a.started_at := at;
    a.count := 0;
  end if;
  remaining := greatest(0, most - a.count);
  granted := least(wanted, remaining, greatest(1, remaining / 8));
  remaining := remaining - granted;
  ends_at := a.started_at + make_interval(secs => window_s);
  update public.idn_attempts i set started_at = a.started_at, count = a.count + granted where i.key = what;
  return next;
end $$;

-- What an organization may use. No row, or null: what the configuration says.
create table quo_limits (
  organization_id text        primary key,
  sessions        int         check (sessions >= 0),
  storage_bytes   bigint      check (storage_bytes >= 0),
  events_per_day  bigint      check (events_per_day >= 0),
  set_by          text        not null,
  set_at          timestamptz not null
);
-- A session that is being started, until it shows in the list of sessions.
create table quo_seats (
  organization_id text        not null,
  session_id      text        not null,
  taken_at        timestamptz not null,
  primary key (organization_id, session_id)
);
-- Counted by a reader of the log, in the transaction of its checkpoint; a day is one of UTC.
create table quo_usage (
  organization_id text   not null,
  day             date   not null,
  events          bigint not null default 0,
  primary key (organization_id, day)
);
-- Bytes of content that were admitted.
create table quo_storage (
  organization_id text   primary key,
  bytes           bigint not null default 0
);
alter table quo_limits enable row level security;
alter table quo_seats enable row level security;
alter table quo_usage enable row level security;
alter table quo_storage enable row level security;
create policy organization on quo_limits using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on quo_seats using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on quo_usage using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on quo_storage using (organization_id = current_setting('signalbox.organization_id', true));
