//! SQL made of static pieces and bound values.

/// Which SQL is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite 3.45 or newer, with R-tree.
    Sqlite,
    /// PostgreSQL 13 or newer.
    Postgres,
}

/// A value bound to a statement; `None` is SQL's null of that type.
#[derive(Debug, Clone, PartialEq)]
pub enum SqlValue {
    /// True or false.
    Boolean(Option<bool>),
    /// 64 bits with sign.
    Integer(Option<i64>),
    /// 64-bit float.
    Real(Option<f64>),
    /// UTF-8 without the character 0.
    Text(Option<String>),
    /// Bytes.
    Bytes(Option<Vec<u8>>),
    /// List of texts; PostgreSQL only.
    TextList(Vec<String>),
}

impl From<i64> for SqlValue {
    fn from(value: i64) -> Self {
        Self::Integer(Some(value))
    }
}

impl From<f64> for SqlValue {
    fn from(value: f64) -> Self {
        Self::Real(Some(value))
    }
}

impl From<bool> for SqlValue {
    fn from(value: bool) -> Self {
        Self::Boolean(Some(value))
    }
}

impl From<&str> for SqlValue {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for SqlValue {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Vec<u8>> for SqlValue {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(Some(value))
    }
}

/// Most values of one statement (`SQLITE_MAX_VARIABLE_NUMBER`).
const SQLITE_VALUES_MAX: usize = 32_766;
/// Most values of one statement: the protocol counts them in 16 bits.
const POSTGRES_VALUES_MAX: usize = 65_535;

/// A statement under construction: only static text can be appended, everything else is bound.
#[derive(Debug, Clone)]
pub struct Statement {
    dialect: Dialect,
    sql: String,
    values: Vec<SqlValue>,
}

impl Statement {
    /// Returns an empty statement.
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            sql: String::with_capacity(512),
            values: Vec::new(),
        }
    }

    /// Returns which SQL it is in.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Returns the SQL so far, with placeholders for the values.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// True where it has more values than the database takes with one statement.
    pub(crate) fn has_too_many_values(&self) -> bool {
        self.values.len()
            > match self.dialect {
                Dialect::Sqlite => SQLITE_VALUES_MAX,
                Dialect::Postgres => POSTGRES_VALUES_MAX,
            }
    }

    /// Returns the values in the order of their placeholders.
    pub fn values(&self) -> &[SqlValue] {
        &self.values
    }

    /// Appends SQL that both databases understand.
    pub fn push(&mut self, sql: &'static str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Appends the SQL of the dialect.
    pub fn push_for(&mut self, sqlite: &'static str, postgres: &'static str) -> &mut Self {
        self.push(match self.dialect {
            Dialect::Sqlite => sqlite,
            Dialect::Postgres => postgres,
        })
    }

    /// Appends a placeholder and binds the value to it.
    pub fn bind(&mut self, value: impl Into<SqlValue>) -> &mut Self {
        self.values.push(value.into());
        match self.dialect {
            Dialect::Sqlite => self.sql.push('?'),
            Dialect::Postgres => {
                self.sql.push('$');
                self.sql.push_str(&self.values.len().to_string());
            }
        }
        self
    }

    /// Appends a list of bound values in parentheses; of no values, one that nothing is in.
    pub fn bind_list<V: Into<SqlValue>>(
        &mut self,
        values: impl IntoIterator<Item = V>,
    ) -> &mut Self {
        self.push("(");
        let mut is_first = true;
        for value in values {
            if !is_first {
                self.push(", ");
            }
            self.bind(value);
            is_first = false;
        }
        if is_first {
            self.push("NULL");
        }
        self.push(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_never_become_sql() {
        let mut statement = Statement::new(Dialect::Postgres);
        statement
            .push("SELECT 1 WHERE x = ")
            .bind("'; DROP TABLE items --");
        statement.push(" AND y IN ").bind_list([1_i64, 2]);
        assert_eq!(statement.sql(), "SELECT 1 WHERE x = $1 AND y IN ($2, $3)");
        assert_eq!(statement.values().len(), 3);
        let mut statement = Statement::new(Dialect::Sqlite);
        statement.push("y IN ").bind_list(Vec::<i64>::new());
        assert_eq!(statement.sql(), "y IN (NULL)");
    }

    #[test]
    fn values_are_counted() {
        let mut statement = Statement::new(Dialect::Sqlite);
        statement.bind_list(vec![1_i64; SQLITE_VALUES_MAX]);
        assert!(!statement.has_too_many_values());
        statement.bind(1_i64);
        assert!(statement.has_too_many_values());
    }
}
