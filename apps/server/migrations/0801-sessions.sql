-- breaking: no
-- A browser's session is its person's, in whichever of their organizations they act: it belongs to
-- none, like their account. `organization_id` is the one they act in; it may lag behind their
-- membership, which is asked for at every use. From here on the table is in the list of those
-- without row-level security (docs/security.md).
drop policy organization on idn_sessions;
alter table idn_sessions disable row level security;
alter table idn_sessions
  add column ip_address text,
  add column user_agent text,
  add column method     text not null default 'login_link';
create index idn_sessions_person on idn_sessions (principal_id);
