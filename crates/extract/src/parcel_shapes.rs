//! The parcels of an extractor: their shapes in memory, or on disk where there are many.

use std::sync::Arc;

use geo_types::MultiPolygon;
use swath_grid::Bounds;
use swath_io::vector::{ParcelSource, ShapeFile};

use crate::ExtractError;

/// Part of the memory that parcels may take before their shapes go to disk; 16 MiB of the default. Each shape is
/// needed once for every grid, ids for every row.
const SHAPES_SHARE: usize = 32;

/// The parcels of a file, and where their shapes are. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ParcelShapes {
    source: Arc<ParcelSource>,
    /// `None`: those of `source`.
    on_disk: Option<Arc<ShapeFile>>,
}

impl ParcelShapes {
    /// Takes parcels; their shapes go to disk where they are many for the memory and nobody else holds them.
    ///
    /// # Errors
    /// Where the folder for temporary files has no room.
    pub(crate) fn new(
        mut source: Arc<ParcelSource>,
        memory_bytes_max: usize,
    ) -> Result<Self, ExtractError> {
        let mut on_disk = None;
        if source.parcels.memory_bytes() > memory_bytes_max / SHAPES_SHARE
            && let Some(own) = Arc::get_mut(&mut source)
        {
            let written = ShapeFile::write(&own.parcels);
            on_disk = Some(Arc::new(written.map_err(|error| scratch_failed(&error))?));
            own.parcels.drop_geometry();
        }
        Ok(Self { source, on_disk })
    }

    /// Returns the source; its shapes may be empty.
    pub(crate) fn source(&self) -> &ParcelSource {
        &self.source
    }

    /// Returns the number of parcels.
    pub(crate) fn len(&self) -> usize {
        self.source.parcels.len()
    }

    /// Returns the id of a parcel.
    pub(crate) fn id(&self, parcel: usize) -> &str {
        self.source.parcels.id(parcel)
    }

    /// Returns a parcel in the CRS of the source.
    ///
    /// # Errors
    /// Where the disk fails, as do the others.
    pub(crate) fn polygon(&self, parcel: usize) -> Result<MultiPolygon<f64>, ExtractError> {
        match &self.on_disk {
            Some(file) => file.polygon(parcel).map_err(|error| scratch_failed(&error)),
            None => Ok(self.source.parcels.polygon(parcel)),
        }
    }

    /// Returns where a point is; `None` where it has no place.
    pub(crate) fn point(&self, parcel: usize) -> Result<Option<[f64; 2]>, ExtractError> {
        match &self.on_disk {
            Some(file) => file.point(parcel).map_err(|error| scratch_failed(&error)),
            None => Ok(self.source.parcels.point(parcel)),
        }
    }

    /// Returns the bounds of a parcel in the CRS of the source, `None` where it is empty.
    pub(crate) fn bounds(&self, parcel: usize) -> Result<Option<Bounds>, ExtractError> {
        match &self.on_disk {
            Some(file) => file.bounds(parcel).map_err(|error| scratch_failed(&error)),
            None => Ok(self.source.parcels.bounds(parcel)),
        }
    }

    /// Frees the shapes: every parcel is on its grid, and no other grid comes.
    pub(crate) fn forget_shapes(&mut self) {
        self.on_disk = None;
        if let Some(source) = Arc::get_mut(&mut self.source) {
            source.parcels.drop_geometry();
        }
    }
}

fn scratch_failed(error: &std::io::Error) -> ExtractError {
    ExtractError::Cache {
        reason: format!("shapes of parcels in the folder for temporary files: {error}"),
    }
}
