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
