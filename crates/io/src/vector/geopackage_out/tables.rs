//! The tables of a GeoPackage, as the standard writes them (OGC 12-128r17, annex C and F.3).

/// `GPKG` in ASCII: the application id of the file.
pub(super) const APPLICATION_ID: &str = "1196444487";
/// Version 1.3.0: what GDAL before 3.7 knows, as Debian 12 has it, without a warning.
pub(super) const USER_VERSION: &str = "10300";
/// Beginnings of names that belong to the standard and to SQLite.
pub(super) const RESERVED: [&str; 3] = ["gpkg_", "rtree_", "sqlite_"];

/// Tables that every GeoPackage has; those of the layer come after.
pub(super) const TABLES: [&str; 4] = [
    "CREATE TABLE gpkg_spatial_ref_sys (
  srs_name TEXT NOT NULL,
  srs_id INTEGER NOT NULL PRIMARY KEY,
  organization TEXT NOT NULL,
  organization_coordsys_id INTEGER NOT NULL,
  definition TEXT NOT NULL,
  description TEXT,
  definition_12_063 TEXT NOT NULL
)",
    "CREATE TABLE gpkg_contents (
  table_name TEXT NOT NULL PRIMARY KEY,
  data_type TEXT NOT NULL,
  identifier TEXT UNIQUE,
  description TEXT DEFAULT '',
  last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
  min_x DOUBLE,
  min_y DOUBLE,
  max_x DOUBLE,
  max_y DOUBLE,
  srs_id INTEGER,
  CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id)
)",
    "CREATE TABLE gpkg_geometry_columns (
  table_name TEXT NOT NULL,
  column_name TEXT NOT NULL,
  geometry_type_name TEXT NOT NULL,
  srs_id INTEGER NOT NULL,
  z TINYINT NOT NULL,
  m TINYINT NOT NULL,
  CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name),
  CONSTRAINT uk_gc_table_name UNIQUE (table_name),
  CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
  CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id)
)",
    "CREATE TABLE gpkg_extensions (
  table_name TEXT,
  column_name TEXT,
  extension_name TEXT NOT NULL,
  definition TEXT NOT NULL,
  scope TEXT NOT NULL,
  CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name)
)",
];

/// Adds a row of `gpkg_spatial_ref_sys`.
pub(super) const ADD_SRS: &str = "INSERT INTO gpkg_spatial_ref_sys (srs_name, srs_id, organization, \
    organization_coordsys_id, definition, definition_12_063) VALUES (?, ?, ?, ?, ?, ?)";
/// Adds a row of `gpkg_contents`.
pub(super) const ADD_CONTENTS: &str = "INSERT INTO gpkg_contents (table_name, data_type, identifier, \
    description, srs_id) VALUES (?, 'features', ?, ?, ?)";
/// Adds a row of `gpkg_geometry_columns`.
pub(super) const ADD_GEOMETRY_COLUMN: &str = "INSERT INTO gpkg_geometry_columns (table_name, column_name, \
    geometry_type_name, srs_id, z, m) VALUES (?, ?, ?, ?, 0, 0)";
/// Adds a row of `gpkg_extensions`.
pub(super) const ADD_EXTENSION: &str = "INSERT INTO gpkg_extensions (table_name, column_name, extension_name, \
    definition, scope) VALUES (?, ?, ?, ?, ?)";
/// Sets the bounds of a layer.
pub(super) const SET_BOUNDS: &str = "UPDATE gpkg_contents SET min_x = ?, min_y = ?, max_x = ?, max_y = ? \
    WHERE table_name = ?";

/// WGS 84 in WKT 1, which every GeoPackage says.
pub(super) const WGS84_WKT1: &str = "GEOGCS[\"WGS 84\",DATUM[\"WGS_1984\",SPHEROID[\"WGS 84\",6378137,\
    298.257223563,AUTHORITY[\"EPSG\",\"7030\"]],AUTHORITY[\"EPSG\",\"6326\"]],PRIMEM[\"Greenwich\",0,\
    AUTHORITY[\"EPSG\",\"8901\"]],UNIT[\"degree\",0.0174532925199433,AUTHORITY[\"EPSG\",\"9122\"]],\
    AXIS[\"Latitude\",NORTH],AXIS[\"Longitude\",EAST],AUTHORITY[\"EPSG\",\"4326\"]]";

