//! A search as SQL: who may see what, where, when, which, in which plan.

use swath_access::Viewer;
use swath_db::{Database, Dialect, Statement};
use swath_grid::Bbox;
use swath_stac::ItemSearch;

use crate::collections::Registered;
use crate::filter::{Predicate, SpatialTest, emit_constant, invalid};
use crate::geometry::{self, Rectangle};
use crate::{CatalogError, instant};

/// Most ids or collections of one search.
const IDS_MAX: usize = 10_000;
/// Up to so many rectangles the R-tree leads a search; beyond, the order of the answer does.
const LEAD_ROWS_MAX: i64 = 3_000;
/// Days that stand for an open end of time.
const OPEN_DAYS: f64 = 10_000_000.0;

/// A search whose parts were checked.
#[derive(Debug)]
pub(crate) struct Question {
    /// `None`: all of them.
    collections: Option<Vec<String>>,
    /// True where the collections hold so few of all items that they are the way to find them.
    are_collections_rare: bool,
    ids: Vec<String>,
    bbox: Option<Bbox>,
    datetime: (Option<i64>, Option<i64>),
    /// Most microseconds between the datetime of an item and its start or end.
    reach: i64,
    predicates: Vec<Predicate>,
    /// An item has a rectangle that touches one of these.
    region: Option<Vec<Rectangle>>,
}

/// What leads through the items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// The R-tree: few rectangles lie in the region.
    Region,
    /// An index in the order of the answer.
    Rows,
}

impl Question {
    /// Checks a search and restricts it to what `viewer` may see.
    ///
    /// # Errors
    /// Where a part makes no sense or is beyond a limit.
    pub(crate) fn new(
        viewer: &Viewer,
        search: &ItemSearch,
        registered: &[Registered],
    ) -> Result<Self, CatalogError> {
        if search.ids.len() > IDS_MAX || search.collections.len() > IDS_MAX {
            return Err(CatalogError::Limit {
                reason: format!("a search names at most {IDS_MAX} ids or collections"),
            });
        }
        let is_asked = |registered: &&Registered| {
            search.collections.is_empty() || search.collections.contains(&registered.id)
        };
        let seen: Vec<&Registered> = registered
            .iter()
            .filter(|registered| registered.is_visible(viewer))
            .filter(is_asked)
            .collect();
        let total: i64 = registered.iter().map(|registered| registered.items).sum();
        let held: i64 = seen.iter().map(|registered| registered.items).sum();
        let mut predicates = Vec::new();
        if let Some(shape) = &search.intersects {
            predicates.push(Predicate::Spatial(SpatialTest::intersects(shape.clone())));
        }
        if let Some(filter) = &search.filter {
            predicates.push(Predicate::compile(filter)?);
        }
        if let Some(bbox) = &search.bbox {
            geometry::check_bbox(bbox).map_err(invalid)?;
        }
        let region = match &search.bbox {
            Some(bbox) => Some(geometry::rectangles(bbox)),
            None => predicates
                .iter()
                .find_map(Predicate::needed_geometry)
                .and_then(geometry::bounds)
                .map(|bounds| vec![bounds]),
        };
        let end = |of: fn(&swath_stac::Interval) -> Option<chrono::DateTime<chrono::Utc>>| {
            search.datetime.as_ref().and_then(of).map(instant::to_us)
        };
        Ok(Self {
            are_collections_rare: held.saturating_mul(10) < total,
            collections: (seen.len() < registered.len()).then(|| {
                seen.iter()
                    .map(|registered| registered.id.clone())
                    .collect()
            }),
            ids: search.ids.clone(),
            bbox: search.bbox,
            datetime: (end(|interval| interval.start), end(|interval| interval.end)),
            reach: seen
                .iter()
                .map(|registered| registered.reach)
                .max()
                .unwrap_or(0),
            predicates,
            region,
        })
    }

    /// True where nothing can be found.
    pub(crate) fn is_empty(&self) -> bool {
        self.collections.as_ref().is_some_and(Vec::is_empty)
    }

