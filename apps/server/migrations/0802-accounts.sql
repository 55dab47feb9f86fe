-- breaking: no
-- People's accounts, kept by better-auth: who they are and how they prove it. Which organizations
-- they are in is not here but in the log. None of these has an organization; they are in the list of
-- docs/security.md. Passwords are scrypt, codes and session tokens hashed.
create table auth_users (
  id             text        primary key,
  name           text        not null,
  -- Small letters, normalised: see email.ts.
  email          text        not null unique,
  email_verified boolean     not null default false,
  image          text,
  created_at     timestamptz not null,
  updated_at     timestamptz not null
);
create table auth_accounts (
  id                       text        primary key,
  account_id               text        not null,
  provider_id              text        not null,
  user_id                  text        not null references auth_users on delete cascade,
  access_token             text,
  refresh_token            text,
  id_token                 text,
  access_token_expires_at  timestamptz,
  refresh_token_expires_at timestamptz,
  scope                    text,
  password                 text,
  created_at               timestamptz not null,
  updated_at               timestamptz not null,
  unique (provider_id, account_id)
);
create index auth_accounts_user on auth_accounts (user_id);
create table auth_verifications (
  id         text        primary key,
  identifier text        not null,
  value      text        not null,
  expires_at timestamptz not null,
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index auth_verifications_identifier on auth_verifications (identifier);
create table auth_passkeys (
  id            text        primary key,
  name          text,
  public_key    text        not null,
  user_id       text        not null references auth_users on delete cascade,
  credential_id text        not null unique,
  counter       bigint      not null,
  device_type   text        not null,
  backed_up     boolean     not null,
  transports    text,
  aaguid        text,
  created_at    timestamptz
);
create index auth_passkeys_user on auth_passkeys (user_id);

-- Mail that no server was configured to send: the operator reads it here, until it is of no use.
create table acc_outbox (
  id         text        primary key,
  recipient  text        not null,
  subject    text        not null,
  body       text        not null,
  created_at timestamptz not null,
  expires_at timestamptz not null
);

-- How often something was tried in the window that runs. One row a key, one atomic statement a try,
-- so that a limit holds however many processes count.
create table idn_attempts (
  key        text        primary key,
  started_at timestamptz not null,
  count      int         not null
);
create function idn_attempt(what text, at timestamptz, window_s int, most int) returns boolean
language sql set search_path = pg_catalog as $$
  insert into public.idn_attempts as a (key, started_at, count) values (what, at, 1)
  on conflict (key) do update set
    started_at = case when a.started_at <= at - make_interval(secs => window_s) then at else a.started_at end,
    count      = case when a.started_at <= at - make_interval(secs => window_s) then 1 else least(a.count + 1, most + 1) end
  returning count <= most
$$;

-- A sign-in that a program waits for (RFC 8628): the program polls with `device_hash`, the person types `user_code`.
create table idn_devices (
  device_hash     bytea       primary key check (octet_length(device_hash) = 32),
  user_code       text        not null unique,
  client_name     text        not null,
  scopes          text[]      not null,
  expires_at      timestamptz not null,
  polled_at       timestamptz,
  status          text        not null default 'pending' check (status in ('pending', 'approved', 'denied', 'used')),
  organization_id text,
  principal_id    text
);

-- Whom a browser's session stands for: a row per organization of theirs, or one with none.
create or replace function idn_session(secret bytea, at timestamptz)
returns table (credential_id text, organization_id text, principal_id text, principal_type text, display_name text, role text, scopes text[], expires_at timestamptz, used_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog as $$
begin
  return query
    select s.id, p.organization_id, s.principal_id, coalesce(p.type, 'user'), coalesce(p.display_name, u.name, ''), p.role, null::text[], s.expires_at, s.seen_at
      from public.idn_sessions s
      left join public.auth_users u on u.id = s.principal_id
      left join public.proj_principals p on p.id = s.principal_id and p.role is not null
     where s.secret_hash = secret and s.expires_at > at and (p.id is not null or u.id is not null)
     order by (p.organization_id = s.organization_id) desc nulls last, p.organization_id;
end $$;

create or replace function idn_sweep(at timestamptz) returns void language sql security definer set search_path = pg_catalog as $$
  delete from public.idn_login_codes where expires_at < at - interval '1 day';
  delete from public.idn_sessions where expires_at < at;
  delete from public.idn_attempts where started_at < at - interval '1 day';
  delete from public.idn_devices where expires_at < at - interval '1 hour';
  delete from public.acc_outbox where expires_at < at;
  delete from public.auth_verifications where expires_at < at - interval '1 day';
$$;
