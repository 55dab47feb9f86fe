-- Without an organization: the processes of this installation, and what they said to each other. No request sees them.
create table cluster_nodes (
  node_id     text        primary key,
  role        text        not null check (role in ('all', 'api', 'gateway', 'worker', 'ingress')),
  machine     text        not null, -- empty: there is only one
  -- Where the others reach it; null until it listens.
  url         text,
  connections int         not null,
  draining    boolean     not null default false,
  started_at  timestamptz not null default now(),
  expires_at  timestamptz not null
);
-- Of signed internal requests: one that was seen is refused until its time is over.
create table cluster_nonces (
  nonce      text        primary key,
  expires_at timestamptz not null
);
create index cluster_nonces_expiry on cluster_nonces (expires_at);
revoke all on cluster_nodes, cluster_nonces from sb_app;

-- Where a session's sandbox is: only a process of that machine may own its hub. Null: there is only one machine.
alter table session_hubs add column machine text;
