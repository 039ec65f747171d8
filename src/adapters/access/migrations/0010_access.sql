-- API keys, and what accounts use.

-- Times are microseconds since 1970. A key is a JSON document; a digest that no secret of its key has any more is kept,
-- and good for nothing.
CREATE TABLE api_keys (
    id text COLLATE "C" PRIMARY KEY,
    content text NOT NULL,
    last_used_at bigint
);
CREATE TABLE api_key_digests (
    digest text COLLATE "C" PRIMARY KEY,
    key_id text COLLATE "C" NOT NULL
);

-- An account's row is what its requests wait for each other at. A request counts in the minute that it came, its tokens
-- in the minute that it ended.
CREATE TABLE metered_accounts (
    account text COLLATE "C" PRIMARY KEY,
    last_at bigint NOT NULL
);
CREATE TABLE metered_requests (
    ticket text COLLATE "C" PRIMARY KEY,
    account text COLLATE "C" NOT NULL,
    process text COLLATE "C" NOT NULL,
    came_in bigint NOT NULL,
    at_work_until bigint NOT NULL,
    ended_in bigint NOT NULL,
    tokens bigint NOT NULL
);
CREATE INDEX metered_requests_by_account ON metered_requests (account, came_in);
