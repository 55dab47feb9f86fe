-- The heads that a checkpoint was signed over, in pages kept under their hash: of 10,000 streams nearly all stand where
-- they stood at the checkpoint before, and so do their pages. Writing all heads, 1.4 MB, took three quarters of every
-- checkpoint, every five minutes. Checkpoints of before keep theirs as they are.
create table audit_head_pages (
  organization_id text  not null,
  hash            bytea not null, -- sha256 of `heads`
  heads           text  not null, -- JSON: {stream, seq, hash},…
  primary key (organization_id, hash)
);
alter table audit_head_pages enable row level security;
create policy organization on audit_head_pages using (organization_id = current_setting('signalbox.organization_id', true));
grant select on audit_head_pages to sb_app;
grant select, insert on audit_head_pages to sb_log;

alter table audit_checkpoints alter column heads drop not null;
alter table audit_checkpoints add column pages bytea[]; -- hashes, in the order of the tree

-- The heads of a checkpoint as JSON: [{stream, seq, hash}].
create function audit_heads(signed audit_checkpoints) returns text language sql stable as $$
  select coalesce(signed.heads, (
    select '[' || string_agg(p.heads, ',' order by of.n) || ']'
      from unnest(signed.pages) with ordinality as of (hash, n)
      join audit_head_pages p on p.organization_id = signed.organization_id and p.hash = of.hash))
$$;
