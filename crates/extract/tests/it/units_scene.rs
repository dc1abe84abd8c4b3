//! Registered items, their rasters and parcels for the tests of units of work.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use swath_access::{Resource, Viewer, Visibility};
use swath_extract::pass::{
    PassItem, UnitOptions, UnitRows, UnitSources, WorkUnit, measure_unit, pass_items, work_units,
};
use swath_extract::{ExtractError, Extractor, MeasureOptions};
use swath_io::Stores;
use swath_io::vector::{ParcelOptions, read_parcels};
use swath_testkit::fixtures::{Sample, tiff};

use crate::scene::stores;

/// A grid of square pixels.
#[derive(Debug, Clone, Copy)]
pub struct Grid {
    pub epsg: u16,
    pub west: f64,
    pub north: f64,
    pub pixel: f64,
    pub width: u32,
    pub height: u32,
}

/// A folder with rasters and parcels, and the items over them.
pub struct Archive {
    pub folder: tempfile::TempDir,
    pub stores: Stores,
    pub items: Vec<Value>,
}

impl Archive {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            stores: stores(None),
            items: Vec::new(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a raster in blocks of 64 pixels whose nodata is 0; returns its asset.
    pub fn raster<T: Sample>(&self, name: &str, grid: &Grid, values: &[T]) -> Value {
        tiff(grid.width, grid.height)
            .samples(1, values)
            .tiles(64, 64)
            .epsg(grid.epsg)
            .georeference(grid.west, grid.north, grid.pixel)
            .nodata("0")
            .write(self.path(name));
        json!({
            "href": self.path(name),
            "type": "image/tiff; application=geotiff",
            "proj:code": format!("EPSG:{}", grid.epsg),
            "proj:shape": [grid.height, grid.width],
            "proj:transform": [grid.pixel, 0.0, grid.west, 0.0, -grid.pixel, grid.north],
        })
    }

    /// Adds an item; `properties` add to its date.
    pub fn item(&mut self, id: &str, properties: Value, assets: Value) {
        let mut all = json!({"datetime": "2021-06-01T10:00:00Z"});
        for (name, value) in properties.as_object().unwrap() {
            all[name] = value.clone();
        }
        self.items.push(json!({
            "type": "Feature", "stac_version": "1.1.0", "id": id, "collection": "c",
            "geometry": null, "links": [], "properties": all, "assets": assets}));
    }

    /// Writes parcels `p0`, `p1`, …, each of one or more rings, in a CRS.
    pub fn parcels(&self, epsg: u16, parcels: &[Vec<Vec<[f64; 2]>>]) {
        let crs = json!({"type": "name", "properties": {"name": format!("urn:ogc:def:crs:EPSG::{epsg}")}});
        let mut text = format!(r#"{{"type":"FeatureCollection","crs":{crs},"features":["#);
        for (index, rings) in parcels.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let closed = rings.iter().map(|ring| {
                let ring: Vec<_> = ring.iter().chain(ring.first()).collect();
                vec![ring]
            });
            let polygons: Vec<_> = closed.collect();
            let geometry = json!({"type": "MultiPolygon", "coordinates": polygons});
            write!(text, r#"{comma}{{"type":"Feature","properties":{{"id":"p{index}"}},"geometry":{geometry}}}"#)
                .unwrap();
        }
        std::fs::write(self.path("parcels.json"), text + "]}").unwrap();
    }

    pub async fn extractor(&self, options: MeasureOptions) -> Extractor {
        let source = read_parcels(&self.path("parcels.json"), &ParcelOptions::default())
            .await
            .unwrap();
        Extractor::new(Arc::new(source), options).unwrap()
    }

    fn resource(&self) -> Resource {
        let prefix = self.folder.path().to_str().unwrap().to_owned();
        Resource::new("c", None, Visibility::Public, vec![prefix])
    }

    /// Reads the items for the pass rule.
    pub async fn pass_items(&self) -> Vec<PassItem> {
        let json = self.items.iter().cloned().map(|item| match item {
            Value::Object(item) => item,
            _ => Map::new(),
        });
        let (viewer, resource) = (Viewer::operator(), self.resource());
        let sources = UnitSources {
            stores: &self.stores,
            viewer: &viewer,
            resource: &resource,
        };
        let found = pass_items(json, sources).await.unwrap();
        assert_eq!(found.skipped, []);
        found.items
    }

    /// Measures one unit: all its rows, by parcel and band.
    pub async fn measure(
        &self,
        extractor: &Extractor,
        unit: &WorkUnit,
        options: &UnitOptions,
    ) -> Result<UnitRows, ExtractError> {
        let parts = self.measure_in_parts(extractor, unit, options).await?;
        Ok(parts.0)
    }

    /// Measures one unit; returns also in how many parts its rows came.
    pub async fn measure_in_parts(
        &self,
        extractor: &Extractor,
        unit: &WorkUnit,
        options: &UnitOptions,
    ) -> Result<(UnitRows, usize), ExtractError> {
        let (viewer, resource) = (Viewer::operator(), self.resource());
        let sources = UnitSources {
            stores: &self.stores,
            viewer: &viewer,
            resource: &resource,
        };
        let mut all = UnitRows::default();
        let mut parts = 0;
        let mut take = |some: UnitRows| {
            parts += 1;
            all.bands = some.bands;
            all.rows.extend(some.rows);
            all.classes.extend(some.classes);
            Ok(())
        };
        let total = measure_unit(extractor, sources, unit, options, &mut take).await?;
        all.rows.sort_by_key(|row| (row.parcel, row.band));
        // Stable: classes of a parcel come rising.
        all.classes.sort_by_key(|row| (row.parcel, row.band));
        let parcels: BTreeSet<u32> = all.rows.iter().map(|row| row.parcel).collect();
        if !parcels.is_empty() {
            assert_eq!(total.parcels, parcels.len() as u64);
        }
        Ok((all, parts))
    }

    /// Measures all units of the items.
    pub async fn measure_all(
        &self,
        extractor: &Extractor,
        options: &UnitOptions,
    ) -> Vec<(WorkUnit, UnitRows)> {
        let mut measured = Vec::new();
        for unit in work_units(self.pass_items().await) {
            let rows = self.measure(extractor, &unit, options).await.unwrap();
            measured.push((unit, rows));
        }
        measured
    }
}

/// Returns a square in map units around a point.
pub fn square(x: f64, y: f64, half: f64) -> Vec<[f64; 2]> {
    vec![
        [x - half, y - half],
        [x + half, y - half],
        [x + half, y + half],
        [x - half, y + half],
    ]
}
