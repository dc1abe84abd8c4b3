//! Restore: a backup back into a catalogue, and its objects into an archive.
//!
//! 1. The manifest is read, every file of it digested, every object looked for ([`Restore::check`]).
//! 2. Objects go to the archive, each compared with its digest on the way.
//! 3. Files of parcel sets go to their place, each compared with its digest.
//! 4. Collections, items and parcel sets go into the catalogue, all in one transaction.
//!
//! Cut off before the end of step 4, the catalogue is as it was; the same command goes on, and finds
//! the objects that are there already.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use serde::Serialize;
use serde_json::{Map, Value};
use swath_access::Viewer;
use swath_catalog::{
    Catalog, CatalogError, CollectionCopy, ItemCopy, ParcelSetCopy, Restoration, RestoreCounts,
    RestoreMode,
};
use swath_io::{HrefRoots, IoError, StoreWriter};

use super::check_file;
use super::lines::LineReader;
use super::manifest::{BackupFile, FileRole, MANIFEST, Manifest};
use super::objects::{ObjectRecord, copy};
use crate::ArchiveError;
use crate::digest::{Hasher, digest};

/// Items written to the catalogue at once.
const BATCH_ITEMS: usize = 100;
/// Objects that are looked at together, at most.
const OBJECTS_AHEAD: usize = 256;
/// Largest file of a home, in bytes.
const HOME_FILE_BYTES_MAX: u64 = 64 << 20;

/// Options of a restore.
#[derive(Debug, Clone, Copy)]
pub struct RestoreOptions {
    /// What becomes of what the catalogue holds. Objects in the archive that differ from those of the
    /// backup are written over in [`RestoreMode::Replace`] only.
    pub mode: RestoreMode,
    /// True where the assets of the items are to be looked for in the archive given, wherever the
    /// backup says they were; also done where objects are restored into an archive of another name.
    pub is_moved: bool,
    /// Objects copied at once, at least 1.
    pub objects_at_once: usize,
}

/// A backup that is about to be restored.
#[derive(Debug)]
pub struct Restore {
    source: StoreWriter,
    manifest: Manifest,
}

/// Where a backup is restored to.
#[derive(Debug, Clone, Copy)]
pub struct RestoreTarget<'a> {
    /// The catalogue.
    pub catalog: &'a Catalog,
    /// Where objects go.
    pub archive: &'a StoreWriter,
    /// Where the files of parcel sets go.
    pub parcels: &'a StoreWriter,
}

/// What a restore did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RestoreReport {
    /// Collections written to the catalogue.
    pub collections: u64,
    /// Items written.
    pub items: u64,
    /// Collections that were there and stayed.
    pub collections_kept: u64,
    /// Items that were there and stayed.
    pub items_kept: u64,
    /// Parcel sets written, with all their versions.
    pub parcel_sets: u64,
    /// Parcel sets that were there and stayed.
    pub parcel_sets_kept: u64,
    /// Items whose assets are now looked for elsewhere.
    pub items_moved: u64,
    /// Objects of the backup.
    pub objects: u64,
    /// Objects that were copied; the others were there.
    pub objects_copied: u64,
    /// Bytes of the objects copied.
    pub bytes_copied: u64,
}

/// How deep a check looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ObjectCheck {
    /// There and of the right size.
    Size,
    /// Also of the right content.
    Content,
}

impl Restore {
    /// Reads the manifest of a backup.
    ///
    /// # Errors
    /// Where there is none: no backup, or one that was cut off; where it is damaged or newer.
    pub async fn open(source: StoreWriter) -> Result<Self, ArchiveError> {
        match Manifest::read(&source).await? {
            Some(manifest) => Ok(Self { source, manifest }),
            None => Err(ArchiveError::backup(
                source.href(MANIFEST),
                "there is no manifest: this is no backup, or one that was cut off before it was whole",
            )),
        }
    }

