-- Imported logs: foreign streams with a chain of their own, read-only for ever. specs/import.md.
-- A foreign row belongs to our organization, its header text is what the other side hashed, and what
-- the columns name (stream, subject, event, run) carries ids of its own that begin with Z.

alter table evt_events add column import_id text;
alter table evt_stream_heads add column import_id text;
create index evt_events_import on evt_events (organization_id, import_id, position) where import_id is not null;

create table evt_imports (
  organization_id        text        not null,
  id                     text        not null,
  -- Over the stream heads: the same log has the same, whenever it was exported.
  digest                 text        not null,
  name                   text        not null,
  source_organization_id text        not null,
  signed_by              text        not null,
  streams                int         not null,
  events                 int         not null,
  rooms                  text[]      not null,
  sessions               text[]      not null,
  names                  text        not null, -- JSON: {principal id: display name}
  imported_by            text        not null,
  imported_at            timestamptz not null,
  primary key (organization_id, id)
);
-- What of the export is no event (header, links, checkpoints, end), as it was given, so that it can be given on.
create table evt_import_lines (
  organization_id text   not null,
  import_id       text   not null,
  n               int    not null,
  -- Of the event that it stood before; null: after all of them.
  before_position bigint,
  line            text   not null,
  primary key (organization_id, import_id, n)
);
revoke all on evt_imports, evt_import_lines from sb_app, sb_log;
grant select on evt_imports, evt_import_lines to sb_app, sb_log;
alter table evt_imports enable row level security;
alter table evt_import_lines enable row level security;
create policy organization on evt_imports using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on evt_import_lines using (organization_id = current_setting('signalbox.organization_id', true));

-- Appending continues a head; a foreign one refuses that by the database's word.
create function evt_refuse_foreign() returns trigger language plpgsql as $$
begin
  raise exception 'the stream % is imported and read-only', old.stream_id using errcode = 'SB002';
end $$;
create trigger evt_stream_heads_foreign before update on evt_stream_heads
  for each row when (old.import_id is not null) execute function evt_refuse_foreign();
alter table evt_stream_heads enable always trigger evt_stream_heads_foreign;

-- Begins an import: a unique violation says that it is there already. Everything of one import is one transaction.
create function evt_import_begin(
  org text, import text, digest text, name text, source text, signed_by text, streams int, events int,
  rooms text[], sessions text[], names text, by_principal text, at timestamptz
) returns void language plpgsql security definer as $$
begin
  perform pg_advisory_xact_lock_shared(5927081); -- see evt_prepare: not while a rebuild swaps tables
  if import !~ '^imp_[0-9A-HJKMNP-TV-Z]{26}$' then raise exception 'not the id of an import'; end if;
  insert into public.evt_imports values (org, import, digest, name, source, signed_by, streams, events, rooms, sessions, names, by_principal, at);
end $$;

-- Adds a page of events, in order. Takes the lock of positions (0001-log.sql) and holds it to the commit.
create function evt_import_events(
  org text, import text, s_type text[], s_id text[],
  e_stream int[], e_seq bigint[], e_id uuid[], e_type text[], e_subject text[], e_version bigint[], e_run text[], e_correlation text[],
  e_at timestamptz[], e_headers text[], e_data text[], e_salts bytea[], e_prev bytea, e_hash bytea
) returns bigint language plpgsql security definer as $$
declare
  n     int := cardinality(e_stream);
  first bigint;
  whole boolean;
begin
  if not exists (select from public.evt_imports i where i.organization_id = org and i.id = import) then
    raise exception 'the import has not begun';
  end if;
  if exists (select from unnest(s_id) as s where s !~ '^[a-z]+_Z') then raise exception 'a foreign stream is named like one of ours'; end if;
  perform pg_advisory_xact_lock(5927082);
  first := nextval('public.evt_position');
  if n > 1 then perform setval('public.evt_position', first + n - 1); end if;

  with given as (
    select first + x.n - 1 as position, x.*,
           substr(e_prev, (x.n::int - 1) * 32 + 1, 32) as prev, substr(e_hash, (x.n::int - 1) * 32 + 1, 32) as said
      from unnest(e_stream, e_seq, e_id, e_type, e_subject, e_version, e_run, e_correlation, e_at, e_headers, e_data, e_salts)
             with ordinality as x (stream, seq, id, type, subject, version, run, correlation, at, header, data, salt, n)
  ), chained as materialized (
    select *, sha256('\x01'::bytea || prev || int8send(seq) || sha256('\x00'::bytea || convert_to(header, 'UTF8'))) as hash from given
  ), payloads as (
    insert into public.evt_payloads (position, organization_id, data, salt) select position, org, data, salt from chained order by position
  ), events as (
    insert into public.evt_events (position, organization_id, stream_type, stream_id, seq, event_id, type, subject, subject_version,
                                   run_id, correlation_id, recorded_at, header, prev_hash, hash, import_id)
      select position, org, s_type[stream], s_id[stream], seq, id, type, subject, version, run, correlation, at, header, prev, hash, import
        from chained order by position
  )
  select bool_and(hash = said) into whole from chained;
  if not whole then raise exception 'the hashes do not follow from the headers'; end if;
  return first;
