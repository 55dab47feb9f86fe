create table proj_invocations (
  organization_id text        not null,
  id              text        not null,
  status          text        not null,
  action          text        not null,
  title           text        not null,
  risk            text        not null,
  params          jsonb,
  target          jsonb,
  call_hash       text        not null,
  room_id         text,
  session_id      text,
  run_id          text,
  approval_id     text,
  requested_by    text        not null,
  decision        text        not null,
  reason_code     text        not null,
  result          jsonb,
  error_code      text,
  error_message   text,
  created_at      timestamptz not null,
  executing_at    timestamptz,
  ended_at        timestamptz,
  subject_version bigint      not null,
  primary key (organization_id, id)
);
create index proj_invocations_newest on proj_invocations (organization_id, created_at desc, id desc);
create index proj_invocations_session on proj_invocations (organization_id, session_id, created_at desc, id desc) where session_id is not null;
-- What is not over: limits, the same call again, what a restart has to look after.
create index proj_invocations_open on proj_invocations (organization_id, session_id, status) where status in ('pending', 'approved', 'executing', 'unknown');
alter table proj_invocations enable row level security;
create policy organization on proj_invocations using (organization_id = current_setting('signalbox.organization_id', true));
