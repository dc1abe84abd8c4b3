//! Values of columns as strings, and the choice of the id column.

use std::path::Path;

use super::error::VectorError;
use super::source::{FieldInfo, ParcelOptions};

/// Name of the id field where features are numbered instead.
pub(super) const ROW_NUMBER: &str = "(row number)";

/// Columns that are looked for where no id is named, in this order.
const ID_NAMES: [&str; 2] = ["parcel_id", "id"];

/// Where the ids come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IdColumn {
    /// A column, by its place in the list of columns.
    Column(usize),
    /// The number of the feature, from 0.
    RowNumber,
}

/// The columns a reader has to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selection {
    pub id: IdColumn,
    pub id_field: String,
    /// Columns to keep, by their place in the list of columns.
    pub kept: Vec<usize>,
}

/// Chooses the columns to read; `fallback` is the column that serves where no name fits.
pub(super) fn select(
    file: &Path,
    fields: &[FieldInfo],
    options: &ParcelOptions,
    fallback: Option<&str>,
) -> Result<Selection, VectorError> {
    let columns = || {
        fields
            .iter()
            .map(|field| field.name.clone())
            .collect::<Vec<_>>()
    };
    let named = options
        .keep_attributes
        .iter()
        .map(|name| {
            find(fields, name).ok_or_else(|| VectorError::Attribute {
                file: file.to_path_buf(),
                field: name.clone(),
                columns: columns(),
            })
        })
        .collect::<Result<Vec<usize>, VectorError>>()?;
    let mut kept = named;
    if options.keep_all {
        let more = (0..fields.len()).filter(|&index| fields[index].value_kind().is_some());
        let more: Vec<usize> = more.filter(|index| !kept.contains(index)).collect();
        kept.extend(more);
    }
    let found = match &options.id {
        Some(name) => find(fields, name),
        None => ID_NAMES
            .iter()
            .copied()
            .chain(fallback)
            .find_map(|name| find(fields, name)),
    };
    let (id, id_field) = match (found, &options.id) {
        (Some(index), _) => (IdColumn::Column(index), fields[index].name.clone()),
        (None, None) if options.number_rows => (IdColumn::RowNumber, ROW_NUMBER.to_string()),
        (None, name) => {
            let what = match name {
                Some(name) => format!("has no column {name:?}"),
                None => "has no column \"parcel_id\" or \"id\"".to_string(),
            };
            return Err(VectorError::IdField {
                file: file.to_path_buf(),
                what,
                columns: columns(),
            });
        }
    };
    Ok(Selection { id, id_field, kept })
}

/// Finds a column by its name, else by its name in any case where only one fits.
pub(super) fn find(fields: &[FieldInfo], name: &str) -> Option<usize> {
    if let Some(index) = fields.iter().position(|field| field.name == name) {
        return Some(index);
    }
    let mut alike =
        (0..fields.len()).filter(|&index| fields[index].name.eq_ignore_ascii_case(name));
    alike.next().filter(|_| alike.next().is_none())
}

/// Writes a number as an id: whole numbers without decimals. Absent where it is not finite.
pub(super) fn number_text(value: f64) -> Option<String> {
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0; // 2^53: above, not every whole number exists
    if !value.is_finite() {
        return None;
    }
    if value.fract() == 0.0 && value.abs() <= WHOLE_MAX {
        return Some(format!("{}", value as i64)); // exact: checked above
    }
    Some(format!("{value}"))
}

/// Takes the zeros after the decimal point off a decimal number.
pub(super) fn trim_decimals(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test may panic
mod tests {
    use super::*;

    fn fields(names: &[&str]) -> Vec<FieldInfo> {
        let field = |name: &&str| FieldInfo {
            name: name.to_string(),
            type_name: String::new(),
        };
        names.iter().map(field).collect()
    }

    fn chosen(names: &[&str], id: Option<&str>, fallback: Option<&str>) -> Result<String, String> {
        let options = ParcelOptions {
            id: id.map(str::to_string),
            ..Default::default()
        };
        select(Path::new("p.gpkg"), &fields(names), &options, fallback)
            .map(|selection| selection.id_field)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn parcel_id_comes_before_id_and_the_fid_comes_last() {
        assert_eq!(
            chosen(&["fid", "id", "parcel_id"], None, Some("fid")).unwrap(),
            "parcel_id"
        );
        assert_eq!(chosen(&["fid", "ID"], None, Some("fid")).unwrap(), "ID");
        assert_eq!(chosen(&["fid", "crop"], None, Some("fid")).unwrap(), "fid");
        assert_eq!(
            chosen(&["fid", "crop"], Some("crop"), Some("fid")).unwrap(),
            "crop"
        );
    }

    #[test]
    fn without_an_id_the_error_names_the_columns() {
        let error = chosen(&["crop", "area"], None, None).unwrap_err();
        assert!(
            error.contains("crop, area") && error.contains("--id"),
            "{error}"
        );
        let error = chosen(&["crop", "area"], Some("nr"), None).unwrap_err();
        assert!(error.contains("\"nr\""), "{error}");
    }

    #[test]
    fn whole_numbers_print_without_decimals() {
        assert_eq!(number_text(12.0).as_deref(), Some("12"));
        assert_eq!(number_text(12.5).as_deref(), Some("12.5"));
        assert_eq!(number_text(f64::NAN), None);
        assert_eq!(trim_decimals("7.500"), "7.5");
        assert_eq!(trim_decimals("700"), "700");
        assert_eq!(trim_decimals("7.000"), "7");
    }
}
