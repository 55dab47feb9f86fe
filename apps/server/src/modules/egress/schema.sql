create table proj_egress_rules (
  organization_id text        not null,
  -- '' for a rule of the whole organization.
  session_id      text        not null,
  host            text        not null,
  added_by        text        not null,
  added_at        timestamptz not null,
  -- A rule that was taken away stays as a mark, so that an older event cannot bring it back.
  is_present      boolean     not null,
  subject_version bigint      not null,
  primary key (organization_id, session_id, host)
);
alter table proj_egress_rules enable row level security;
create policy organization on proj_egress_rules using (organization_id = current_setting('signalbox.organization_id', true));
