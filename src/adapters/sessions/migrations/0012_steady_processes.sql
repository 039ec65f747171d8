-- Since when a process has said without a pause that it lives. After a pause of the database everyone looks dead: only a
-- process that has been steady for long enough since then may say so of another one.
ALTER TABLE gateway_processes ADD COLUMN steady_since timestamptz NOT NULL DEFAULT clock_timestamp();
