-- Sessions as they were at a version, so that a long one is opened without folding all its events; and a list that is filtered by how
-- sessions ended.

CREATE TABLE session_snapshots (
    session_id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    format integer NOT NULL,
    sealed bytea STORAGE EXTERNAL NOT NULL,  -- encrypted: there is nothing to compress
    PRIMARY KEY (session_id, version)
);
CREATE INDEX session_list_ended ON session_list (owner, status, last_activity_at DESC, id DESC) WHERE status <> 'open';
