//! Names of fields: which are columns, which lie in the JSON of an item.

use swath_db::{Dialect, SqlValue, Statement};

use crate::CatalogError;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Text,
    Boolean,
    /// Microseconds since 1970-01-01 UTC.
    Instant,
    Geometry,
}

impl Kind {
    /// Returns the kind's name in the table `fields`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Text => "text",
            Self::Boolean => "boolean",
            Self::Instant => "instant",
            Self::Geometry => "geometry",
        }
    }
}

/// A field that is a column of `items`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its STAC name.
    pub(crate) name: &'static str,
    /// Its name in SQL.
    pub(crate) sql: &'static str,
    pub(crate) kind: Kind,
    /// True where it is null in no row.
    pub(crate) is_filled: bool,
    /// True where the column holds exactly the property of the JSON, so that its absence shows.
    pub(crate) is_property: bool,
}

const fn own(name: &'static str, sql: &'static str, kind: Kind) -> Column {
    Column {
        name,
        sql,
        kind,
        is_filled: true,
        is_property: false,
    }
}

const fn property(name: &'static str, sql: &'static str, kind: Kind) -> Column {
    Column {
        name,
        sql,
        kind,
        is_filled: false,
        is_property: true,
    }
}

/// The columns. `datetime` is the item's start where its datetime is null; `start_datetime` and
/// `end_datetime` are its datetime where they are absent.
pub(crate) const COLUMNS: &[Column] = &[
    own("id", "items.id", Kind::Text),
    own("collection", "items.collection", Kind::Text),
    own("datetime", "items.datetime", Kind::Instant),
    own("start_datetime", "items.start_datetime", Kind::Instant),
    own("end_datetime", "items.end_datetime", Kind::Instant),
    own("created", "items.created", Kind::Instant),
    own("updated", "items.updated", Kind::Instant),
    Column {
        name: "geometry",
        sql: "items.geometry",
        kind: Kind::Geometry,
        is_filled: false,
        is_property: false,
    },
    property("eo:cloud_cover", "items.cloud_cover", Kind::Number),
    property("sat:relative_orbit", "items.relative_orbit", Kind::Number),
    property("platform", "items.platform", Kind::Text),
    property("constellation", "items.constellation", Kind::Text),
    property("sat:orbit_state", "items.orbit_state", Kind::Text),
    property("grid:code", "items.grid_code", Kind::Text),
    property("product:type", "items.product_type", Kind::Text),
    property("processing:level", "items.processing_level", Kind::Text),
];

/// Longest name of a property.
const NAME_CHARS_MAX: usize = 128;

/// A property in the JSON of an item, by a name that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PropertyName(String);

impl PropertyName {
    /// Checks a name: letters, digits, `_ : . -`; a full stop steps into an object.
    ///
    /// # Errors
    /// Where it holds anything else, or is too long.
    pub(crate) fn new(name: &str) -> Result<Self, CatalogError> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_:.-".contains(c);
        let is_name = !name.is_empty()
            && name.len() <= NAME_CHARS_MAX
            && name.chars().all(is_allowed)
            && name.split('.').all(|part| !part.is_empty());
        if !is_name {
            let shown: String = name.chars().take(60).collect();
            return Err(CatalogError::Invalid {
                reason: format!(
                    "\"{shown}\" is no name of a property (letters, digits and _ : . -, at most {NAME_CHARS_MAX})"
                ),
            });
        }
        Ok(Self(name.to_owned()))
    }

    /// Returns the name as STAC writes it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Appends the bound path to it within `items.properties`.
    pub(crate) fn bind(&self, statement: &mut Statement) {
        let parts = self.0.split('.');
        let path = match statement.dialect() {
            Dialect::Sqlite => {
                let quoted: String = parts.map(|part| format!(".\"{part}\"")).collect();
                SqlValue::from(format!("${quoted}"))
            }
            Dialect::Postgres => SqlValue::TextList(parts.map(str::to_owned).collect()),
        };
        statement.bind(path);
    }
}

/// A field of an item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Field {
    Column(&'static Column),
    Property(PropertyName),
}

impl Field {
    /// Finds the field of a STAC name, with or without `properties.`.
    ///
    /// # Errors
    /// Where the name is none.
    pub(crate) fn find(name: &str) -> Result<Self, CatalogError> {
        let short = name.strip_prefix("properties.").unwrap_or(name);
        match COLUMNS.iter().find(|column| column.name == short) {
            Some(column) => Ok(Self::Column(column)),
            None => PropertyName::new(short).map(Self::Property),
        }
    }

