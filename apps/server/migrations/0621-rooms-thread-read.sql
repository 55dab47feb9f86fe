-- Up to where a person has read one thread: having read one is not having read the others of its room.
create table room_thread_reads (
  organization_id text        not null,
  principal_id    text        not null,
  thread_id       text        not null,
  read_seq        bigint      not null,
  read_at         timestamptz not null default now(),
  primary key (organization_id, principal_id, thread_id)
);
alter table room_thread_reads enable row level security;
create policy organization on room_thread_reads using (organization_id = current_setting('signalbox.organization_id', true));
