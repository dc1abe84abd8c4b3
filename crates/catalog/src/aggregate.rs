//! Aggregations over what a search finds (STAC API aggregation extension).

use serde_json::{Value, json};
use swath_access::Viewer;
use swath_db::Row;
use swath_stac::ItemSearch;

use crate::filter::invalid;
use crate::question::Question;
use crate::{Aggregated, Catalog, CatalogError, instant};

/// Most aggregations of one call.
const NAMES_MAX: usize = 20;
/// Most buckets of one aggregation; `overflow` counts the items of the others.
const BUCKETS_MAX: usize = 1_000;
/// Edges of the buckets of cloud cover, in percent.
const CLOUD_EDGES: [f64; 5] = [0.0, 5.0, 15.0, 40.0, 100.0];

/// One aggregation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aggregation {
    /// A number of items, or an end of time.
    Value {
        sql: &'static str,
        is_datetime: bool,
    },
    /// How many items have each value.
    Frequency {
        sqlite: &'static str,
        postgres: &'static str,
        data_type: &'static str,
    },
    CloudCover,
}

/// The aggregations by name.
const AGGREGATIONS: &[(&str, Aggregation)] = &[
    (
        "total_count",
        Aggregation::Value {
            sql: "count(*)",
            is_datetime: false,
        },
    ),
    (
        "datetime_min",
        Aggregation::Value {
            sql: "min(items.datetime)",
            is_datetime: true,
        },
    ),
    (
        "datetime_max",
        Aggregation::Value {
            sql: "max(items.datetime)",
            is_datetime: true,
        },
    ),
    ("collection_frequency", text("items.collection")),
    ("platform_frequency", text("items.platform")),
    ("grid_code_frequency", text("items.grid_code")),
    ("cloud_cover_frequency", Aggregation::CloudCover),
    (
        "datetime_frequency",
        Aggregation::Frequency {
            sqlite: "strftime('%Y-%m-01T00:00:00Z', items.datetime / 1000000.0, 'unixepoch')",
            postgres: "to_char(to_timestamp(items.datetime / 1000000.0) AT TIME ZONE 'UTC', 'YYYY-MM-01\"T00:00:00Z\"')",
            data_type: "datetime",
        },
    ),
    (
        "datetime_day_frequency",
        Aggregation::Frequency {
            sqlite: "strftime('%Y-%m-%dT00:00:00Z', items.datetime / 1000000.0, 'unixepoch')",
            postgres: "to_char(to_timestamp(items.datetime / 1000000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T00:00:00Z\"')",
            data_type: "datetime",
        },
    ),
    (
        "created_day_frequency",
        Aggregation::Frequency {
            sqlite: "strftime('%Y-%m-%dT00:00:00Z', items.created / 1000000.0, 'unixepoch')",
            postgres: "to_char(to_timestamp(items.created / 1000000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T00:00:00Z\"')",
            data_type: "datetime",
        },
    ),
];

const fn text(sql: &'static str) -> Aggregation {
    Aggregation::Frequency {
        sqlite: sql,
        postgres: sql,
        data_type: "string",
    }
}

