-- breaking: no
-- evt_claim and evt_insert with their locks taken by expressions: `perform` runs a query each, 8 µs of
-- the database's processor, four times for a batch. What they do is that of 0001-log.sql and
-- 0025-insert-by-subscript.sql.

-- SQLSTATE SB001: what the caller believed is no longer true (0001-log.sql).
create or replace function evt_claim(
  s_org text[], s_type text[], s_id text[], s_seq bigint[], s_hash bytea, s_new_seq bigint[], s_new_hash bytea,
  k_org text[], k_principal text[], k_key text[], k_body text[], k_outcome text[], k_events text[]
) returns void language plpgsql security definer as $$
declare
  moved  int;
  locked text;
begin
  locked := pg_advisory_xact_lock_shared(5927081);

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

-- `s_seq`, `s_hash`: where each stream stood. `e_after`: the place (from 1) of the event before this one
-- in its stream, 0 for the first of the batch. Hashes and salts are one string of 32-byte pieces.
create or replace function evt_insert(
  s_org text[], s_type text[], s_id text[], s_seq bigint[], s_hash bytea, hint text,
  e_stream int[], e_seq bigint[], e_after int[], e_hash bytea,
  e_id uuid[], e_type text[], e_subject text[], e_version bigint[], e_run text[], e_correlation text[],
  e_header text[], e_data text[], e_salts bytea, at timestamptz
) returns bigint language plpgsql security definer as $$
declare
  n       int := cardinality(e_stream);
  first   bigint;
  follows int;
  locked  text;
begin
  -- Held to the commit: positions become visible in their order. Without it a `position > cursor`
  -- reader misses what a slower transaction commits later.
  locked := pg_advisory_xact_lock(5927082);
  first := nextval('public.evt_position');
  if n > 1 then first := setval('public.evt_position', first + n - 1) - n + 1; end if;

  insert into public.evt_payloads (position, organization_id, data, salt)
    select first + i - 1, s_org[e_stream[i]], e_data[i], substr(e_salts, (i - 1) * 32 + 1, 32)
      from generate_series(1, n) as i;

  insert into public.evt_events (position, organization_id, stream_type, stream_id, seq, event_id, type, subject, subject_version,
                                 run_id, correlation_id, recorded_at, header, prev_hash, hash)
    select first + i - 1, s_org[e_stream[i]], s_type[e_stream[i]], s_id[e_stream[i]], e_seq[i], e_id[i], e_type[i], e_subject[i],
           e_version[i], e_run[i], e_correlation[i], at, e_header[i], prev, said
      from generate_series(1, n) as i,
           lateral (select case when e_after[i] = 0 then substr(s_hash, (e_stream[i] - 1) * 32 + 1, 32)
                                else substr(e_hash, (e_after[i] - 1) * 32 + 1, 32) end as prev,
                           substr(e_hash, (i - 1) * 32 + 1, 32) as said) as h
     where said = sha256('\x01'::bytea || prev || int8send(e_seq[i]) || sha256('\x00'::bytea || convert_to(e_header[i], 'UTF8')))
       and case when e_after[i] = 0 then e_seq[i] = s_seq[e_stream[i]] + 1
                else e_after[i] < i and e_stream[e_after[i]] = e_stream[i] and e_seq[e_after[i]] = e_seq[i] - 1 end;
  get diagnostics follows = row_count;
  -- The heads were written from what the caller said: it must have said what the database makes of it.
  if follows <> n then raise exception 'the hashes do not follow from the headers'; end if;

  -- Every process that listens shares this lock (listener.ts). Having it alone means that nobody else
  -- is there to be told, and most installations are one process. Whoever comes waits for our commit.
  -- A hint, not a message: readers read by cursor. Too long (8000 bytes is the limit), it says only how far.
  if not pg_try_advisory_xact_lock(5927083) then
    perform pg_notify('evt_appended', case when octet_length(hint) < 7800
      then '{"p":' || (first + n - 1) || ',"s":' || hint || '}' else '{"p":' || (first + n - 1) || '}' end);
  end if;
  return first;
end $$;
