-- breaking: no
-- Streams that engines and workers write themselves (specs/durable-streams.md). Rows, not events: a preview of what
-- the log will say, dropped when it is over.
create table durable_streams (
  organization_id text        not null,
  run_id          text        not null,
  name            text        not null,
  -- Tells a stream from another of that name that was deleted before.
  generation      uuid        not null default gen_random_uuid(),
  content_type    text        not null,
  -- Bytes, or of a JSON stream messages.
  tail            bigint      not null default 0,
  bytes           bigint      not null default 0,
  closed          boolean     not null default false,
  -- Whose append or close it was, when a producer's.
  closed_by       text,
  last_seq        text,
  ttl_s           bigint,
  expires_at      timestamptz,
  created_by      text        not null,
  touched_at      timestamptz not null,
  primary key (organization_id, run_id, name)
);
create unique index durable_streams_generation on durable_streams (generation);
create index durable_streams_touched on durable_streams (touched_at);
create table durable_chunks (
  organization_id text   not null,
  generation      uuid   not null,
  -- Where it ends; it begins where the one before it ends.
  upto            bigint not null,
  from_offset     bigint not null,
  data            bytea  not null,
  primary key (organization_id, generation, upto)
);
create table durable_producers (
  organization_id text   not null,
  generation      uuid   not null,
  producer_id     text   not null,
  epoch           bigint not null,
  seq             bigint not null,
  primary key (organization_id, generation, producer_id)
);
alter table durable_streams enable row level security;
alter table durable_chunks enable row level security;
alter table durable_producers enable row level security;
create policy organization on durable_streams using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on durable_chunks using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on durable_producers using (organization_id = current_setting('signalbox.organization_id', true));
