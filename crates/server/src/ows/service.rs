//! What the documents of all OGC services say alike.

use std::fmt::Write as _;

use crate::products::markup::Element;

/// Title of every service.
pub(crate) const TITLE: &str = "Swath";
/// What every service holds.
pub(crate) const ABSTRACT: &str =
    "Collections of an Earth-observation archive: images at any time, in any projection.";
/// Namespace of links.
pub(crate) const XLINK: &str = "http://www.w3.org/1999/xlink";

/// Returns who runs the service, as OWS Common (1.1 and 2.0) wants it: clients look for its name.
pub(crate) fn provider() -> Element {
    Element::new("ows:ServiceProvider")
        .child(Element::text("ows:ProviderName", TITLE))
        .child(Element::new("ows:ServiceContact"))
}

/// Returns `text` as a value in the query of a URL.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
