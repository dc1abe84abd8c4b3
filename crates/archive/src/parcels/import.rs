//! The import itself.

use std::path::{Path, PathBuf};

use serde::Serialize;
use swath_access::Viewer;
use swath_catalog::{
    Catalog, NewParcelSetVersion, ParcelSetContent, ParcelSetName, ParcelSetSettings,
    ParcelSetVersion,
};
use swath_grid::Crs;
use swath_io::StoreWriter;
use swath_io::vector::set::{SetColumns, SetMetadata, SetSummary, write_set};
use swath_io::vector::{ParcelGeometry, ParcelOptions, ParcelSource, StringColumn, read_parcels};
use tempfile::TempDir;

use super::country::{normalized, timezone_of};
use super::crops::{CropCounts, Crops, crops};
use super::hcat::HcatMapping;
use super::personal::personal;
use super::selection::{DuplicateIds, Refused, Selection, select};
use crate::ArchiveError;
use crate::digest::Hasher;

/// How a file becomes a version of a set.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// Name of the set.
    pub set: String,
    /// Layer, where the file has several.
    pub layer: Option<String>,
    /// CRS, where the file names none.
    pub crs: Option<Crs>,
    /// Column of the ids; `None`: `parcel_id`, else `id`, else the fid of a GeoPackage.
    pub id: Option<String>,
    /// Column of the crop codes.
    pub crop: Option<String>,
    /// Column of the crop names; `None`: those of the table of HCAT, if one is given.
    pub crop_name: Option<String>,
    /// Column of the declared areas in hectares.
    pub area: Option<String>,
    /// Country, or region of one, whose crop codes they are.
    pub country: Option<String>,
    /// Table from crop codes to HCAT.
    pub hcat: Option<HcatMapping>,
    /// Columns that are personal beside those known by name.
    pub personal: Vec<String>,
    /// What becomes of duplicate ids.
    pub duplicates: DuplicateIds,
    /// Owner, visibility and time zone of the set.
    pub settings: ParcelSetSettings,
    /// Folder for the file while it is written.
    pub scratch: PathBuf,
}

/// An import of parcels.
#[derive(Debug)]
pub struct ParcelImport<'a> {
    /// The catalogue.
    pub catalog: &'a Catalog,
    /// Where the files of sets go, as `SET/VERSION.parquet`.
    pub parcels: &'a StoreWriter,
    /// Who imports.
    pub viewer: &'a Viewer,
    /// How.
    pub options: ImportOptions,
}

/// What an import did.
#[derive(Debug, Clone, Serialize)]
pub struct ImportReport {
    /// Name of the set.
    pub set: String,
    /// The version that holds the content of the file.
    pub version: ParcelSetVersion,
    /// IANA time zone of the set.
    pub timezone: String,
    /// False where the newest version held the very same already.
    pub is_new: bool,
    /// Features of the file.
    pub features: u64,
    /// Parcels of the version.
    pub parcels: u64,
    /// Parcels whose geometry was repaired.
    pub repaired: u64,
    /// Parcels whose id was numbered, since an earlier one has the same.
    pub numbered: u64,
    /// Features that are not in the set.
    pub refused: Vec<Refused>,
    /// Crops.
    pub crops: CropCounts,
    /// Values of the column of declared areas that are no number of hectares.
    pub areas_unread: u64,
    /// Columns under another name than in the file: there, here.
    pub renamed: Vec<(String, String)>,
    /// Remarks on the file as a whole.
    pub notes: Vec<String>,
}

