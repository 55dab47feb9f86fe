-- The log. What each table holds and which invariants bind them: specs/log.md.
-- No CHECK constraints on these tables: Postgres parses each anew in every statement that writes, a
-- tenth of an append. Only the functions below write, and they and the types of their callers decide.
-- Header and data are `text`: exactly the bytes that were hashed (jsonb rewrites numbers and refuses U+0000).

create table evt_stream_heads (
  organization_id text   not null,
  stream_type     text   not null,
  stream_id       text   not null,
  seq             bigint not null,
  hash            bytea  not null,
  primary key (organization_id, stream_type, stream_id)
) with (fillfactor = 50); -- rewritten by every append: room on the page keeps those updates off the index

create table evt_events (
  position        bigint      primary key,
  organization_id text        not null,
  stream_type     text        not null,
  stream_id       text        not null,
  seq             bigint      not null,
  event_id        uuid        not null,
  type            text        not null,
  subject         text        not null,
  subject_version bigint      not null,
  run_id          text,
  correlation_id  text        not null,
  recorded_at     timestamptz not null,
  header          text        not null,
  prev_hash       bytea       not null,
  hash            bytea       not null
);
create unique index evt_events_stream on evt_events (organization_id, stream_type, stream_id, seq);
-- Optimistic concurrency: the version after the one that the command was decided on must be free.
create unique index evt_events_subject on evt_events (organization_id, subject, subject_version);
create unique index evt_events_event_id on evt_events (event_id);
create index evt_events_run on evt_events (organization_id, run_id, position) where run_id is not null;
create index evt_events_correlation on evt_events (organization_id, correlation_id, position);
create index evt_events_type on evt_events (organization_id, type, position);

-- Beside the event, so that erasing leaves the chain whole: its header keeps the data's hash.
create table evt_payloads (
  position        bigint primary key, -- of its event; no foreign key: only evt_insert writes here, and the check costs a query a row
  organization_id text   not null,
  data            text,
  salt            bytea,
  erased_by       uuid -- the `event.redacted` that asked for it
);

create table evt_idempotency (
  organization_id text        not null,
  principal_id    text        not null,
  key             text        not null,
  body_hash       text        not null,
  outcome         text        not null,
  event_ids       uuid[]      not null,
  created_at      timestamptz not null default now(),
  primary key (organization_id, principal_id, key)
);
create index evt_idempotency_age on evt_idempotency (created_at);

-- Without an organization: one row per reader or projection of this whole installation.
create table evt_readers (
  name       text        primary key,
  position   bigint      not null,
  updated_at timestamptz not null default now()
);
create table evt_projections (
  name        text        primary key,
  schema_hash text        not null,
  rebuilt_at  timestamptz not null default now()
);

create sequence evt_position;

-- ── Append-only, by the database's word ─────────────────────────────────────────────────────────
create function evt_refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'the log is append-only: % on % is refused', tg_op, tg_table_name
    using errcode = 'insufficient_privilege';
end $$;

create trigger evt_events_append_only before update or delete or truncate on evt_events
  for each statement execute function evt_refuse_change();
create trigger evt_payloads_append_only before update or delete on evt_payloads
  for each statement when (current_user <> 'sb_eraser') execute function evt_refuse_change();
create trigger evt_payloads_no_truncate before truncate on evt_payloads
  for each statement execute function evt_refuse_change();
-- ALWAYS: also when somebody sets session_replication_role to get past triggers.
alter table evt_events enable always trigger evt_events_append_only;
alter table evt_payloads enable always trigger evt_payloads_append_only;
alter table evt_payloads enable always trigger evt_payloads_no_truncate;

revoke all on evt_events, evt_payloads, evt_stream_heads, evt_idempotency, evt_readers, evt_projections from sb_app, sb_log;
revoke all on sequence evt_position from sb_app, sb_log;
grant select on evt_events, evt_payloads, evt_stream_heads to sb_app;
grant select on evt_events, evt_payloads, evt_stream_heads, evt_idempotency, evt_projections to sb_log;
grant delete on evt_idempotency to sb_log; -- outcomes are kept 24 h
grant select, insert, update, delete on evt_readers to sb_log;

alter table evt_events enable row level security;
alter table evt_payloads enable row level security;
alter table evt_stream_heads enable row level security;
alter table evt_idempotency enable row level security;
create policy organization on evt_events using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on evt_payloads using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on evt_stream_heads using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on evt_idempotency using (organization_id = current_setting('signalbox.organization_id', true));

