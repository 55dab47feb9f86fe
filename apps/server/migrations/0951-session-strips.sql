-- breaking: no
-- What the timeline of a long room needs of every thousand of its events (specs/time-travel.md).
-- Made from the log and worth nothing without it, as session_moments.
create table session_strips (
  organization_id text        not null,
  room_id         text        not null,
  seq             bigint      not null, -- of the last of the thousand
  -- Which code made it.
  fold            text        not null,
  -- The stream's head when its events were read: an erasure above it makes the row worthless.
  made_at_seq     bigint      not null,
  state           bytea       not null,
  -- Of its events in the order over all streams.
  positions       bytea       not null,
  created_at      timestamptz not null default now(),
  primary key (organization_id, room_id, seq)
);
alter table session_strips enable row level security;
create policy organization on session_strips using (organization_id = current_setting('signalbox.organization_id', true));