impl ParcelImport<'_> {
    /// Imports the file, zip archive or folder at `path`; `place` is its name for messages, `shown`
    /// is told what is being done.
    ///
    /// # Errors
    /// Where the file cannot be read, its ids are not unique, a column is not there, the store or the
    /// catalogue fails. Then the set has the versions that it had.
    pub async fn run(
        &self,
        path: &Path,
        place: &str,
        shown: &(dyn Fn(&'static str) + Sync),
    ) -> Result<ImportReport, ArchiveError> {
        let options = &self.options;
        // Told before a long read.
        ParcelSetName::parse(&options.set).map_err(ArchiveError::catalog)?;
        shown("reading");
        let source = read_parcels(path, &self.reading()).await;
        let source = source.map_err(ArchiveError::parcels)?;
        let selection = select(&source, options.duplicates, place)?;
        if selection.rows.is_empty() {
            return Err(ArchiveError::Invalid {
                reason: format!("{place}: no feature of it can be a parcel"),
            });
        }
        let prepared = self.prepare(&source, &selection, place)?;
        let report = self.report(&source, &selection, &prepared);
        shown("writing");
        let written = self.write(source, selection, prepared).await?;
        let renamed = written.summary.renamed.clone();
        shown("storing");
        let stored = self.store(written, &report).await?;
        Ok(report.finish(&options.set, renamed, stored))
    }

    fn reading(&self) -> ParcelOptions {
        ParcelOptions {
            layer: self.options.layer.clone(),
            id: self.options.id.clone(),
            crs: self.options.crs.clone(),
            keep_all: true,
            ..ParcelOptions::default()
        }
    }
}

/// What is written beside the parcels.
struct Prepared {
    columns: SetColumns,
    metadata: SetMetadata,
    crops: CropCounts,
    areas_unread: u64,
}

/// A file that was written to the scratch folder.
struct WrittenSet {
    file: PathBuf,
    /// Removes the file, unless it was moved.
    _folder: TempDir,
    digest: String,
    size: u64,
    summary: SetSummary,
    metadata: SetMetadata,
    crs: String,
}

impl ParcelImport<'_> {
    fn prepare(
        &self,
        source: &ParcelSource,
        selection: &Selection,
        place: &str,
    ) -> Result<Prepared, ArchiveError> {
        let options = &self.options;
        let column = |name: &Option<String>| match name {
            Some(name) => kept_column(source, name, place).map(Some),
            None => Ok(None),
        };
        let (crop, crop_name, area) = (
            column(&options.crop)?,
            column(&options.crop_name)?,
            column(&options.area)?,
        );
        let personal = personal(&source.kept, &options.personal)
            .map_err(|absent| no_column(source, absent, place))?;
        let hcat = options.hcat.as_ref();
        let Crops {
            code,
            name,
            hcat_code,
            hcat_name,
            counts,
        } = crops(source, &selection.rows, crop, crop_name, hcat);
        let areas = area.map(|column| hectares(&source.attributes[column]));
        let (declared_area_ha, areas_unread) = areas.unzip();
        let field = |column: Option<usize>| column.map(|column| source.kept[column].name.clone());
        Ok(Prepared {
            columns: SetColumns {
                ids: selection.ids.clone(),
                crop_code: code,
                crop_name: name,
                hcat_code,
                hcat_name,
                declared_area_ha,
            },
            metadata: SetMetadata {
                id_field: source.id_field.clone(),
                crop_field: field(crop),
                area_field: field(area),
                country: options.country.as_deref().map(normalized),
                personal,
                ..SetMetadata::default()
            },
            crops: counts,
            areas_unread: areas_unread.unwrap_or(0),
        })
    }

    fn report(
        &self,
        source: &ParcelSource,
        selection: &Selection,
        prepared: &Prepared,
    ) -> DraftReport {
        DraftReport {
            features: source.report.features,
            repaired: source.report.repaired,
            numbered: selection.numbered,
            refused: selection.refused.clone(),
            crops: prepared.crops.clone(),
            areas_unread: prepared.areas_unread,
            notes: source.report.notes.clone(),
        }
    }

    /// Writes the file to the scratch folder and digests it.
    async fn write(
        &self,
        source: ParcelSource,
        selection: Selection,
        prepared: Prepared,
    ) -> Result<WrittenSet, ArchiveError> {
        let scratch = self.options.scratch.clone();
        let work = move || {
            std::fs::create_dir_all(&scratch)
                .map_err(|error| ArchiveError::file(&scratch, error))?;
            let folder = tempfile::Builder::new()
                .prefix("parcels-")
                .tempdir_in(&scratch)
                .map_err(|error| ArchiveError::file(&scratch, error))?;
            let file = folder.path().join("set.parquet");
            let (columns, metadata) = (&prepared.columns, prepared.metadata.clone());
            let summary = write_set(&file, &source, &selection.rows, columns, metadata);
            let summary = summary.map_err(ArchiveError::parcels)?;
            let (digest, size) = sha256_of_file(&file)?;
            let mut metadata = prepared.metadata;
            metadata.geometry = source.geometry;
            Ok(WrittenSet {
                file,
                _folder: folder,
                digest,
                size,
                summary,
                metadata,
                crs: match source.crs.epsg() {
                    Some(code) => format!("EPSG:{code}"),
                    None => source.crs.name().to_owned(),
                },
            })
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(written) => written,
            Err(error) => Err(ArchiveError::Invalid {
                reason: format!("the parcel set could not be written: {error}"),
            }),
        }
    }

    /// Stores and registers what was written, unless the newest version is the same; returns the
    /// version, and whether it is new.
    async fn store(
        &self,
        written: WrittenSet,
        report: &DraftReport,
    ) -> Result<StoredVersion, ArchiveError> {
        let (catalog, viewer, name) = (self.catalog, self.viewer, self.options.set.as_str());
        let known = match catalog.parcel_set(viewer, name).await {
            Err(error) if error.kind() == swath_catalog::ErrorKind::NotFound => None,
            known => Some(known.map_err(ArchiveError::catalog)?),
        };
        let mut settings = self.options.settings.clone();
        if known.is_none() && settings.timezone.is_none() {
            let country = self.options.country.as_deref();
            settings.timezone = country.and_then(timezone_of).map(str::to_owned);
        }
        let stays = known.as_ref().map(|set| set.timezone.clone());
        let timezone = settings.timezone.clone().or(stays);
        let timezone = timezone.unwrap_or_else(|| "UTC".to_owned());
        let newest = known.as_ref().and_then(|set| set.versions.last());
        if let Some(newest) = newest.filter(|newest| newest.digest == written.digest) {
            let changed = catalog.change_parcel_set(viewer, name, &settings).await;
            changed.map_err(ArchiveError::catalog)?;
            return Ok(StoredVersion {
                version: newest.clone(),
                is_new: false,
                timezone,
            });
        }
        let number = catalog
            .begin_parcel_set_version(viewer, name, &settings)
            .await;
        let number = number.map_err(ArchiveError::catalog)?;
        let key = format!("{name}/{number}.parquet");
        let taken = self.parcels.take_file(&key, &written.file).await;
        taken.map_err(ArchiveError::store)?;
        let new = NewParcelSetVersion {
            number,
            href: self.parcels.href(&key),
            digest: written.digest.clone(),
            size: written.size,
            features: written.summary.features,
            content: content(&written, report),
        };
        let put = catalog.put_parcel_set_version(viewer, name, &new).await;
        let version = put.map_err(ArchiveError::catalog)?;
        let is_new = version.number == number;
        if !is_new {
            // Somebody imported the same meanwhile: theirs is the version.
            let removed = self.parcels.delete(&key).await;
            removed.map_err(ArchiveError::store)?;
        }
        Ok(StoredVersion {
            version,
            is_new,
            timezone,
        })
    }
}

