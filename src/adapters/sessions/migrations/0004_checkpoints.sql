-- What was signed of the log of all events: its first `size` events, of which the last has that notification id.
CREATE TABLE log_checkpoints (
    size bigint PRIMARY KEY,
    notification_id bigint NOT NULL,
    subtrees bytea NOT NULL,
    note text NOT NULL,
    made_at bigint NOT NULL  -- microseconds since 1970
);
