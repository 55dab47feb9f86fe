create table proj_runs (
  organization_id  text        not null,
  id               text        not null,
  kind             text        not null,
  status           text        not null,
  title            text,
  goal             text,
  input            jsonb,
  output           jsonb,
  summary          text,
  error_code       text,
  error_message    text,
  tags             text[]      not null,
  room_id          text,
  session_id       text,
  requested_by     text        not null,
  assignee         text,
  claimed_by       text,
  attempt_no       int         not null,
  max_attempts     int         not null,
  epoch            bigint      not null,
  lease_expires_at timestamptz,
  correlation_id   text        not null,
  created_at       timestamptz not null,
  started_at       timestamptz,
  ended_at         timestamptz,
  subject_version  bigint      not null,
  primary key (organization_id, id)
);
create index proj_runs_newest on proj_runs (organization_id, created_at desc, id desc);
create index proj_runs_session on proj_runs (organization_id, session_id, created_at, id) where session_id is not null;
create index proj_runs_room on proj_runs (organization_id, room_id, created_at desc, id desc) where room_id is not null;
-- What engines are offered.
create index proj_runs_open_tasks on proj_runs (organization_id, created_at, id) where kind = 'task' and status in ('queued', 'claimed', 'running');

create table proj_run_attempts (
  organization_id text        not null,
  run_id          text        not null,
  attempt_no      int         not null,
  epoch           bigint      not null,
  claimed_by      text        not null,
  claimed_at      timestamptz not null,
  ended_at        timestamptz,
  end_reason      text,
  subject_version bigint      not null,
  primary key (organization_id, run_id, attempt_no)
);

create table proj_steps (
  organization_id text        not null,
  id              text        not null,
  run_id          text        not null,
  kind            text        not null,
  title           text,
  created_at      timestamptz not null,
  subject_version bigint      not null,
  primary key (organization_id, id)
);
create index proj_steps_run on proj_steps (organization_id, run_id, subject_version);

create table proj_tool_calls (
  organization_id  text        not null,
  id               text        not null,
  step_id          text        not null,
  run_id           text        not null,
  name             text        not null,
  title            text,
  status           text        not null,
  arguments        jsonb,
  output           text,
  output_truncated boolean     not null,
  error            text,
  artifact_id      text,
  duration_ms      bigint,
  created_at       timestamptz not null,
  -- Of the invocation: the order within its run.
  invoked_version  bigint      not null,
  subject_version  bigint      not null,
  primary key (organization_id, id)
);
create index proj_tool_calls_run on proj_tool_calls (organization_id, run_id, invoked_version);

create table proj_artifacts (
  organization_id text        not null,
  id              text        not null,
  run_id          text,
  step_id         text,
  room_id         text,
  session_id      text,
  kind            text        not null,
  name            text        not null,
  media_type      text        not null,
  size_bytes      bigint      not null,
  sha256          text,
  uri             text,
  text            text,
  created_at      timestamptz not null,
  primary key (organization_id, id)
);
create index proj_artifacts_newest on proj_artifacts (organization_id, created_at desc, id desc);
create index proj_artifacts_run on proj_artifacts (organization_id, run_id, created_at desc, id desc);
create index proj_artifacts_session on proj_artifacts (organization_id, session_id, created_at desc, id desc) where session_id is not null;

alter table proj_runs enable row level security;
alter table proj_run_attempts enable row level security;
alter table proj_steps enable row level security;
alter table proj_tool_calls enable row level security;
alter table proj_artifacts enable row level security;
create policy organization on proj_runs using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on proj_run_attempts using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on proj_steps using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on proj_tool_calls using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on proj_artifacts using (organization_id = current_setting('signalbox.organization_id', true));
