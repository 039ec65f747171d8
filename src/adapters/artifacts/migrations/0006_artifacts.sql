-- Artifacts, and the contents that may be stored.

-- Times are microseconds since 1970.
CREATE TABLE artifacts (
    id text COLLATE "C" PRIMARY KEY,
    owner text COLLATE "C" NOT NULL,
    media_type text NOT NULL,
    sha256 text COLLATE "C" NOT NULL,
    size_bytes bigint NOT NULL,
    origin text NOT NULL,
    session_id text COLLATE "C",
    generation_id text COLLATE "C",
    facts text NOT NULL,
    created_at bigint NOT NULL,
    kept_until bigint
);
CREATE INDEX artifacts_by_content ON artifacts (sha256);
CREATE INDEX artifacts_by_session ON artifacts (session_id, id) WHERE session_id IS NOT NULL;
CREATE INDEX artifacts_due ON artifacts (kept_until) WHERE kept_until IS NOT NULL;

CREATE TABLE artifact_contents (
    sha256 text COLLATE "C" PRIMARY KEY,
    size_bytes bigint NOT NULL
);
