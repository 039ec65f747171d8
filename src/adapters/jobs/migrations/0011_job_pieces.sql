-- What running jobs give, for those who follow them in other processes; until shortly after their end.

-- A row has some pieces, encrypted, of which `last` is the number of the last one. A `passing` one is progress alone, and
-- gives way to what comes after it.
CREATE TABLE job_pieces (
    job_id text COLLATE "C" NOT NULL,
    last bigint NOT NULL,
    passing bigint NOT NULL,
    pieces bytea NOT NULL,
    PRIMARY KEY (job_id, last)
);
