-- breaking: no
-- Suspended: no credential stands for them. Impersonation: a browser of the operator's stands for somebody
-- else in one organization, until it ends. Both are of the log (proj_suspensions, proj_impersonations).
create function idn_is_suspended(organization text, person text) returns boolean
language plpgsql stable security definer set search_path = pg_catalog as $$
begin
  return exists (select from public.proj_suspensions u where (u.kind = 'organization' and u.id = organization) or (u.kind = 'person' and u.id = person));
end $$;

create or replace function idn_token(secret bytea, at timestamptz)
returns table (credential_id text, organization_id text, principal_id text, principal_type text, display_name text, role text, scopes text[], expires_at timestamptz, used_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog as $$
begin
  return query
    select t.id, t.organization_id, p.id, p.type, p.display_name, p.role, t.scopes, t.expires_at, s.last_used_at
      from public.idn_token_secrets s
      join public.proj_tokens t on t.organization_id = s.organization_id and t.id = s.token_id
      join public.proj_principals p on p.organization_id = t.organization_id and p.id = t.principal_id
     where s.secret_hash = secret and t.revoked_at is null and (t.expires_at is null or t.expires_at > at) and p.role is not null
       and not exists (select from public.proj_suspensions u where (u.kind = 'organization' and u.id = t.organization_id) or (u.kind = 'person' and u.id = p.id));
end $$;

drop function idn_session(bytea, timestamptz);
create function idn_session(secret bytea, at timestamptz)
returns table (credential_id text, organization_id text, principal_id text, principal_type text, display_name text, role text, scopes text[], expires_at timestamptz, used_at timestamptz, only_in text, is_closed boolean, impersonated_by text, impersonated_until timestamptz)
language plpgsql stable security definer set search_path = pg_catalog as $$
begin
  return query
    select s.id, p.organization_id, p.id, p.type, p.display_name, p.role, null::text[], s.expires_at, s.seen_at, p.organization_id, false, i.operator_id, i.expires_at
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
           coalesce(o.is_required and p.role <> 'owner' and not (s.method = 'single_sign_on' and s.only_in = p.organization_id), false), null::text, null::timestamptz
      from public.idn_sessions s
      left join public.auth_users u on u.id = s.principal_id
      left join public.proj_principals p on p.id = s.principal_id and p.role is not null and (s.only_in is null or p.organization_id = s.only_in)
           and not exists (select from public.proj_suspensions b where b.kind = 'organization' and b.id = p.organization_id)
      left join public.proj_single_sign_on o on o.organization_id = p.organization_id
     where s.secret_hash = secret and s.expires_at > at and (p.id is not null or u.id is not null)
       and not exists (select from public.proj_suspensions b where b.kind = 'person' and b.id = s.principal_id)
     order by (p.organization_id = s.organization_id) desc nulls last, p.organization_id;
end $$;

-- The operator's lists, over all organizations. Only routes that admit nobody else call them.
create function adm_organizations(q text, after_at timestamptz, after_id text, most int)
returns table (id text, name text, created_at timestamptz, deleted_at timestamptz, suspended_at timestamptz, suspended_reason text, member_count bigint, live_session_count bigint, event_count bigint)
language plpgsql stable security definer set search_path = pg_catalog as $$
begin
  return query
    select o.organization_id, o.name, o.created_at, o.deleted_at, u.at, u.reason,
           (select count(*) from public.proj_principals p where p.organization_id = o.organization_id and p.type = 'user' and p.role is not null),
           (select count(*) from public.proj_sessions s where s.organization_id = o.organization_id and s.status in ('creating', 'running', 'waiting', 'paused', 'resuming')),
           (select coalesce(sum(h.seq), 0)::bigint from public.evt_stream_heads h where h.organization_id = o.organization_id)
      from public.proj_organizations o
      left join public.proj_suspensions u on u.kind = 'organization' and u.id = o.organization_id
     where (q is null or o.name ilike q or o.organization_id ilike q)
       and (after_at is null or (o.created_at, o.organization_id) < (after_at, after_id))
     order by o.created_at desc, o.organization_id desc limit most;
end $$;

create function adm_people(q text, wanted text, after_at timestamptz, after_id text, most int)
returns table (id text, name text, email text, is_email_proven boolean, created_at timestamptz, suspended_at timestamptz, suspended_reason text, seen_at timestamptz, organizations jsonb)
language plpgsql stable security definer set search_path = pg_catalog as $$
begin
  return query
    with people as (
      select u.id, u.name, u.email, u.email_verified, u.created_at from public.auth_users u
      union all
      -- Of before there were accounts, or with the printed link only.
      select p.id, min(p.display_name), null, false, min(p.created_at) from public.proj_principals p
       where p.type = 'user' and p.role is not null and not exists (select from public.auth_users u where u.id = p.id)
       group by p.id
    )
    select e.id, e.name, e.email, e.email_verified, e.created_at, b.at, b.reason,
           (select max(s.seen_at) from public.idn_sessions s where s.principal_id = e.id),
           (select coalesce(jsonb_agg(jsonb_build_object('id', o.organization_id, 'name', o.name, 'role', p.role) order by o.created_at, o.organization_id), '[]'::jsonb)
              from public.proj_principals p join public.proj_organizations o on o.organization_id = p.organization_id and o.deleted_at is null
             where p.id = e.id and p.role is not null)
      from people e
      left join public.proj_suspensions b on b.kind = 'person' and b.id = e.id
     where (q is null or e.name ilike q or e.email ilike q or e.id ilike q)
       and (wanted is null or e.id = wanted)
       and (after_at is null or (e.created_at, e.id) < (after_at, after_id))
     order by e.created_at desc, e.id desc limit most;
end $$;

revoke execute on function idn_is_suspended, idn_session, adm_organizations, adm_people from public;
grant execute on function idn_is_suspended, idn_session, adm_organizations, adm_people to sb_app;