/// Quotes a name.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The names of a layer in its SQL.
#[derive(Debug)]
pub(super) struct LayerNames<'a> {
    pub table: &'a str,
    pub key: &'a str,
    pub geometry: &'a str,
}

impl LayerNames<'_> {
    /// Returns the name of the spatial index.
    pub fn index(&self) -> String {
        format!("rtree_{}_{}", self.table, self.geometry)
    }

    /// Makes the table of the layer; `columns` are names and types beside key and geometry.
    pub fn create_table(&self, geometry_type: &str, columns: &[(String, &str)]) -> String {
        let mut sql = format!(
            "CREATE TABLE {} (\n  {} INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,\n  {} {geometry_type}",
            quoted(self.table),
            quoted(self.key),
            quoted(self.geometry),
        );
        for (name, type_name) in columns {
            sql.push_str(&format!(",\n  {} {type_name}", quoted(name)));
        }
        sql.push_str("\n)");
        sql
    }

    /// Adds a row: key, geometry, then the other columns in their order.
    pub fn insert(&self, columns: &[(String, &str)]) -> String {
        let mut names = vec![quoted(self.key), quoted(self.geometry)];
        names.extend(columns.iter().map(|(name, _)| quoted(name)));
        format!(
            "INSERT INTO {} ({}) VALUES ({})",
            quoted(self.table),
            names.join(", "),
            vec!["?"; names.len()].join(", ")
        )
    }

    /// Makes the spatial index.
    pub fn create_index(&self) -> String {
        format!(
            "CREATE VIRTUAL TABLE {} USING rtree(id, minx, maxx, miny, maxy)",
            quoted(&self.index())
        )
    }

    /// Adds rows to the index: a JSON list of lists of key and envelope.
    pub fn fill_index(&self) -> String {
        format!(
            "INSERT INTO {} SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?)",
            quoted(&self.index())
        )
    }

    /// Makes the triggers that keep the index up to date where another program edits the layer.
    pub fn triggers(&self) -> Vec<String> {
        let (t, i, c, r) = (
            quoted(self.table),
            quoted(self.key),
            quoted(self.geometry),
            quoted(&self.index()),
        );
        let new_there = format!("(NEW.{c} NOTNULL AND NOT ST_IsEmpty(NEW.{c}))");
        let new_gone = format!("(NEW.{c} ISNULL OR ST_IsEmpty(NEW.{c}))");
        let envelope =
            format!("ST_MinX(NEW.{c}), ST_MaxX(NEW.{c}), ST_MinY(NEW.{c}), ST_MaxY(NEW.{c})");
        let replace = format!("INSERT OR REPLACE INTO {r} VALUES (NEW.{i}, {envelope});");
        let remove = format!("DELETE FROM {r} WHERE id = OLD.{i};");
        let of_geometry = format!("AFTER UPDATE OF {c} ON {t} WHEN OLD.{i} = NEW.{i} AND");
        let of_key = format!("AFTER UPDATE ON {t} WHEN OLD.{i} != NEW.{i} AND");
        let cases = [
            (
                "insert",
                format!("AFTER INSERT ON {t} WHEN {new_there} BEGIN {replace}"),
            ),
            (
                "update1",
                format!("{of_geometry} {new_there} BEGIN {replace}"),
            ),
            (
                "update2",
                format!("{of_geometry} {new_gone} BEGIN {remove}"),
            ),
            (
                "update3",
                format!("{of_key} {new_there} BEGIN {remove} {replace}"),
            ),
            (
                "update4",
                format!(
                    "{of_key} {new_gone} BEGIN DELETE FROM {r} WHERE id IN (OLD.{i}, NEW.{i});"
                ),
            ),
            (
                "delete",
                format!("AFTER DELETE ON {t} WHEN OLD.{c} NOT NULL BEGIN {remove}"),
            ),
        ];
        let trigger = |(name, body): &(&str, String)| {
            let name = quoted(&format!("{}_{name}", self.index()));
            format!("CREATE TRIGGER {name} {body} END")
        };
        cases.iter().map(trigger).collect()
    }
}
