-- Generations in the background.

-- Times are microseconds since 1970. A worker's claim is good until `claimed_until`; without a worker, nobody claims the
-- job before then. `asked` and `told` are encrypted; what was asked is forgotten at the end.
CREATE TABLE jobs (
    id text COLLATE "C" PRIMARY KEY,
    owner text COLLATE "C" NOT NULL,
    modality text NOT NULL,
    model text COLLATE "C" NOT NULL,
    provider text NOT NULL,
    session_id text COLLATE "C",
    delivery text NOT NULL,
    status text NOT NULL,
    created_at bigint NOT NULL,
    started_at bigint,
    ended_at bigint,
    sequence bigint NOT NULL,
    worker text COLLATE "C" NOT NULL,
    claimed_until bigint NOT NULL,
    cancelling bigint NOT NULL,
    idempotency_key text COLLATE "C",
    fingerprint text,
    asked bytea,
    told bytea NOT NULL
);
CREATE INDEX jobs_at_work ON jobs (id) WHERE status IN ('queued', 'running');
CREATE INDEX jobs_by_session ON jobs (session_id, id) WHERE session_id IS NOT NULL;
CREATE INDEX jobs_ended ON jobs (ended_at) WHERE ended_at IS NOT NULL;
CREATE UNIQUE INDEX jobs_by_key ON jobs (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
