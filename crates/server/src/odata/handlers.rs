//! Requests to OData and their answers.

use std::ops::ControlFlow;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use swath_access::Viewer;
use swath_catalog::{CollectionSearch, ErrorKind, StoredCollection, StoredItem};
use swath_stac::{ItemSearch, PageStart};
use uuid::Uuid;

use super::entity;
use super::metadata;
use super::nodes::{self, Node, Place};
use super::path::{self, NodePart, NodePath, Resource};
use super::query::{self, Query, SKIP_MAX, Shape};
use super::translate::{self, ItemKey, Known};
use crate::chunks::{PageSize, each_item};
use crate::error::Problem;
use crate::links::BaseUrl;
use crate::objects::{self, Holdings};
use crate::products::Product;
use crate::products::attributes::{self, Condition, Literal};
use crate::products::expressions::{self, Comparison};
use crate::products::product::{NameRule, ids_of_name};
use crate::state::{AppState, Bounded};
use crate::viewer::Caller;

/// Most names of one list.
const LIST_NAMES_MAX: usize = 1_000;
/// Names that one search looks for.
const LIST_NAMES_AT_ONCE: usize = 50;
/// Largest body of a list, in bytes.
const LIST_BYTES_MAX: usize = 1 << 20;

/// Returns the routes of the dialect.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/odata/v1", get(answer_service))
        .route("/odata/v1/", get(answer_service))
        .route("/odata/v1/{*path}", get(answer).post(answer_post))
}

/// Writes a failed request as OData does: `{"error": {"code", "message"}}`.
pub(crate) fn render_problem(problem: &Problem) -> Response {
    let body = json!({"error": {"code": problem.code, "message": problem.description}});
    let kind = [(header::CONTENT_TYPE, JSON)];
    (problem.status, kind, body.to_string()).into_response()
}

const JSON: &str = "application/json";

/// What every answer is made with.
struct Asked {
    state: AppState,
    viewer: Viewer,
    base: BaseUrl,
    query: String,
    method: Method,
    headers: HeaderMap,
}

async fn answer_service(base: BaseUrl) -> Response {
    answer_json(&json!({
        "@odata.context": base.href("/odata/v1/$metadata"),
        "value": [{"name": "Products", "kind": "EntitySet", "url": "Products"}],
    }))
}

fn answer_json(value: &Value) -> Response {
    let heads = [
        (header::CONTENT_TYPE, JSON),
        (header::HeaderName::from_static("odata-version"), "4.0"),
    ];
    (heads, value.to_string()).into_response()
}

fn resource(path: Result<Path<String>, PathRejection>) -> Result<Resource, Problem> {
    let Path(path) = path.map_err(|_| Problem::invalid("the path is not UTF-8"))?;
    path::parse(&path).ok_or_else(|| {
        Problem::not_found("no such resource; there are Products, Products(UUID), Products(UUID)/$value and Products(UUID)/Nodes")
    })
}

async fn answer(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Asked {
        state,
        viewer: caller.viewer,
        base,
        query: query.unwrap_or_default(),
        method,
        headers,
    };
    match resource(path)? {
        Resource::Service => Ok(answer_service(asked.base).await),
        Resource::Metadata => Ok((
            [(header::CONTENT_TYPE, metadata::MEDIA_TYPE)],
            metadata::write(),
        )
            .into_response()),
        Resource::Products => asked.products().await,
        Resource::ProductsCount => asked.count().await,
        Resource::FilterList => Err(Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "send the names with POST",
        )),
        Resource::Product(uuid) => asked.product(uuid).await,
        Resource::Attributes(uuid) => asked.attributes(uuid).await,
        Resource::ProductValue(uuid) => asked.product_value(uuid).await,
        Resource::Nodes(uuid, path) => asked.nodes(uuid, &path).await,
    }
}

async fn answer_post(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    if resource(path)? != Resource::FilterList {
        return Err(Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "only Products/OData.CSC.FilterList takes POST",
        ));
    }
    let body = to_bytes(request.into_body(), LIST_BYTES_MAX)
        .await
        .map_err(|_| {
            let text = format!("the list has more than {LIST_BYTES_MAX} bytes");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLarge", text)
        })?;
    let list: FilterList = serde_json::from_slice(&body).map_err(|error| {
        Problem::invalid(format!(
            "expected {{\"FilterProducts\": [{{\"Name\": …}}]}}: {error}"
        ))
    })?;
    let asked = Asked {
        state,
        viewer: caller.viewer,
        base,
        query: query.unwrap_or_default(),
        method: Method::POST,
        headers: HeaderMap::new(),
    };
    asked.list(&list).await
}

/// Body of `OData.CSC.FilterList`.
#[derive(Debug, Deserialize)]
struct FilterList {
    #[serde(rename = "FilterProducts")]
    products: Vec<NamedProduct>,
}

#[derive(Debug, Deserialize)]
struct NamedProduct {
    #[serde(rename = "Name")]
    name: String,
}

