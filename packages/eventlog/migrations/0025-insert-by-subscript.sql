-- breaking: no
-- evt_insert anew: the same rows from the same words of the caller, for less of the processor.
--
-- The first one (0001-log.sql) unnested ten arrays, sorted them for a window that found each event's
-- predecessor, and kept the result for two inserts and an aggregate. Here the caller names the
-- predecessor, arrays are read by subscript (in PL/pgSQL they are held expanded, so that is one step),
-- and an event whose hash does not follow is not inserted, which the count of rows tells.
-- µs of the database's processor an event, one projection included, on a busy machine: in batches of 16 65
-- before and 47 now, of 32 49 and 41.
--
-- The first one stays for servers of the version before, while they are replaced one by one.

-- `s_seq`, `s_hash`: where each stream stood. `e_after`: the place (from 1) of the event before this one
-- in its stream, 0 for the first of the batch. Hashes and salts are one string of 32-byte pieces.
create function evt_insert(
  s_org text[], s_type text[], s_id text[], s_seq bigint[], s_hash bytea, hint text,
  e_stream int[], e_seq bigint[], e_after int[], e_hash bytea,
  e_id uuid[], e_type text[], e_subject text[], e_version bigint[], e_run text[], e_correlation text[],
  e_header text[], e_data text[], e_salts bytea, at timestamptz
) returns bigint language plpgsql security definer as $$
declare
  n       int := cardinality(e_stream);
  first   bigint;
  follows int;
begin
  -- Held to the commit: positions become visible in their order. Without it a `position > cursor`
  -- reader misses what a slower transaction commits later.
  perform pg_advisory_xact_lock(5927082);
  first := nextval('public.evt_position');
  if n > 1 then perform setval('public.evt_position', first + n - 1); end if;

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
revoke execute on function evt_insert(text[], text[], text[], bigint[], bytea, text, int[], bigint[], int[], bytea, uuid[], text[], text[],
  bigint[], text[], text[], text[], text[], bytea, timestamptz) from public;
grant execute on function evt_insert(text[], text[], text[], bigint[], bytea, text, int[], bigint[], int[], bytea, uuid[], text[], text[],
  bigint[], text[], text[], text[], text[], bytea, timestamptz) to sb_log;
