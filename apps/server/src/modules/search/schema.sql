-- One row for each thing that can be found by its words. Punctuation parts words, so that a path or
-- an identifier is found by any of its parts.
create table proj_search (
  organization_id text        not null,
  kind            text        not null,
  id              text        not null,
  room_id         text,
  session_id      text,
  thread_id       text,
  run_id          text,
  title           text        not null,
  -- At most its first 8,000 characters.
  body            text,
  at              timestamptz not null,
  -- The event whose text this is, and its place in its stream.
  event_id        uuid        not null,
  seq             bigint      not null,
  words           tsvector    generated always as (to_tsvector('simple'::regconfig, regexp_replace(title || ' ' || coalesce(body, ''), '[^[:alnum:]]+', ' ', 'g'))) stored,
  primary key (organization_id, kind, id)
);
create index proj_search_words on proj_search using gin (words);
create index proj_search_newest on proj_search (organization_id, kind, at desc, id desc);
create index proj_search_event on proj_search (event_id);
create index proj_search_session on proj_search (organization_id, session_id) where session_id is not null;
alter table proj_search enable row level security;
create policy organization on proj_search using (organization_id = current_setting('signalbox.organization_id', true));
