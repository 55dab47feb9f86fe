create table proj_budgets (
  organization_id text   not null,
  session_id      text   not null,
  cap             bigint not null,
  spent           bigint not null,
  -- What calls cost beyond their reservations.
  overrun         bigint not null,
  calls           bigint not null,
  subject_version bigint not null,
  primary key (organization_id, session_id)
);
-- Held money. A row lives from `ledger.reserved` to whatever ends it.
create table proj_reservations (
  organization_id text        not null,
  session_id      text        not null,
  reservation_id  text        not null,
  model           text        not null,
  amount          bigint      not null,
  holder          text,
  reserved_at     timestamptz not null,
  primary key (organization_id, session_id, reservation_id)
);
create table proj_usage (
  organization_id text   not null,
  session_id      text   not null,
  model           text   not null,
  calls           bigint not null,
  cost            bigint not null,
  input_tokens    bigint not null,
  output_tokens   bigint not null,
  primary key (organization_id, session_id, model)
);
create table proj_usage_days (
  organization_id text   not null,
  day             date   not null,
  model           text   not null,
  calls           bigint not null,
  cost            bigint not null,
  input_tokens    bigint not null,
  output_tokens   bigint not null,
  primary key (organization_id, day, model)
);
alter table proj_budgets enable row level security;
alter table proj_reservations enable row level security;
alter table proj_usage enable row level security;
alter table proj_usage_days enable row level security;
create policy organization on proj_budgets using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on proj_reservations using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on proj_usage using (organization_id = current_setting('signalbox.organization_id', true));
create policy organization on proj_usage_days using (organization_id = current_setting('signalbox.organization_id', true));
