-- What was used, by the hour. `hour` counts the hours since 1970.

CREATE TABLE usage_hours (
    hour bigint NOT NULL,
    day text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    generations bigint NOT NULL,
    failed_attempts bigint NOT NULL,
    cancelled bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cached_input_tokens bigint NOT NULL,
    estimated_tokens bigint NOT NULL,
    unfinished_tokens bigint NOT NULL,
    files bigint NOT NULL,
    PRIMARY KEY (owner, hour, key, provider, model)
);
CREATE INDEX usage_hours_by_hour ON usage_hours (hour);

-- The last batch of each process, so that none is added twice.
CREATE TABLE usage_writers (
    writer text COLLATE "C" PRIMARY KEY,
    last bigint NOT NULL
);
