create table proj_organizations (
  organization_id text        primary key,
  name            text        not null,
  created_at      timestamptz not null,
  deleted_at      timestamptz
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
  -- Of people: since when they are in, and the organization's version that `role` is from.
  joined_at       timestamptz,
  member_version  bigint      not null default 0,
  primary key (organization_id, id)
);
create index proj_principals_members on proj_principals (organization_id, joined_at, id) where role is not null;
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

create table proj_teams (
  organization_id text        not null,
  id              text        not null,
  name            text        not null,
  created_at      timestamptz not null,
  primary key (organization_id, id)
);
alter table proj_teams enable row level security;
create policy organization on proj_teams using (organization_id = current_setting('signalbox.organization_id', true));

create table proj_team_members (
  organization_id text not null,
  team_id         text not null,
  principal_id    text not null,
  primary key (organization_id, team_id, principal_id)
);
create index proj_team_members_principal on proj_team_members (organization_id, principal_id);
alter table proj_team_members enable row level security;
create policy organization on proj_team_members using (organization_id = current_setting('signalbox.organization_id', true));

-- `about`: the person or agent that it concerns; null of the organization itself, and of a token's end (`ref` names the token).
create table proj_identity_changes (
  organization_id text        not null,
  seq             bigint      not null,
  event_id        uuid        not null,
  type            text        not null,
  at              timestamptz not null,
  by_id           text        not null,
  about           text,
  ref             text        not null,
  detail          text,
  primary key (organization_id, seq)
);
create index proj_identity_changes_about on proj_identity_changes (organization_id, about, seq desc);
create index proj_identity_changes_ref on proj_identity_changes (organization_id, ref);
alter table proj_identity_changes enable row level security;
create policy organization on proj_identity_changes using (organization_id = current_setting('signalbox.organization_id', true));
