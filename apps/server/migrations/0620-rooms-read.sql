-- Up to where a person has read a room. Not events: reading changes nothing for anybody else.
create table room_reads (
  organization_id text        not null,
  principal_id    text        not null,
  room_id         text        not null,
  read_seq        bigint      not null,
  read_at         timestamptz not null default now(),
  primary key (organization_id, principal_id, room_id)
);
alter table room_reads enable row level security;
create policy organization on room_reads using (organization_id = current_setting('signalbox.organization_id', true));
