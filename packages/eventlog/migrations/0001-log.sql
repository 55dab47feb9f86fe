-- The log. What each table holds and which invariants bind them: specs/log.md.
-- Header and data are `text`: exactly the bytes that were hashed (jsonb rewrites numbers and refuses U+0000).

create table evt_stream_heads (
  organization_id text   not null,
  stream_type     text   not null check (stream_type in ('room', 'organization', 'ledger')),
  stream_id       text   not null,
  seq             bigint not null,
  hash            bytea  not null check (octet_length(hash) = 32),
  primary key (organization_id, stream_type, stream_id)
) with (fillfactor = 50); -- rewritten by every append: room on the page keeps those updates off the index

create table evt_events (
  position        bigint      primary key,
  organization_id text        not null,
  stream_type     text        not null,
  stream_id       text        not null,
  seq             bigint      not null check (seq > 0),
  event_id        uuid        not null,
  type            text        not null,
  subject         text        not null,
  subject_version bigint      not null check (subject_version > 0),
  run_id          text,
  correlation_id  text        not null,
  recorded_at     timestamptz not null,
  header          text        not null,
  entry_hash      bytea       not null,
  prev_hash       bytea       not null,
  hash            bytea       not null
);
create unique index evt_events_stream on evt_events (organization_id, stream_type, stream_id, seq);
-- The backstop of optimistic concurrency; `evt_prepare` looks first, so that one loser does not fail a batch.
create unique index evt_events_subject on evt_events (organization_id, subject, subject_version);
create unique index evt_events_event_id on evt_events (event_id);
create index evt_events_run on evt_events (organization_id, run_id, position) where run_id is not null;
create index evt_events_correlation on evt_events (organization_id, correlation_id, position);
create index evt_events_type on evt_events (organization_id, type, position);

