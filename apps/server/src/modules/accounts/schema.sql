create table proj_invitations (
  organization_id text        not null,
  id              text        not null,
  email           text        not null,
  role            text        not null check (role in ('viewer', 'member', 'approver', 'admin', 'owner')),
  status          text        not null check (status in ('open', 'accepted', 'revoked')),
  invited_by      text        not null,
  created_at      timestamptz not null,
  expires_at      timestamptz not null,
  primary key (organization_id, id)
);
-- From a link, and from an address: before an organization is known.
create index proj_invitations_id on proj_invitations (id);
create index proj_invitations_email on proj_invitations (email) where status = 'open';
alter table proj_invitations enable row level security;
create policy organization on proj_invitations using (organization_id = current_setting('signalbox.organization_id', true));

create table proj_single_sign_on (
  organization_id text        primary key,
  issuer          text        not null,
  client_id       text        not null,
  role_claim      text,
  role_mapping    jsonb       not null,
  default_role    text,
  is_required     boolean     not null,
  trusts_email    boolean     not null,
  has_worked      boolean     not null,
  changed_at      timestamptz not null
);
alter table proj_single_sign_on enable row level security;
create policy organization on proj_single_sign_on using (organization_id = current_setting('signalbox.organization_id', true));

create table proj_domains (
  organization_id text        not null,
  id              text        not null,
  domain          text        not null,
  record          text        not null,
  join_role       text,
  claimed_at      timestamptz not null,
  proven_at       timestamptz,
  primary key (organization_id, id)
);
-- From an address, before an organization is known.
create index proj_domains_proven on proj_domains (domain) where proven_at is not null;
alter table proj_domains enable row level security;
create policy organization on proj_domains using (organization_id = current_setting('signalbox.organization_id', true));
