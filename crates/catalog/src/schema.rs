//! The schema of the catalogue: numbered migrations, only added.

use swath_db::{Migration, Schema};

use crate::functions::FUNCTIONS;

/// What the catalogue keeps in a database.
pub(crate) const SCHEMA: Schema = Schema {
    component: "catalog",
    migrations: &[Migration {
        number: 1,
        name: "items",
        sqlite: include_str!("../migrations/0001_items.sqlite.sql"),
        postgres: include_str!("../migrations/0001_items.postgres.sql"),
    }],
    functions: FUNCTIONS,
};
