//! The schema of the catalogue: numbered migrations, only added.

use swath_db::{Migration, Schema};

use crate::functions::FUNCTIONS;

/// What the catalogue keeps in a database.
pub(crate) const SCHEMA: Schema = Schema {
    component: "catalog",
    migrations: &[
        Migration {
            number: 1,
            name: "items",
            sqlite: include_str!("../migrations/0001_items.sqlite.sql"),
            postgres: include_str!("../migrations/0001_items.postgres.sql"),
        },
        Migration {
            number: 2,
            name: "parcel sets",
            sqlite: include_str!("../migrations/0002_parcel_sets.sqlite.sql"),
            postgres: include_str!("../migrations/0002_parcel_sets.postgres.sql"),
        },
        Migration {
            number: 3,
            name: "compression",
            sqlite: include_str!("../migrations/0003_compression.sqlite.sql"),
            postgres: include_str!("../migrations/0003_compression.postgres.sql"),
        },
    ],
    functions: FUNCTIONS,
};