end $$;

create function evt_import_end(
  org text, import text, s_type text[], s_id text[], s_seq bigint[], s_hash bytea, l_before bigint[], l_line text[]
) returns void language plpgsql security definer as $$
begin
  if not exists (select from public.evt_imports i where i.organization_id = org and i.id = import) then
    raise exception 'the import has not begun';
  end if;
  insert into public.evt_stream_heads (organization_id, stream_type, stream_id, seq, hash, import_id)
    select org, s.type, s.id, s.seq, substr(s_hash, (s.n::int - 1) * 32 + 1, 32), import
      from unnest(s_type, s_id, s_seq) with ordinality as s (type, id, seq, n);
  insert into public.evt_import_lines (organization_id, import_id, n, before_position, line)
    select org, import, l.n, l.before, l.line from unnest(l_before, l_line) with ordinality as l (before, line, n);
end $$;

-- ── The second exception to append-only: a copy may be removed, whole ───────────────────────────
-- Needs the `log.import_removed` that names it, in the same organization, already in the log.
drop trigger evt_events_append_only on evt_events;
create trigger evt_events_append_only before update or truncate on evt_events
  for each statement execute function evt_refuse_change();
create trigger evt_events_no_delete before delete on evt_events
  for each statement when (current_user <> 'sb_eraser') execute function evt_refuse_change();
create trigger evt_events_keep_ours before delete on evt_events
  for each row when (old.import_id is null) execute function evt_refuse_change();
alter table evt_events enable always trigger evt_events_append_only;
alter table evt_events enable always trigger evt_events_no_delete;
alter table evt_events enable always trigger evt_events_keep_ours;

create function evt_remove_import(org text, import text, removal uuid) returns boolean language plpgsql security definer as $$
declare
  r public.evt_events;
begin
  select * into r from public.evt_events where event_id = removal;
  if r.event_id is null or r.type <> 'log.import_removed' or r.organization_id <> org or r.import_id is not null
     or (select (p.data::jsonb) ->> 'import_id' from public.evt_payloads p where p.position = r.position) is distinct from import
  then
    raise exception 'a removal needs a log.import_removed that names it';
  end if;
  -- A later import of the same log is not what that event removed.
  if exists (select from public.evt_events e where e.organization_id = org and e.import_id = import and e.position > r.position) then
    return false;
  end if;
  delete from public.evt_payloads p using public.evt_events e
   where e.organization_id = org and e.import_id = import and p.position = e.position;
  delete from public.evt_events where organization_id = org and import_id = import;
  delete from public.evt_stream_heads where organization_id = org and import_id = import;
  delete from public.evt_import_lines where organization_id = org and import_id = import;
  delete from public.evt_imports where organization_id = org and id = import;
  return found;
end $$;
grant delete on evt_events, evt_payloads to sb_eraser;
grant select, delete on evt_stream_heads, evt_import_lines, evt_imports to sb_eraser;
create policy eraser_removes on evt_events for delete to sb_eraser using (import_id is not null);
create policy eraser on evt_stream_heads to sb_eraser using (import_id is not null);
create policy eraser on evt_import_lines to sb_eraser using (true);
create policy eraser on evt_imports to sb_eraser using (true);
alter function evt_remove_import(text, text, uuid) owner to sb_eraser;

revoke execute on function evt_refuse_foreign, evt_import_begin, evt_import_events, evt_import_end, evt_remove_import from public;
grant execute on function evt_import_begin, evt_import_events, evt_import_end, evt_remove_import to sb_log;
