//! One image: the rows of every parcel, as a stream.

use axum::extract::Path;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use futures::{StreamExt, TryStreamExt};
use swath_extract::table::ImageRequest;
use swath_series::SeriesFormat;

use super::failure::of_extract;
use super::question::Question;
use super::rows::{Moment, schema_of};
use super::stream::{etag, known, streamed};
use super::tables::TableChoice;
use crate::error::Problem;
use crate::state::Bounded;
use crate::viewer::Caller;

/// Answers `GET /parcels/{set}/images/{item}`.
pub(super) async fn show(
    Bounded(state): Bounded,
    caller: Caller,
    Path((name, item)): Path<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let question = Question::of_query(uri.query(), &[])?;
    if question.season.is_derived()
        || question.season.clear_min > 0.0
        || question.interval.is_some()
    {
        return Err(Problem::invalid(
            "an image is answered as it is in the table: band, columns, table and format can be said",
        ));
    }
    let set = state.sets.open(&state, &caller.viewer, &name).await?;
    let choice = TableChoice {
        set: &set.set.name,
        version: set.version.number,
        collection: question.collection.as_deref(),
        profile: question.profile.as_deref(),
    };
    let tables = state.tables.find(&state, &caller.viewer, &choice).await?;
    let moments = Moment::of(tables, question.kind).await?;
    let found = moments.into_iter().find_map(|moment| {
        let item_id = item_of(&moment, &item)?;
        Some((moment, item_id))
    });
    let (moment, item_id) = found.ok_or_else(|| {
        let shown: String = item.chars().take(200).collect();
        Problem::not_found(format!("no rows of item \"{shown}\" for {}", set.name()))
    })?;
    let format = question.format(&headers, SeriesFormat::Csv);
    let asked = format!("{item} {}", uri.query().unwrap_or_default());
    let etag = etag(&set.name(), std::slice::from_ref(&moment), &asked, format);
    if let Some(unchanged) = known(&headers, &etag) {
        return Ok(unchanged);
    }
    let schema = schema_of(&question)?;
    let request = ImageRequest {
        item_id,
        bands: question.bands,
        columns: question.columns,
    };
    let batches = moment.reader.image(&moment.snapshot, &request);
    let batches = batches.map_err(|error| of_extract(&error)).boxed();
    streamed(format, &schema, Some(&etag), batches).await
}

/// Returns the item id that the rows of an item carry: that of the first slice of its unit.
fn item_of(moment: &Moment, item: &str) -> Option<String> {
    let units = moment.snapshot.files().flat_map(|file| &file.units);
    let mut holding =
        units.filter(|unit| unit.item_id == item || unit.items.iter().any(|slice| slice == item));
    holding.next().map(|unit| unit.item_id.clone())
}
