//! Searching: pages of items, how many there are.

use std::collections::HashMap;

use swath_access::Viewer;
use swath_db::{Row, Statement};
use swath_stac::{ItemSearch, LIMIT_DEFAULT, LIMIT_MAX, PageStart};

use crate::collections::Registered;
use crate::field::Kind;
use crate::items::{STORED_COLUMNS, STORED_COLUMNS_COUNT, stored_item};
use crate::question::Question;
use crate::sort::{KeyValue, SortOrder};
use crate::{Catalog, CatalogError, ItemPage, StoredItem};

/// Most items that a page may leave out before it; further pages come by token.
const OFFSET_MAX: u64 = 1_000_000;

/// The columns that say how large an item is: neither database reads the text for that.
const SIZE_COLUMNS: &str = "items.seq, CAST(octet_length(items.json) AS BIGINT)";
/// How many they are.
const SIZE_COLUMNS_COUNT: usize = 2;

impl Catalog {
    /// Returns one page of the items that `viewer` may see.
    ///
    /// A page after a token goes on behind the last item of the page before, also where items came
    /// or went meanwhile. A limit of 0 gives an empty page.
    ///
    /// # Errors
    /// Where a part of the search makes no sense or is beyond a limit; what the database says.
    pub async fn search(
        &self,
        viewer: &Viewer,
        search: &ItemSearch,
    ) -> Result<ItemPage, CatalogError> {
        self.page(viewer, search, None).await
    }

    /// Returns a page as [`Catalog::search`] does, with at most `bytes_max` bytes of items as JSON text,
    /// but one item at least: items of any size are in memory some at a time.
    ///
    /// # Errors
    /// As [`Catalog::search`].
    pub async fn search_within(
        &self,
        viewer: &Viewer,
        search: &ItemSearch,
        bytes_max: u64,
    ) -> Result<ItemPage, CatalogError> {
        self.page(viewer, search, Some(bytes_max)).await
    }

    async fn page(
        &self,
        viewer: &Viewer,
        search: &ItemSearch,
        bytes_max: Option<u64>,
    ) -> Result<ItemPage, CatalogError> {
        let registered = self.registered().await?;
        let question = Question::new(viewer, search, &registered)?;
        let order = self.order(viewer, search, &registered).await?;
        let limit = search.limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
        let (offset, after) = match &search.start {
            PageStart::First => (0, None),
            PageStart::Token(token) => (0, Some(order.read_token(token)?)),
            PageStart::Offset(offset) if *offset > OFFSET_MAX => {
                return Err(CatalogError::Limit {
                    reason: format!(
                        "a page begins at most {OFFSET_MAX} items into the answer; go on by token"
                    ),
                });
            }
            PageStart::Offset(offset) => (*offset, None),
        };
        if question.is_empty() || limit == 0 {
            return Ok(ItemPage::default());
        }
        let plan = question.plan(&self.database).await?;
        let mut statement = self.database.statement();
        let columns = match bytes_max {
            None => STORED_COLUMNS,
            Some(_) => SIZE_COLUMNS,
        };
        statement.push("SELECT ").push(columns);
        order.emit_columns(&mut statement);
        // The large columns are fetched of the items of the page only, after sorting.
        statement.push(" FROM (SELECT items.seq AS seq");
        question.emit(&mut statement, plan);
        emit_page(
            &mut statement,
            &order,
            after.as_deref(),
            i64::from(limit) + 1,
            offset,
        );
        statement
            .push(") AS page")
            .push_for(" CROSS JOIN ", " JOIN ");
        statement.push("items ON items.seq = page.seq ORDER BY ");
        order.emit_order(&mut statement);
        let mut rows = self.database.fetch(&statement).await?;
        let limit = usize::try_from(limit).expect("a limit fits into memory");
        let (limit, columns) = match bytes_max {
            None => (limit, STORED_COLUMNS_COUNT),
            Some(bytes_max) => (fitting(&rows, limit, bytes_max)?, SIZE_COLUMNS_COUNT),
        };
        let mut next = None;
        if rows.len() > limit {
            rows.truncate(limit);
            let last = rows.last().map(|row| order.token(row, columns));
            next = last.transpose()?;
        }
        let items: Result<Vec<_>, _> = match bytes_max {
            None => rows.iter().map(stored_item).collect(),
            Some(_) => self.items_of(&rows).await,
        };
        Ok(ItemPage {
            items: items?,
            next,
        })
    }

