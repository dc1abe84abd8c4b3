-- Instants are microseconds since 1970-01-01 UTC. Texts compare by code point, as in SQLite.
CREATE EXTENSION IF NOT EXISTS postgis;

CREATE TABLE collections (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
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
    seq BIGINT NOT NULL PRIMARY KEY,
    collection TEXT COLLATE "C" NOT NULL REFERENCES collections (id),
    id TEXT COLLATE "C" NOT NULL,
    datetime BIGINT NOT NULL,
    datetime_end BIGINT NOT NULL,
    start_datetime BIGINT NOT NULL,
    end_datetime BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    west DOUBLE PRECISION,
    south DOUBLE PRECISION,
    east DOUBLE PRECISION,
    north DOUBLE PRECISION,
    cloud_cover DOUBLE PRECISION,
    relative_orbit BIGINT,
    platform TEXT COLLATE "C",
    constellation TEXT COLLATE "C",
    orbit_state TEXT COLLATE "C",
    grid_code TEXT COLLATE "C",
    product_type TEXT COLLATE "C",
    processing_level TEXT COLLATE "C",
    uuid BYTEA NOT NULL,
    etag TEXT NOT NULL,
    geometry GEOMETRY (Geometry, 4326),
    properties JSONB NOT NULL,
    json TEXT NOT NULL
);

CREATE SEQUENCE items_seq AS BIGINT OWNED BY items.seq;
CREATE UNIQUE INDEX items_id ON items (id, collection);
CREATE UNIQUE INDEX items_uuid ON items (uuid);
CREATE INDEX items_of_all ON items (datetime DESC, id, collection);
CREATE INDEX items_of_collection ON items (collection, datetime DESC, id);

-- One rectangle of an item, two where it crosses the antimeridian: id = 2 * seq, 2 * seq + 1.
-- The rectangle is a diagonal in x, y and days since 1970-01-01.
CREATE TABLE boxes (
    id BIGINT NOT NULL PRIMARY KEY,
    diagonal GEOMETRY (LineStringZ) NOT NULL
);
CREATE INDEX boxes_diagonal ON boxes USING GIST (diagonal gist_geometry_ops_nd);

-- Properties seen in the items of a collection, and of which type.
CREATE TABLE fields (
    collection TEXT COLLATE "C" NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    name TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (collection, name, kind)
);

-- The same functions that SQLite gets from the program. What cannot be computed is null.

CREATE FUNCTION swath_instant (value TEXT) RETURNS BIGINT LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE parsed TIMESTAMPTZ;
BEGIN
    IF value !~ '^\d{4}-\d\d-\d\d([T ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?)?$' THEN
        RETURN NULL;
    END IF;
    IF value !~ '([Zz]|[T ].*[+-]\d\d:\d\d)$' THEN
        parsed := (value || CASE WHEN value ~ '[T ]' THEN 'Z' ELSE 'T00:00:00Z' END)::TIMESTAMPTZ;
    ELSE
        parsed := value::TIMESTAMPTZ;
    END IF;
    RETURN (extract(EPOCH FROM parsed) * 1000000)::BIGINT;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$;

CREATE FUNCTION swath_power (base DOUBLE PRECISION, exponent DOUBLE PRECISION)
RETURNS DOUBLE PRECISION LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN power(base, exponent);
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$;

CREATE FUNCTION swath_remainder (a DOUBLE PRECISION, b DOUBLE PRECISION)
RETURNS DOUBLE PRECISION LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT CASE WHEN b = 0 THEN NULL ELSE a - b * trunc(a / b) END
$$;

CREATE FUNCTION swath_quotient (a DOUBLE PRECISION, b DOUBLE PRECISION)
RETURNS DOUBLE PRECISION LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT CASE WHEN b = 0 THEN NULL ELSE trunc(a / b) END
$$;

-- Upper case takes part of what is spelled differently in lower case along (ss and ß).
CREATE FUNCTION swath_fold_case (value TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT upper(value COLLATE "und-x-icu")
$$;

CREATE FUNCTION swath_fold_accents (value TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT regexp_replace(normalize(value, NFD), '[\u0300-\u036f]', '', 'g')
$$;

CREATE FUNCTION swath_array_overlaps (a JSONB, b JSONB) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT EXISTS (SELECT 1 FROM jsonb_array_elements(a) AS element WHERE b @> jsonb_build_array(element))
$$;
