-- What operators said of models, and when models were used last.

-- Times are microseconds since 1970; `said` is JSON.
CREATE TABLE models (
    id text COLLATE "C" PRIMARY KEY,
    provider text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    modality text NOT NULL,
    said text NOT NULL,
    revision bigint NOT NULL,
    created_at bigint
);
CREATE UNIQUE INDEX models_by_place ON models (provider, target);

CREATE TABLE model_defaults (
    modality text PRIMARY KEY,
    model_id text COLLATE "C" NOT NULL
);

-- One row: the number of changes of the two tables above.
CREATE TABLE model_registry (
    only_row integer PRIMARY KEY CHECK (only_row = 1),
    revision bigint NOT NULL
);
INSERT INTO model_registry (only_row, revision) VALUES (1, 0);

CREATE TABLE model_uses (
    model_id text COLLATE "C" PRIMARY KEY,
    last_used_at bigint NOT NULL
);
