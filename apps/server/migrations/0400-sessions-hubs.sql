-- Who owns a live session's connection, fenced by `epoch`; and how to find its sandbox and agent again
-- after the owner was killed. A row stays as long as the session, so that `epoch` only ever grows.
create table session_hubs (
  organization_id text        not null,
  session_id      text        primary key,
  epoch           bigint      not null,
  holder          text,
  expires_at      timestamptz not null,
  sandbox_record  text,
  agent_record    text
);
create index session_hubs_expiry on session_hubs (expires_at);
alter table session_hubs enable row level security;
create policy organization on session_hubs using (organization_id = current_setting('signalbox.organization_id', true));
