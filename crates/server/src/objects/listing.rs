//! Folders of the archive as pages of links: what `rclone`, `wget -r` and GDAL read.

use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::links::path_segment;
use crate::products::ProductFile;
use crate::products::markup::Element;

/// One line of a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    /// Name, with `/` at its end where it is a folder.
    pub(super) name: String,
    /// Bytes of a file.
    pub(super) len: Option<u64>,
}

impl Line {
    pub(super) fn folder(name: impl std::fmt::Display) -> Self {
        Self {
            name: format!("{name}/"),
            len: None,
        }
    }
}

/// Returns the lines of a folder of a product; `folder` is empty or ends with `/`.
pub(super) fn of_files(files: &[ProductFile], folder: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = files
        .iter()
        .filter_map(|file| {
            let rest = file.path.strip_prefix(folder)?;
            Some(match rest.split_once('/') {
                Some((name, _)) => Line::folder(name),
                None => Line {
                    name: rest.to_owned(),
                    len: file.len,
                },
            })
        })
        .collect();
    lines.sort();
    lines.dedup_by(|a, b| a.name == b.name);
    lines
}

/// Returns a folder as a page; `path` is the folder's own, decoded.
pub(super) fn page(path: &str, lines: &[Line]) -> Response {
    let title = format!("Index of {path}");
    let rows = lines.iter().map(|line| {
        let href = match line.name.strip_suffix('/') {
            Some(name) => format!("{}/", path_segment(name)),
            None => path_segment(&line.name),
        };
        // A name like `a:b` must not be taken for a scheme.
        let link = Element::text("a", line.name.as_str()).with("href", format!("./{href}"));
        let size = line.len.map(|len| len.to_string()).unwrap_or_default();
        Element::new("tr")
            .child(Element::new("td").child(link))
            .child(Element::text("td", size))
    });
    let head = Element::new("head").child(Element::text("title", title.as_str()));
    let body = Element::new("body")
        .child(Element::text("h1", title.as_str()))
        .child(Element::new("table").children(rows));
    let page = Element::new("html").child(head).child(body).fragment();
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (kind, format!("<!DOCTYPE html>\n{page}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_stand_once() {
        let files = ["a/b.jp2", "a/c.jp2", "d.xml"].map(|path| ProductFile {
            path: path.to_owned(),
            href: String::new(),
            len: Some(3),
            media_type: None,
        });
        let names = |folder| -> Vec<String> {
            of_files(&files, folder)
                .into_iter()
                .map(|line| line.name)
                .collect()
        };
        assert_eq!(names(""), ["a/", "d.xml"]);
        assert_eq!(names("a/"), ["b.jp2", "c.jp2"]);
    }
}
