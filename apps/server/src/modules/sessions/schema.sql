-- One row a session: everything a list or a status shows, so that reading never asks the sandbox.
create table proj_sessions (
  organization_id   text        not null,
  id                text        primary key,
  title             text        not null,
  kind              text        not null,
  status            text        not null check (status in ('creating','running','waiting','paused','resuming','completed','stopped','failed')),
  status_reason     text,
  source            text        not null,
  harness           text        not null,
  model             text        not null,
  room_id           text        not null,
  thread_id         text        not null,
  agent_id          text        not null,
  created_by        text        not null,
  created_at        timestamptz not null,
  updated_at        timestamptz not null,
  sandbox           text        not null,
  sandbox_id        text,
  epoch             bigint      not null,
  base_commit       text,
  agent_session_id  text,
  current_run_id    text,
  latest_step       text,
  pending_approvals int         not null,
  tool_calls        int         not null,
  messages          int         not null,
  files_changed     text        not null,
  patch_artifact_id text,
  cost              bigint      not null,
  budget            bigint      not null,
  archived          boolean     not null,
  -- Where it is from, in case that is erased: the creation, and which event set what is said above.
  created_event     text        not null,
  title_event       text        not null,
  reason_event      text,
  step_event        text,
  changes_event     text,
  -- What was applied already: of the session's own subject, of its room, of the ledger.
  subject_version   bigint      not null,
  room_seq          bigint      not null,
  ledger_seq        bigint      not null
);
create index proj_sessions_newest on proj_sessions (organization_id, created_at desc, id desc);
create index proj_sessions_live on proj_sessions (status) where status in ('creating','running','waiting','resuming','paused');

-- Prompts, in the order in which they were given; the hub takes the first queued one.
create table proj_session_turns (
  organization_id text        not null,
  run_id          text        primary key,
  session_id      text        not null,
  seq             bigint      not null,
  status          text        not null,
  title           text,
  message_id      text,
  requested_by    text        not null,
  created_at      timestamptz not null,
  event_id        text        not null,
  subject_version bigint      not null
);
create index proj_session_turns_order on proj_session_turns (session_id, seq);

-- The conversation: completed items in the order of the room's stream. `outcome` is a tool call's end.
create table proj_session_items (
  organization_id text        not null,
  session_id      text        not null,
  id              text        not null,
  seq             bigint      not null,
  at              timestamptz not null,
  type            text        not null,
  run_id          text,
  body            text        not null,
  outcome         text,
  -- Where body and outcome come from, in case they are erased.
  event_id        text        not null,
  outcome_event   text,
  primary key (session_id, id)
);
create index proj_session_items_event on proj_session_items (event_id);
create index proj_session_items_outcome on proj_session_items (outcome_event) where outcome_event is not null;
create index proj_session_items_order on proj_session_items (session_id, seq);

alter table proj_sessions enable row level security;
alter table proj_session_turns enable row level security;
alter table proj_session_items enable row level security;
create policy organization on proj_sessions using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on proj_session_turns using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on proj_session_items using (organization_id = current_setting('signalbox.organization_id', true));
