-- breaking: no
-- What an organization keeps: every content of its tree once, by name, whoever put it there (agents' output, engines'
-- files, results of actions, archives, imports), and beside it what engines attach inline. `quo_storage` is the sum,
-- and the row that whoever adds to it waits for.
create table quo_blobs (
  organization_id text   not null,
  sha256          text   not null,
  bytes           bigint not null check (bytes >= 0),
  primary key (organization_id, sha256)
);
alter table quo_blobs enable row level security;
create policy organization on quo_blobs using (organization_id = current_setting('signalbox.organization_id', true));

-- False: that would be more than `most` (null: as much as there is). What is kept already costs nothing again.
create function quo_keep(organization text, content text, size bigint, most bigint) returns boolean
language plpgsql set search_path = pg_catalog as $$
begin
  insert into public.quo_storage (organization_id) values (organization) on conflict do nothing;
  perform from public.quo_storage s where s.organization_id = organization for update;
  if exists (select from public.quo_blobs b where b.organization_id = organization and b.sha256 = content) then
    return true;
  end if;
  update public.quo_storage s set bytes = s.bytes + size
   where s.organization_id = organization and (most is null or s.bytes + size <= most);
  if not found then
    return false;
  end if;
  insert into public.quo_blobs (organization_id, sha256, bytes) values (organization, content, size);
  return true;
end $$;

create function quo_drop(organization text, content text) returns void
language plpgsql set search_path = pg_catalog as $$
declare
  size bigint;
begin
  perform from public.quo_storage s where s.organization_id = organization for update;
  delete from public.quo_blobs b where b.organization_id = organization and b.sha256 = content returning b.bytes into size;
  if found then
    update public.quo_storage s set bytes = greatest(0, s.bytes - size) where s.organization_id = organization;
  end if;
end $$;

-- Engines' files were in the sum already, and are counted by their names from here on (nightly, what was there before).
update quo_storage set bytes = 0;
