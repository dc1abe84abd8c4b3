//! Sort keys, and where a page that follows another begins.

use serde_json::Value;
use swath_db::{DbError, Dialect, Row, SqlValue, Statement};
use swath_stac::SortField;

use crate::CatalogError;
use crate::field::{COLUMNS, Column, Field, Kind};
use crate::filter::invalid;

/// Most keys to sort by.
const KEYS_MAX: usize = 8;
/// Longest token, in bytes.
const TOKEN_BYTES_MAX: usize = 16_384;

/// One key of a total order. Items without the field come last.
#[derive(Debug, Clone)]
pub(crate) struct SortKey {
    field: Field,
    kind: Kind,
    is_descending: bool,
    is_filled: bool,
}

/// An order in which no two items are equal.
#[derive(Debug, Clone)]
pub(crate) struct SortOrder {
    keys: Vec<SortKey>,
}

fn column(name: &str) -> &'static Column {
    let found = COLUMNS.iter().find(|column| column.name == name);
    found.expect("the columns have ids and datetimes")
}

impl SortOrder {
    /// Returns the order asked for, then newest first, then by id and collection.
    ///
    /// `kinds` are those of the properties named that items are known to have.
    ///
    /// # Errors
    /// Where a field is not known, or there are too many.
    pub(crate) fn new(asked: &[SortField], kinds: &[(String, Kind)]) -> Result<Self, CatalogError> {
        if asked.len() > KEYS_MAX {
            return Err(CatalogError::Limit {
                reason: format!("a search sorts by at most {KEYS_MAX} fields"),
            });
        }
        let mut keys: Vec<SortKey> = Vec::with_capacity(asked.len() + 3);
        for sort in asked {
            let key = SortKey::new(sort, kinds)?;
            if keys.iter().all(|known| known.field != key.field) {
                keys.push(key);
            }
        }
        for (name, is_descending) in [("datetime", true), ("id", false), ("collection", false)] {
            let column = column(name);
            let field = Field::Column(column);
            if keys.iter().all(|known| known.field != field) {
                keys.push(SortKey {
                    field,
                    kind: column.kind,
                    is_descending,
                    is_filled: true,
                });
            }
        }
        Ok(Self { keys })
    }

    /// Appends the keys as columns of an answer.
    pub(crate) fn emit_columns(&self, statement: &mut Statement) {
        for key in &self.keys {
            statement.push(", ");
            key.emit(statement);
        }
    }

    /// Appends what stands behind ORDER BY.
    pub(crate) fn emit_order(&self, statement: &mut Statement) {
        for (index, key) in self.keys.iter().enumerate() {
            if index > 0 {
                statement.push(", ");
            }
            key.emit(statement);
            statement.push(if key.is_descending { " DESC" } else { " ASC" });
            if !key.is_filled {
                statement.push(" NULLS LAST");
            }
        }
    }

    /// Appends the condition that an item comes after the one of a token.
    pub(crate) fn emit_after(&self, statement: &mut Statement, token: &[KeyValue]) {
        statement.push("(");
        // Redundant, but by this an index finds the place.
        if let (Some(key), Some(value)) = (self.keys.first(), token.first())
            && key.is_filled
        {
            key.emit(statement);
            statement.push(if key.is_descending { " <= " } else { " >= " });
            value.bind(statement, key.kind);
            statement.push(" AND ");
        }
        emit_after(statement, &self.keys, token);
        statement.push(")");
    }

    /// Returns the token of the page after `row`; its keys begin at `column`.
    ///
    /// # Errors
    /// Where the row has other columns.
    pub(crate) fn token(&self, row: &Row, column: usize) -> Result<String, DbError> {
        let mut values = Vec::with_capacity(self.keys.len());
        for (index, key) in self.keys.iter().enumerate() {
            let at = column + index;
            values.push(match key.kind {
                // As bits: a number in JSON text may come back as its neighbour.
                Kind::Number => row
                    .real(at)?
                    .map_or(Value::Null, |number| number.to_bits().into()),
                Kind::Text => row.text(at)?.map_or(Value::Null, Value::from),
                _ => row.integer(at)?.map_or(Value::Null, Value::from),
            });
        }
        Ok(hex_of(Value::Array(values).to_string().as_bytes()))
    }

    /// Reads a token of this order.
    ///
    /// # Errors
    /// Where it is none, or of another order.
    pub(crate) fn read_token(&self, token: &str) -> Result<Vec<KeyValue>, CatalogError> {
        let wrong = || invalid("the token is not one of this search; begin at its first page");
        if token.len() > TOKEN_BYTES_MAX {
            return Err(wrong());
        }
        let bytes = bytes_of(token).ok_or_else(wrong)?;
        let values: Vec<Value> = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        if values.len() != self.keys.len() {
            return Err(wrong());
        }
        let values = values.into_iter().zip(&self.keys);
        let read = values.map(|(value, key)| KeyValue::read(value, key).ok_or_else(wrong));
        read.collect()
    }
}