    /// Decides what leads; looks into the R-tree for that.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn plan(&self, database: &Database) -> Result<Plan, CatalogError> {
        let Some(region) = self.region.as_ref().filter(|_| self.ids.is_empty()) else {
            return Ok(Plan::Rows);
        };
        let mut statement = database.statement();
        statement.push("SELECT count(*) FROM (SELECT 1 FROM (");
        self.emit_region(&mut statement, region);
        statement
            .push(") AS hits LIMIT ")
            .bind(LEAD_ROWS_MAX + 1)
            .push(") AS few");
        let rows = database.fetch(&statement).await?;
        let found = rows.first().map_or(Ok(0), |row| row.some_integer(0))?;
        Ok(if found <= LEAD_ROWS_MAX {
            Plan::Region
        } else {
            Plan::Rows
        })
    }

    /// Appends `FROM … WHERE …` over the table `items`.
    pub(crate) fn emit(&self, statement: &mut Statement, plan: Plan) {
        match (plan, &self.region) {
            (Plan::Region, Some(region)) => {
                statement.push(" FROM (");
                self.emit_region(statement, region);
                // SQLite keeps the order of a CROSS JOIN.
                statement
                    .push(") AS hits")
                    .push_for(" CROSS JOIN ", " JOIN ");
                statement.push("items ON items.seq = hits.seq WHERE TRUE");
            }
            (_, Some(region)) => {
                statement.push(" FROM items WHERE (");
                for (index, rectangle) in region.iter().enumerate() {
                    if index > 0 {
                        statement.push(" OR ");
                    }
                    emit_touches(statement, rectangle);
                }
                statement.push(")");
            }
            (_, None) => {
                statement.push(" FROM items WHERE TRUE");
            }
        }
        self.emit_names(statement);
        self.emit_time(statement);
        if let Some(bbox) = &self.bbox {
            emit_in_bbox(statement, bbox);
        }
        for predicate in &self.predicates {
            statement.push(" AND ");
            predicate.emit(statement);
        }
    }

    /// Appends the numbers of items with a rectangle in the region, each once.
    fn emit_region(&self, statement: &mut Statement, region: &[Rectangle]) {
        let (start, end) = self.datetime;
        let first = start.map_or(-OPEN_DAYS, instant::to_days);
        let last = end.map_or(OPEN_DAYS, instant::to_days);
        for (index, rectangle) in region.iter().enumerate() {
            let Rectangle {
                west,
                south,
                east,
                north,
            } = *rectangle;
            if index > 0 {
                statement.push(" UNION ");
            }
            statement.push("SELECT DISTINCT id / 2 AS seq FROM boxes WHERE ");
            match statement.dialect() {
                Dialect::Sqlite => {
                    statement
                        .push("west <= ")
                        .bind(east)
                        .push(" AND east >= ")
                        .bind(west);
                    statement
                        .push(" AND south <= ")
                        .bind(north)
                        .push(" AND north >= ")
                        .bind(south);
                    statement.push(" AND start_day <= ").bind(last);
                    statement.push(" AND end_day >= ").bind(first);
                }
                Dialect::Postgres => {
                    statement.push("diagonal &&& ");
                    emit_diagonal(statement, rectangle, first, last);
                }
            }
        }
    }

    fn emit_names(&self, statement: &mut Statement) {
        if let Some(collections) = &self.collections {
            statement.push(" AND ");
            // A plus keeps SQLite from an index: many items are in the collections, and the order
            // of the answer finds the first of them sooner.
            if collections.len() > 1 && !self.are_collections_rare {
                statement.push_for("+", "");
            }
            statement.push("items.collection IN ");
            statement.bind_list(collections.iter().map(String::as_str));
        }
        if !self.ids.is_empty() {
            statement
                .push(" AND items.id IN ")
                .bind_list(self.ids.iter().map(String::as_str));
        }
    }

    fn emit_time(&self, statement: &mut Statement) {
        let (start, end) = self.datetime;
        if let Some(end) = end {
            statement.push(" AND items.start_datetime <= ").bind(end);
            statement
                .push(" AND items.datetime <= ")
                .bind(end.saturating_add(self.reach));
        }
        if let Some(start) = start {
            statement.push(" AND items.end_datetime >= ").bind(start);
            statement
                .push(" AND items.datetime >= ")
                .bind(start.saturating_sub(self.reach));
        }
    }
}

/// Appends the diagonal of a rectangle through a span of days (PostGIS).
pub(crate) fn emit_diagonal(
    statement: &mut Statement,
    rectangle: &Rectangle,
    first: f64,
    last: f64,
) {
    let Rectangle {
        west,
        south,
        east,
        north,
    } = *rectangle;
    statement
        .push("ST_MakeLine(ST_MakePoint(")
        .bind(west)
        .push(", ")
        .bind(south);
    statement
        .push(", ")
        .bind(first)
        .push("), ST_MakePoint(")
        .bind(east)
        .push(", ");
    statement.bind(north).push(", ").bind(last).push("))");
}

/// Appends that the rectangle of an item touches another; its west may lie east of its east.
fn emit_touches(statement: &mut Statement, rectangle: &Rectangle) {
    let Rectangle {
        west,
        south,
        east,
        north,
    } = *rectangle;
    statement
        .push("(items.south <= ")
        .bind(north)
        .push(" AND items.north >= ")
        .bind(south);
    statement
        .push(" AND CASE WHEN items.west <= items.east THEN items.west <= ")
        .bind(east);
    statement
        .push(" AND items.east >= ")
        .bind(west)
        .push(" ELSE items.west <= ")
        .bind(east);
    statement
        .push(" OR items.east >= ")
        .bind(west)
        .push(" END)");
}

/// Appends that an item shares a point with a bbox. What lies wholly within needs no look at its
/// geometry.
fn emit_in_bbox(statement: &mut Statement, bbox: &Bbox) {
    statement.push(" AND (");
    for Rectangle {
        west,
        south,
        east,
        north,
    } in geometry::rectangles(bbox)
    {
        statement
            .push("(items.west <= items.east AND items.west >= ")
            .bind(west);
        statement.push(" AND items.east <= ").bind(east);
        statement.push(" AND items.south >= ").bind(south);
        statement
            .push(" AND items.north <= ")
            .bind(north)
            .push(") OR ");
    }
    statement.push_for(
        "swath_intersects(items.geometry, ",
        "ST_Intersects(items.geometry, ",
    );
    emit_constant(statement, &geometry::of_bbox(bbox));
    statement.push("))");
}
