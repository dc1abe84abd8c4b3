//! What the end of a path says of where chips are cut: `…ByLocation` or `…ByParcelID`.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use geo_types::Coord;
use swath_access::Viewer;

use super::parameters::Asked;
use super::parcels::centre_of;
use crate::error::Problem;
use crate::state::AppState;

/// Where something is sought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sought {
    /// At the place that the question names.
    Location,
    /// At the centre of the parcel that it names.
    Parcel,
}

impl Sought {
    fn of(path: &str) -> Self {
        match path.ends_with("ByLocation") {
            true => Self::Location,
            false => Self::Parcel,
        }
    }

    /// Returns the place in degrees.
    ///
    /// # Errors
    /// Where the question names none, or the parcel is not there for this viewer.
    pub(super) async fn place(
        self,
        state: &AppState,
        viewer: &Viewer,
        asked: &Asked,
    ) -> Result<Coord<f64>, Problem> {
        match self {
            Self::Location => asked.place(),
            Self::Parcel => centre_of(state, viewer, asked).await,
        }
    }
}

impl FromRequestParts<AppState> for Sought {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        Ok(Self::of(parts.uri.path()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_says_what_is_sought() {
        assert_eq!(Sought::of("/query/chipsByLocation"), Sought::Location);
        assert_eq!(Sought::of("/query/chipsByParcelID"), Sought::Parcel);
    }
}
