-- breaking: no
-- Which checkpoints were left where, outside the log, and how each place does. What lies there is the evidence; these
-- rows only find it. specs/evidence.md.
create table audit_anchored (
  organization_id text        not null,
  anchor          text        not null,
  position        bigint      not null,
  ref             text        not null,
  -- Another note lies in its place: nothing will be left there.
  problem         text,
  anchored_at     timestamptz not null,
  primary key (organization_id, anchor, position)
);
create table audit_anchor_state (
  organization_id text        not null,
  anchor          text        not null,
  failures        int         not null,
  last_error      text,
  next_attempt_at timestamptz,
  primary key (organization_id, anchor)
);
alter table audit_anchored enable row level security;
alter table audit_anchor_state enable row level security;
create policy organization on audit_anchored using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on audit_anchor_state using (organization_id = current_setting('signalbox.organization_id', true));
revoke all on audit_anchored, audit_anchor_state from sb_app, sb_log;
grant select on audit_anchored, audit_anchor_state to sb_app;
grant select, insert on audit_anchored to sb_log;
grant select, insert, update on audit_anchor_state to sb_log;
