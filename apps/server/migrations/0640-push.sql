-- Browsers that people want notes on (Web Push), and when each person last had the page before them.
create table push_subscriptions (
  organization_id text        not null,
  id              text        not null,
  principal_id    text        not null,
  endpoint        text        not null,
  p256dh          text        not null,
  auth            text        not null,
  label           text,
  created_at      timestamptz not null default now(),
  last_sent_at    timestamptz,
  last_error      text,
  primary key (organization_id, id)
);
create unique index push_subscriptions_endpoint on push_subscriptions (organization_id, endpoint);
create index push_subscriptions_principal on push_subscriptions (organization_id, principal_id);
alter table push_subscriptions enable row level security;
create policy organization on push_subscriptions using (organization_id = current_setting('signalbox.organization_id', true));
create table push_seen (
  organization_id text        not null,
  principal_id    text        not null,
  seen_at         timestamptz not null,
  primary key (organization_id, principal_id)
);
alter table push_seen enable row level security;
create policy organization on push_seen using (organization_id = current_setting('signalbox.organization_id', true));