    /// Returns the items of rows of [`SIZE_COLUMNS`] in their order; without those that went meanwhile.
    async fn items_of(&self, rows: &[Row]) -> Result<Vec<StoredItem>, CatalogError> {
        let numbers: Result<Vec<i64>, _> = rows.iter().map(|row| row.some_integer(0)).collect();
        let numbers = numbers?;
        let mut statement = self.database.statement();
        statement
            .push("SELECT ")
            .push(STORED_COLUMNS)
            .push(", items.seq FROM items WHERE items.seq IN ");
        statement.bind_list(numbers.iter().copied());
        let mut found = HashMap::with_capacity(numbers.len());
        for row in self.database.fetch(&statement).await? {
            found.insert(row.some_integer(STORED_COLUMNS_COUNT)?, stored_item(&row)?);
        }
        let in_order = numbers.iter().filter_map(|number| found.remove(number));
        Ok(in_order.collect())
    }

    /// Returns how many items the search finds on all pages.
    ///
    /// # Errors
    /// As [`Catalog::search`].
    pub async fn count(&self, viewer: &Viewer, search: &ItemSearch) -> Result<u64, CatalogError> {
        let registered = self.registered().await?;
        let question = Question::new(viewer, search, &registered)?;
        if question.is_empty() {
            return Ok(0);
        }
        let plan = question.plan(&self.database).await?;
        let mut statement = self.database.statement();
        statement.push("SELECT count(*)");
        question.emit(&mut statement, plan);
        let rows = self.database.fetch(&statement).await?;
        let count = rows.first().map_or(Ok(0), |row| row.some_integer(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Returns the order of a search; of properties that are no columns it asks which kind they are.
    ///
    /// What only items that the viewer may not see have is not known to it either.
    async fn order(
        &self,
        viewer: &Viewer,
        search: &ItemSearch,
        registered: &[Registered],
    ) -> Result<SortOrder, CatalogError> {
        let seen = registered
            .iter()
            .filter(|registered| registered.is_visible(viewer))
            .map(|registered| registered.id.as_str());
        let mut kinds: Vec<(String, Kind)> = Vec::new();
        let names = search.sort.iter().map(|sort| {
            let name = sort.field.as_str();
            name.strip_prefix("properties.").unwrap_or(name)
        });
        let names: Vec<&str> = names.filter(|name| name.len() <= 200).collect();
        if !names.is_empty() {
            let mut statement = self.database.statement();
            statement.push("SELECT DISTINCT name, kind FROM fields WHERE name IN ");
            statement.bind_list(names).push(" AND collection IN ");
            statement.bind_list(seen).push(" ORDER BY name, kind");
            for row in self.database.fetch(&statement).await? {
                let kind = match row.some_text(1)?.as_str() {
                    "number" => Kind::Number,
                    "text" => Kind::Text,
                    "boolean" => Kind::Boolean,
                    _ => continue,
                };
                kinds.push((row.some_text(0)?, kind));
            }
        }
        SortOrder::new(&search.sort, &kinds)
    }
}

/// Returns how many of the first `limit` rows of [`SIZE_COLUMNS`] fit into `bytes_max`: one at least.
fn fitting(rows: &[Row], limit: usize, bytes_max: u64) -> Result<usize, CatalogError> {
    let mut bytes = 0;
    for (count, row) in rows.iter().take(limit).enumerate() {
        bytes += u64::try_from(row.some_integer(1)?).unwrap_or(0);
        if bytes > bytes_max {
            return Ok(count.max(1));
        }
    }
    Ok(limit)
}

fn emit_page(
    statement: &mut Statement,
    order: &SortOrder,
    after: Option<&[KeyValue]>,
    limit: i64,
    offset: u64,
) {
    if let Some(token) = after {
        statement.push(" AND ");
        order.emit_after(statement, token);
    }
    statement.push(" ORDER BY ");
    order.emit_order(statement);
    statement.push(" LIMIT ").bind(limit);
    if offset > 0 {
        statement
            .push(" OFFSET ")
            .bind(i64::try_from(offset).unwrap_or(i64::MAX));
    }
}
