-- What people and programs prove themselves with. Secrets are kept as sha256 only: they are 32
-- random bytes, so a slow hash would add nothing. Who and what they stand for is in the log.

create table idn_token_secrets (
  organization_id text        not null,
  token_id        text        not null,
  secret_hash     bytea       not null unique check (octet_length(secret_hash) = 32),
  last_used_at    timestamptz,
  primary key (organization_id, token_id)
);

create table idn_login_codes (
  organization_id text        not null,
  code_hash       bytea       primary key check (octet_length(code_hash) = 32),
  principal_id    text        not null,
  expires_at      timestamptz not null,
  used_at         timestamptz
);

create table idn_sessions (
  organization_id text        not null,
  id              text        primary key,
  secret_hash     bytea       not null unique check (octet_length(secret_hash) = 32),
  principal_id    text        not null,
  created_at      timestamptz not null,
  seen_at         timestamptz not null,
  expires_at      timestamptz not null
);
create index idn_sessions_expiry on idn_sessions (expires_at);

alter table idn_token_secrets enable row level security;
alter table idn_login_codes enable row level security;
alter table idn_sessions enable row level security;
create policy organization on idn_token_secrets using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on idn_login_codes using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on idn_sessions using (organization_id = current_setting('signalbox.organization_id', true));

-- Before anybody is known no organization is either. These functions look across organizations and
-- tell only about the one secret whose hash they are given. They name `proj_*` tables, which boot
-- makes after the migrations: plpgsql looks them up when it runs.
create function idn_token(secret bytea, at timestamptz)
returns table (credential_id text, organization_id text, principal_id text, principal_type text, display_name text, role text, scopes text[], expires_at timestamptz, used_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog as $$
begin
  return query
    select t.id, t.organization_id, p.id, p.type, p.display_name, p.role, t.scopes, t.expires_at, s.last_used_at
      from public.idn_token_secrets s
      join public.proj_tokens t on t.organization_id = s.organization_id and t.id = s.token_id
      join public.proj_principals p on p.organization_id = t.organization_id and p.id = t.principal_id
     where s.secret_hash = secret and t.revoked_at is null and (t.expires_at is null or t.expires_at > at) and p.role is not null;
end $$;

-- One row per organization of the person, the one they logged in to first.
create function idn_session(secret bytea, at timestamptz)
returns table (credential_id text, organization_id text, principal_id text, principal_type text, display_name text, role text, scopes text[], expires_at timestamptz, used_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog as $$
begin
  return query
    select s.id, p.organization_id, p.id, p.type, p.display_name, p.role, null::text[], s.expires_at, s.seen_at
      from public.idn_sessions s
      join public.proj_principals p on p.id = s.principal_id
     where s.secret_hash = secret and s.expires_at > at and p.role is not null
     order by (p.organization_id = s.organization_id) desc, p.organization_id;
end $$;

-- Exactly one caller gets the row, also when two come at once.
create function idn_use_login_code(code bytea, at timestamptz)
returns table (organization_id text, principal_id text)
language plpgsql security definer set search_path = pg_catalog as $$
begin
  return query
    update public.idn_login_codes c set used_at = at
     where c.code_hash = code and c.used_at is null and c.expires_at > at
    returning c.organization_id, c.principal_id;
end $$;

-- Housekeeping over all organizations: tells nothing, drops what has ended.
create function idn_sweep(at timestamptz) returns void language sql security definer set search_path = pg_catalog as $$
  delete from public.idn_login_codes where expires_at < at - interval '1 day';
  delete from public.idn_sessions where expires_at < at;
$$;

create function idn_organizations() returns setof text language plpgsql stable security definer set search_path = pg_catalog as $$
begin
  return query select o.organization_id from public.proj_organizations o order by 1;
end $$;

revoke execute on function idn_token, idn_session, idn_use_login_code, idn_sweep, idn_organizations from public;
grant execute on function idn_token, idn_session, idn_use_login_code, idn_sweep, idn_organizations to sb_app;
