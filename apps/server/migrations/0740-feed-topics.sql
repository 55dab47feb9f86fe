-- breaking: no
-- The topics of `sync:v1` that are no stream of the log: what each said, for a day (specs/feed.md). One writer, a
-- checkpointed reader of the log, counts them; the counters stay when the updates are dropped.
create table feed_topics (
  organization_id text   not null,
  topic           text   not null,
  -- Watermark of the newest update, and of the newest one that was dropped.
  head            bigint not null,
  floor           bigint not null,
  primary key (organization_id, topic)
);
create table feed_updates (
  organization_id text        not null,
  topic           text        not null,
  watermark       bigint      not null,
  doc_key         text        not null,
  doc_version     bigint      not null,
  -- Canonical JSON, and its hash.
  payload         text        not null,
  payload_hash    text        not null,
  -- Whom it is for: members of one of these rooms (null: everybody), and of those `everyone`; `concern`: the
  -- principal and the admins; `deciders`: who may decide there; `only`: the principal.
  rooms           text[],
  audience        text        not null,
  principal_id    text,
  -- How many changes of membership had been seen when it was written: a reader that knows fewer asks again.
  members         bigint      not null,
  at              timestamptz not null,
  primary key (organization_id, topic, watermark)
);
create index feed_updates_doc on feed_updates (organization_id, topic, doc_key, watermark desc);
create index feed_updates_at on feed_updates (at);
alter table feed_topics enable row level security;
alter table feed_updates enable row level security;
create policy organization on feed_topics using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on feed_updates using (organization_id = current_setting('signalbox.organization_id', true));

-- The installation's keys of sync tokens, sealed with its master key: every gateway signs and verifies with the same
-- ones. No organization's, so no request can read them: there is no policy.
create table feed_token_keys (
  kid            text        primary key,
  sealed         bytea       not null,
  master_version int         not null,
  master_id      text        not null,
  created_at     timestamptz not null
);
alter table feed_token_keys enable row level security;
