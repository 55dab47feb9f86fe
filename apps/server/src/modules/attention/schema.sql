-- Everything that ever waited for a person, with how it ended. Ids name one occurrence, so a row opens once and closes once.
create table proj_attention (
  organization_id text        not null,
  id              text        not null,
  kind            text        not null,
  subject_id      text        not null,
  room_id         text,
  session_id      text,
  run_id          text,
  -- Whose concern it is besides the admins'; null: everybody's in the room.
  for_principal   text,
  title           text,
  detail          text,
  -- Where title and detail are from, in case that is erased.
  title_event     uuid,
  detail_event    uuid,
  opened_at       timestamptz not null,
  closed_at       timestamptz,
  outcome         text,
  primary key (organization_id, id)
);
create index proj_attention_open on proj_attention (organization_id, opened_at desc, id desc) where closed_at is null;
create index proj_attention_opened on proj_attention (organization_id, opened_at desc, id desc);
create index proj_attention_done on proj_attention (organization_id, closed_at desc) where closed_at is not null;
create index proj_attention_session on proj_attention (organization_id, session_id) where closed_at is null and session_id is not null;
create index proj_attention_title_event on proj_attention (title_event) where title_event is not null;
create index proj_attention_detail_event on proj_attention (detail_event) where detail_event is not null;
alter table proj_attention enable row level security;
create policy organization on proj_attention using (organization_id = current_setting('signalbox.organization_id', true));

-- What an event about a run or session does not repeat: who asked for it, and what it is called.
create table proj_attention_runs (
  organization_id text        not null,
  run_id          text        not null,
  requested_by    text,
  title           text,
  title_event     uuid        not null,
  room_id         text,
  session_id      text,
  is_active       boolean     not null,
  completed_at    timestamptz,
  subject_version bigint      not null,
  primary key (organization_id, run_id)
);
create index proj_attention_runs_active on proj_attention_runs (organization_id, run_id) where is_active;
create index proj_attention_runs_completed on proj_attention_runs (organization_id, completed_at desc) where completed_at is not null;
create index proj_attention_runs_event on proj_attention_runs (title_event);
alter table proj_attention_runs enable row level security;
create policy organization on proj_attention_runs using (organization_id = current_setting('signalbox.organization_id', true));
create table proj_attention_sessions (
  organization_id text   not null,
  session_id      text   not null,
  created_by      text,
  title           text,
  title_event     uuid   not null,
  subject_version bigint not null,
  primary key (organization_id, session_id)
);
create index proj_attention_sessions_event on proj_attention_sessions (title_event);
alter table proj_attention_sessions enable row level security;
create policy organization on proj_attention_sessions using (organization_id = current_setting('signalbox.organization_id', true));
