-- breaking: no
-- What a deleted organization leaves behind besides its log: credentials, sealed secrets, live
-- output, subscriptions. Every table with an organization is emptied of it, whoever made the table,
-- except the log (`evt_*`), what is derived from the log (`proj_*`, where the tombstone shows), and
-- the jobs, one of which is running this.
create function idn_erase_organization(gone text) returns bigint
language plpgsql security definer set search_path = pg_catalog as $$
declare
  name text;
  n bigint;
  total bigint := 0;
begin
  if not exists (select 1 from public.proj_organizations o where o.organization_id = gone and o.deleted_at is not null) then
    raise exception 'the organization % is not deleted', gone;
  end if;
  for name in
    select c.relname from pg_class c
      join pg_namespace s on s.oid = c.relnamespace and s.nspname = 'public'
      join pg_attribute a on a.attrelid = c.oid and a.attname = 'organization_id' and not a.attisdropped
     where c.relkind in ('r', 'p') and not c.relispartition
       and c.relname not like 'evt\_%' and c.relname not like 'proj\_%' and c.relname not like 'job%'
     order by 1
  loop
    execute format('delete from public.%I where organization_id = $1', name) using gone;
    get diagnostics n = row_count;
    total := total + n;
  end loop;
  return total;
end $$;

-- A person's organizations, whichever they act in.
create function idn_memberships(person text)
returns table (organization_id text, name text, role text, created_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog as $$
begin
  return query
    select o.organization_id, o.name, p.role, o.created_at
      from public.proj_principals p
      join public.proj_organizations o on o.organization_id = p.organization_id
     where p.id = person and p.role is not null and o.deleted_at is null
     order by o.created_at, o.organization_id;
end $$;

create or replace function idn_organizations() returns setof text language plpgsql stable security definer set search_path = pg_catalog as $$
begin
  return query select o.organization_id from public.proj_organizations o where o.deleted_at is null order by 1;
end $$;

-- The open cookie sessions of a person (null: of every member) that reach into one organization.
create function idn_sessions_of(organization text, person text) returns setof text
language plpgsql stable security definer set search_path = pg_catalog as $$
begin
  return query
    select s.id from public.idn_sessions s
      join public.proj_principals p on p.organization_id = organization and p.id = s.principal_id
     where person is null or s.principal_id = person;
end $$;

revoke execute on function idn_sessions_of, idn_erase_organization, idn_memberships from public;
grant execute on function idn_sessions_of, idn_erase_organization, idn_memberships to sb_app;
