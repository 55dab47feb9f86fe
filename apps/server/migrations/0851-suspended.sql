-- breaking: no
-- Hubs ask too: what runs for a suspended organization stops, and is not begun.
grant execute on function idn_is_suspended to sb_log;
