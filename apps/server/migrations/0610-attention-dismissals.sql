-- What a person took off their own list of what waits. Not events: nobody else is concerned, and the thing itself is as it was.
create table attention_dismissals (
  organization_id text        not null,
  principal_id    text        not null,
  item_id         text        not null,
  dismissed_at    timestamptz not null,
  primary key (organization_id, principal_id, item_id)
);
alter table attention_dismissals enable row level security;
create policy organization on attention_dismissals using (organization_id = current_setting('signalbox.organization_id', true));