impl Catalog {
    /// Returns the names of the aggregations that [`Catalog::aggregate`] knows.
    pub fn aggregations() -> Vec<&'static str> {
        AGGREGATIONS.iter().map(|(name, _)| *name).collect()
    }

    /// Returns aggregations by name over what the search finds.
    ///
    /// # Errors
    /// Where a name is not known, and as [`Catalog::search`].
    pub async fn aggregate(
        &self,
        viewer: &Viewer,
        search: &ItemSearch,
        names: &[String],
    ) -> Result<Vec<Aggregated>, CatalogError> {
        if names.len() > NAMES_MAX {
            return Err(CatalogError::Limit {
                reason: format!("one call asks for at most {NAMES_MAX} aggregations"),
            });
        }
        let mut asked = Vec::with_capacity(names.len());
        for name in names {
            let found = AGGREGATIONS.iter().find(|(known, _)| known == name);
            asked.push(*found.ok_or_else(|| {
                let shown: String = name.chars().take(60).collect();
                let known: Vec<_> = Self::aggregations();
                invalid(format!(
                    "\"{shown}\" is no aggregation (known: {})",
                    known.join(", ")
                ))
            })?);
        }
        let registered = self.registered().await?;
        let question = Question::new(viewer, search, &registered)?;
        let plan = match question.is_empty() {
            true => None,
            false => Some(question.plan(&self.database).await?),
        };
        let mut answers = Vec::with_capacity(asked.len());
        for (name, aggregation) in asked {
            let mut statement = self.database.statement();
            emit_select(&mut statement, aggregation);
            let rows = match plan {
                Some(plan) => {
                    question.emit(&mut statement, plan);
                    if !matches!(aggregation, Aggregation::Value { .. }) {
                        statement.push(" GROUP BY 1 ORDER BY 2 DESC, 1");
                    }
                    self.database.fetch(&statement).await?
                }
                None => Vec::new(),
            };
            let json = answer(name, aggregation, &rows)?;
            answers.push(Aggregated {
                name: name.to_owned(),
                json,
            });
        }
        Ok(answers)
    }
}

fn emit_select(statement: &mut swath_db::Statement, aggregation: Aggregation) {
    statement.push("SELECT ");
    match aggregation {
        Aggregation::Value { sql, .. } => {
            statement.push(sql);
        }
        Aggregation::Frequency {
            sqlite, postgres, ..
        } => {
            statement.push_for(sqlite, postgres).push(", count(*)");
        }
        Aggregation::CloudCover => {
            // The edges are those of `CLOUD_EDGES`.
            statement.push(
                "CAST(CASE WHEN items.cloud_cover < 5 THEN 0 WHEN items.cloud_cover < 15 THEN 1 \
                 WHEN items.cloud_cover < 40 THEN 2 WHEN items.cloud_cover >= 40 THEN 3 END AS BIGINT), count(*)",
            );
        }
    }
}

fn answer(name: &str, aggregation: Aggregation, rows: &[Row]) -> Result<Value, CatalogError> {
    Ok(match aggregation {
        Aggregation::Value { is_datetime, .. } => {
            let value = rows
                .first()
                .map(|row| row.integer(0))
                .transpose()?
                .flatten();
            match is_datetime {
                true => {
                    json!({"name": name, "data_type": "datetime", "value": value.map(instant::to_text)})
                }
                false => json!({"name": name, "data_type": "integer", "value": value.unwrap_or(0)}),
            }
        }
        Aggregation::Frequency { data_type, .. } => {
            let mut buckets = Vec::new();
            let mut overflow = 0;
            for row in rows {
                let Some(key) = row.text(0)? else { continue };
                let frequency = row.some_integer(1)?;
                if buckets.len() >= BUCKETS_MAX {
                    overflow += frequency;
                    continue;
                }
                buckets.push(json!({"key": key, "data_type": data_type, "frequency": frequency}));
            }
            if data_type == "datetime" {
                buckets.sort_by(|a, b| a["key"].as_str().cmp(&b["key"].as_str()));
            }
            json!({"name": name, "data_type": "frequency_distribution", "overflow": overflow, "buckets": buckets})
        }
        Aggregation::CloudCover => {
            let mut counts = [0_i64; CLOUD_EDGES.len() - 1];
            for row in rows {
                let bucket = row
                    .integer(0)?
                    .and_then(|bucket| usize::try_from(bucket).ok());
                if let Some(count) = bucket.and_then(|bucket| counts.get_mut(bucket)) {
                    *count += row.some_integer(1)?;
                }
            }
            let buckets = CLOUD_EDGES
                .windows(2)
                .zip(counts)
                .map(|(edges, frequency)| {
                    json!({"key": format!("{}-{}", edges[0], edges[1]), "data_type": "number",
                    "from": edges[0], "to": edges[1], "frequency": frequency})
                });
            let buckets: Vec<Value> = buckets.collect();
            json!({"name": name, "data_type": "frequency_distribution", "overflow": 0, "buckets": buckets})
        }
    })
}
