-- Parcel sets and their versions. Instants are microseconds since 1970-01-01 UTC. JSON is text.

CREATE TABLE parcel_sets (
    name TEXT NOT NULL PRIMARY KEY,
    owner TEXT,
    visibility TEXT NOT NULL,
    timezone TEXT NOT NULL,
    -- Number that the next version gets: taken before its file is written, never given twice.
    next_number BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL
);

CREATE TABLE parcel_set_versions (
    set_name TEXT NOT NULL REFERENCES parcel_sets (name) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    href TEXT NOT NULL,
    digest TEXT NOT NULL,
    size BIGINT NOT NULL,
    features BIGINT NOT NULL,
    content TEXT NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (set_name, number)
) WITHOUT ROWID;
