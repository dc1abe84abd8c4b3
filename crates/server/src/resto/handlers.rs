//! Requests to resto and their answers.

use std::ops::ControlFlow;
use std::time::Instant;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use swath_access::Viewer;
use swath_catalog::{CollectionSearch, StoredItem};
use uuid::Uuid;

use super::page::{Form, Page};
use super::params::{Parameters, RestoQuery};
use super::search::{self, Scope};
use super::{atom, collections, describe, json as geojson};
use crate::chunks::{PageSize, each_item};
use crate::error::Problem;
use crate::links::{BaseUrl, path_segment};
use crate::objects::Holdings;
use crate::products::Product;
use crate::products::product::NameRule;
use crate::state::{AppState, Bounded};
use crate::viewer::Caller;

/// Returns the routes of the dialect.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/resto/api/collections.json", get(list_collections))
        .route("/resto/api/collections/{document}", get(in_all))
        .route(
            "/resto/api/collections/{collection}/{document}",
            get(in_collection),
        )
        .route("/resto/collections/{collection}/{document}", get(record))
}

/// Writes a failed request as resto does: `{"ErrorMessage", "ErrorCode"}`.
pub(crate) fn render_problem(problem: &Problem) -> Response {
    let body = json!({"ErrorMessage": problem.description, "ErrorCode": problem.status.as_u16()});
    (problem.status, axum::Json(body)).into_response()
}

/// A part of a path, decoded.
fn decoded<T>(path: Result<Path<T>, PathRejection>) -> Result<T, Problem> {
    path.map(|Path(parts)| parts)
        .map_err(|_| Problem::invalid("the path is not UTF-8"))
}

fn no_document(name: &str) -> Problem {
    Problem::not_found(format!(
        "there is no \"{}\" here, but search.json, search.atom and describe.xml",
        super::interval::shown(name)
    ))
}

/// The collections that a viewer sees.
struct Known<'a> {
    ids: Vec<String>,
    holdings: Holdings<'a>,
}

impl<'a> Known<'a> {
    async fn fetch(state: &'a AppState, viewer: &'a Viewer) -> Result<Self, Problem> {
        let all = state
            .catalog
            .collections(viewer, &CollectionSearch::default())
            .await?;
        let ids = all
            .iter()
            .filter_map(|collection| collection.json.get("id")?.as_str());
        Ok(Self {
            ids: ids.map(str::to_owned).collect(),
            holdings: Holdings::new(state, viewer, &all),
        })
    }
}

async fn list_collections(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
) -> Result<Response, Problem> {
    let known = Known::fetch(&state, &caller.viewer).await?;
    Ok(axum::Json(collections::write(&known.ids, &base)).into_response())
}

async fn in_all(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let document = decoded(path)?;
    let known = Known::fetch(&state, &caller.viewer).await?;
    let request = Request {
        collection: None,
        scope: Scope::everything(&known.ids),
        query: query.unwrap_or_default(),
    };
    request
        .answer(&document, &state, &caller, &base, &known)
        .await
}

async fn in_collection(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    path: Result<Path<(String, String)>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (collection, document) = decoded(path)?;
    let known = Known::fetch(&state, &caller.viewer).await?;
    let scope = Scope::named(&collection, &known.ids).ok_or_else(|| {
        let shown = super::interval::shown(&collection);
        Problem::not_found(format!("there is no collection \"{shown}\""))
    })?;
    let request = Request {
        collection: Some(collection),
        scope,
        query: query.unwrap_or_default(),
    };
    request
        .answer(&document, &state, &caller, &base, &known)
        .await
}

/// A request for a document of one collection, or of all.
struct Request {
    collection: Option<String>,
    scope: Scope,
    query: String,
}

impl Request {
    async fn answer(
        self,
        document: &str,
        state: &AppState,
        caller: &Caller,
        base: &BaseUrl,
        known: &Known<'_>,
    ) -> Result<Response, Problem> {
        let form = match document {
            "search.json" => Form::Json,
            "search.atom" => Form::Atom,
            "describe.xml" => return Ok(self.describe(base, &known.ids)),
            other => return Err(no_document(other)),
        };
        let viewer = &caller.viewer;
        Ok(match form {
            Form::Json => {
                let feature = |item: &StoredItem| {
                    let product = Product::new(item);
                    geojson::feature(&product, known.holdings.of(&product), base)
                };
                let page = self.search(state, viewer, feature).await?;
                let kind = [(header::CONTENT_TYPE, geojson::MEDIA_TYPE)];
                (kind, geojson::write(page, base).to_string()).into_response()
            }
            Form::Atom => {
                let entry = |item: &StoredItem| atom::entry(&Product::new(item), base);
                let page = self.search(state, viewer, entry).await?;
                let kind = [(header::CONTENT_TYPE, atom::MEDIA_TYPE)];
                (kind, atom::write(page, base)).into_response()
            }
        })
    }

