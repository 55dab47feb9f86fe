create table proj_approvals (
  organization_id text        not null,
  id              text        not null,
  status          text        not null,
  action          text        not null,
  title           text        not null,
  target          jsonb,
  params          jsonb,
  request         jsonb       not null,
  call_hash       text        not null,
  room_id         text,
  session_id      text,
  run_id          text,
  invocation_id   text,
  requested_by    text        not null,
  on_behalf_of    text,
  held_by         text,
  decided_by      text,
  decided_at      timestamptz,
  reason          text,
  scope           text,
  used_by         text,
  requested_at    timestamptz not null,
  -- Until when it can be answered; once approved, until when the answer holds.
  expires_at      timestamptz not null,
  subject_version bigint      not null,
  primary key (organization_id, id)
);
create index proj_approvals_newest on proj_approvals (organization_id, requested_at desc, id desc);
-- The inbox.
create index proj_approvals_open on proj_approvals (organization_id, requested_at desc, id desc) where status in ('pending', 'held');
create index proj_approvals_session on proj_approvals (organization_id, session_id, requested_at desc, id desc) where session_id is not null;
-- What the gate looks for before it asks again.
create index proj_approvals_given on proj_approvals (organization_id, action) where status = 'approved' and used_by is null;
alter table proj_approvals enable row level security;
create policy organization on proj_approvals using (organization_id = current_setting('signalbox.organization_id', true));
