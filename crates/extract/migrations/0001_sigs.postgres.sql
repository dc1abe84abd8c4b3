-- An extract table under the names of JRC's CbM: observations, statistics, histograms of classes.
CREATE TABLE swath_copy (
    only_row BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_row),
    collection TEXT NOT NULL,
    parcel_set TEXT NOT NULL,
    set_version TEXT NOT NULL,
    options TEXT NOT NULL,
    table_version BIGINT NOT NULL
);

-- Names of parcels: `pid` is the row in the version of the set.
CREATE TABLE parcels (
    pid INTEGER PRIMARY KEY,
    parcel_id TEXT NOT NULL
);

CREATE TABLE dias_catalogue (
    id SERIAL PRIMARY KEY,
    obstime TIMESTAMP NOT NULL,
    reference TEXT NOT NULL UNIQUE,
    sensor CHAR(2),
    card CHAR(2),
    status VARCHAR(12) NOT NULL DEFAULT 'extracted'
);

CREATE TABLE sigs (
    pid INTEGER NOT NULL,
    obsid INTEGER NOT NULL,
    band TEXT NOT NULL,
    count REAL NOT NULL,
    mean REAL,
    std REAL,
    min REAL,
    max REAL,
    p25 REAL,
    p50 REAL,
    p75 REAL
);

CREATE INDEX sigs_pid ON sigs (pid);
CREATE INDEX sigs_obsid ON sigs (obsid);

CREATE TABLE hists (
    pid INTEGER NOT NULL,
    obsid INTEGER NOT NULL,
    hist JSON NOT NULL
);

CREATE INDEX hists_pid ON hists (pid);
CREATE INDEX hists_obsid ON hists (obsid);
