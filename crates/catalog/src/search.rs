//! Searching: pages of items, how many there are.

use swath_access::Viewer;
use swath_db::Statement;
use swath_stac::{ItemSearch, LIMIT_DEFAULT, LIMIT_MAX, PageStart};

use crate::collections::Registered;
use crate::field::Kind;
use crate::items::{STORED_COLUMNS, STORED_COLUMNS_COUNT, stored_item};
use crate::question::Question;
use crate::sort::{KeyValue, SortOrder};
use crate::{Catalog, CatalogError, ItemPage};

/// Most items that a page may leave out before it; further pages come by token.
const OFFSET_MAX: u64 = 1_000_000;

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
        statement.push("SELECT ").push(STORED_COLUMNS);
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
        let mut next = None;
        if rows.len() > limit {
            rows.truncate(limit);
            let last = rows
                .last()
                .map(|row| order.token(row, STORED_COLUMNS_COUNT));
            next = last.transpose()?;
        }
        let items: Result<Vec<_>, _> = rows.iter().map(stored_item).collect();
        Ok(ItemPage {
            items: items?,
            next,
        })
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