-- ── Append ──────────────────────────────────────────────────────────────────────────────────────
-- A transaction that appends is: `evt_claim` (heads, versions, keys), then projections and jobs, then
-- `evt_insert`. Heads are locked first by everybody, or two processes would wait for each other's
-- projections. The caller says which heads it continues: those of its own last append (then nothing
-- waits for an answer), or what `evt_prepare` says, which locks them and sorts out the losers.
-- Streams arrive distinct and sorted, so that two processes lock them in one order; events name
-- theirs by its place (from 1). Hashes and salts arrive as one string of 32-byte pieces, headers
-- and data as one text each, separated by U+001F, which JSON text cannot contain.

create function evt_prepare(
  s_org text[], s_type text[], s_id text[],
  c_unit int[], c_org text[], c_subject text[], c_expected bigint[],
  k_unit int[], k_org text[], k_principal text[], k_key text[],
  out conflicts int[], out duplicates int[], out seqs bigint[], out hashes bytea[]
) language plpgsql security definer as $$
begin
  -- Shared with every appender; a rebuild takes it alone to swap tables (rebuild.ts).
  perform pg_advisory_xact_lock_shared(5927081);

  for attempt in 1..2 loop
    select array_agg(q.seq order by q.n), array_agg(q.hash order by q.n) into seqs, hashes
      from (select h.seq, h.hash, w.n
              from unnest(s_org, s_type, s_id) with ordinality as w (org, type, id, n)
              join public.evt_stream_heads h
                on h.organization_id = w.org and h.stream_type = w.type and h.stream_id = w.id
             order by w.n
               for update of h) q;
    exit when coalesce(cardinality(seqs), 0) = cardinality(s_org);
    insert into public.evt_stream_heads (organization_id, stream_type, stream_id, seq, hash)
      select w.org, w.type, w.id, 0, decode(repeat('00', 32), 'hex')
        from unnest(s_org, s_type, s_id) with ordinality as w (org, type, id, n) order by w.n
    on conflict do nothing;
  end loop;

  select coalesce(array_agg(distinct c.unit), '{}') into conflicts
    from unnest(c_unit, c_org, c_subject, c_expected) as c (unit, org, subject, expected)
   where c.expected <> coalesce((select e.subject_version from public.evt_events e
                                  where e.organization_id = c.org and e.subject = c.subject
                                  order by e.subject_version desc limit 1), 0);

  select coalesce(array_agg(k.unit), '{}') into duplicates
    from unnest(k_unit, k_org, k_principal, k_key) as k (unit, org, principal, key)
    join public.evt_idempotency i on i.organization_id = k.org and i.principal_id = k.principal and i.key = k.key
   where i.created_at > now() - interval '24 hours';
end $$;

-- SQLSTATE SB001: what the caller believed is no longer true (a head, a free idempotency key). The
-- transaction is of no use any more; prepare and try again. A subject that has moved on is found by
-- the unique index in evt_insert: versions have no gaps, so the next one is then taken.
create function evt_claim(
  s_org text[], s_type text[], s_id text[], s_seq bigint[], s_hash bytea, s_new_seq bigint[], s_new_hash bytea,
  k_org text[], k_principal text[], k_key text[], k_body text[], k_outcome text[], k_events text[]
) returns void language plpgsql security definer as $$
declare
  moved int;
begin
  perform pg_advisory_xact_lock_shared(5927081);

  update public.evt_stream_heads h set seq = w.new_seq, hash = substr(s_new_hash, (w.n::int - 1) * 32 + 1, 32)
    from unnest(s_org, s_type, s_id, s_seq, s_new_seq) with ordinality as w (org, type, id, seq, new_seq, n)
   where h.organization_id = w.org and h.stream_type = w.type and h.stream_id = w.id
     and h.seq = w.seq and h.hash = substr(s_hash, (w.n::int - 1) * 32 + 1, 32);
  get diagnostics moved = row_count;
  if moved <> cardinality(s_org) then
    raise exception 'a stream has moved on' using errcode = 'SB001';
  end if;

  if cardinality(k_key) > 0 then
    insert into public.evt_idempotency as i (organization_id, principal_id, key, body_hash, outcome, event_ids)
      select org, principal, key, body, outcome, events::uuid[]
        from unnest(k_org, k_principal, k_key, k_body, k_outcome, k_events) as k (org, principal, key, body, outcome, events)
       order by org, principal, key
    on conflict (organization_id, principal_id, key) do update
      set body_hash = excluded.body_hash, outcome = excluded.outcome, event_ids = excluded.event_ids, created_at = now()
      where i.created_at <= now() - interval '24 hours';
    get diagnostics moved = row_count;
    if moved <> cardinality(k_key) then
      raise exception 'an idempotency key was used meanwhile' using errcode = 'SB001';
    end if;
  end if;
