-- Sessions: their events, their list and their keys.

-- What the library's recorder inserts arrays of.
CREATE TYPE stored_event_text AS (originator_id text, originator_version bigint, topic text, state bytea);

CREATE TABLE stored_events (
    originator_id text COLLATE "C" NOT NULL,
    originator_version bigint NOT NULL,
    topic text NOT NULL,
    state bytea STORAGE EXTERNAL NOT NULL,  -- encrypted: there is nothing to compress
    notification_id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    PRIMARY KEY (originator_id, originator_version)
);

CREATE TABLE session_list (
    id text COLLATE "C" PRIMARY KEY,
    owner text COLLATE "C" NOT NULL,
    status text NOT NULL,
    version bigint NOT NULL,
    turns bigint NOT NULL,
    modalities text NOT NULL,
    created_at bigint NOT NULL,
    last_activity_at bigint NOT NULL,
    active_by text COLLATE "C",
    tip text NOT NULL,
    sealed bytea NOT NULL
);
CREATE INDEX session_list_by_activity ON session_list (owner, last_activity_at DESC, id DESC);
CREATE INDEX session_list_erased ON session_list (id) WHERE status = 'erased';
CREATE INDEX session_list_in_turn ON session_list (id) WHERE active_by IS NOT NULL;

CREATE TABLE session_labels (
    label bytea NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (label, session_id)
);
CREATE INDEX session_labels_by_session ON session_labels (session_id);

CREATE TABLE idempotency_keys (
    owner text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    fingerprint text NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    turn bigint,
    PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_keys_by_session ON idempotency_keys (session_id);

-- Wrapped by the master key; NULL: destroyed, for ever.
CREATE TABLE session_keys (
    session_id text COLLATE "C" PRIMARY KEY,
    wrapped bytea
);

-- What every process proves its master key by, so that two hosts with different ones do not write side by side.
CREATE TABLE master_key (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    proof bytea NOT NULL
);

-- The gateway processes that use this database, and when each last said that it lives.
CREATE TABLE gateway_processes (
    name text COLLATE "C" PRIMARY KEY,
    seen_at timestamptz NOT NULL
);
