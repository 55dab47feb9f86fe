-- breaking: no
-- How far each sink is, and what became of each event that was sent to it. Which sinks there are is proj_sinks.
create table sink_cursors (
  organization_id   text        not null,
  sink_id           text        primary key,
  position          bigint      not null,
  -- Of the job that may move it: a later holder's is greater.
  fence             bigint      not null default 0,
  failures          int         not null default 0,
  next_attempt_at   timestamptz,
  last_error        text,
  last_delivered_at timestamptz
);
alter table sink_cursors enable row level security;
create policy organization on sink_cursors using (organization_id = current_setting('signalbox.organization_id', true));

create table sink_deliveries (
  organization_id text        not null,
  sink_id         text        not null,
  position        bigint      not null,
  event_id        uuid        not null,
  type            text        not null,
  state           text        not null check (state in ('delivered', 'failed', 'dead')),
  attempts        int         not null,
  status          int,
  error           text,
  at              timestamptz not null,
  primary key (organization_id, sink_id, position)
);
create index sink_deliveries_at on sink_deliveries (at);
create index sink_deliveries_state on sink_deliveries (organization_id, sink_id, state, position) where state <> 'delivered';
alter table sink_deliveries enable row level security;
create policy organization on sink_deliveries using (organization_id = current_setting('signalbox.organization_id', true));
