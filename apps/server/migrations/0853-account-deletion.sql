-- breaking: no
-- What is kept about a person beside the log, to be shown to them and to be ended when they delete their account
-- (modules/accounts/delete-account.ts).

-- Every organization that knows them, the deleted ones too: their names stand in those logs as well.
create function acc_places_of(person text)
returns table (organization_id text, name text, is_deleted boolean, display_name text, role text, joined_at timestamptz, is_last_owner boolean)
language plpgsql stable security definer set search_path = pg_catalog as $$
begin
  return query
    select p.organization_id, coalesce(o.name, p.organization_id), o.deleted_at is not null, p.display_name, p.role, p.joined_at,
           p.role = 'owner' and o.deleted_at is null and not exists (
             select from public.proj_principals q
              where q.organization_id = p.organization_id and q.id <> p.id and q.type = 'user' and q.role = 'owner')
      from public.proj_principals p
      left join public.proj_organizations o on o.organization_id = p.organization_id
     where p.id = person
     order by p.created_at, p.organization_id;
end $$;

-- To an address, whatever became of them.
create function acc_invitations_of(address text)
returns table (organization_id text, organization_name text, id text, email text, role text, status text, expires_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog as $$
begin
  return query
    select i.organization_id, coalesce(o.name, i.organization_id), i.id, i.email, i.role, i.status, i.expires_at
      from public.proj_invitations i
      left join public.proj_organizations o on o.organization_id = i.organization_id
     where i.email = address
     order by i.created_at, i.id;
end $$;

create function acc_browsers_of(person text) returns table (organization_id text, label text, created_at timestamptz)
language sql stable security definer set search_path = pg_catalog as $$
  select s.organization_id, s.label, s.created_at from public.push_subscriptions s where s.principal_id = person order by s.created_at
$$;

-- All that proves who they are and all that is kept for them alone, at once. Mails that wait to be read name whoever
-- invited; they still work. Done again it does nothing.
create function acc_forget_person(person text) returns void
language plpgsql security definer set search_path = pg_catalog as $$
declare
  known public.auth_users;
  called text;
begin
  select * into known from public.auth_users u where u.id = person for update;
  if known.id is not null then
    delete from public.acc_outbox o where o.recipient = known.email;
    delete from public.auth_verifications v
     where position(person in v.value) > 0 or v.identifier = known.email or right(v.identifier, length(known.email) + 1) in ('-' || known.email, ':' || known.email);
    for called in
      select distinct left(regexp_replace(n.name, '[[:cntrl:]]+', ' ', 'g'), 100)
        from (select known.name union select p.display_name from public.proj_principals p where p.id = person) as n (name)
    loop
      update public.acc_outbox o
         set subject = 'Deleted person' || substr(o.subject, length(called) + 1),
             body    = case when starts_with(o.body, called) then 'Deleted person' || substr(o.body, length(called) + 1) else o.body end
       where starts_with(o.subject, called || ' invites you to ');
    end loop;
  end if;
  delete from public.idn_sessions s where s.principal_id = person;
  delete from public.idn_login_codes c where c.principal_id = person;
  delete from public.idn_devices d where d.principal_id = person;
  delete from public.push_subscriptions s where s.principal_id = person;
  delete from public.push_seen s where s.principal_id = person;
  delete from public.attention_dismissals d where d.principal_id = person;
  delete from public.room_reads r where r.principal_id = person;
  delete from public.room_thread_reads r where r.principal_id = person;
  -- With it what it is linked to and its passkeys; the triggers of 0850 tell it.
  delete from public.auth_users u where u.id = person;
end $$;

revoke execute on function acc_places_of, acc_invitations_of, acc_browsers_of, acc_forget_person from public;
grant execute on function acc_places_of, acc_invitations_of, acc_browsers_of, acc_forget_person to sb_app;
