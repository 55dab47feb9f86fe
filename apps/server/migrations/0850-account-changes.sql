-- breaking: no
-- Whatever changes about an account, and every sign-in that is ended, is told in the log (modules/accounts/changes.ts).
-- The job that tells it is written here, in the transaction of the change and whoever makes it: so no door can forget
-- it, and no crash can lose it. Ids only: neither addresses nor names nor secrets are copied.

-- By which path a password was changed: `reset` or `changed`.
alter table auth_accounts add column changed_by text;

create function acc_tell(what text, person text, more jsonb) returns void
language plpgsql security definer set search_path = pg_catalog as $$
begin
  -- A row needs an organization; where it is told is decided when it is.
  insert into public.jobs (organization_id, kind, payload, max_attempts)
  values ('ws_dev', 'accounts.tell', (more || jsonb_build_object(
      'change', what, 'principal_id', person, 'at', to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))::text, 20);
  perform pg_notify('jobs_ready', '');
end $$;
revoke execute on function acc_tell from public;

create function acc_tell_change(what text, person text, more jsonb default '{}') returns void
language sql security definer set search_path = pg_catalog as $$
  select public.acc_tell(what, person, more || jsonb_build_object('change_id', gen_random_uuid()))
$$;
revoke execute on function acc_tell_change from public;

create function acc_user_changed() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
begin
  if tg_op = 'DELETE' then
    perform public.acc_tell_change('deleted', old.id);
    return null;
  end if;
  if tg_op = 'INSERT' then
    perform public.acc_tell_change('created', new.id);
  elsif old.email <> new.email then
    perform public.acc_tell_change('email_changed', new.id);
  end if;
  if new.email_verified and (tg_op = 'INSERT' or not old.email_verified) then
    perform public.acc_tell_change('email_proven', new.id);
  end if;
  return null;
end $$;
create trigger told after insert or delete or update of email, email_verified on auth_users
  for each row execute function acc_user_changed();

create function acc_account_changed() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
declare
  is_password boolean := coalesce(new.provider_id, old.provider_id) = 'credential';
begin
  if tg_op = 'UPDATE' then
    perform public.acc_tell_change('password_changed', new.user_id,
      jsonb_build_object('how', case new.changed_by when 'reset' then 'reset' else 'changed' end));
  elsif tg_op = 'INSERT' then
    perform public.acc_tell_change(case when is_password then 'password_set' else 'provider_linked' end, new.user_id,
      case when is_password then '{}'::jsonb else jsonb_build_object('provider', new.provider_id) end);
  else
    perform public.acc_tell_change(case when is_password then 'password_removed' else 'provider_unlinked' end, old.user_id,
      case when is_password then '{}'::jsonb else jsonb_build_object('provider', old.provider_id) end);
  end if;
  -- Whoever was in is out with the new password, not one statement later.
  if tg_op <> 'DELETE' and is_password and new.changed_by = 'reset' then
    delete from public.idn_sessions s where s.principal_id = new.user_id;
  end if;
  return null;
end $$;
create trigger told after insert or delete on auth_accounts for each row execute function acc_account_changed();
create trigger told_password after update of password on auth_accounts
  for each row when (old.password is distinct from new.password) execute function acc_account_changed();

create function acc_passkey_changed() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
begin
  perform public.acc_tell_change(
    case tg_op when 'INSERT' then 'passkey_added' when 'DELETE' then 'passkey_removed' else 'passkey_renamed' end,
    coalesce(new.user_id, old.user_id), jsonb_build_object('passkey_id', coalesce(new.id, old.id)));
  return null;
end $$;
create trigger told after insert or delete on auth_passkeys for each row execute function acc_passkey_changed();
-- Its counter moves with every use.
create trigger told_name after update of name on auth_passkeys
  for each row when (old.name is distinct from new.name) execute function acc_passkey_changed();

-- One that is over by itself is swept later, and is nothing that anybody did.
create function idn_session_deleted() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
begin
  perform public.acc_tell('login_ended', old.principal_id, jsonb_build_object('login_id', old.id, 'organization_id', old.organization_id));
  return null;
end $$;
create trigger told after delete on idn_sessions for each row when (old.expires_at > now()) execute function idn_session_deleted();

-- What a browser's session acts in as somebody else, when it ends: before an organization is known.
create function adm_impersonations_of(session text) returns table (organization_id text, id text, operator_id text)
language plpgsql stable security definer set search_path = pg_catalog as $$
begin
  return query
    select i.organization_id, i.id, i.operator_id from public.proj_impersonations i where i.session_id = session and i.ended_at is null;
end $$;
revoke execute on function adm_impersonations_of from public;
grant execute on function adm_impersonations_of to sb_app;
