-- What a process says of itself when it renews its lease, for whoever looks at the installation as a whole.
alter table cluster_nodes
  add column rss_bytes bigint,
  -- Of one processor, since the renewal before.
  add column cpu_share real;