impl Asked {
    fn understand(&self) -> Result<Query, Problem> {
        query::understand(&self.query).map_err(|error| Problem::invalid(error.to_string()))
    }

    /// Returns the search behind a query; `None` where nothing can be found.
    async fn search(
        &self,
        query: &Query,
        collections: &[StoredCollection],
    ) -> Result<Option<ItemSearch>, Problem> {
        let Some(filter) = &query.filter else {
            return Ok(Some(ItemSearch::default()));
        };
        let ids = collections
            .iter()
            .filter_map(|collection| collection.json.get("id")?.as_str());
        let known = Known {
            collections: ids.map(str::to_owned).collect(),
            items: self.items(filter).await?,
        };
        let translated = |rule| {
            let search = translate::translate(filter, &known, rule);
            search.map_err(|error| Problem::invalid(format!("$filter: {error}")))
        };
        let search = translated(NameRule::Ids)?;
        let is_named = search.as_ref().filter(|search| !search.ids.is_empty());
        if let Some(search) = is_named
            && self.state.catalog.count(&self.viewer, search).await? == 0
        {
            return translated(NameRule::Properties);
        }
        Ok(search)
    }

    async fn collections(&self) -> Result<Vec<StoredCollection>, Problem> {
        Ok(self
            .state
            .catalog
            .collections(&self.viewer, &CollectionSearch::default())
            .await?)
    }

