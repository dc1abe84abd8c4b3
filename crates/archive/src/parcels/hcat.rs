//! National crop codes to HCAT, the crop classification of EuroCrops.
//!
//! The tables are published under CC-BY-SA 4.0 and are not part of this program: they are read from
//! a file, or from a folder of them. A table has a line per crop with the columns `original_code`
//! or `original_name`, `HCAT3_name`, `HCAT3_code` and others.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::country::normalized;
use crate::ArchiveError;

/// Largest table, in bytes.
const TABLE_BYTES_MAX: u64 = 64 << 20;
/// Most lines of a table.
const LINES_MAX: usize = 1_000_000;
/// Most files of a folder that are looked at.
const FILES_MAX: usize = 10_000;

/// A crop in HCAT, with its national name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HcatCrop {
    /// Ten digits.
    pub code: String,
    /// Name in HCAT.
    pub name: String,
    /// National name, where the table has it.
    pub national_name: Option<String>,
}

/// A national table of crops in HCAT.
#[derive(Debug, Clone, Default)]
pub struct HcatMapping {
    /// Where it was read.
    place: String,
    by_code: HashMap<String, HcatCrop>,
    /// By national name in lower case; tables without codes have only these.
    by_name: HashMap<String, HcatCrop>,
}

impl HcatMapping {
    /// Reads a table.
    ///
    /// # Errors
    /// Where it cannot be read or lacks a column that is needed.
    pub fn read(path: &Path) -> Result<Self, ArchiveError> {
        let file = |source| ArchiveError::file(path, source);
        let size = std::fs::metadata(path).map_err(file)?.len();
        if size > TABLE_BYTES_MAX {
            return Err(ArchiveError::Limit {
                place: path.display().to_string(),
                what: format!("the table of {size} bytes"),
                limit: format!("TABLE_BYTES_MAX of {TABLE_BYTES_MAX} bytes"),
            });
        }
        let bytes = std::fs::read(path).map_err(file)?;
        Self::parse(&bytes, &path.display().to_string())
    }

