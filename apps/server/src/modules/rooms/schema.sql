create table proj_rooms (
  organization_id text        not null,
  id              text        not null,
  title           text        not null,
  session_id      text,
  created_by      text        not null,
  created_at      timestamptz not null,
  is_archived     boolean     not null default false,
  -- Seq of the event that said so last.
  title_seq       bigint      not null default 0,
  archived_seq    bigint      not null default 0,
  primary key (organization_id, id)
);
create index proj_rooms_newest on proj_rooms (organization_id, created_at desc, id desc);
create index proj_rooms_session on proj_rooms (organization_id, session_id) where session_id is not null;
alter table proj_rooms enable row level security;
create policy organization on proj_rooms using (organization_id = current_setting('signalbox.organization_id', true));

create table proj_room_members (
  organization_id text   not null,
  room_id         text   not null,
  principal_id    text   not null,
  -- Null: was a member. Kept, so that an older event that comes again cannot bring them back.
  role            text   check (role in ('viewer', 'member', 'approver', 'owner')),
  seq             bigint not null,
  primary key (organization_id, room_id, principal_id)
);
create index proj_room_members_of on proj_room_members (organization_id, principal_id, room_id) where role is not null;
alter table proj_room_members enable row level security;
create policy organization on proj_room_members using (organization_id = current_setting('signalbox.organization_id', true));

create table proj_threads (
  organization_id text        not null,
  id              text        not null,
  room_id         text        not null,
  title           text,
  created_by      text        not null,
  created_at      timestamptz not null,
  message_count   int         not null default 0,
  primary key (organization_id, id)
) with (fillfactor = 70); -- counted at every message: room on the page keeps those updates off the indexes
create index proj_threads_newest on proj_threads (organization_id, room_id, created_at desc, id desc);
alter table proj_threads enable row level security;
create policy organization on proj_threads using (organization_id = current_setting('signalbox.organization_id', true));

create table proj_messages (
  organization_id text        not null,
  id              text        not null,
  thread_id       text        not null,
  room_id         text        not null,
  author_id       text        not null,
  author_type     text        not null,
  -- Null once redacted.
  content_md      text,
  run_id          text,
  created_at      timestamptz not null,
  seq             bigint      not null,
  -- The event whose text this is.
  event_id        uuid        not null,
  -- Seq of the edit whose text this is.
  text_seq        bigint,
  mentions        text[]      not null default '{}',
  primary key (organization_id, id)
);
create index proj_messages_thread on proj_messages (organization_id, thread_id, seq);
create index proj_messages_room on proj_messages (organization_id, room_id, seq);
create index proj_messages_event on proj_messages (event_id);
alter table proj_messages enable row level security;
create policy organization on proj_messages using (organization_id = current_setting('signalbox.organization_id', true));