    async fn items(
        &self,
        filter: &super::filter::Filter,
    ) -> Result<std::collections::HashMap<Uuid, ItemKey>, Problem> {
        let uuids = translate::uuids(filter)
            .map_err(|error| Problem::invalid(format!("$filter: {error}")))?;
        let mut found = std::collections::HashMap::new();
        for uuid in uuids {
            match self.state.catalog.item_by_uuid(&self.viewer, uuid).await {
                Ok(item) => {
                    let id = Product::new(&item).id().to_owned();
                    let collection = item.collection;
                    found.insert(uuid, ItemKey { collection, id });
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }

    async fn products(&self) -> Result<Response, Problem> {
        let query = self.understand()?;
        let collections = self.collections().await?;
        let search = self.search(&query, &collections).await?;
        let holdings = Holdings::new(&self.state, &self.viewer, &collections);
        let mut value = Vec::new();
        let mut token = None;
        if let Some(search) = &search {
            let search = ItemSearch {
                sort: query.sort.clone(),
                start: query.start.clone(),
                ..search.clone()
            };
            let write = |item: StoredItem| {
                value.push(self.entity(&item, &query.shape, &holdings));
                ControlFlow::Continue(())
            };
            let catalog = &self.state.catalog;
            let size = PageSize::of_records(query.top);
            token = each_item(catalog, &self.viewer, &search, size, write).await?;
        }
        let next = next_link(&query, value.len(), token.as_deref());
        let mut answer = Map::new();
        let context = query.shape.context();
        let context = if context.is_empty() {
            context
        } else {
            format!("({context})")
        };
        answer.insert(
            "@odata.context".to_owned(),
            json!(format!("$metadata#Products{context}")),
        );
        if query.is_counted {
            let count = match &search {
                Some(search) => self.state.catalog.count(&self.viewer, search).await?,
                None => 0,
            };
            answer.insert("@odata.count".to_owned(), json!(count));
        }
        answer.insert("value".to_owned(), value.into());
        if let Some(link) = next {
            let href = self.base.href(&format!("/odata/v1/Products?{link}"));
            answer.insert("@odata.nextLink".to_owned(), json!(href));
        }
        Ok(answer_json(&answer.into()))
    }

    fn entity(&self, item: &StoredItem, shape: &Shape, holdings: &Holdings<'_>) -> Value {
        let product = Product::new(item);
        Value::Object(entity::write(
            &product,
            holdings.of(&product),
            shape,
            &self.base,
        ))
    }

    async fn count(&self) -> Result<Response, Problem> {
        let query = self.understand()?;
        let count = match self.search(&query, &self.collections().await?).await? {
            Some(search) => self.state.catalog.count(&self.viewer, &search).await?,
            None => 0,
        };
        Ok(([(header::CONTENT_TYPE, "text/plain")], count.to_string()).into_response())
    }

    async fn item(&self, uuid: Uuid) -> Result<StoredItem, Problem> {
        Ok(self.state.catalog.item_by_uuid(&self.viewer, uuid).await?)
    }

    async fn product(&self, uuid: Uuid) -> Result<Response, Problem> {
        let query = self.understand()?;
        let item = self.item(uuid).await?;
        let mut entity = Map::new();
        entity.insert(
            "@odata.context".to_owned(),
            json!("$metadata#Products/$entity"),
        );
        let collection = self
            .state
            .catalog
            .collection(&self.viewer, &item.collection)
            .await?;
        let product = Product::new(&item);
        let holding = Holdings::new(&self.state, &self.viewer, &[collection]).of(&product);
        entity.extend(entity::write(&product, holding, &query.shape, &self.base));
        Ok(answer_json(&entity.into()))
    }

    async fn attributes(&self, uuid: Uuid) -> Result<Response, Problem> {
        let item = self.item(uuid).await?;
        let context = format!("$metadata#Products({uuid})/Attributes");
        let value = entity::attribute_list(&Product::new(&item));
        Ok(answer_json(
            &json!({"@odata.context": context, "value": value}),
        ))
    }

    async fn product_value(&self, uuid: Uuid) -> Result<Response, Problem> {
        let item = self.item(uuid).await?;
        let request = objects::Download {
            state: &self.state,
            viewer: &self.viewer,
            method: &self.method,
            headers: &self.headers,
        };
        request.product(&item).await
    }

    async fn nodes(&self, uuid: Uuid, path: &NodePath) -> Result<Response, Problem> {
        let item = self.item(uuid).await?;
        let product = Product::new(&item);
        let request = objects::Download {
            state: &self.state,
            viewer: &self.viewer,
            method: &self.method,
            headers: &self.headers,
        };
        let files = request.files(&item).await?;
        let name = product.name();
        let place = Place {
            uuid,
            name: &name,
            base: &self.base,
        };
        if path.names.is_empty() {
            return Ok(answer_json(&json!({"result": [place.root(&files)]})));
        }
        let node = nodes::find(&path.names, &name, &files)
            .ok_or_else(|| Problem::not_found("the product has no such node"))?;
        match (node, path.wanted) {
            (Node::File(file), NodePart::Value) => request.file(&item, file).await,
            (Node::Folder(_), NodePart::Value) => Err(Problem::invalid(
                "a folder has no value; Products(UUID)/$value is the whole product",
            )),
            (Node::File(file), _) => Ok(answer_json(&json!({"result": [place.file(file)]}))),
            (Node::Folder(folder), NodePart::Children) => {
                Ok(answer_json(&json!({"result": place.list(&files, &folder)})))
            }
            (Node::Folder(folder), NodePart::Entry) => Ok(answer_json(
                &json!({"result": [place.folder(&files, &folder)]}),
            )),
        }
    }

    /// Returns the products of the names of a list.
    async fn list(&self, list: &FilterList) -> Result<Response, Problem> {
        if list.products.len() > LIST_NAMES_MAX {
            return Err(Problem::invalid(format!(
                "more than {LIST_NAMES_MAX} names"
            )));
        }
        let query = self.understand()?;
        let collections = self.collections().await?;
        let holdings = Holdings::new(&self.state, &self.viewer, &collections);
        let mut value = Vec::new();
        for part in list.products.chunks(LIST_NAMES_AT_ONCE) {
            let items = self.named(part).await?;
            let entities = items
                .iter()
                .map(|item| self.entity(item, &query.shape, &holdings));
            value.extend(entities);
        }
        let context = "$metadata#Products";
        Ok(answer_json(
            &json!({"@odata.context": context, "@odata.count": value.len(), "value": value}),
        ))
    }
}

impl Asked {
    /// Returns the products of some names.
    async fn named(&self, names: &[NamedProduct]) -> Result<Vec<StoredItem>, Problem> {
        let search = ItemSearch {
            ids: names
                .iter()
                .flat_map(|product| ids_of_name(&product.name))
                .collect(),
            limit: Some(query::TOP_MAX),
            ..ItemSearch::default()
        };
        let mut items = self
            .state
            .catalog
            .search(&self.viewer, &search)
            .await?
            .items;
        let is_there = |product: &&NamedProduct| {
            let ids = ids_of_name(&product.name);
            items
                .iter()
                .any(|item| ids.iter().any(|id| id == Product::new(item).id()))
        };
        let others: Vec<_> = names.iter().filter(|product| !is_there(product)).collect();
        if others.is_empty() {
            return Ok(items);
        }
        let each = others.iter().map(|product| {
            let name = Literal::Text(product.name.clone());
            attributes::name_filter(&Condition::Compare(Comparison::Equal, name))
        });
        let search = ItemSearch {
            filter: Some(expressions::any(each.collect())),
            limit: Some(query::TOP_MAX),
            ..ItemSearch::default()
        };
        items.extend(
            self.state
                .catalog
                .search(&self.viewer, &search)
                .await?
                .items,
        );
        Ok(items)
    }
}

/// Returns the query of the page after `count` products: counted off as far as clients may count, by
/// token beyond.
fn next_link(query: &Query, count: usize, token: Option<&str>) -> Option<String> {
    let token = token?;
    let skipped = match &query.start {
        PageStart::First => Some(0),
        PageStart::Offset(offset) => Some(*offset),
        PageStart::Token(_) => None,
    };
    let next = skipped.map(|skipped| skipped + count as u64);
    Some(match next.filter(|next| *next <= SKIP_MAX) {
        Some(next) => query.next("$skip", &next.to_string()),
        None => query.next("$skiptoken", token),
    })
}
