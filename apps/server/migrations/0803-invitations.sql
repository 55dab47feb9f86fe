-- breaking: no
-- Invitations are asked about before an organization is known: by the link, and by a proven address.
create function idn_invitation(invitation text)
returns table (organization_id text, organization_name text, id text, email text, role text, status text, expires_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog as $$
begin
  return query
    select i.organization_id, o.name, i.id, i.email, i.role, i.status, i.expires_at
      from public.proj_invitations i
      join public.proj_organizations o on o.organization_id = i.organization_id and o.deleted_at is null
     where i.id = invitation;
end $$;

create function idn_invitations_to(address text, at timestamptz)
returns table (organization_id text, organization_name text, id text, email text, role text, status text, expires_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog as $$
begin
  return query
    select i.organization_id, o.name, i.id, i.email, i.role, i.status, i.expires_at
      from public.proj_invitations i
      join public.proj_organizations o on o.organization_id = i.organization_id and o.deleted_at is null
     where i.email = address and i.status = 'open' and i.expires_at > at
     order by i.expires_at desc limit 50;
end $$;

revoke execute on function idn_invitation, idn_invitations_to from public;
grant execute on function idn_invitation, idn_invitations_to to sb_app;
