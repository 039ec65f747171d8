-- What state tokens stand for, and what retention looks for.

-- Apart from the events, so that each can be deleted when its time is over. Times are microseconds since 1970.
CREATE TABLE session_states (
    digest text COLLATE "C" PRIMARY KEY,
    session_id text COLLATE "C" NOT NULL,
    turn bigint NOT NULL,
    expires_at bigint NOT NULL,
    sealed bytea NOT NULL
);
CREATE INDEX session_states_by_session ON session_states (session_id, turn);

ALTER TABLE session_list
    ADD COLUMN closed_at bigint,
    ADD COLUMN held smallint NOT NULL DEFAULT 0;
UPDATE session_list SET closed_at = last_activity_at WHERE status <> 'open';  -- or somewhat earlier
CREATE INDEX session_list_closed ON session_list (closed_at) WHERE closed_at IS NOT NULL;