impl SortKey {
    fn new(sort: &SortField, kinds: &[(String, Kind)]) -> Result<Self, CatalogError> {
        let field = Field::find(&sort.field)?;
        let (kind, is_filled) = match &field {
            Field::Column(column) if column.kind != Kind::Geometry => {
                (column.kind, column.is_filled)
            }
            other => {
                let known = kinds.iter().find(|(name, _)| name == other.name());
                let (_, kind) = known.ok_or_else(|| {
                    invalid(format!("no item can be sorted by \"{}\"", other.name()))
                })?;
                (*kind, false)
            }
        };
        Ok(Self {
            field,
            kind,
            is_descending: sort.is_descending,
            is_filled,
        })
    }

    fn emit(&self, statement: &mut Statement) {
        // The number of a column may be stored as a whole number: PostgreSQL is strict about that.
        match (self.kind, statement.dialect()) {
            (Kind::Number, Dialect::Postgres) => {
                statement.push("CAST(");
                self.field.emit(statement, self.kind);
                statement.push(" AS DOUBLE PRECISION)");
            }
            (Kind::Boolean, Dialect::Postgres) => {
                statement.push("CAST(CAST(");
                self.field.emit(statement, self.kind);
                statement.push(" AS INTEGER) AS BIGINT)");
            }
            (Kind::Text, Dialect::Postgres) if matches!(self.field, Field::Property(_)) => {
                statement.push("(");
                self.field.emit(statement, self.kind);
                statement.push(" COLLATE \"C\")");
            }
            _ => self.field.emit(statement, self.kind),
        }
    }
}

/// The value of a sort key in a token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum KeyValue {
    Null,
    Number(f64),
    Integer(i64),
    Text(String),
}

impl KeyValue {
    fn read(value: Value, key: &SortKey) -> Option<Self> {
        Some(match (value, key.kind) {
            (Value::Null, _) if !key.is_filled => Self::Null,
            (Value::Number(number), Kind::Number) => Self::Number(
                Some(f64::from_bits(number.as_u64()?)).filter(|number| number.is_finite())?,
            ),
            (Value::String(text), Kind::Text) if !text.contains('\0') => Self::Text(text),
            (Value::Number(number), Kind::Instant | Kind::Boolean) => {
                Self::Integer(number.as_i64()?)
            }
            _ => return None,
        })
    }

    fn bind(&self, statement: &mut Statement, kind: Kind) {
        statement.bind(match self {
            Self::Number(value) => SqlValue::from(*value),
            Self::Integer(value) => SqlValue::from(*value),
            Self::Text(text) => SqlValue::from(text.as_str()),
            Self::Null if kind == Kind::Number => SqlValue::Real(None),
            Self::Null if kind == Kind::Text => SqlValue::Text(None),
            Self::Null => SqlValue::Integer(None),
        });
    }
}

/// `k1 after v1 OR (k1 = v1 AND (k2 after v2 OR …))`, where null comes after everything.
fn emit_after(statement: &mut Statement, keys: &[SortKey], token: &[KeyValue]) {
    let (Some((key, keys)), Some((value, token))) = (keys.split_first(), token.split_first())
    else {
        statement.push("FALSE");
        return;
    };
    statement.push("(");
    if *value == KeyValue::Null {
        key.emit(statement);
        statement.push(" IS NULL AND ");
        emit_after(statement, keys, token);
        statement.push(")");
        return;
    }
    key.emit(statement);
    statement.push(if key.is_descending { " < " } else { " > " });
    value.bind(statement, key.kind);
    if !key.is_filled {
        statement.push(" OR ");
        key.emit(statement);
        statement.push(" IS NULL");
    }
    if !keys.is_empty() {
        statement.push(" OR (");
        key.emit(statement);
        statement.push(" = ");
        value.bind(statement, key.kind);
        statement.push(" AND ");
        emit_after(statement, keys, token);
        statement.push(")");
    }
    statement.push(")");
}

/// Tokens go into URLs: letters and digits only.
fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = hex.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn order_is_total_and_names_each_field_once() {
        let asked = [SortField {
            field: "properties.datetime".into(),
            is_descending: false,
        }];
        let order = SortOrder::new(&asked, &[]).expect("known");
        let mut statement = Statement::new(Dialect::Sqlite);
        order.emit_order(&mut statement);
        assert_eq!(
            statement.sql(),
            "items.datetime ASC, items.id ASC, items.collection ASC"
        );
        let unknown = [SortField {
            field: "nothing".into(),
            is_descending: false,
        }];
        assert!(SortOrder::new(&unknown, &[]).is_err());
        assert!(SortOrder::new(&unknown, &[("nothing".into(), Kind::Text)]).is_ok());
    }

    proptest! {
        #[test]
        fn any_token_ends_in_a_result(token in ".{0,200}") {
            let order = SortOrder::new(&[], &[]).expect("the default");
            let _ = order.read_token(&token);
        }

        #[test]
        fn bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
            prop_assert_eq!(bytes_of(&hex_of(&bytes)), Some(bytes));
        }
    }
}
