-- breaking: no
-- `acts_in`: where a browser was told to act, whether or not it still may: it must not go on in another of theirs unasked
-- (http/authenticate.ts).
drop function idn_session(bytea, timestamptz);
create function idn_session(secret bytea, at timestamptz)
returns table (credential_id text, organization_id text, principal_id text, principal_type text, display_name text, role text, scopes text[], expires_at timestamptz, used_at timestamptz, only_in text, is_closed boolean, impersonated_by text, impersonated_until timestamptz, acts_in text)
language plpgsql stable security definer set search_path = pg_catalog as $$
begin
  return query
    select s.id, p.organization_id, p.id, p.type, p.display_name, p.role, null::text[], s.expires_at, s.seen_at, p.organization_id, false, i.operator_id, i.expires_at, i.organization_id
      from public.idn_sessions s
      join public.proj_impersonations i on i.session_id = s.id and i.operator_id = s.principal_id and i.ended_at is null and i.expires_at > at
      join public.proj_principals p on p.organization_id = i.organization_id and p.id = i.principal_id and p.role is not null
     where s.secret_hash = secret and s.expires_at > at
       and not exists (select from public.proj_suspensions u where (u.kind = 'organization' and u.id = i.organization_id) or (u.kind = 'person' and u.id in (p.id, s.principal_id)))
     order by i.started_at desc limit 1;
  if found then
    return;
  end if;
  return query
    select s.id, p.organization_id, s.principal_id, coalesce(p.type, 'user'), coalesce(p.display_name, u.name, ''), p.role, null::text[], s.expires_at, s.seen_at, s.only_in,
           coalesce(o.is_required and p.role <> 'owner' and not (s.method = 'single_sign_on' and s.only_in = p.organization_id), false), null::text, null::timestamptz, s.organization_id
      from public.idn_sessions s
      left join public.auth_users u on u.id = s.principal_id
      left join public.proj_principals p on p.id = s.principal_id and p.role is not null and (s.only_in is null or p.organization_id = s.only_in)
           and not exists (select from public.proj_suspensions b where b.kind = 'organization' and b.id = p.organization_id)
      left join public.proj_single_sign_on o on o.organization_id = p.organization_id
     where s.secret_hash = secret and s.expires_at > at and (p.id is not null or u.id is not null)
       and not exists (select from public.proj_suspensions b where b.kind = 'person' and b.id = s.principal_id)
     order by (p.organization_id = s.organization_id) desc nulls last, p.organization_id;
end $$;
revoke execute on function idn_session from public;
grant execute on function idn_session to sb_app;
