//! Which of two coordinates comes first: CRS as services name them, and bounds in their order.
//!
//! Behind this file positions are x, y. WMS 1.1.1 and WCS 1.0.0 write x, y always; WMS 1.3.0, WMTS
//! and WCS 2.0 follow the definition of the CRS (06-042 §6.7.2, 07-057r7 §6.1, 11-053r1).

use swath_grid::{AxisOrder, Bounds, Crs, axis_order};

use super::failure::{Fault, OwsFailure};
use super::kvp::shown;

/// Longest name of a CRS that is read, in bytes: codes only, no definitions.
const NAME_BYTES_MAX: usize = 120;

/// A CRS with the order in which its coordinates are written.
#[derive(Debug, Clone)]
pub(crate) struct NamedCrs {
    /// As it was named.
    pub(crate) name: String,
    pub(crate) crs: Crs,
    pub(crate) order: AxisOrder,
}

impl NamedCrs {
    /// Reads a code (`EPSG:3035`, `CRS:84`, an OGC URN or URL); coordinates as its definition says.
    ///
    /// # Errors
    /// [`Fault::Crs`] where it is no code, not known, or cannot be computed.
    pub(crate) fn by_definition(name: &str) -> Result<Self, OwsFailure> {
        let crs = parse(name)?;
        // What was parsed is known.
        let order = axis_order(name).unwrap_or(AxisOrder::EastNorth);
        Ok(Self {
            name: name.to_owned(),
            crs,
            order,
        })
    }

    /// Reads a code; coordinates are x, y whatever its definition says.
    ///
    /// # Errors
    /// As [`NamedCrs::by_definition`].
    pub(crate) fn always_xy(name: &str) -> Result<Self, OwsFailure> {
        Ok(Self {
            name: name.to_owned(),
            crs: parse(name)?,
            order: AxisOrder::EastNorth,
        })
    }

    /// Returns the bounds of two corners as they were written, lower corner first.
    ///
    /// # Errors
    /// [`Fault::InvalidParameter`] where a side has no length.
    pub(crate) fn bounds(&self, corners: [f64; 4]) -> Result<Bounds, OwsFailure> {
        let [a, b, c, d] = corners;
        let bounds = match self.order {
            AxisOrder::EastNorth => bounds(a, b, c, d),
            AxisOrder::NorthEast => bounds(b, a, d, c),
        };
        if bounds.min_x < bounds.max_x && bounds.min_y < bounds.max_y {
            return Ok(bounds);
        }
        let order = match self.order {
            AxisOrder::EastNorth => "x, y",
            AxisOrder::NorthEast => "y, x (latitude or northing first)",
        };
        let text = format!(
            "BBOX: the upper corner must lie above and right of the lower; {} is written {order}",
            shown(&self.name)
        );
        Err(OwsFailure::new(Fault::InvalidParameter, text).at("BBOX"))
    }
}

fn bounds(min_x: f64, min_y: f64, max_x: f64, max_y: f64) -> Bounds {
    Bounds {
        min_x,
        min_y,
        max_x,
        max_y,
    }
}

fn parse(name: &str) -> Result<Crs, OwsFailure> {
    let unknown = |why: String| {
        let text = format!("the CRS \"{}\" is not offered: {why}", shown(name));
        OwsFailure::new(Fault::Crs, text).at("CRS")
    };
    let is_code = |byte: u8| byte.is_ascii_alphanumeric() || b":/._#-".contains(&byte);
    if name.len() > NAME_BYTES_MAX || !name.bytes().all(is_code) {
        return Err(unknown("write a code such as EPSG:3857".to_owned()));
    }
    let crs = Crs::parse(name).map_err(|error| unknown(error.to_string()))?;
    match crs.can_transform() {
        true => Ok(crs),
        false => Err(unknown("its projection is not built in".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn coordinates_follow_the_definition() {
        for (name, order) in [
            ("EPSG:4326", AxisOrder::NorthEast),
            ("urn:ogc:def:crs:EPSG::4326", AxisOrder::NorthEast),
            (
                "http://www.opengis.net/def/crs/EPSG/0/4258",
                AxisOrder::NorthEast,
            ),
            ("EPSG:3035", AxisOrder::NorthEast),
            ("EPSG:31467", AxisOrder::NorthEast),
            ("CRS:84", AxisOrder::EastNorth),
            ("urn:ogc:def:crs:OGC:1.3:CRS84", AxisOrder::EastNorth),
            ("EPSG:3857", AxisOrder::EastNorth),
            ("EPSG:32631", AxisOrder::EastNorth),
            ("EPSG:3413", AxisOrder::EastNorth),
        ] {
            let named = NamedCrs::by_definition(name).unwrap_or_else(|error| panic!("{error:?}"));
            assert_eq!(named.order, order, "{name}");
            let plain = NamedCrs::always_xy(name).expect("known");
            assert_eq!(plain.order, AxisOrder::EastNorth);
        }
    }

    #[test]
    fn corners_are_turned_into_bounds() {
        let named = NamedCrs::by_definition("EPSG:4326").expect("known");
        let found = named.bounds([50.0, 4.0, 51.0, 6.0]).expect("bounds");
        assert_eq!(found, bounds(4.0, 50.0, 6.0, 51.0));
        assert!(named.bounds([51.0, 4.0, 50.0, 6.0]).is_err());
    }

    proptest! {
        #[test]
        fn any_name_ends_in_a_result(name in "\\PC{0,40}", code in 0u32..70_000) {
            let _ = NamedCrs::by_definition(&name);
            let _ = NamedCrs::by_definition(&format!("EPSG:{code}"));
        }
    }
}
