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
  latest_step_at    timestamptz,
  -- Of the last turn that ended.
  outcome           text,
  summary           text,
  last_message      text,
  last_message_id   text,
  first_prompt      text,
  first_prompt_id   text,
  active_ms         bigint      not null,
  turn_started_at   timestamptz,
  pending_questions int         not null,
  -- Every model it was given, with the event that said so; `model` is the last of them.
  models            text        not null,
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
  summary_event     text,
  last_event        text,
  prompt_event      text,
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
  subject_version bigint      not null,
  title_event     text        not null,
  title_version   bigint      not null
);
create index proj_session_turns_order on proj_session_turns (session_id, seq);

-- Which prompt was told to run before which (null: last), in the order of seq; `queue.ts` makes the order of it.
create table proj_session_moves (
  organization_id text        not null,
  event_id        text        primary key,
  session_id      text        not null,
  seq             bigint      not null,
  run_id          text        not null,
  before_run_id   text
);
create index proj_session_moves_order on proj_session_moves (session_id, seq);

-- The conversation: completed items in the order of the room's stream. `outcome` is the end of a tool call, the verdict
-- on an approval or the answer to a question; `edited` a message's newest text; `decision` the gate's word on what a
-- tool call wanted. Each with the seq at which it became so: before it, it was not (`conversation.ts`).
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
  outcome_seq     bigint,
  edited          text,
  edited_at       timestamptz,
  edited_seq      bigint,
  decision        text,
  decision_seq    bigint,
  -- Where body and outcome come from, in case they are erased.
  event_id        text        not null,
  outcome_event   text,
  edited_event    text,
  decision_event  text,
  primary key (session_id, id)
);
create index proj_session_items_event on proj_session_items (event_id);
create index proj_session_items_outcome on proj_session_items (outcome_event) where outcome_event is not null;
create index proj_session_items_edited on proj_session_items (edited_event) where edited_event is not null;
create index proj_session_items_decision on proj_session_items (decision_event) where decision_event is not null;
create index proj_session_items_calls on proj_session_items (session_id, run_id, seq) where type = 'tool_call';
create index proj_session_items_order on proj_session_items (session_id, seq);

alter table proj_sessions enable row level security;
alter table proj_session_turns enable row level security;
alter table proj_session_moves enable row level security;
alter table proj_session_items enable row level security;
create policy organization on proj_sessions using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on proj_session_turns using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on proj_session_items using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on proj_session_moves using (organization_id = current_setting('signalbox.organization_id', true));

-- What agents asked of people.
create table proj_questions (
  organization_id text        not null,
  id              text        primary key,
  session_id      text        not null,
  room_id         text        not null,
  run_id          text        not null,
  status          text        not null check (status in ('open', 'answered', 'dismissed')),
  body            text        not null,
  asked_by        text        not null,
  asked_at        timestamptz not null,
  answer          text,
  closed_by       text,
  closed_at       timestamptz,
  reason          text,
  event_id        text        not null,
  closed_event    text,
  subject_version bigint      not null
);
create index proj_questions_newest on proj_questions (organization_id, asked_at desc, id desc);
create index proj_questions_session on proj_questions (session_id, status);
alter table proj_questions enable row level security;
create policy organization on proj_questions using (organization_id = current_setting('signalbox.organization_id', true));
