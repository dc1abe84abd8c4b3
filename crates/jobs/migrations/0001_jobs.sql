-- Instants are microseconds since 1970-01-01 UTC. The objects of a job are the truth; a row is a view of them.

CREATE TABLE jobs (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    submitter TEXT,
    state TEXT NOT NULL,
    tasks BIGINT NOT NULL,
    done BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    error TEXT
);

CREATE INDEX jobs_created ON jobs (created DESC, id);
