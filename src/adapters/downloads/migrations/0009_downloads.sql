-- Downloads. What is looked for has columns, everything else is in the document. Times are microseconds since 1970.

CREATE TABLE downloads (
    id text COLLATE "C" PRIMARY KEY,
    content text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    worker text,
    lease_until bigint,
    version bigint NOT NULL,
    document text NOT NULL
);
CREATE UNIQUE INDEX downloads_not_ended ON downloads (content)
    WHERE status IN ('queued', 'running', 'verifying', 'paused');
CREATE INDEX downloads_to_do ON downloads (id) WHERE status IN ('queued', 'running', 'verifying');
