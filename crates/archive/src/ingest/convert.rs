//! Rasters of a product to COGs, and the places of all assets.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use swath_grid::GeoBox;
use swath_io::cog::{
    CogOptions, CogSpec, ColorInterpretation, OverviewRule, RasterRows, RowSource, write_cog,
};
use swath_io::{AssetRef, GeoTiff, IoError};

use super::originals::{Kept, KeptFile};
use super::{Ingest, Opened, Originals, Placed, ProductReport, blocking};
use crate::ArchiveError;
use crate::item::PlacedAsset;
use crate::product::{COG, Digests, Grid, ProductAsset, RasterSpec, envi};

/// Item of a COG that says which file it was made from.
const SOURCE_ITEM: &str = "SWATH_SOURCE";
/// Changes where the same file would become another COG.
const RECIPE: &str = "1";
/// Bytes read at once to digest an object.
const DIGEST_BYTES: u64 = 8 << 20;

/// A raster that is to become a COG.
struct Job {
    spec: CogSpec,
    rows: Box<dyn RowSource>,
    grid: Grid,
    overviews: OverviewRule,
}

impl Ingest<'_> {
    /// Returns the places of all assets whose files are there, converting what can be.
    pub(super) async fn place_assets(
        &self,
        opened: &Opened,
        folder: &str,
        kept: &Kept,
        report: &mut ProductReport,
    ) -> Result<Placed, ArchiveError> {
        let mut placed = Placed::new();
        for (key, asset) in &opened.product.assets {
            let Some(file) = kept.get(&asset.member) else {
                continue;
            };
            let is_converting = self.options.is_converting;
            let raster = asset
                .raster
                .as_ref()
                .filter(|raster| is_converting && raster.is_convertible);
            let place = match raster {
                Some(raster) => {
                    let target = format!("{folder}/{key}.tif");
                    let found = self.place_raster(opened, asset, raster, &target, file, report);
                    found.await?
                }
                None => None,
            };
            let place = match place {
                Some(place) => Some(place),
                None => self.place_as_delivered(opened, asset, folder, file).await?,
            };
            if let Some(place) = place {
                placed.insert(key.clone(), place);
            }
        }
        Ok(placed)
    }

    /// Returns the file as delivered as the asset, stored now where it was not kept.
    async fn place_as_delivered(
        &self,
        opened: &Opened,
        asset: &ProductAsset,
        folder: &str,
        file: &KeptFile,
    ) -> Result<Option<PlacedAsset>, ArchiveError> {
        let href = match &file.place {
            Some(place) => place.href.clone(),
            None => {
                let name = asset.member.rsplit('/').next().unwrap_or(&asset.member);
                let key = format!("{folder}/{name}");
                self.copy(&opened.package, &asset.member, &key, file.size)
                    .await?;
                self.archive.href(&key)
            }
        };
        Ok(Some(PlacedAsset {
            href,
            media_type: asset.media_type.to_owned(),
            size: Some(file.size),
            checksum: Some(file.checksum.clone()),
            grid: None,
            original: None,
        }))
    }

    /// Converts a raster, unless it is a COG or was converted before; `None` where it cannot be.
    async fn place_raster(
        &self,
        opened: &Opened,
        asset: &ProductAsset,
        raster: &RasterSpec,
        target: &str,
        file: &KeptFile,
        report: &mut ProductReport,
    ) -> Result<Option<PlacedAsset>, ArchiveError> {
        let original = file.place.clone();
        let recipe = format!("{} {RECIPE}", file.checksum);
        if let Some(place) = self.converted_before(target, &recipe).await? {
            return Ok(Some(PlacedAsset { original, ..place }));
        }
        let unpacked = match opened.package.local_path(&asset.member) {
            Some(_) => None,
            None => Some(self.unpack(&opened.package, &asset.member).await?),
        };
        let path = unpacked.as_ref().map(tempfile::NamedTempFile::path);
        let path = path.or(opened.package.local_path(&asset.member));
        let path = path.map(Path::to_owned).unwrap_or_default();
        let job = if asset.member.ends_with(".img") {
            self.envi_job(opened, asset, raster, path).await
        } else {
            match self.open_local(&path.to_string_lossy()).await {
                Ok(found) if is_ready(&found, raster) => {
                    return self
                        .place_cog(opened, asset, &found, target, file)
                        .await
                        .map(Some);
                }
                Ok(found) => raster_job(found, raster),
                Err(error) => Err(ArchiveError::store(error)),
            }
        };
        let job = match job {
            Ok(job) => job,
            Err(error) if is_of_file(&error) => {
                report.note(format!(
                    "{}: registered as delivered: {}",
                    asset.member,
                    reason(&error)
                ));
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let place = self
            .convert(opened, job, target, &recipe, asset, report)
            .await?;
        drop(unpacked);
        Ok(place.map(|place| PlacedAsset { original, ..place }))
    }

    /// Returns the place of a COG that an earlier run made from the same file.
    async fn converted_before(
        &self,
        target: &str,
        recipe: &str,
    ) -> Result<Option<PlacedAsset>, ArchiveError> {
        let size = self
            .archive
            .size(target)
            .await
            .map_err(ArchiveError::store)?;
        if size.is_none() || self.options.is_repeated {
            return Ok(None);
        }
        let asset = self.archive.asset(target).map_err(ArchiveError::store)?;
        let Ok(raster) = GeoTiff::open(asset.clone()).await else {
            return Ok(None);
        };
        if raster.metadata_item(SOURCE_ITEM) != Some(recipe) {
            return Ok(None);
        }
        let (Some(crs), Some(transform)) = (raster.crs(), raster.transform()) else {
            return Ok(None);
        };
        let grid = Grid {
            crs: crs.clone(),
            transform: *transform,
            size: raster.size(),
        };
        let digests = digest(&asset).await.map_err(ArchiveError::store)?;
        Ok(Some(placed_cog(
            self.archive.href(target),
            &digests,
            Some(grid),
        )))
    }

    /// Registers a COG: in place where originals are referred to, else as a copy.
    async fn place_cog(
        &self,
        opened: &Opened,
        asset: &ProductAsset,
        found: &GeoTiff,
        target: &str,
        file: &KeptFile,
    ) -> Result<PlacedAsset, ArchiveError> {
        let href = match &file.place {
            Some(place) => place.href.clone(),
            None if self.options.originals == Originals::Reference => found.href().to_owned(),
            None => {
                self.copy(&opened.package, &asset.member, target, file.size)
                    .await?;
                self.archive.href(target)
            }
        };
        Ok(PlacedAsset {
            href,
            media_type: COG.to_owned(),
            size: Some(file.size),
            checksum: Some(file.checksum.clone()),
            grid: None,
            original: None,
        })
    }

    async fn envi_job(
        &self,
        opened: &Opened,
        asset: &ProductAsset,
        raster: &RasterSpec,
        path: PathBuf,
    ) -> Result<Job, ArchiveError> {
        let place = opened.package.place(&asset.member);
        let wrong = |reason: &str| ArchiveError::product(place.clone(), reason);
        let grid = raster.grid.clone().ok_or_else(|| wrong("it has no grid"))?;
        let header_member = format!("{}.hdr", asset.member.trim_end_matches(".img"));
        let package = opened.package.clone();
        let header = blocking(move || {
            let bytes = package.read(&header_member)?;
            let place = package.place(&header_member);
            envi::EnviHeader::parse(&crate::xml::decode(bytes, &place)?, &place)
        })
        .await?;
        let rows = envi::EnviRows::open(&path, header)?;
        let mut spec = empty_spec(&grid).ok_or_else(|| wrong("it is empty"))?;
        spec.data_type = header.data_type;
        describe(&mut spec, raster);
        Ok(Job {
            spec,
            rows: Box::new(rows),
            grid,
            overviews: overviews(raster),
        })
    }

    /// Writes the COG beside, digests it and moves it to its place.
    async fn convert(
        &self,
        opened: &Opened,
        mut job: Job,
        target: &str,
        recipe: &str,
        asset: &ProductAsset,
        report: &mut ProductReport,
    ) -> Result<Option<PlacedAsset>, ArchiveError> {
        let datetime = crate::item::datetime_text(opened.product.datetime);
        job.spec
            .metadata
            .retain(|(name, _)| name != "datetime" && name != SOURCE_ITEM);
        job.spec.metadata.push(("datetime".to_owned(), datetime));
        job.spec
            .metadata
            .push((SOURCE_ITEM.to_owned(), recipe.to_owned()));
        let scratch = self.options.scratch.clone();
        let options = CogOptions {
            overviews: job.overviews,
            threads: self.options.threads,
            cancel: Some(self.options.cancel.clone()),
            ..CogOptions::default()
        };
        let place = opened.package.place(&asset.member);
        let grid = job.grid.clone();
        let done = blocking(move || {
            let failed = |error| ArchiveError::file(&scratch, error);
            std::fs::create_dir_all(&scratch).map_err(failed)?;
            let folder = tempfile::Builder::new()
                .prefix("cog-")
                .tempdir_in(&scratch)
                .map_err(failed)?;
            let path = folder.path().join("asset.tif");
            write_cog(&path, &job.spec, &options, job.rows.as_mut()).map_err(|source| {
                ArchiveError::Convert {
                    place,
                    source: Box::new(source),
                }
            })?;
            let digests = digest_file(&path)?;
            Ok((folder, path, digests))
        });
        let (folder, path, digests) = match done.await {
            Ok(done) => done,
            Err(error) if is_of_file(&error) => {
                report.damaged_files.push(asset.member.clone());
                report.note(format!(
                    "{}: registered as delivered: {}",
                    asset.member,
                    reason(&error)
                ));
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let moved = self.archive.take_file(target, &path).await;
        moved.map_err(ArchiveError::store)?;
        drop(folder);
        report.converted += 1;
        report.bytes_written += digests.size;
        Ok(Some(placed_cog(
            self.archive.href(target),
            &digests,
            Some(grid),
        )))
    }
}

/// True for a COG that already says what the metadata say: it needs no conversion.
fn is_ready(found: &GeoTiff, raster: &RasterSpec) -> bool {
    let says = |stored: Option<f64>, wanted: Option<f64>, neutral: f64| {
        let (stored, wanted) = (stored.unwrap_or(neutral), wanted.unwrap_or(neutral));
        (stored - wanted).abs() < 1e-12
    };
    let bands = found.bands().iter().zip(&raster.bands);
    let mut agreed = bands.map(|(stored, wanted)| {
        says(stored.scale, wanted.scale, 1.0) && says(stored.offset, wanted.offset, 0.0)
    });
    let nodata = found
        .bands()
        .first()
        .and_then(|band| band.nodata.as_deref());
    let nodata = nodata.and_then(crate::xml::number);
    found.describe().cog.valid
        && agreed.all(|agrees| agrees)
        && (raster.nodata.is_none() || nodata == raster.nodata)
}

fn raster_job(found: Arc<GeoTiff>, raster: &RasterSpec) -> Result<Job, ArchiveError> {
    let wrong = |reason: &str| ArchiveError::product(found.href().to_owned(), reason);
    let own = found
        .crs()
        .zip(found.transform())
        .map(|(crs, transform)| Grid {
            crs: crs.clone(),
            transform: *transform,
            size: found.size(),
        });
    // The metadata of the product say where its images lie; an image of another size covers the same ground.
    let nominal = raster.grid.as_ref().map(|grid| {
        let size = found.size();
        let (x, y) = (
            f64::from(grid.size.width) / f64::from(size.width),
            f64::from(grid.size.height) / f64::from(size.height),
        );
        Grid {
            crs: grid.crs.clone(),
            transform: grid.transform.scaled(x, y),
            size,
        }
    });
    let grid = nominal
        .or(own)
        .ok_or_else(|| wrong("neither the file nor the metadata say where it lies"))?;
    let mut spec = match CogSpec::of_raster(&found) {
        Ok(spec) => spec,
        Err(_) => {
            let mut spec = empty_spec(&grid).ok_or_else(|| wrong("it is empty"))?;
            let first = found
                .bands()
                .first()
                .ok_or_else(|| wrong("it has no band"))?;
            spec.data_type = first.data_type;
            spec.bands = found.bands().iter().map(|_| Default::default()).collect();
            spec
        }
    };
    spec.geobox = GeoBox::new(grid.crs.clone(), grid.transform, grid.size)
        .ok_or_else(|| wrong("it is empty"))?;
    describe(&mut spec, raster);
    Ok(Job {
        rows: Box::new(RasterRows::new(found, &spec)),
        spec,
        grid,
        overviews: overviews(raster),
    })
}

fn empty_spec(grid: &Grid) -> Option<CogSpec> {
    Some(CogSpec {
        geobox: GeoBox::new(grid.crs.clone(), grid.transform, grid.size)?,
        data_type: swath_raster::DataType::F32,
        bands: vec![Default::default()],
        nodata: None,
        has_mask: false,
        metadata: Vec::new(),
        color_map: None,
        area_or_point: Default::default(),
    })
}

/// Puts into the file what the metadata of the product say of its values.
fn describe(spec: &mut CogSpec, raster: &RasterSpec) {
    spec.nodata = raster.nodata.or(spec.nodata);
    if spec.bands.len() != raster.bands.len() {
        return;
    }
    for (stored, said) in spec.bands.iter_mut().zip(&raster.bands) {
        stored.name = Some(said.name.clone());
        stored.scale = said.scale.or(stored.scale);
        stored.offset = said.offset.or(stored.offset);
        stored.unit = said.unit.clone().or(stored.unit.take());
    }
    let names: Vec<_> = raster.bands.iter().map(|band| band.name.as_str()).collect();
    if names == ["red", "green", "blue"] {
        let colors = [
            ColorInterpretation::Red,
            ColorInterpretation::Green,
            ColorInterpretation::Blue,
        ];
        for (stored, color) in spec.bands.iter_mut().zip(colors) {
            stored.color = color;
        }
    }
}

fn overviews(raster: &RasterSpec) -> OverviewRule {
    match raster.classes.is_empty() {
        true => OverviewRule::Average,
        false => OverviewRule::Mode,
    }
}

fn placed_cog(href: String, digests: &Digests, grid: Option<Grid>) -> PlacedAsset {
    PlacedAsset {
        href,
        media_type: COG.to_owned(),
        size: Some(digests.size),
        checksum: Some(digests.multihash()),
        grid,
        original: None,
    }
}

fn digest_file(path: &Path) -> Result<Digests, ArchiveError> {
    use std::io::Read as _;
    let failed = |error| ArchiveError::file(path, error);
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let mut digests = Digests::new(None);
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => return Ok(digests),
            count => digests.update(&buffer[..count]),
        }
    }
}

async fn digest(asset: &AssetRef) -> Result<Digests, IoError> {
    let mut digests = Digests::new(None);
    loop {
        let at = digests.size;
        let part = asset.read(at..at + DIGEST_BYTES, None).await?;
        digests.update(&part.bytes);
        if part.bytes.is_empty() || digests.size >= part.object_len {
            return Ok(digests);
        }
    }
}

/// True where the file is at fault, not the store: the product is ingested without this conversion.
fn is_of_file(error: &ArchiveError) -> bool {
    error.kind() == swath_io::ErrorKind::Data
}

fn reason(error: &ArchiveError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
