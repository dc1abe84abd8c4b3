//! The two versions of WMS and which one a request is answered in.

use crate::ows::failure::WmsDialect;
use crate::ows::kvp::Kvp;

/// A version that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WmsVersion {
    /// OGC 01-068r3.
    V111,
    /// OGC 06-042.
    V130,
}

impl WmsVersion {
    /// Returns the version that a request is answered in (06-042 §6.2.4): the one asked for; for
    /// an unknown one the next lower, for one below all the lowest; 1.3.0 where nothing is said, or
    /// 1.1.1 where `SRS` stands in the place of `CRS`.
    pub(crate) fn negotiate(kvp: &Kvp) -> Self {
        let asked = kvp.get("VERSION").or_else(|| kvp.get("WMTVER"));
        match asked {
            Some(text) if numbers(text) < [1, 3, 0] => Self::V111,
            Some(_) => Self::V130,
            None if kvp.has("SRS") && !kvp.has("CRS") => Self::V111,
            None => Self::V130,
        }
    }

    /// Returns the number, such as `1.3.0`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V111 => "1.1.1",
            Self::V130 => "1.3.0",
        }
    }

    /// Returns the words of the version.
    pub(crate) fn dialect(self) -> WmsDialect {
        match self {
            Self::V111 => WmsDialect::Srs,
            Self::V130 => WmsDialect::Crs,
        }
    }

    /// Returns the parameter that names the CRS.
    pub(crate) fn crs_parameter(self) -> &'static str {
        match self {
            Self::V111 => "SRS",
            Self::V130 => "CRS",
        }
    }
}

/// Returns the three numbers of a version; what is no number counts as 0, a missing one too.
pub(crate) fn numbers(text: &str) -> [u32; 3] {
    let mut parts = text.split('.').map(|part| part.trim().parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_negotiated_as_the_standard_says() {
        for (query, expected) in [
            ("", WmsVersion::V130),
            ("VERSION=1.3.0", WmsVersion::V130),
            ("VERSION=1.3", WmsVersion::V130),
            ("VERSION=2.0.0", WmsVersion::V130),
            ("VERSION=1.2.0", WmsVersion::V111),
            ("VERSION=1.1.1", WmsVersion::V111),
            ("version=1.0.0", WmsVersion::V111),
            ("WMTVER=1.0.7", WmsVersion::V111),
            ("SRS=EPSG:4326", WmsVersion::V111),
            ("CRS=EPSG:4326", WmsVersion::V130),
        ] {
            let kvp = Kvp::read(query).expect("a query");
            assert_eq!(WmsVersion::negotiate(&kvp), expected, "{query}");
        }
    }
}