    /// Returns the table of a country out of a folder of them: `dk_2019.csv` for `dk`. Of several,
    /// that of the country itself counts, then that of the newest year.
    ///
    /// # Errors
    /// Where the folder cannot be read, or several tables may be meant; `Ok(None)` where none is there.
    pub fn find(folder: &Path, country: &str) -> Result<Option<PathBuf>, ArchiveError> {
        let country = normalized(country);
        let file = |source| ArchiveError::file(folder, source);
        let mut found: Vec<(String, PathBuf)> = Vec::new();
        for (count, entry) in std::fs::read_dir(folder).map_err(file)?.enumerate() {
            if count >= FILES_MAX {
                return Err(ArchiveError::Limit {
                    place: folder.display().to_string(),
                    what: "the number of files".to_owned(),
                    limit: format!("FILES_MAX of {FILES_MAX} files"),
                });
            }
            let path = entry.map_err(file)?.path();
            let is_table = path
                .extension()
                .is_some_and(|end| end.eq_ignore_ascii_case("csv"));
            let stem = path
                .file_stem()
                .map(|stem| normalized(&stem.to_string_lossy()));
            let rest = stem.as_deref().and_then(|stem| stem.strip_prefix(&country));
            match rest {
                Some("") if is_table => return Ok(Some(path)),
                Some(rest) if is_table && rest.starts_with('_') => {
                    found.push((rest[1..].to_owned(), path));
                }
                _ => {}
            }
        }
        found.sort();
        let is_year = |(rest, _): &&(String, PathBuf)| {
            rest.len() == 4 && rest.bytes().all(|c| c.is_ascii_digit())
        };
        if let Some((_, path)) = found.iter().rfind(is_year) {
            return Ok(Some(path.clone()));
        }
        match found.as_slice() {
            [] => Ok(None),
            [(_, path)] => Ok(Some(path.clone())),
            several => Err(ArchiveError::Invalid {
                reason: format!(
                    "{}: several tables may be meant by country \"{country}\": {}; name one with \
                     --hcat, or the region with --country",
                    folder.display(),
                    several
                        .iter()
                        .filter_map(|(_, path)| path.file_name())
                        .map(|name| name.to_string_lossy().into_owned())
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            }),
        }
    }

    fn parse(bytes: &[u8], place: &str) -> Result<Self, ArchiveError> {
        let wrong = |reason: String| ArchiveError::Invalid {
            reason: format!("{place}: {reason}"),
        };
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
        let header = reader
            .byte_headers()
            .map_err(|error| wrong(error.to_string()))?
            .clone();
        let column = |name: &str| {
            let is_it = |own: &[u8]| own.trim_ascii().eq_ignore_ascii_case(name.as_bytes());
            header.iter().position(is_it)
        };
        let code = column("original_code");
        let name = column("original_name").or(column("original_name_BW"));
        let hcat = column("HCAT3_code").zip(column("HCAT3_name"));
        let ((hcat_code, hcat_name), true) = (
            hcat.unwrap_or_default(),
            hcat.is_some() && (code.is_some() || name.is_some()),
        ) else {
            return Err(wrong(
                "this is no table of HCAT: it needs the columns HCAT3_code, HCAT3_name and \
                 original_code or original_name"
                    .to_owned(),
            ));
        };
        let mut mapping = Self {
            place: place.to_owned(),
            ..Self::default()
        };
        let mut record = csv::ByteRecord::new();
        let mut line = 0;
        while reader
            .read_byte_record(&mut record)
            .map_err(|error| wrong(error.to_string()))?
        {
            line += 1;
            if line > LINES_MAX {
                return Err(wrong(format!(
                    "it has more than LINES_MAX of {LINES_MAX} lines"
                )));
            }
            let cell = |column: Option<usize>| {
                let bytes = record.get(column?)?;
                let text = String::from_utf8_lossy(bytes).trim().to_owned();
                (!text.is_empty()).then_some(text)
            };
            let Some((hcat_code, hcat_name)) = cell(Some(hcat_code)).zip(cell(Some(hcat_name)))
            else {
                continue;
            };
            let crop = HcatCrop {
                code: whole(&hcat_code).to_owned(),
                name: hcat_name,
                national_name: cell(name),
            };
            if let Some(name) = cell(name) {
                mapping
                    .by_name
                    .entry(name.to_lowercase())
                    .or_insert(crop.clone());
            }
            if let Some(code) = cell(code) {
                mapping
                    .by_code
                    .entry(whole(&code).to_owned())
                    .or_insert(crop);
            }
        }
        match mapping.by_code.is_empty() && mapping.by_name.is_empty() {
            true => Err(wrong("the table has no line with a crop".to_owned())),
            false => Ok(mapping),
        }
    }

    /// Returns where the table was read.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Returns the crop of a national code, or of a national name where codes are names.
    ///
    /// A code is looked for as it is, then without zeros before it.
    pub(super) fn crop(&self, code: &str) -> Option<&HcatCrop> {
        let code = code.trim();
        let bare = code.trim_start_matches('0');
        let by_code = self.by_code.get(code).or_else(|| self.by_code.get(bare));
        by_code.or_else(|| self.by_name.get(&code.to_lowercase()))
    }
}

/// Takes ".0" off a number that a table program wrote with a decimal.
fn whole(text: &str) -> &str {
    match text.strip_suffix(".0") {
        Some(digits) if digits.bytes().all(|c| c.is_ascii_digit()) => digits,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\u{feff}original_code,original_name,translated_name,HCAT3_name,HCAT3_code\n\
        1,\"Oats, red\",x,oats,3301010500\n\
        22.0,Rye,x,rye,3301010300.0\n\
        ,Fallow,x,fallow,3301120000\n";

    #[test]
    fn codes_and_names_are_found() {
        let mapping = HcatMapping::parse(TABLE.as_bytes(), "t").expect("a table");
        let code = |text: &str| mapping.crop(text).map(|crop| crop.code.as_str());
        assert_eq!(code("1"), Some("3301010500"));
        assert_eq!(code("001"), Some("3301010500"));
        assert_eq!(code("22"), Some("3301010300"));
        assert_eq!(code("FALLOW"), Some("3301120000"));
        assert_eq!(code("2"), None);
        assert_eq!(code(""), None);
        let name = mapping
            .crop("1")
            .and_then(|crop| crop.national_name.as_deref());
        assert_eq!(name, Some("Oats, red"));
    }

    #[test]
    fn what_is_no_table_is_refused_by_name() {
        for text in ["", "a,b\n1,2\n", "HCAT3_code,HCAT3_name\n1,x\n"] {
            let error = HcatMapping::parse(text.as_bytes(), "t.csv").expect_err("no table");
            assert!(error.to_string().starts_with("t.csv: "), "{error}");
        }
        let empty = "original_code,HCAT3_name,HCAT3_code\n";
        assert!(HcatMapping::parse(empty.as_bytes(), "t").is_err());
    }

    #[test]
    fn the_table_of_a_country_is_found_in_a_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in [
            "nl_2020.csv",
            "nl_2019.csv",
            "nl_other_years.csv",
            "de.csv",
            "de_BW_2022.csv",
            "be_vlg_2021.csv",
            "be_wal_all_years.csv",
            "ro_no_year.csv",
            "readme.txt",
        ] {
            std::fs::write(folder.path().join(name), "").expect("a file");
        }
        let find = |country: &str| {
            let found = HcatMapping::find(folder.path(), country);
            found.map(|path| path.map(|path| path.file_name().expect("a name").to_owned()))
        };
        assert_eq!(find("NL").expect("found"), Some("nl_2020.csv".into()));
        assert_eq!(find("de").expect("found"), Some("de.csv".into()));
        assert_eq!(find("DE-BW").expect("found"), Some("de_BW_2022.csv".into()));
        assert_eq!(
            find("be_vlg").expect("found"),
            Some("be_vlg_2021.csv".into())
        );
        assert_eq!(find("ro").expect("found"), Some("ro_no_year.csv".into()));
        assert_eq!(find("xx").expect("nothing"), None);
        let error = find("be").expect_err("two regions").to_string();
        assert!(
            error.contains("be_vlg_2021.csv") && error.contains("be_wal"),
            "{error}"
        );
    }
}
