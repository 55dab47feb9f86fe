-- breaking: no
-- Checkpoints and the heads under them are evidence: signed once and never changed. What was granted when the tables
-- were made took nothing away: by default both roles may change and delete rows of whatever table is made.
revoke all on audit_checkpoints, audit_head_pages from sb_app, sb_log;
grant select on audit_checkpoints, audit_head_pages to sb_app;
grant select, insert on audit_checkpoints, audit_head_pages to sb_log;
