-- Instants are microseconds since 1970-01-01 UTC. JSON is text.

CREATE TABLE collections (
    id TEXT NOT NULL PRIMARY KEY,
    json TEXT NOT NULL,
    etag TEXT NOT NULL,
    owner TEXT,
    visibility TEXT NOT NULL,
    prefixes TEXT NOT NULL,
    origin TEXT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    -- What the items say together: kept when items come, computed anew when some went.
    items BIGINT NOT NULL DEFAULT 0,
    live TEXT NOT NULL DEFAULT '{}',
    is_stale BIGINT NOT NULL DEFAULT 0,
    -- Most microseconds between an item's datetime and its start or end.
    reach BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE items (
    seq INTEGER NOT NULL PRIMARY KEY,
    collection TEXT NOT NULL REFERENCES collections (id),
    id TEXT NOT NULL,
    datetime BIGINT NOT NULL,
    datetime_end BIGINT NOT NULL,
    start_datetime BIGINT NOT NULL,
    end_datetime BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    west REAL,
    south REAL,
    east REAL,
    north REAL,
    cloud_cover REAL,
    relative_orbit BIGINT,
    platform TEXT,
    constellation TEXT,
    orbit_state TEXT,
    grid_code TEXT,
    product_type TEXT,
    processing_level TEXT,
    uuid BLOB NOT NULL,
    etag TEXT NOT NULL,
    geometry BLOB,
    properties TEXT NOT NULL,
    json TEXT NOT NULL
);

CREATE UNIQUE INDEX items_id ON items (id, collection);
CREATE UNIQUE INDEX items_uuid ON items (uuid);
CREATE INDEX items_of_all ON items (datetime DESC, id, collection);
CREATE INDEX items_of_collection ON items (collection, datetime DESC, id);

-- One rectangle of an item, two where it crosses the antimeridian: id = 2 * seq, 2 * seq + 1.
-- Days since 1970-01-01 are the third dimension.
CREATE VIRTUAL TABLE boxes USING rtree (id, west, east, south, north, start_day, end_day);

-- Properties seen in the items of a collection, and of which type.
CREATE TABLE fields (
    collection TEXT NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    PRIMARY KEY (collection, name, kind)
) WITHOUT ROWID;
