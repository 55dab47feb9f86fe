create table proj_organizations (
  organization_id text        primary key,
  name            text        not null,
  created_at      timestamptz not null
);
alter table proj_organizations enable row level security;
create policy organization on proj_organizations using (organization_id = current_setting('signalbox.organization_id', true));

create table proj_principals (
  organization_id text        not null,
  id              text        not null,
  type            text        not null check (type in ('user', 'agent', 'service')),
  display_name    text        not null,
  -- Null: known by name, may not call (a session's agent acts through its socket, not through the API).
  role            text        check (role in ('viewer', 'member', 'approver', 'admin', 'owner')),
  created_at      timestamptz not null,
  subject_version bigint      not null,
  primary key (organization_id, id)
);
-- A person's organizations, when a session cookie is all that is known.
create index proj_principals_id on proj_principals (id);
create index proj_principals_newest on proj_principals (organization_id, created_at desc, id desc);
alter table proj_principals enable row level security;
create policy organization on proj_principals using (organization_id = current_setting('signalbox.organization_id', true));

create table proj_tokens (
  organization_id text        not null,
  id              text        not null,
  name            text        not null,
  principal_id    text        not null,
  scopes          text[]      not null,
  created_at      timestamptz not null,
  expires_at      timestamptz,
  revoked_at      timestamptz,
  primary key (organization_id, id)
);
create index proj_tokens_mine on proj_tokens (organization_id, principal_id, id desc);
alter table proj_tokens enable row level security;
create policy organization on proj_tokens using (organization_id = current_setting('signalbox.organization_id', true));
