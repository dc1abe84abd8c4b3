//! A coverage as documents of both versions describe it.
//!
//! A coverage is one item, or a collection: the mosaic of the newest (or of a time) on the grid of its
//! newest item. Its grid is that of the finest bands of the item, so values of that grid go
//! through unchanged; bands of coarser grids are resampled to it.

use chrono::NaiveDate;
use swath_grid::{AxisOrder, Bbox, GeoBox, Point, axis_order};

/// What a coverage is.
#[derive(Debug, Clone)]
pub(crate) struct Coverage {
    /// Its name in requests; an XML id.
    pub(crate) id: String,
    /// The layer of the map function.
    pub(crate) layer: String,
    pub(crate) title: String,
    /// May be empty.
    pub(crate) summary: String,
    pub(crate) bbox: Bbox,
    /// North up.
    pub(crate) grid: GeoBox,
    /// EPSG code of the grid.
    pub(crate) epsg: u32,
    /// In the order of the file.
    pub(crate) fields: Vec<Field>,
    /// The newest first.
    pub(crate) days: Vec<NaiveDate>,
}

/// One band.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    /// As requests name it.
    pub(crate) name: String,
    /// For people; may be empty.
    pub(crate) description: String,
    /// Value that means absent, as text.
    pub(crate) nodata: Option<String>,
    /// Unit of the values, as UCUM has it.
    pub(crate) unit: Option<String>,
}

impl Coverage {
    /// Returns the CRS as OGC's URL.
    pub(crate) fn crs_url(&self) -> String {
        format!("http://www.opengis.net/def/crs/EPSG/0/{}", self.epsg)
    }

    /// Returns the CRS as a code.
    pub(crate) fn crs_code(&self) -> String {
        format!("EPSG:{}", self.epsg)
    }

    /// Returns the order of coordinates by the definition of the CRS.
    pub(crate) fn order(&self) -> AxisOrder {
        axis_order(&self.crs_code()).unwrap_or(AxisOrder::EastNorth)
    }

    /// Returns the labels of the axes in the order of the CRS.
    pub(crate) fn axis_labels(&self) -> [&'static str; 2] {
        match (self.grid.crs().is_geographic(), self.order()) {
            (true, AxisOrder::NorthEast) => ["Lat", "Long"],
            (true, AxisOrder::EastNorth) => ["Long", "Lat"],
            (false, AxisOrder::NorthEast) => ["y", "x"],
            (false, AxisOrder::EastNorth) => ["x", "y"],
        }
    }

    /// Returns the unit of the axes.
    pub(crate) fn axis_unit(&self) -> &'static str {
        match self.grid.crs().is_geographic() {
            true => "deg",
            false => "m",
        }
    }

    /// Returns where the centre of the first pixel lies, as x, y.
    pub(crate) fn first_centre(&self) -> Point {
        self.grid.transform().to_crs(Point { x: 0.5, y: 0.5 })
    }
}
