-- breaking: yes
-- Old events whose text lies in the store of contents: what finds and chains them stays here, header and payload do
-- not. specs/log.md, "Archived streams".

create table evt_archives (
  organization_id text        not null,
  id              text        primary key,
  stream_type     text        not null,
  stream_id       text        not null,
  from_seq        bigint      not null,
  to_seq          bigint      not null,
  events          int         not null,
  -- The content that has them, by its hash; another one once an event in it was erased.
  sha256          text        not null,
  bytes           bigint      not null,
  -- Over what was read back from the store, as `evt_segment_digest` makes it of the rows here.
  digest          bytea       not null,
  -- Contents that its events name, each as often as events name it.
  contents        text[]      not null,
  state           text        not null, -- storing, verified, detached
  created_at      timestamptz not null,
  detached_at     timestamptz,
  -- Contents that had them before an event was erased: erased too.
  replaced        text[]      not null default '{}',
  unique (organization_id, stream_type, stream_id, from_seq)
);
alter table evt_archives enable row level security;
create policy organization on evt_archives using (organization_id = current_setting('signalbox.organization_id', true));
revoke all on evt_archives from sb_app, sb_log;
grant select on evt_archives to sb_app, sb_log;

-- A child of evt_events: whoever reads that reads this too, so places, versions and hashes of archived events are found
-- as ever. `header` is empty; a join with evt_payloads finds nothing (`left join`, then eventlog/src/archived.ts).
create table evt_archived_events (archive_id text not null) inherits (evt_events);
alter table evt_archived_events add primary key (position);
create unique index evt_archived_stream on evt_archived_events (organization_id, stream_type, stream_id, seq);
create unique index evt_archived_subject on evt_archived_events (organization_id, subject, subject_version);
create unique index evt_archived_event_id on evt_archived_events (event_id);
create index evt_archived_run on evt_archived_events (organization_id, run_id, position) where run_id is not null;
create index evt_archived_correlation on evt_archived_events (organization_id, correlation_id, position);
create index evt_archived_type on evt_archived_events (organization_id, type, position);
create trigger evt_archived_append_only before update or delete or truncate on evt_archived_events
  for each statement execute function evt_refuse_change();
alter table evt_archived_events enable always trigger evt_archived_append_only;
alter table evt_archived_events enable row level security;
create policy organization on evt_archived_events using (organization_id = current_setting('signalbox.organization_id', true));
revoke all on evt_archived_events from sb_app, sb_log;
grant select on evt_archived_events to sb_app, sb_log;

-- What every event of a stretch says: its hash (which commits to the header), and whether its payload is there, and which.
create function evt_segment_digest(org text, s_type text, s_id text, first bigint, last bigint, out events int, out digest bytea)
language sql stable as $$
  select count(*)::int,
         sha256(coalesce(string_agg(e.hash || case when p.data is null then '\x00'::bytea
                                                   else '\x01'::bytea || sha256(p.salt || convert_to(p.data, 'UTF8')) end, ''::bytea order by e.seq), ''::bytea))
    from only public.evt_events e join only public.evt_payloads p using (position)
   where e.organization_id = org and e.stream_type = s_type and e.stream_id = s_id and e.seq between first and last and e.import_id is null
$$;

-- Before content is put anywhere: what a process that dies leaves in the store is known by name.
create function evt_archive_storing(org text, archive text, s_type text, s_id text, first bigint, last bigint, content text, at timestamptz)
returns void language plpgsql security definer as $$
begin
  if archive !~ '^arch_[0-9A-HJKMNP-TV-Z]{26}$' or content !~ '^sha256:[0-9a-f]{64}$' then raise exception 'not an archive'; end if;
  insert into public.evt_archives values (org, archive, s_type, s_id, first, last, 0, content, 0, ''::bytea, '{}', 'storing', at, null);
end $$;

-- The store has it and handed it back.
create function evt_archive_verified(org text, archive text, n int, size bigint, said bytea, named text[]) returns void language sql security definer as $$
  update public.evt_archives set events = n, bytes = size, digest = said, contents = named, state = 'verified'
   where organization_id = org and id = archive and state = 'storing'
$$;

-- ── The third exception to append-only: a stretch whose text lies elsewhere ─────────────────────
-- Needs the `log.archived` that names it, already in the log, and the very rows that were read back from the store:
-- whatever was erased, or appended in between, since it was exported refuses it (SQLSTATE SB003).
create function evt_detach(org text, archive text, said_by uuid, at timestamptz) returns int language plpgsql security definer as $$
declare
  a public.evt_archives;
  r public.evt_events;
  here record;