    fn describe(&self, base: &BaseUrl, known: &[String]) -> Response {
        let folder = match &self.collection {
            Some(name) => format!("/{}", path_segment(name)),
            None => String::new(),
        };
        let described = describe::Described {
            name: self.collection.as_deref(),
            path: &|document| format!("/resto/api/collections{folder}/{document}"),
            collections: collections::names(known),
            kinds: collections::kinds(&self.scope.collections),
        };
        let kind = [(header::CONTENT_TYPE, describe::MEDIA_TYPE)];
        (kind, describe::write(&described, base)).into_response()
    }

    async fn search<R: Send>(
        self,
        state: &AppState,
        viewer: &Viewer,
        write: impl Fn(&StoredItem) -> R + Send + Sync,
    ) -> Result<Page<R>, Problem> {
        let understood = Parameters::read(&self.query).and_then(|parameters| {
            let query = RestoQuery::understand(&parameters)?;
            Ok((parameters, query))
        });
        let (parameters, query) =
            understood.map_err(|error| Problem::invalid(error.to_string()))?;
        let begun = Instant::now();
        let mut records = Vec::new();
        let mut updated = None;
        let mut take = |item: StoredItem| {
            updated = updated.max(Some(item.updated));
            records.push(write(&item));
            ControlFlow::Continue(())
        };
        let found = find(&query, &self.scope, state, viewer, &mut take).await?;
        Ok(Page {
            collection: self.collection,
            parameters,
            has_next: found.has_next,
            records,
            updated,
            total: found.total,
            query,
            processing_time_s: begun.elapsed().as_secs_f64(),
        })
    }
}

/// What there is beside the items that were handed on.
struct Found {
    has_next: bool,
    total: Option<u64>,
}

/// Hands the items of the page to `take`.
async fn find(
    query: &RestoQuery,
    scope: &Scope,
    state: &AppState,
    viewer: &Viewer,
    take: &mut (impl FnMut(StoredItem) -> ControlFlow<()> + Send),
) -> Result<Found, Problem> {
    let exactly = |total: u64| Found {
        has_next: false,
        total: Some(total),
    };
    if let Some(uuid) = query.uuid {
        let item = find_uuid(uuid, scope, state, viewer).await?;
        let total = u64::from(item.is_some());
        // A single item: whether more are wanted does not matter.
        let _ = item.map(take);
        return Ok(exactly(total));
    }
    let Some(mut search) = search::translate(query, scope, NameRule::Ids) else {
        return Ok(exactly(0));
    };
    if !search.ids.is_empty()
        && state.catalog.count(viewer, &search).await? == 0
        && let Some(other) = search::translate(query, scope, NameRule::Properties)
    {
        search = other;
    }
    let mut count = 0;
    let counted = |item| {
        count += 1;
        take(item)
    };
    let size = PageSize::of_records(query.max_records);
    let next = each_item(&state.catalog, viewer, &search, size, counted).await?;
    let has_next = next.is_some();
    // The last page knows the number without counting.
    let is_last = count > 0 && !has_next;
    let total = if is_last {
        Some(query.offset + count)
    } else if query.is_count_exact || count == 0 {
        Some(state.catalog.count(viewer, &search).await?)
    } else {
        None
    };
    Ok(Found { has_next, total })
}

async fn find_uuid(
    uuid: Uuid,
    scope: &Scope,
    state: &AppState,
    viewer: &Viewer,
) -> Result<Option<StoredItem>, Problem> {
    match state.catalog.item_by_uuid(viewer, uuid).await {
        Ok(item) if scope.collections.contains(&item.collection) => Ok(Some(item)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == swath_catalog::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Answers one product: `/resto/collections/SENTINEL-2/UUID.json`.
async fn record(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let (_, document) = decoded(path)?;
    let uuid = document
        .strip_suffix(".json")
        .and_then(|name| Uuid::try_parse(name).ok())
        .ok_or_else(|| Problem::not_found("records are named UUID.json"))?;
    let item = state.catalog.item_by_uuid(&caller.viewer, uuid).await?;
    let product = Product::new(&item);
    let collection = state
        .catalog
        .collection(&caller.viewer, &item.collection)
        .await?;
    let holding = Holdings::new(&state, &caller.viewer, &[collection]).of(&product);
    Ok(axum::Json(geojson::feature(&product, holding, &base)).into_response())
}