/// The version that holds what was read.
struct StoredVersion {
    version: ParcelSetVersion,
    is_new: bool,
    timezone: String,
}

/// What is known of an import before anything was stored.
struct DraftReport {
    features: u64,
    repaired: u64,
    numbered: u64,
    refused: Vec<Refused>,
    crops: CropCounts,
    areas_unread: u64,
    notes: Vec<String>,
}

impl DraftReport {
    fn finish(
        self,
        set: &str,
        renamed: Vec<(String, String)>,
        stored: StoredVersion,
    ) -> ImportReport {
        ImportReport {
            set: set.to_owned(),
            is_new: stored.is_new,
            timezone: stored.timezone,
            features: self.features,
            parcels: stored.version.features,
            version: stored.version,
            repaired: self.repaired,
            numbered: self.numbered,
            refused: self.refused,
            crops: self.crops,
            areas_unread: self.areas_unread,
            renamed,
            notes: self.notes,
        }
    }
}

fn content(written: &WrittenSet, report: &DraftReport) -> ParcelSetContent {
    let metadata = &written.metadata;
    ParcelSetContent {
        bbox: written.summary.bbox,
        crs: written.crs.clone(),
        has_points: metadata.geometry == ParcelGeometry::Points,
        id_field: metadata.id_field.clone(),
        crop_field: metadata.crop_field.clone(),
        area_field: metadata.area_field.clone(),
        country: metadata.country.clone(),
        hcat_mapped: report.crops.mapped,
        personal: metadata.personal.clone(),
        refused: report.refused.len() as u64,
    }
}

/// Returns the place of a column among what was kept; its name counts in any case where only one
/// column has it.
fn kept_column(source: &ParcelSource, name: &str, place: &str) -> Result<usize, ArchiveError> {
    let kept = &source.kept;
    if let Some(column) = kept.iter().position(|field| field.name == name) {
        return Ok(column);
    }
    let mut alike = (0..kept.len()).filter(|&at| kept[at].name.eq_ignore_ascii_case(name));
    match (alike.next(), alike.next()) {
        (Some(column), None) => Ok(column),
        _ => Err(no_column(source, name, place)),
    }
}

fn no_column(source: &ParcelSource, name: &str, place: &str) -> ArchiveError {
    const SHOWN_MAX: usize = 60;
    let names = source.kept.iter().take(SHOWN_MAX);
    let names: Vec<&str> = names.map(|field| field.name.as_str()).collect();
    ArchiveError::Invalid {
        reason: format!("{place}: no column {name:?}; columns: {}", names.join(", ")),
    }
}

/// Reads areas; a decimal comma is one too. Returns them with the number of values that are none.
fn hectares(column: &StringColumn) -> (Vec<Option<f64>>, u64) {
    let mut unread = 0;
    let mut area = |text: &str| {
        let number = text.trim().replace(',', ".").parse::<f64>().ok();
        let number = number.filter(|area| area.is_finite() && *area >= 0.0);
        unread += u64::from(number.is_none());
        number
    };
    let areas = column
        .iter()
        .map(|value| value.and_then(&mut area))
        .collect();
    (areas, unread)
}

fn sha256_of_file(path: &Path) -> Result<(String, u64), ArchiveError> {
    use std::io::Read;
    const BUFFER_BYTES: usize = 1 << 18;
    let failed = |error| ArchiveError::file(path, error);
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let (mut hasher, mut size) = (Hasher::sha256(), 0);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = file.read(&mut buffer).map_err(failed)?;
        if count == 0 {
            return Ok((hasher.finish(), size));
        }
        hasher.update(&buffer[..count]);
        size += count as u64;
    }
}
