//! Answers as they go out: whole, or batch by batch; etags of what never changes but by a commit.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use futures::stream::BoxStream;
use swath_series::{SeriesEncoder, SeriesFormat};
use xxhash_rust::xxh3::xxh3_64;

use super::failure::of_series;
use super::rows::Moment;
use crate::error::Problem;

/// Returns the etag of an answer: it depends on the version of the set, the tables as they are
/// now, the question and the form.
pub(super) fn etag(set: &str, moments: &[Moment], question: &str, format: SeriesFormat) -> String {
    let mut text = format!(
        "{} {set} {} {question}",
        env!("CARGO_PKG_VERSION"),
        format.name()
    );
    for moment in moments {
        let (table, version) = (&moment.table, moment.snapshot.version());
        text.push_str(&format!(
            " {}/{}={version}",
            table.collection, table.profile
        ));
    }
    format!("\"{:016x}\"", xxh3_64(text.as_bytes()))
}

/// Returns 304 where the client has the answer already.
pub(super) fn known(headers: &HeaderMap, etag: &str) -> Option<Response> {
    let sent = headers.get(header::IF_NONE_MATCH)?.to_str().ok()?;
    let is_known = sent
        .split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag);
    is_known.then(|| (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response())
}

/// Returns an answer with its headers.
pub(super) fn response(kind: &'static str, etag: Option<&str>, body: Body) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // Whether it may be seen depends on who asks; it is asked again each time.
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    headers.insert(
        header::VARY,
        HeaderValue::from_static("Accept, Authorization"),
    );
    if let Some(etag) = etag.and_then(|etag| etag.parse().ok()) {
        headers.insert(header::ETAG, etag);
    }
    response
}

/// Returns all rows in one piece.
///
/// # Errors
/// Where the format cannot hold them.
pub(super) fn encoded(
    format: SeriesFormat,
    schema: &SchemaRef,
    batches: &[RecordBatch],
) -> Result<Vec<u8>, Problem> {
    let encode = || {
        let mut encoder = SeriesEncoder::new(format, schema)?;
        let mut bytes = Vec::new();
        for batch in batches {
            bytes.extend(encoder.write(batch)?);
        }
        bytes.extend(encoder.finish()?);
        Ok(bytes)
    };
    encode().map_err(|error| of_series(&error))
}

/// Answers batch by batch. The first is awaited, so that what is wrong with the question is said
/// with a status; what fails later ends the connection, and the client knows that it is not whole.
///
/// # Errors
/// JSON, which cannot be sent in pieces; whatever the first batch says.
pub(super) async fn streamed(
    format: SeriesFormat,
    schema: &SchemaRef,
    etag: Option<&str>,
    mut batches: BoxStream<'static, Result<RecordBatch, Problem>>,
) -> Result<Response, Problem> {
    if format == SeriesFormat::Json {
        return Err(Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            "NotAcceptable",
            "many parcels are answered as a stream: format=csv, arrow or parquet",
        ));
    }
    let encoder = SeriesEncoder::new(format, schema).map_err(|error| of_series(&error))?;
    let first = batches.next().await.transpose()?;
    let first = futures::stream::iter(first.map(Ok));
    let rest = first.chain(batches).boxed();
    let pieces = futures::stream::unfold((rest, Some(encoder)), |(mut rest, encoder)| async {
        let mut encoder = encoder?;
        loop {
            let step = match rest.next().await {
                Some(Ok(batch)) => {
                    let work = move |_: &mut _| {
                        let bytes = encoder.write(&batch);
                        (bytes, encoder)
                    };
                    let (bytes, back) = swath_io::compute::run(work).await;
                    encoder = back;
                    bytes
                }
                Some(Err(problem)) => {
                    let failed = std::io::Error::other(problem.description);
                    return Some((Err(failed), (rest, None)));
                }
                None => {
                    let last = encoder.finish().map_err(std::io::Error::other);
                    return Some((last, (rest, None)));
                }
            };
            match step {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Some((Ok(bytes), (rest, Some(encoder)))),
                Err(error) => {
                    tracing::error!(%error, "a stream of rows ends early");
                    return Some((Err(std::io::Error::other(error)), (rest, None)));
                }
            }
        }
    });
    Ok(response(
        format.media_type(),
        etag,
        // Compression asks once more after the end, which an unfolded stream does not bear.
        Body::from_stream(pieces.fuse()),
    ))
}
