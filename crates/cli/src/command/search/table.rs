//! Tables on a terminal.

use anyhow::Result;
use serde_json::{Map, Value, json};

/// Prints rows in columns as wide as they need.
pub fn print_table(heads: &[&str], rows: &[Vec<String>]) {
    print!("{}", table_text(heads, rows));
}

/// Returns rows in columns as wide as they need, a line each.
pub fn table_text(heads: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = heads.iter().map(|head| head.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:<width$}"));
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let mut text = line(heads.to_vec());
    for row in rows {
        text.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    text
}

/// Prints items as a table or as an ItemCollection.
///
/// # Errors
/// Where JSON cannot be written.
pub fn print_items(items: &[Map<String, Value>], is_json: bool) -> Result<()> {
    if is_json {
        let collection = json!({"type": "FeatureCollection", "features": items});
        println!("{}", serde_json::to_string_pretty(&collection)?);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = items.iter().map(row_of).collect();
    print_table(
        &[
            "id",
            "collection",
            "datetime",
            "cloud",
            "platform",
            "assets",
        ],
        &rows,
    );
    Ok(())
}

fn row_of(item: &Map<String, Value>) -> Vec<String> {
    let text = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let properties = item.get("properties");
    let property = |name: &str| properties.and_then(|properties| properties.get(name));
    let datetime = property("datetime").filter(|value| value.is_string());
    let cloud = property("eo:cloud_cover").and_then(Value::as_f64);
    vec![
        text(item.get("id")),
        text(item.get("collection")),
        text(datetime.or_else(|| property("start_datetime"))),
        cloud.map_or_else(String::new, |cloud| format!("{cloud:.1}")),
        text(property("platform")),
        item.get("assets")
            .and_then(Value::as_object)
            .map_or(0, Map::len)
            .to_string(),
    ]
}

/// Prints the hrefs of all assets.
pub fn print_paths(items: &[Map<String, Value>]) {
    for item in items {
        let assets = item.get("assets").and_then(Value::as_object);
        for asset in assets.into_iter().flat_map(Map::values) {
            if let Some(href) = asset.get("href").and_then(Value::as_str) {
                println!("{href}");
            }
        }
    }
}