    /// Returns what the backup says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Checks size and SHA-256 of every file, and that every object is there with its size; with
    /// `has_contents` also the SHA-256 of every object.
    ///
    /// # Errors
    /// The first file that is missing or damaged; where the store fails.
    pub async fn check(
        &self,
        has_contents: bool,
        objects_at_once: usize,
        shown: &(dyn Fn(&'static str, u64, u64) + Sync),
    ) -> Result<(), ArchiveError> {
        let total = self.manifest.files.len() as u64;
        for (done, file) in (1..).zip(&self.manifest.files) {
            check_file(&self.source, file).await?;
            shown("files checked", done, total);
        }
        let check = match has_contents {
            true => ObjectCheck::Content,
            false => ObjectCheck::Size,
        };
        let total = self.manifest.archive.objects;
        let mut done = 0;
        self.each_object(
            objects_at_once,
            async |record| self.check_object(&record, check).await,
            &mut |()| {
                done += 1;
                shown("objects checked", done, total);
            },
        )
        .await
    }

    /// Returns a file of the home, `None` where the backup has none; it was checked before.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn home_file(&self, role: FileRole) -> Result<Option<Bytes>, ArchiveError> {
        let Some(file) = self.manifest.file(role) else {
            return Ok(None);
        };
        if file.size == 0 {
            return Ok(Some(Bytes::new()));
        }
        let asset = self.source.asset(&file.name).map_err(ArchiveError::store)?;
        let fetched = asset.read(0..HOME_FILE_BYTES_MAX, None).await;
        Ok(Some(fetched.map_err(ArchiveError::store)?.bytes))
    }

    /// Restores objects and files of parcel sets, then what the catalogue holds; the backup was checked
    /// before.
    ///
    /// # Errors
    /// Where the catalogue is not empty (in [`RestoreMode::Empty`]), an object is damaged, a store or
    /// the catalogue fails. Then the catalogue is as it was.
    pub async fn run(
        &self,
        target: RestoreTarget<'_>,
        options: RestoreOptions,
        shown: &(dyn Fn(&'static str, u64, u64) + Sync),
    ) -> Result<RestoreReport, ArchiveError> {
        let RestoreTarget {
            catalog, archive, ..
        } = target;
        let mut report = RestoreReport::default();
        if options.mode == RestoreMode::Empty {
            // Said before gigabytes are copied; dropped, it changes nothing.
            drop(begin(catalog, options.mode).await?);
        }
        self.restore_objects(archive, options, &mut report, shown)
            .await?;
        let sets = self.restore_sets(target, options.mode).await?;
        let part = &self.manifest.archive;
        let is_same = part.roots.beginnings().first().map(String::as_str)
            == Some(archive.href("").trim_end_matches('/'));
        let moved = ((options.is_moved || part.is_copied) && !is_same).then_some(Moved {
            from: &part.roots,
            to: archive,
        });
        let mut restoration = begin(catalog, options.mode).await?;
        self.restore_collections(&mut restoration, moved.as_ref())
            .await?;
        self.restore_items(&mut restoration, moved.as_ref(), &mut report, shown)
            .await?;
        for set in &sets {
            let put = restoration.put_parcel_set(set).await;
            put.map_err(ArchiveError::catalog)?;
        }
        let counts = restoration.finish().await.map_err(ArchiveError::catalog)?;
        report.take(counts);
        Ok(report)
    }

    /// Restores the files of parcel sets, but for sets that stay.
    async fn restore_sets(
        &self,
        target: RestoreTarget<'_>,
        mode: RestoreMode,
    ) -> Result<Vec<ParcelSetCopy>, ArchiveError> {
        let kept = match mode {
            RestoreMode::Merge => {
                let sets = target.catalog.parcel_sets(&Viewer::operator()).await;
                let sets = sets.map_err(ArchiveError::catalog)?;
                sets.into_iter().map(|set| set.name).collect()
            }
            RestoreMode::Empty | RestoreMode::Replace => Vec::new(),
        };
        self.restore_set_files(target.parcels, &kept, mode).await
    }

    /// Returns where the backup lies.
    pub(super) fn source(&self) -> &StoreWriter {
        &self.source
    }

    async fn restore_collections(
        &self,
        restoration: &mut Restoration,
        moved: Option<&Moved<'_>>,
    ) -> Result<(), ArchiveError> {
        let file = self.file(FileRole::Collections)?;
        let asset = self.source.asset(&file.name).map_err(ArchiveError::store)?;
        let mut lines = LineReader::new(&asset, file.size);
        while let Some(mut copy) = lines.next::<CollectionCopy>().await? {
            if let Some(moved) = moved {
                for prefix in &mut copy.prefixes {
                    moved.change(prefix);
                }
            }
            let put = restoration.put_collection(copy).await;
            put.map_err(ArchiveError::catalog)?;
        }
        Ok(())
    }

    async fn restore_items(
        &self,
        restoration: &mut Restoration,
        moved: Option<&Moved<'_>>,
        report: &mut RestoreReport,
        shown: &(dyn Fn(&'static str, u64, u64) + Sync),
    ) -> Result<(), ArchiveError> {
        let file = self.file(FileRole::Items)?;
        let asset = self.source.asset(&file.name).map_err(ArchiveError::store)?;
        let mut lines = LineReader::new(&asset, file.size);
        let mut done = 0;
        loop {
            let mut batch: Vec<ItemCopy> = Vec::with_capacity(BATCH_ITEMS);
            while batch.len() < BATCH_ITEMS
                && let Some(mut copy) = lines.next::<ItemCopy>().await?
            {
                if let Some(moved) = moved {
                    report.items_moved += u64::from(moved.change_item(&mut copy)?);
                }
                batch.push(copy);
            }
            if batch.is_empty() {
                break;
            }
            let put = restoration.put_items(&batch).await;
            put.map_err(ArchiveError::catalog)?;
            done += batch.len() as u64;
            shown("items", done, self.manifest.items);
        }
        match done == self.manifest.items {
            true => Ok(()),
            false => Err(ArchiveError::backup(
                asset.href(),
                format!(
                    "{done} items where the manifest says {}",
                    self.manifest.items
                ),
            )),
        }
    }

    async fn restore_objects(
        &self,
        archive: &StoreWriter,
        options: RestoreOptions,
        report: &mut RestoreReport,
        shown: &(dyn Fn(&'static str, u64, u64) + Sync),
    ) -> Result<(), ArchiveError> {
        let total = self.manifest.archive.objects;
        self.each_object(
            options.objects_at_once,
            async |record| self.restore_object(archive, &record, options.mode).await,
            &mut |copied_bytes: Option<u64>| {
                report.objects += 1;
                report.objects_copied += u64::from(copied_bytes.is_some());
                report.bytes_copied += copied_bytes.unwrap_or(0);
                shown("objects", report.objects, total);
            },
        )
        .await
    }

    /// Does `work` for each object of the backup, some at once, and hands the outcomes on in order.
    async fn each_object<T>(
        &self,
        at_once: usize,
        work: impl AsyncFn(ObjectRecord) -> Result<T, ArchiveError>,
        done: &mut dyn FnMut(T),
    ) -> Result<(), ArchiveError> {
        let Some(file) = self.manifest.file(FileRole::Objects) else {
            return Ok(());
        };
        let asset = self.source.asset(&file.name).map_err(ArchiveError::store)?;
        let mut lines = LineReader::new(&asset, file.size);
        loop {
            let mut ahead = Vec::with_capacity(OBJECTS_AHEAD);
            while ahead.len() < OBJECTS_AHEAD
                && let Some(record) = lines.next::<ObjectRecord>().await?
            {
                ahead.push(record);
            }
            if ahead.is_empty() {
                return Ok(());
            }
            let running = ahead.into_iter().map(|record| work(record));
            let mut running = futures::stream::iter(running).buffered(at_once.max(1));
            while let Some(outcome) = running.try_next().await? {
                done(outcome);
            }
        }
    }

    async fn check_object(
        &self,
        record: &ObjectRecord,
        check: ObjectCheck,
    ) -> Result<(), ArchiveError> {
        let damaged = |reason: String| {
            let href = self.source.href(&record.file);
            Err(ArchiveError::backup(href, reason))
        };
        let size = self.source.size(&record.file).await;
        match size.map_err(ArchiveError::store)? {
            None => return damaged("this object of the backup is missing".to_owned()),
            Some(size) if size != record.size => {
                return damaged(format!(
                    "this object of the backup is damaged: it has {size} bytes instead of {}",
                    record.size
                ));
            }
            Some(_) => {}
        }
        if check == ObjectCheck::Size {
            return Ok(());
        }
        let asset = self
            .source
            .asset(&record.file)
            .map_err(ArchiveError::store)?;
        let found = digest(&asset, record.size, Hasher::sha256()).await;
        match found.map_err(ArchiveError::store)?.digest == record.sha256 {
            true => Ok(()),
            false => damaged(DIFFERS.to_owned()),
        }
    }

    /// Puts one object into the archive unless it is there; returns its bytes where it was copied.
    async fn restore_object(
        &self,
        archive: &StoreWriter,
        record: &ObjectRecord,
        mode: RestoreMode,
    ) -> Result<Option<u64>, ArchiveError> {
        let source = self
            .source
            .asset(&record.file)
            .map_err(ArchiveError::store)?;
        let taken = archive
            .size(&record.key)
            .await
            .map_err(ArchiveError::store)?;
        if let Some(size) = taken {
            let held = archive.asset(&record.key).map_err(ArchiveError::store)?;
            let is_same = size == record.size
                && digest(&held, size, Hasher::sha256())
                    .await
                    .map_err(ArchiveError::store)?
                    .digest
                    == record.sha256;
            match (is_same, mode) {
                (true, _) => return Ok(None),
                (false, RestoreMode::Replace) => {}
                (false, _) => {
                    return Err(ArchiveError::Invalid {
                        reason: format!(
                            "{}: the archive holds another object of this name; give --replace to \
                             write over it, or --archive with another place",
                            archive.href(&record.key)
                        ),
                    });
                }
            }
            // What is written over is good until it is known that the copy is.
            self.check_object(record, ObjectCheck::Content).await?;
        }
        let copied = copy(&source, record.size, archive, &record.key).await;
        let copied = copied.map_err(|error| self.named(record, error))?;
        if copied.digest == record.sha256 && copied.size == record.size {
            return Ok(Some(copied.size));
        }
        archive
            .delete(&record.key)
            .await
            .map_err(ArchiveError::store)?;
        Err(ArchiveError::backup(
            self.source.href(&record.file),
            DIFFERS,
        ))
    }

    /// Returns the error of copying an object; one that is gone is a fault of the backup.
    fn named(&self, record: &ObjectRecord, error: IoError) -> ArchiveError {
        match error.kind() {
            swath_io::ErrorKind::NotFound => ArchiveError::backup(
                self.source.href(&record.file),
                "this object of the backup is missing",
            ),
            _ => ArchiveError::store(error),
        }
    }

    fn file(&self, role: FileRole) -> Result<&BackupFile, ArchiveError> {
        self.manifest.file(role).ok_or_else(|| {
            let reason = format!("the manifest names no {}", role.file_name());
            ArchiveError::backup(self.source.href(MANIFEST), reason)
        })
    }
}

/// What is said of an object whose bytes changed.
const DIFFERS: &str =
    "this object of the backup is damaged: its SHA-256 is not the one it was copied with";

impl RestoreReport {
    fn take(&mut self, counts: RestoreCounts) {
        self.collections = counts.collections;
        self.items = counts.items;
        self.collections_kept = counts.collections_kept;
        self.items_kept = counts.items_kept;
        self.parcel_sets = counts.parcel_sets;
        self.parcel_sets_kept = counts.parcel_sets_kept;
    }
}

async fn begin(catalog: &Catalog, mode: RestoreMode) -> Result<Restoration, ArchiveError> {
    let begun = catalog.restore(&Viewer::operator(), mode).await;
    begun.map_err(|error| match error {
        CatalogError::NotEmpty { what } => ArchiveError::Invalid {
            reason: format!(
                "{what} is not empty; give --merge to add what is missing, or --replace to put the \
                 backup in place of all that is there"
            ),
        },
        other => ArchiveError::catalog(other),
    })
}

/// Assets that are looked for in another archive than the one the backup was made of.
struct Moved<'a> {
    from: &'a HrefRoots,
    to: &'a StoreWriter,
}

impl Moved<'_> {
    /// Changes an href that lies in the old archive; false where it does not.
    fn change(&self, href: &mut String) -> bool {
        let Some(key) = self.from.key(href) else {
            return false;
        };
        let new = match key {
            "" => self.to.href("").trim_end_matches('/').to_owned(),
            key => self.to.href(key),
        };
        *href = new;
        true
    }

    /// Changes the hrefs of an item; true where there were some to change.
    fn change_item(&self, copy: &mut ItemCopy) -> Result<bool, ArchiveError> {
        let mut item: Map<String, Value> =
            serde_json::from_str(copy.item.get()).map_err(|error| {
                ArchiveError::backup(copy.id.as_str(), format!("it is no item: {error}"))
            })?;
        let mut changed = 0;
        for part in ["assets", "links"] {
            if let Some(value) = item.get_mut(part) {
                self.change_within(value, &mut changed);
            }
        }
        if changed > 0 {
            copy.set_item(&item);
        }
        Ok(changed > 0)
    }

    fn change_within(&self, value: &mut Value, changed: &mut usize) {
        match value {
            Value::Array(values) => {
                for value in values {
                    self.change_within(value, changed);
                }
            }
            Value::Object(object) => {
                for (name, value) in object.iter_mut() {
                    match value {
                        Value::String(href) if name == "href" => {
                            *changed += usize::from(self.change(href));
                        }
                        other => self.change_within(other, changed),
                    }
                }
            }
            _ => {}
        }
    }
}
