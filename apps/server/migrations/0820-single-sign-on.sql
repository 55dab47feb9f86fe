-- breaking: no
-- A sign-in that reaches into one organization only: its provider vouched for the person, or the link
-- was made with what only that organization gave out.
alter table idn_sessions add column only_in text;
alter table idn_login_codes add column only_in text;

-- Who was sent to their organization's provider and is awaited back. Used once, by the browser that began it.
create table acc_sign_on_flows (
  organization_id text        not null,
  state_hash      bytea       primary key check (octet_length(state_hash) = 32),
  browser_hash    bytea       not null check (octet_length(browser_hash) = 32),
  nonce           text        not null,
  code_verifier   text        not null,
  next            text        not null,
  expires_at      timestamptz not null
);
create index acc_sign_on_flows_expiry on acc_sign_on_flows (expires_at);
alter table acc_sign_on_flows enable row level security;
create policy organization on acc_sign_on_flows using (organization_id = current_setting('signalbox.organization_id', true));

create function acc_use_sign_on_flow(state bytea, browser bytea, at timestamptz)
returns table (organization_id text, nonce text, code_verifier text, next text)
language plpgsql security definer set search_path = pg_catalog as $$
begin
  return query
    delete from public.acc_sign_on_flows f
     where f.state_hash = state and f.browser_hash = browser and f.expires_at > at
    returning f.organization_id, f.nonce, f.code_verifier, f.next;
end $$;

-- From a mail domain to the organization that has proven it; of two the one that came first.
create function acc_domain_holder(wanted text) returns table (organization_id text, organization_name text, join_role text)
language plpgsql stable security definer set search_path = pg_catalog as $$
begin
  return query
    select d.organization_id, o.name, d.join_role
      from public.proj_domains d
      join public.proj_organizations o on o.organization_id = d.organization_id and o.deleted_at is null
     where d.domain = wanted and d.proven_at is not null
     order by d.proven_at, d.organization_id limit 1;
end $$;

-- The account that a provider's subject stands for, made or linked when there is none: all of it, or nothing.
-- An account whose address nobody had proven may have been made by somebody else for the day on which it
-- is: what it was to be entered with goes, and so does whoever is in.
create function acc_sign_on(provider text, subject text, address text, called text, at timestamptz, new_user text, new_account text)
returns text language plpgsql set search_path = pg_catalog as $$
declare
  who text;
  proven boolean;
begin
  select a.user_id into who from public.auth_accounts a where a.provider_id = provider and a.account_id = subject;
  if who is not null or address is null then
    return who;
  end if;
  insert into public.auth_users (id, name, email, email_verified, created_at, updated_at)
    values (new_user, called, address, true, at, at) on conflict (email) do nothing;
  select u.id, u.email_verified into who, proven from public.auth_users u where u.email = address for update;
  if not proven then
    delete from public.auth_accounts a where a.user_id = who;
    delete from public.auth_passkeys p where p.user_id = who;
    update public.auth_users set email_verified = true, updated_at = at where id = who;
  end if;
  insert into public.auth_accounts (id, account_id, provider_id, user_id, created_at, updated_at)
    values (new_account, subject, provider, who, at, at) on conflict (provider_id, account_id) do nothing;
  select a.user_id into who from public.auth_accounts a where a.provider_id = provider and a.account_id = subject;
  return who;
end $$;

revoke execute on function acc_use_sign_on_flow, acc_domain_holder from public;
grant execute on function acc_use_sign_on_flow, acc_domain_holder to sb_app;

-- `is_closed`: the organization lets its members in through its provider only, and this session came another way.
drop function idn_session(bytea, timestamptz);
create function idn_session(secret bytea, at timestamptz)
returns table (credential_id text, organization_id text, principal_id text, principal_type text, display_name text, role text, scopes text[], expires_at timestamptz, used_at timestamptz, only_in text, is_closed boolean)
language plpgsql stable security definer set search_path = pg_catalog as $$
begin
  return query
    select s.id, p.organization_id, s.principal_id, coalesce(p.type, 'user'), coalesce(p.display_name, u.name, ''), p.role, null::text[], s.expires_at, s.seen_at, s.only_in,
           coalesce(o.is_required and p.role <> 'owner' and not (s.method = 'single_sign_on' and s.only_in = p.organization_id), false)
      from public.idn_sessions s
      left join public.auth_users u on u.id = s.principal_id
      left join public.proj_principals p on p.id = s.principal_id and p.role is not null and (s.only_in is null or p.organization_id = s.only_in)
      left join public.proj_single_sign_on o on o.organization_id = p.organization_id
     where s.secret_hash = secret and s.expires_at > at and (p.id is not null or u.id is not null)
     order by (p.organization_id = s.organization_id) desc nulls last, p.organization_id;
end $$;
revoke execute on function idn_session from public;
grant execute on function idn_session to sb_app;

drop function idn_use_login_code(bytea, timestamptz);
create function idn_use_login_code(code bytea, at timestamptz)
returns table (organization_id text, principal_id text, only_in text)
language plpgsql security definer set search_path = pg_catalog as $$
begin
  return query
    update public.idn_login_codes c set used_at = at
     where c.code_hash = code and c.used_at is null and c.expires_at > at
    returning c.organization_id, c.principal_id, c.only_in;
end $$;
revoke execute on function idn_use_login_code from public;
grant execute on function idn_use_login_code to sb_app;

create or replace function idn_sweep(at timestamptz) returns void language sql security definer set search_path = pg_catalog as $$
  delete from public.idn_login_codes where expires_at < at - interval '1 day';
  delete from public.idn_sessions where expires_at < at;
  delete from public.idn_attempts where started_at < at - interval '1 day';
  delete from public.idn_devices where expires_at < at - interval '1 hour';
  delete from public.acc_outbox where expires_at < at;
  delete from public.auth_verifications where expires_at < at - interval '1 day';
  delete from public.acc_sign_on_flows where expires_at < at;
$$;
