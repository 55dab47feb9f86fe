-- breaking: no
-- Who of an organization is suspended: the suspensions stand in the installation's own. They do not count as the owner
-- who stays (modules/identity/organization.ts).
create function idn_suspended_members(organization text) returns setof text
language plpgsql stable security definer set search_path = pg_catalog as $$
begin
  return query
    select p.id from public.proj_suspensions u
      join public.proj_principals p on p.organization_id = organization and p.id = u.id and p.role is not null
     where u.kind = 'person';
end $$;
revoke execute on function idn_suspended_members from public;
grant execute on function idn_suspended_members to sb_app;