end $$;

create function evt_insert(
  s_org text[], s_type text[], s_id text[], s_hash bytea, hint text,
  e_stream int[], e_seq bigint[], e_hash bytea,
  e_id uuid[], e_type text[], e_subject text[], e_version bigint[], e_run text[], e_correlation text[],
  e_headers text, e_data text, e_salts bytea, at timestamptz
) returns bigint language plpgsql security definer as $$
declare
  n     int := cardinality(e_stream);
  first bigint;
  whole boolean;
begin
  -- Held to the commit: positions become visible in their order. Without it a `position > cursor`
  -- reader misses what a slower transaction commits later.
  perform pg_advisory_xact_lock(5927082);
  first := nextval('public.evt_position');
  if n > 1 then perform setval('public.evt_position', first + n - 1); end if;

  with given as (
    select *, coalesce(lag(said) over (partition by stream order by seq), substr(s_hash, (stream - 1) * 32 + 1, 32)) as prev
      from (select first + x.n - 1 as position, x.*, substr(e_hash, (x.n::int - 1) * 32 + 1, 32) as said,
                   substr(e_salts, (x.n::int - 1) * 32 + 1, 32) as salt
              from unnest(e_stream, e_seq, e_id, e_type, e_subject, e_version, e_run, e_correlation,
                          string_to_array(e_headers, e'\x1f'), string_to_array(e_data, e'\x1f'))
                     with ordinality as x (stream, seq, id, type, subject, version, run, correlation, header, data, n)) y
  ), chained as materialized (
    select *, sha256('\x01'::bytea || prev || int8send(seq) || sha256('\x00'::bytea || convert_to(header, 'UTF8'))) as hash
      from given
  ), payloads as (
    insert into public.evt_payloads (position, organization_id, data, salt)
      select position, s_org[stream], data, salt from chained order by position
  ), events as (
    insert into public.evt_events (position, organization_id, stream_type, stream_id, seq, event_id, type, subject, subject_version,
                                   run_id, correlation_id, recorded_at, header, prev_hash, hash)
      select position, s_org[stream], s_type[stream], s_id[stream], seq, id, type, subject, version,
             run, correlation, at, header, prev, hash
        from chained order by position
  )
  select bool_and(hash = said) into whole from chained;
  -- The heads were written from what the caller said: it must have said what the database makes of it.
  if not whole then raise exception 'the hashes do not follow from the headers'; end if;

  -- Every process that listens shares this lock (listener.ts). Having it alone means that nobody else
  -- is there to be told, and most installations are one process. Whoever comes waits for our commit.
  -- A hint, not a message: readers read by cursor. Too long (8000 bytes is the limit), it says only how far.
  if not pg_try_advisory_xact_lock(5927083) then
    perform pg_notify('evt_appended', case when octet_length(hint) < 7800
      then '{"p":' || (first + n - 1) || ',"s":' || hint || '}' else '{"p":' || (first + n - 1) || '}' end);
  end if;
  return first;
end $$;

-- ── The one exception: erasing a payload ────────────────────────────────────────────────────────
-- Needs the `event.redacted` that names the target, in the same organization, already in the log.
create function evt_erase(target uuid, redaction uuid) returns boolean language plpgsql security definer as $$
declare
  t public.evt_events;
  r public.evt_events;
begin
  select * into t from public.evt_events where event_id = target;
  select * into r from public.evt_events where event_id = redaction;
  if t.event_id is null or r.event_id is null or r.type <> 'event.redacted' or r.organization_id <> t.organization_id
     or (select (p.data::jsonb) ->> 'target_event_id' from public.evt_payloads p where p.position = r.position) is distinct from target::text
  then
    raise exception 'an erasure needs an event.redacted that names its target';
  end if;
  update public.evt_payloads set data = null, salt = null, erased_by = redaction
   where position = t.position and data is not null;
  return found;
end $$;
grant select on evt_events, evt_payloads to sb_eraser;
grant update (data, salt, erased_by) on evt_payloads to sb_eraser;
create policy eraser on evt_events for select to sb_eraser using (true);
create policy eraser on evt_payloads to sb_eraser using (true) with check (true);
alter function evt_erase(uuid, uuid) owner to sb_eraser;

revoke execute on function evt_prepare, evt_claim, evt_insert, evt_erase, evt_refuse_change from public;
grant execute on function evt_prepare, evt_claim, evt_insert, evt_erase to sb_log;
