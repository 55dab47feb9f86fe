-- breaking: no
-- A browser's sign-in is its person's (0801): where the organization that it acts in is deleted, they are asked where they
-- go on. Until now thousands were signed out with it, of their other organizations too, each with a job that told it.
create or replace function idn_erase_organization(gone text) returns bigint
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
       and c.relname <> 'idn_sessions'
     order by 1
  loop
    execute format('delete from public.%I where organization_id = $1', name) using gone;
    get diagnostics n = row_count;
    total := total + n;
  end loop;
  -- Good for nothing else: what its own provider vouched for, or a link of its own.
  delete from public.idn_sessions s where s.only_in = gone;
  return total;
end $$;