begin
  select * into a from public.evt_archives where organization_id = org and id = archive for update;
  if a.id is null or a.state = 'storing' then raise exception 'there is no such archive that was verified'; end if;
  if a.state = 'detached' then return 0; end if;
  select * into r from public.evt_events where event_id = said_by;
  if r.event_id is null or r.type <> 'log.archived' or r.organization_id <> org or r.import_id is not null
     or (select (p.data::jsonb) ->> 'archive_id' || ' ' || ((p.data::jsonb) ->> 'sha256') from public.evt_payloads p where p.position = r.position)
        is distinct from archive || ' ' || a.sha256
  then
    raise exception 'a detachment needs a log.archived that names it';
  end if;
  -- An erasure that comes now waits, and then finds that the payload lies elsewhere.
  perform 1 from only public.evt_payloads p join only public.evt_events e using (position)
    where e.organization_id = org and e.stream_type = a.stream_type and e.stream_id = a.stream_id and e.seq between a.from_seq and a.to_seq
      for update of p;
  select * into here from public.evt_segment_digest(org, a.stream_type, a.stream_id, a.from_seq, a.to_seq);
  if here.events <> a.events or here.digest <> a.digest then
    raise exception 'the stream is not what was archived' using errcode = 'SB003';
  end if;
  -- What an erasure says is looked up by its text: it stays.
  insert into public.evt_archived_events (position, organization_id, stream_type, stream_id, seq, event_id, type, subject, subject_version,
                                          run_id, correlation_id, recorded_at, header, prev_hash, hash, import_id, archive_id)
    select position, organization_id, stream_type, stream_id, seq, event_id, type, subject, subject_version, run_id, correlation_id, recorded_at,
           case when type = 'event.redacted' then header else '' end, prev_hash, hash, import_id, archive
      from only public.evt_events e
     where e.organization_id = org and e.stream_type = a.stream_type and e.stream_id = a.stream_id and e.seq between a.from_seq and a.to_seq;
  delete from only public.evt_payloads p using only public.evt_events e
   where e.organization_id = org and e.stream_type = a.stream_type and e.stream_id = a.stream_id and e.seq between a.from_seq and a.to_seq
     and p.position = e.position and e.type <> 'event.redacted';
  delete from only public.evt_events e
   where e.organization_id = org and e.stream_type = a.stream_type and e.stream_id = a.stream_id and e.seq between a.from_seq and a.to_seq;
  update public.evt_archives set state = 'detached', detached_at = at where organization_id = org and id = archive;
  return a.events;
end $$;

-- The stream changed before it could be detached, or its process died: the archive says nothing about it. Its content is
-- erased before.
create function evt_archive_dropped(org text, archive text) returns void language sql security definer as $$
  delete from public.evt_archives where organization_id = org and id = archive and state <> 'detached'
$$;

-- An archived event was erased: the content that has it was written anew without its payload. Idempotent.
create function evt_rearchive(org text, archive text, redaction uuid, content text, size bigint, named text[]) returns void language plpgsql security definer as $$
declare
  r public.evt_events;
begin
  select * into r from public.evt_events where event_id = redaction;
  if r.event_id is null or r.type <> 'event.redacted' or r.organization_id <> org
     or not exists (select from public.evt_archived_events e, public.evt_payloads p
                     where p.position = r.position and e.archive_id = archive and e.event_id = ((p.data::jsonb) ->> 'target_event_id')::uuid)
  then
    raise exception 'an archive is written anew for an event.redacted that names an event in it';
  end if;
  update public.evt_archives
     set replaced = case when sha256 = content then replaced else replaced || sha256 end, sha256 = content, bytes = size, contents = named
   where organization_id = org and id = archive and state = 'detached';
end $$;

drop trigger evt_events_no_delete on evt_events;
drop trigger evt_events_keep_ours on evt_events;
drop trigger evt_payloads_append_only on evt_payloads;
create trigger evt_events_no_delete before delete on evt_events
  for each statement when (current_user <> 'sb_eraser' and current_user <> 'sb_archiver') execute function evt_refuse_change();
create trigger evt_events_keep_ours before delete on evt_events
  for each row when (old.import_id is null and current_user <> 'sb_archiver') execute function evt_refuse_change();
create trigger evt_payloads_append_only before update or delete on evt_payloads
  for each statement when (current_user <> 'sb_eraser' and current_user <> 'sb_archiver') execute function evt_refuse_change();
alter table evt_events enable always trigger evt_events_no_delete;
alter table evt_events enable always trigger evt_events_keep_ours;
alter table evt_payloads enable always trigger evt_payloads_append_only;

grant select, delete on evt_events to sb_archiver;
-- `for update` asks for it; no statement of evt_detach changes a payload.
grant select, update, delete on evt_payloads to sb_archiver;
grant select, insert on evt_archived_events to sb_archiver;
grant select, insert, update, delete on evt_archives to sb_archiver;
create policy archiver on evt_events for select to sb_archiver using (true);
create policy archiver_removes on evt_events for delete to sb_archiver using (import_id is null);
create policy archiver on evt_payloads to sb_archiver using (true) with check (true);
create policy archiver on evt_archived_events to sb_archiver using (true) with check (true);
create policy archiver on evt_archives to sb_archiver using (true) with check (true);
alter function evt_archive_storing owner to sb_archiver;
alter function evt_archive_verified owner to sb_archiver;
alter function evt_detach owner to sb_archiver;
alter function evt_archive_dropped owner to sb_archiver;
alter function evt_rearchive owner to sb_archiver;

revoke execute on function evt_segment_digest, evt_archive_storing, evt_archive_verified, evt_archive_dropped, evt_detach, evt_rearchive from public;
grant execute on function evt_segment_digest to sb_log, sb_archiver;
grant execute on function evt_archive_storing, evt_archive_verified, evt_archive_dropped, evt_detach, evt_rearchive to sb_log;
