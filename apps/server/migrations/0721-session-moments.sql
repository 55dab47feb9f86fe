-- breaking: no
-- How a room stood after every thousandth of its events, so that a moment is near one of them (specs/time-travel.md).
-- Made from the log and worth nothing without it: rows of another fold are ignored, those of a stream that was erased in are deleted.
create table session_moments (
  organization_id text        not null,
  room_id         text        not null,
  seq             bigint      not null,
  -- Which code folded it.
  fold            text        not null,
  -- The stream's head when its events were read: an erasure above it makes the row worthless.
  made_at_seq     bigint      not null,
  state           bytea       not null,
  created_at      timestamptz not null default now(),
  primary key (organization_id, room_id, seq)
);
alter table session_moments enable row level security;
create policy organization on session_moments using (organization_id = current_setting('signalbox.organization_id', true));