    /// Returns the STAC name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Column(column) => column.name,
            Self::Property(name) => name.as_str(),
        }
    }

    /// Appends it as a value of a kind; null where it is of another.
    pub(crate) fn emit(&self, statement: &mut Statement, kind: Kind) {
        match self {
            Self::Column(column) if column.kind == kind => {
                statement.push(column.sql);
            }
            Self::Column(column) => emit_column_as(statement, column, kind),
            Self::Property(name) => emit_property(statement, name, kind),
        }
    }

    /// Appends whether it is absent or null.
    pub(crate) fn emit_is_null(&self, statement: &mut Statement) {
        let name = match self {
            Self::Column(column) if column.is_property => PropertyName(column.name.to_owned()),
            // The JSON says whether there is one; the column holds the start instead.
            Self::Column(column)
                if column.kind == Kind::Instant && column.name.contains("datetime") =>
            {
                PropertyName(column.name.to_owned())
            }
            Self::Column(column) => {
                statement.push("(").push(column.sql).push(" IS NULL)");
                return;
            }
            Self::Property(name) => name.clone(),
        };
        statement.push_for(
            "(json_extract(items.properties, ",
            "((items.properties #>> ",
        );
        name.bind(statement);
        statement.push(") IS NULL)");
    }
}

/// Text columns may hold numbers as text and the like; only instants have a second form.
fn emit_column_as(statement: &mut Statement, column: &'static Column, kind: Kind) {
    match (column.kind, kind) {
        (Kind::Text, Kind::Instant) => {
            statement.push("swath_instant(").push(column.sql).push(")");
        }
        (_, Kind::Number) => {
            statement.push_for("CAST(NULL AS REAL)", "CAST(NULL AS DOUBLE PRECISION)");
        }
        (_, Kind::Text) => {
            statement.push("CAST(NULL AS TEXT)");
        }
        (_, Kind::Boolean) => {
            statement.push("CAST(NULL AS BOOLEAN)");
        }
        (_, Kind::Instant | Kind::Geometry) => {
            statement.push("CAST(NULL AS BIGINT)");
        }
    }
}

fn emit_property(statement: &mut Statement, name: &PropertyName, kind: Kind) {
    if kind == Kind::Instant {
        statement.push("swath_instant(");
        emit_property(statement, name, Kind::Text);
        statement.push(")");
        return;
    }
    statement.push_for(
        "(CASE json_type(items.properties, ",
        "(CASE jsonb_typeof(items.properties #> ",
    );
    name.bind(statement);
    statement.push(") ");
    let value = |statement: &mut Statement| {
        statement.push_for("json_extract(items.properties, ", "(items.properties #>> ");
        name.bind(statement);
        statement.push(")");
    };
    match (kind, statement.dialect()) {
        (Kind::Number, Dialect::Sqlite) => {
            statement.push("WHEN 'integer' THEN CAST(");
            value(statement);
            statement.push(" AS REAL) WHEN 'real' THEN ");
            value(statement);
        }
        (Kind::Number, Dialect::Postgres) => {
            statement.push("WHEN 'number' THEN ");
            value(statement);
            statement.push("::DOUBLE PRECISION");
        }
        (Kind::Boolean, Dialect::Sqlite) => {
            statement.push("WHEN 'true' THEN 1 WHEN 'false' THEN 0");
        }
        (Kind::Boolean, Dialect::Postgres) => {
            statement.push("WHEN 'boolean' THEN ");
            value(statement);
            statement.push("::BOOLEAN");
        }
        _ => {
            statement.push_for("WHEN 'text' THEN ", "WHEN 'string' THEN ");
            value(statement);
        }
    }
    statement.push(" END)");
}

/// Appends a property as the JSON text of an array (SQLite) or as `jsonb`; null where it is none.
pub(crate) fn emit_array(statement: &mut Statement, name: &PropertyName) {
    statement.push_for(
        "(CASE json_type(items.properties, ",
        "(CASE jsonb_typeof(items.properties #> ",
    );
    name.bind(statement);
    statement.push_for(
        ") WHEN 'array' THEN json_extract(items.properties, ",
        ") WHEN 'array' THEN (items.properties #> ",
    );
    name.bind(statement);
    statement.push(") END)");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_bound() {
        for name in [
            "x'; DROP TABLE items",
            "a b",
            "",
            "a..b",
            "\"",
            "$",
            "properties.",
        ] {
            assert!(Field::find(name).is_err(), "{name}");
        }
        let mut statement = Statement::new(Dialect::Sqlite);
        Field::find("properties.s2:x-y.z")
            .expect("a name")
            .emit(&mut statement, Kind::Text);
        assert!(!statement.sql().contains("s2"), "{}", statement.sql());
        assert_eq!(statement.values()[0], SqlValue::from("$.\"s2:x-y\".\"z\""));
    }

    #[test]
    fn known_names_are_columns() {
        let field = Field::find("properties.eo:cloud_cover").expect("known");
        assert_eq!(field.name(), "eo:cloud_cover");
        let mut statement = Statement::new(Dialect::Postgres);
        field.emit(&mut statement, Kind::Number);
        assert_eq!(statement.sql(), "items.cloud_cover");
    }
}
