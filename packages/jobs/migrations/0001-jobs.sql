-- Work to be done, written in the transaction that caused it. States and protocol: specs/jobs.md.
create table jobs (
  id              bigint      generated always as identity primary key,
  organization_id text        not null,
  kind            text        not null,
  key             text,
  payload         text        not null,
  state           text        not null default 'ready' check (state in ('ready', 'leased', 'dead')),
  run_at          timestamptz not null default now(),
  attempt         int         not null default 0,
  max_attempts    int         not null check (max_attempts > 0),
  fence           bigint,
  leased_by       text,
  leased_until    timestamptz,
  last_error      text,
  again           boolean     not null default false, -- enqueued once more while it ran
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  check ((state = 'leased') = (leased_until is not null))
) with (fillfactor = 80);

-- At most one unfinished job per (kind, key); finished ones are deleted, dead ones do not block a new one.
create unique index jobs_key on jobs (organization_id, kind, key) where key is not null and state <> 'dead';
create index jobs_ready on jobs (run_at, id) where state = 'ready';
create index jobs_leased on jobs (leased_until) where state = 'leased';
create index jobs_dead on jobs (organization_id, kind, id) where state = 'dead';

-- Higher for every claim of any job, so that whatever a handler writes to can refuse an older holder.
create sequence jobs_fence;

create table job_schedules (
  name        text        primary key,
  next_run_at timestamptz not null,
  last_run_at timestamptz,
  pattern     text        not null,
  timezone    text        not null
);

create table job_leader (
  only_row     boolean     primary key default true check (only_row),
  holder       text        not null,
  leased_until timestamptz not null
);

alter table jobs enable row level security;
create policy organization on jobs using (organization_id = current_setting('signalbox.organization_id', true));
revoke all on jobs, job_schedules, job_leader from sb_app;
grant select on jobs to sb_app;
