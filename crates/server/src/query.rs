//! The parameters of a URL.

use std::collections::BTreeMap;

use url::form_urlencoded;

use crate::error::Problem;

/// Longest query, in bytes.
const QUERY_BYTES_MAX: usize = 64 << 10;
/// Most parameters of a query.
const PARAMETERS_MAX: usize = 40;

/// Returns the parameters of a query; what is not known is refused, not passed over.
///
/// # Errors
/// Where it is too long, or a name is not known or stands twice.
pub(crate) fn pairs(
    query: Option<&str>,
    names: &[&str],
) -> Result<BTreeMap<String, String>, Problem> {
    let query = query.unwrap_or_default();
    if query.len() > QUERY_BYTES_MAX {
        return Err(Problem::invalid(format!(
            "the query has more than {QUERY_BYTES_MAX} bytes"
        )));
    }
    let mut pairs = BTreeMap::new();
    for (count, (name, value)) in form_urlencoded::parse(query.as_bytes()).enumerate() {
        if count >= PARAMETERS_MAX {
            return Err(Problem::invalid(format!(
                "the query has more than {PARAMETERS_MAX} parameters"
            )));
        }
        known(&name, names)?;
        if pairs
            .insert(name.to_string(), value.trim().to_owned())
            .is_some()
        {
            return Err(Problem::invalid(format!("{name}: given twice")));
        }
    }
    Ok(pairs)
}

/// Refuses a name that is none of `names`.
///
/// # Errors
/// Names those that there are.
pub(crate) fn known(name: &str, names: &[&str]) -> Result<(), Problem> {
    match names.contains(&name) {
        true => Ok(()),
        false => Err(Problem::invalid(format!(
            "\"{}\" is no parameter here; there are {}",
            name.chars().take(40).collect::<String>(),
            names.join(", ")
        ))),
    }
}
