//! Which form of an answer is wanted: the parameter `f`, else the header Accept.

use axum::http::{HeaderMap, StatusCode, header};

use super::JSON;
use crate::error::Problem;
use crate::map::ImageFormat;

/// Most entries of an Accept header that are read.
const ENTRIES_MAX: usize = 50;

/// Settles that a document is wanted as JSON: there is no other form.
///
/// # Errors
/// 400 where `f` names another form, 406 where the client accepts no JSON.
pub(super) fn want_json(f: Option<&str>, headers: &HeaderMap) -> Result<(), Problem> {
    match f {
        Some("json" | JSON) => Ok(()),
        Some(other) => Err(form_unknown(other, "json")),
        None => {
            let accepted = Accepted::read(headers);
            match accepted.share(JSON) > 0.0 {
                true => Ok(()),
                false => Err(not_acceptable(JSON)),
            }
        }
    }
}

/// Returns the form of a picture: PNG where the client does not care.
///
/// # Errors
/// 400 where `f` names no form, 406 where the client accepts none.
pub(super) fn picture_format(f: Option<&str>, headers: &HeaderMap) -> Result<ImageFormat, Problem> {
    if let Some(text) = f {
        let format = ImageFormat::of_extension(text).or_else(|| ImageFormat::of_media_type(text));
        return format.ok_or_else(|| {
            form_unknown(
                text,
                &ImageFormat::ALL.map(ImageFormat::extension).join(", "),
            )
        });
    }
    let accepted = Accepted::read(headers);
    let mut best: Option<(f64, ImageFormat)> = None;
    for format in ImageFormat::ALL {
        let kind = format.media_type().split(';').next().unwrap_or_default();
        let share = accepted.share(kind);
        if share > 0.0 && best.is_none_or(|(most, _)| share > most) {
            best = Some((share, format));
        }
    }
    let (_, format) = best
        .ok_or_else(|| not_acceptable(&ImageFormat::ALL.map(ImageFormat::media_type).join(", ")))?;
    Ok(format)
}

fn form_unknown(asked: &str, known: &str) -> Problem {
    let asked: String = asked.chars().filter(|c| !c.is_control()).take(40).collect();
    Problem::invalid(format!("f: \"{asked}\" is not offered here, but {known}"))
}

fn not_acceptable(known: &str) -> Problem {
    Problem::new(
        StatusCode::NOT_ACCEPTABLE,
        "NotAcceptable",
        format!("none of the media types in Accept is offered here, but {known}"),
    )
}

/// What a client accepts (RFC 9110, 12.5.1): media ranges and how much it wants each.
#[derive(Debug)]
struct Accepted(Vec<(String, f64)>);

impl Accepted {
    fn read(headers: &HeaderMap) -> Self {
        let text = headers.get(header::ACCEPT);
        let text = text.and_then(|value| value.to_str().ok()).unwrap_or("");
        let entries = text.split(',').take(ENTRIES_MAX).filter_map(|entry| {
            let mut parts = entry.split(';').map(str::trim);
            let range = parts.next().filter(|range| !range.is_empty())?;
            let weight = parts.find_map(|part| part.strip_prefix("q="));
            let weight = weight.and_then(|text| text.parse::<f64>().ok());
            Some((range.to_ascii_lowercase(), weight.unwrap_or(1.0)))
        });
        let mut entries: Vec<(String, f64)> = entries.collect();
        // Without the header everything is welcome.
        if entries.is_empty() {
            entries.push(("*/*".to_owned(), 1.0));
        }
        Self(entries)
    }

    /// Returns how much a media type is wanted, 0..=1: the most precise range decides.
    fn share(&self, kind: &str) -> f64 {
        let family = kind.split('/').next().unwrap_or_default();
        let ranges = [kind.to_owned(), format!("{family}/*"), "*/*".to_owned()];
        let weight = |range: &String| self.0.iter().find(|(known, _)| known == range);
        ranges
            .iter()
            .find_map(weight)
            .map_or(0.0, |(_, weight)| *weight)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn accept(text: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(text));
        headers
    }

    #[test]
    fn f_decides_before_accept() {
        let png = accept("image/png");
        assert_eq!(picture_format(Some("jpg"), &png), Ok(ImageFormat::Jpeg));
        assert_eq!(
            picture_format(Some("image/tiff; application=geotiff"), &png),
            Ok(ImageFormat::GeoTiff)
        );
        let problem = picture_format(Some("gif"), &png).expect_err("unknown");
        assert_eq!(problem.status, StatusCode::BAD_REQUEST);
        assert!(want_json(Some("json"), &png).is_ok());
        assert!(want_json(Some("html"), &png).is_err());
    }

    #[test]
    fn clients_get_what_they_want_most() {
        let format = |text| picture_format(None, &accept(text)).map_err(|problem| problem.status);
        assert_eq!(
            picture_format(None, &HeaderMap::new()),
            Ok(ImageFormat::Png)
        );
        assert_eq!(format("*/*"), Ok(ImageFormat::Png));
        assert_eq!(format("image/*;q=0.5"), Ok(ImageFormat::Png));
        assert_eq!(
            format("text/html,image/webp,*/*;q=0.8"),
            Ok(ImageFormat::Webp)
        );
        assert_eq!(
            format("image/png;q=0,image/jpeg;q=0.2"),
            Ok(ImageFormat::Jpeg)
        );
        assert_eq!(format("text/html"), Err(StatusCode::NOT_ACCEPTABLE));
        assert!(want_json(None, &accept("application/*")).is_ok());
        let problem = want_json(None, &accept("text/html")).expect_err("no JSON");
        assert_eq!(problem.status, StatusCode::NOT_ACCEPTABLE);
    }
}
