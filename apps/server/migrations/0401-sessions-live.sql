-- Live deltas, for readers that come back within a day; the log has what was completed. One row is what one
-- session said in one flush: `entries` is a JSON array of [n, delta], n from `from_n` to `to_n`.
create table session_live (
  organization_id text        not null,
  session_id      text        not null,
  epoch           bigint      not null,
  from_n          bigint      not null,
  to_n            bigint      not null,
  at              timestamptz not null,
  -- The first delta of a turn: a reader without a cursor begins here.
  begins_turn     boolean     not null,
  entries         text        not null,
  primary key (session_id, epoch, to_n, at)
) partition by range (at);
alter table session_live enable row level security;
create policy organization on session_live using (organization_id = current_setting('signalbox.organization_id', true));

-- The server's role owns no tables, so it makes and drops the hours through these.
create function session_live_hour(hour timestamptz) returns void
language plpgsql security definer set search_path = pg_catalog as $$
declare
  start timestamptz := date_trunc('hour', hour, 'UTC');
  name  text := 'session_live_' || to_char(start at time zone 'UTC', 'YYYYMMDDHH24');
begin
  if to_regclass('public.' || name) is not null then return; end if;
  execute format('create table public.%I partition of public.session_live for values from (%L) to (%L)', name, start, start + interval '1 hour');
  -- Reached through its parent only, whose policy does not bind here.
  execute format('alter table public.%I enable row level security', name);
exception when duplicate_table then null; -- another process was quicker
end $$;

create function session_live_drop(before timestamptz) returns int
language plpgsql security definer set search_path = pg_catalog as $$
declare
  child regclass;
  dropped int := 0;
begin
  for child in
    select inhrelid::regclass from pg_inherits where inhparent = 'public.session_live'::regclass
  loop
    if to_timestamp(right(child::text, 10), 'YYYYMMDDHH24') at time zone 'UTC' < (before at time zone 'UTC') - interval '1 hour' then
      execute format('drop table %s', child);
      dropped := dropped + 1;
    end if;
  end loop;
  return dropped;
end $$;
revoke all on function session_live_hour(timestamptz), session_live_drop(timestamptz) from public;
grant execute on function session_live_hour(timestamptz), session_live_drop(timestamptz) to sb_log;