-- Beside the event, so that erasing leaves the chain whole: its header keeps the data's hash.
create table evt_payloads (
  position        bigint primary key references evt_events,
  organization_id text   not null,
  data            text,
  salt            bytea,
  erased_by       uuid,  -- the `event.redacted` that asked for it
  check ((data is null) = (salt is null) and (data is null) = (erased_by is not null))
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

-- ── Append, in two halves ───────────────────────────────────────────────────────────────────────
-- Between them the caller writes projections and jobs; `evt_append` is both in one round trip when
-- there are none. Streams arrive sorted and distinct; events name theirs by its place (from 1).

-- Locks the heads, refuses what lost a race or repeats a key, chains the rest. Units are numbered by
-- the caller; arrays of the result align with the events, null where the unit was refused.
create function evt_prepare(
  s_org text[], s_type text[], s_id text[],
  c_unit int[], c_org text[], c_subject text[], c_expected bigint[],
  k_unit int[], k_org text[], k_principal text[], k_key text[], k_body text[], k_outcome text[], k_events text[],
  e_unit int[], e_stream int[], e_entry bytea[],
  out conflicts int[], out duplicates int[], out recorded_at timestamptz,
  out seqs bigint[], out prevs bytea[], out hashes bytea[]
) language plpgsql security definer as $$
declare
  h_seq  bigint[];
  h_hash bytea[];
  n      int := cardinality(e_unit);
  s      int;
begin
  -- Shared with every appender; a rebuild takes it alone to swap tables (rebuild.ts).
  perform pg_advisory_xact_lock_shared(5927081);

  if cardinality(s_org) > 0 then
    for attempt in 1..2 loop
      select array_agg(q.seq order by q.n), array_agg(q.hash order by q.n) into h_seq, h_hash
        from (select h.seq, h.hash, w.n
                from unnest(s_org, s_type, s_id) with ordinality as w (org, type, id, n)
                join public.evt_stream_heads h
                  on h.organization_id = w.org and h.stream_type = w.type and h.stream_id = w.id
               order by w.n
                 for update of h) q;
      exit when coalesce(cardinality(h_seq), 0) = cardinality(s_org);
      insert into public.evt_stream_heads (organization_id, stream_type, stream_id, seq, hash)
        select w.org, w.type, w.id, 0, decode(repeat('00', 32), 'hex')
          from unnest(s_org, s_type, s_id) with ordinality as w (org, type, id, n) order by w.n
      on conflict do nothing;
    end loop;
  end if;

  select coalesce(array_agg(distinct c.unit), '{}') into conflicts
    from unnest(c_unit, c_org, c_subject, c_expected) as c (unit, org, subject, expected)
   where c.expected <> coalesce((select e.subject_version from public.evt_events e
                                  where e.organization_id = c.org and e.subject = c.subject
                                  order by e.subject_version desc limit 1), 0);

  duplicates := '{}';
  if cardinality(k_unit) > 0 then
    with wanted as (
      select * from unnest(k_unit, k_org, k_principal, k_key, k_body, k_outcome, k_events)
        as k (unit, org, principal, key, body, outcome, events)
       where k.unit <> all (conflicts)
    ), taken as (
      insert into public.evt_idempotency as i (organization_id, principal_id, key, body_hash, outcome, event_ids)
        select org, principal, key, body, outcome, events::uuid[] from wanted order by org, principal, key
      on conflict (organization_id, principal_id, key) do update
        set body_hash = excluded.body_hash, outcome = excluded.outcome, event_ids = excluded.event_ids, created_at = now()
        where i.created_at < now() - interval '24 hours'
      returning organization_id, principal_id, key
    )
    select coalesce(array_agg(w.unit), '{}') into duplicates from wanted w
     where not exists (select 1 from taken t
                        where t.organization_id = w.org and t.principal_id = w.principal and t.key = w.key);
  end if;

  recorded_at := date_trunc('milliseconds', clock_timestamp());
  seqs := array_fill(null::bigint, array[n]);
  prevs := array_fill(null::bytea, array[n]);
  hashes := array_fill(null::bytea, array[n]);
  for i in 1..n loop
    continue when e_unit[i] = any (conflicts) or e_unit[i] = any (duplicates);
    s := e_stream[i];
    h_seq[s] := h_seq[s] + 1;
    seqs[i] := h_seq[s];
    prevs[i] := h_hash[s];
    h_hash[s] := sha256('\x01'::bytea || h_hash[s] || int8send(h_seq[s]) || e_entry[i]);
    hashes[i] := h_hash[s];
  end loop;
end $$;

-- The last statement of the transaction. The advisory lock makes positions visible in their order:
-- without it a `position > cursor` reader misses what a slower transaction commits later.
create function evt_insert(
  s_org text[], s_type text[], s_id text[],
  e_stream int[], e_id text[], e_type text[], e_subject text[], e_version bigint[], e_run text[], e_correlation text[],
  e_header text[], e_data text[], e_salt bytea[], e_entry bytea[],
  at timestamptz, seqs bigint[], prevs bytea[], hashes bytea[]
) returns bigint language plpgsql security definer as $$
declare
  n     int;
  first bigint;
  moved int;
  hint  text;
begin
  select count(*) into n from unnest(seqs) as q (seq) where q.seq is not null;
  if n = 0 then return null; end if;

  with per_stream as (
    select x.stream, min(x.seq) as first_seq, (array_agg(x.prev order by x.seq))[1] as first_prev,
           max(x.seq) as last_seq, (array_agg(x.hash order by x.seq desc))[1] as last_hash
      from unnest(e_stream, seqs, prevs, hashes) as x (stream, seq, prev, hash)
     where x.seq is not null group by x.stream
  ), done as (
    update public.evt_stream_heads h set seq = p.last_seq, hash = p.last_hash
      from per_stream p
     where h.organization_id = s_org[p.stream] and h.stream_type = s_type[p.stream] and h.stream_id = s_id[p.stream]
       and h.seq = p.first_seq - 1 and h.hash = p.first_prev
    returning p.stream, p.last_seq
  )
  select count(*), json_agg(json_build_array(s_org[stream], s_type[stream], s_id[stream], last_seq))::text
    into moved, hint from done;
  if moved <> (select count(distinct x.stream) from unnest(e_stream, seqs) as x (stream, seq) where x.seq is not null) then
    raise exception 'the events do not continue their streams'; -- prepared in another transaction
  end if;

  perform pg_advisory_xact_lock(5927082);
  first := nextval('public.evt_position');
  if n > 1 then perform setval('public.evt_position', first + n - 1); end if;

  with numbered as (
    select first - 1 + row_number() over (order by x.n) as position, x.*
      from unnest(e_stream, e_id, e_type, e_subject, e_version, e_run, e_correlation, e_header, e_data, e_salt, e_entry, seqs, prevs, hashes)
             with ordinality as x (stream, id, type, subject, version, run, correlation, header, data, salt, entry, seq, prev, hash, n)
     where x.seq is not null
  ), payloads as (
    insert into public.evt_payloads (position, organization_id, data, salt)
      select position, s_org[stream], data, salt from numbered
  )
  insert into public.evt_events (position, organization_id, stream_type, stream_id, seq, event_id, type, subject, subject_version,
                                 run_id, correlation_id, recorded_at, header, entry_hash, prev_hash, hash)
    select position, s_org[stream], s_type[stream], s_id[stream], seq, id::uuid, type, subject, version,
           run, correlation, at, header, entry, prev, hash
      from numbered order by position;

  -- A hint, not a message: readers read by cursor. Too long (8000 bytes is the limit), it says only how far.
  perform pg_notify('evt_appended', case when octet_length(hint) < 7800
    then '{"p":' || (first + n - 1) || ',"s":' || hint || '}' else '{"p":' || (first + n - 1) || '}' end);
  return first;
end $$;

create function evt_append(
  s_org text[], s_type text[], s_id text[],
  c_unit int[], c_org text[], c_subject text[], c_expected bigint[],
  k_unit int[], k_org text[], k_principal text[], k_key text[], k_body text[], k_outcome text[], k_events text[],
  e_unit int[], e_stream int[], e_entry bytea[],
  e_id text[], e_type text[], e_subject text[], e_version bigint[], e_run text[], e_correlation text[],
  e_header text[], e_data text[], e_salt bytea[],
  out conflicts int[], out duplicates int[], out recorded_at timestamptz,
  out seqs bigint[], out prevs bytea[], out hashes bytea[], out first_position bigint
) language plpgsql security definer as $$
declare
  p record;
begin
  p := public.evt_prepare(s_org, s_type, s_id, c_unit, c_org, c_subject, c_expected,
                          k_unit, k_org, k_principal, k_key, k_body, k_outcome, k_events, e_unit, e_stream, e_entry);
  conflicts := p.conflicts; duplicates := p.duplicates; recorded_at := p.recorded_at;
  seqs := p.seqs; prevs := p.prevs; hashes := p.hashes;
  first_position := public.evt_insert(s_org, s_type, s_id, e_stream, e_id, e_type, e_subject, e_version, e_run, e_correlation,
                                      e_header, e_data, e_salt, e_entry, p.recorded_at, p.seqs, p.prevs, p.hashes);
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

revoke execute on function evt_prepare, evt_insert, evt_append, evt_erase, evt_refuse_change from public;
grant execute on function evt_prepare, evt_insert, evt_append, evt_erase to sb_log;
