//! Decodes rows out of one page of a column.
//!
//! Exactly the encodings that our writer uses, without anything for nesting: a column is flat.
//! Everything else is left to the reader for foreign files.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use super::column::{Column, ColumnKind, TextDictionary, Values};
use super::damage::Damage;
use super::number::Number;
use super::page_header::{PageHeader, PageKind, ValueEncoding};
use super::runs::{Run, deltas, runs};

/// How the pages of a column chunk are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkStorage {
    pub kind: ColumnKind,
    /// Values may be absent: pages begin with levels.
    pub is_optional: bool,
    pub is_zstd: bool,
}

/// Values that a chunk's pages refer to by number.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Dictionary {
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float32(Vec<f32>),
    Text(Arc<TextDictionary>),
}

impl Dictionary {
    /// Bytes of memory.
    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Self::Int32(values) => 4 * values.len(),
            Self::Int64(values) => 8 * values.len(),
            Self::Float32(values) => 4 * values.len(),
            Self::Text(texts) => texts.memory_bytes(),
        }
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Buffers that a thread uses again for each page.
#[derive(Default)]
struct Scratch {
    page: Vec<u8>,
    decompressor: Option<zstd::bulk::Decompressor<'static>>,
}

impl Scratch {
    /// Returns the page's bytes, decompressed where needed.
    fn inflate<'a>(
        &'a mut self,
        stored: &'a [u8],
        page_bytes: usize,
        is_zstd: bool,
    ) -> Result<&'a [u8], Damage> {
        if !is_zstd {
            return match stored.len() == page_bytes {
                true => Ok(stored),
                false => Err(Damage("a page that is not as long as its header says")),
            };
        }
        let decompressor = match &mut self.decompressor {
            Some(decompressor) => decompressor,
            none => {
                let new = zstd::bulk::Decompressor::new();
                none.insert(new.map_err(|_| Damage("no memory to decompress a page"))?)
            }
        };
        if self.page.len() < page_bytes {
            self.page.resize(page_bytes, 0);
        }
        let page = &mut self.page[..page_bytes];
        match decompressor.decompress_to_buffer(stored, page) {
            Ok(len) if len == page_bytes => Ok(page),
            _ => Err(Damage("a page that zstd cannot decompress")),
        }
    }
}

/// Decodes a dictionary page; `bytes` begin with its header.
pub(super) fn decode_dictionary(bytes: &[u8], storage: ChunkStorage) -> Result<Dictionary, Damage> {
    let header = PageHeader::parse(bytes)?;
    if header.kind != PageKind::Dictionary || header.encoding != ValueEncoding::Plain {
        return Err(Damage("something else where a dictionary is expected"));
    }
    let stored = body(bytes, &header)?;
    SCRATCH.with_borrow_mut(|scratch| {
        let page = scratch.inflate(stored, header.page_bytes, storage.is_zstd)?;
        let all = 0..header.values;
        Ok(match storage.kind {
            ColumnKind::Int32 => Dictionary::Int32(plain(page, all)?),
            ColumnKind::Int64 => Dictionary::Int64(plain(page, all)?),
            ColumnKind::Float32 => Dictionary::Float32(plain(page, all)?),
            ColumnKind::Text => {
                let mut texts = TextDictionary::default();
                for text in PlainTexts(page).take(header.values) {
                    texts.push(text?)?;
                }
                if texts.len() < header.values {
                    return Err(Damage("a dictionary is cut off"));
                }
                Dictionary::Text(Arc::new(texts))
            }
        })
    })
}

/// Appends the values of `rows`, counted from the first of the page, to `column`.
///
/// `bytes` begin with the page's header; `page_rows` is the number of rows that the page must have.
pub(super) fn decode_rows(
    bytes: &[u8],
    storage: ChunkStorage,
    dictionary: Option<&Dictionary>,
    page_rows: usize,
    rows: Range<usize>,
    column: &mut Column,
) -> Result<(), Damage> {
    let header = PageHeader::parse(bytes)?;
    if header.values != page_rows || rows.end > page_rows {
        return Err(Damage(
            "a page with another number of rows than its index says",
        ));
    }
    let stored = body(bytes, &header)?;
    SCRATCH.with_borrow_mut(|scratch| {
        let (levels, values) = match header.kind {
            PageKind::Data => {
                let page = scratch.inflate(stored, header.page_bytes, storage.is_zstd)?;
                match storage.is_optional {
                    true => split_levels(page)?,
                    false => (&[][..], page),
                }
            }
            PageKind::DataV2 {
                definition_bytes,
                repetition_bytes,
                is_compressed,
            } => {
                let levels_bytes = definition_bytes + repetition_bytes;
                if repetition_bytes > 0 || levels_bytes > stored.len().min(header.page_bytes) {
                    return Err(Damage("a page with levels that do not fit"));
                }
                let (levels, packed) = stored.split_at(levels_bytes);
                let len = header.page_bytes - levels_bytes;
                let is_zstd = storage.is_zstd && is_compressed;
                (levels, scratch.inflate(packed, len, is_zstd)?)
            }
            PageKind::Dictionary => return Err(Damage("a dictionary among the pages of data")),
        };
        let present = match storage.is_optional {
            true => Present::of(levels, &rows)?,
            false => Present::All,
        };
        let page = Page {
            encoding: header.encoding,
            values,
            dictionary,
        };
        page.append(present, rows, column)
    })
}

fn body<'a>(bytes: &'a [u8], header: &PageHeader) -> Result<&'a [u8], Damage> {
    bytes
        .get(header.header_bytes..header.header_bytes + header.stored_bytes)
        .ok_or(Damage("a page is cut off"))
}

fn split_levels(page: &[u8]) -> Result<(&[u8], &[u8]), Damage> {
    let cut = Damage("the levels of a page are cut off");
    let (len, rest) = page.split_first_chunk().ok_or(cut)?;
    let len = u32::from_le_bytes(*len) as usize;
    if len > rest.len() {
        return Err(cut);
    }
    Ok(rest.split_at(len))
}

/// Which of the wanted rows have a value.
enum Present {
    All,
    Some {
        valid: Vec<bool>,
        /// Of the stored values, those of the wanted rows.
        stored: Range<usize>,
    },
}

impl Present {
    fn of(levels: &[u8], rows: &Range<usize>) -> Result<Self, Damage> {
        let (mut before, mut valid) = (0, Vec::new());
        if rows.start > 0 {
            before = count_present(levels, rows.start)?;
        }
        let mut absent = false;
        let mut numbers = Vec::new();
        runs(levels, 1, rows.start, rows.end, |run| {
            if matches!(run, Run::Repeated { value: 1, .. }) && valid.is_empty() && !absent {
                return run.append_to(&mut numbers);
            }
            run.append_to(&mut numbers);
            absent = true;
        })?;
        if !absent && before == rows.start {
            return Ok(Self::All);
        }
        valid.extend(numbers.iter().map(|level| *level == 1));
        let count = valid.iter().filter(|is_there| **is_there).count();
        Ok(Self::Some {
            valid,
            stored: before..before + count,
        })
    }
}

/// Returns how many of the first `rows` have a value.
fn count_present(levels: &[u8], rows: usize) -> Result<usize, Damage> {
    let (mut count, mut numbers) = (0, Vec::new());
    runs(levels, 1, 0, rows, |run| match run {
        Run::Repeated { value, count: len } => count += value as usize * len,
        packed => packed.append_to(&mut numbers),
    })?;
    Ok(count + numbers.iter().filter(|level| **level == 1).count())
}

struct Page<'a> {
    encoding: ValueEncoding,
    values: &'a [u8],
    dictionary: Option<&'a Dictionary>,
}

impl Page<'_> {
    fn append(
        &self,
        present: Present,
        rows: Range<usize>,
        column: &mut Column,
    ) -> Result<(), Damage> {
        let before = column.len();
        let (stored, valid) = match present {
            Present::All => (rows, None),
            Present::Some { valid, stored } => (stored, Some(valid)),
        };
        match &mut column.values {
            Values::Int32(out) => {
                self.numbers(stored, out)?;
                spread(out, before, valid.as_deref());
            }
            Values::Int64(out) => {
                self.numbers(stored, out)?;
                spread(out, before, valid.as_deref());
            }
            Values::Float32(out) => {
                self.numbers(stored, out)?;
                spread(out, before, valid.as_deref());
            }
            Values::Text {
                numbers,
                dictionary,
            } => {
                self.texts(stored, numbers, dictionary)?;
                spread(numbers, before, valid.as_deref());
            }
        }
        let all_rows = column.len();
        match (&mut column.valid, valid) {
            (None, None) => {}
            (Some(all), None) => all.resize(all_rows, true),
            (Some(all), Some(valid)) => all.extend(valid),
            (none, Some(valid)) => {
                let mut all = vec![true; before];
                all.extend(valid);
                *none = Some(all);
            }
        }
        Ok(())
    }

    /// Appends stored values.
    fn numbers<T: Number>(&self, stored: Range<usize>, out: &mut Vec<T>) -> Result<(), Damage> {
        match self.encoding {
            ValueEncoding::Plain => append_plain(self.values, stored, out),
            ValueEncoding::ByteStreamSplit => append_split(self.values, stored, out),
            ValueEncoding::Dictionary if stored.is_empty() => Ok(()),
            ValueEncoding::Dictionary => {
                let missing = Damage("a page that refers to a dictionary that is not there");
                let entries = self.dictionary.and_then(T::entries).ok_or(missing)?;
                self.look_up(stored, entries, out)
            }
            ValueEncoding::DeltaBinaryPacked => {
                let (values, _) = deltas(self.values, stored.end)?;
                let values = values[stored].iter().map(|value| T::from_delta(*value));
                let other = Damage("differences of numbers with a fraction");
                values
                    .collect::<Option<Vec<T>>>()
                    .map(|values| out.extend(values))
                    .ok_or(other)
            }
            ValueEncoding::DeltaLength => Err(Damage("numbers in an encoding for texts")),
        }
    }

    fn look_up<T: Copy>(
        &self,
        stored: Range<usize>,
        entries: &[T],
        out: &mut Vec<T>,
    ) -> Result<(), Damage> {
        let (width, packed) = self.packed_numbers()?;
        let mut numbers = Vec::new();
        let mut is_known = true;
        runs(packed, width, stored.start, stored.end, |run| match run {
            Run::Repeated { value, count } => match entries.get(value as usize) {
                Some(entry) => out.resize(out.len() + count, *entry),
                None => is_known = false,
            },
            packed => {
                numbers.clear();
                packed.append_to(&mut numbers);
                let largest = numbers.iter().copied().max().unwrap_or(0);
                match (largest as usize) < entries.len() {
                    true => out.extend(numbers.iter().map(|number| entries[*number as usize])),
                    false => is_known = false,
                }
            }
        })?;
        match is_known {
            true => Ok(()),
            false => Err(Damage("a number that the dictionary does not have")),
        }
    }

    fn packed_numbers(&self) -> Result<(u32, &[u8]), Damage> {
        let (width, packed) = self
            .values
            .split_first()
            .ok_or(Damage("a page without values"))?;
        Ok((u32::from(*width), packed))
    }

    fn texts(
        &self,
        stored: Range<usize>,
        out: &mut Vec<u32>,
        dictionary: &mut Arc<TextDictionary>,
    ) -> Result<(), Damage> {
        // Numbers refer to the chunk's dictionary: it comes first, whatever the order of pages.
        if dictionary.len() == 0
            && let Some(Dictionary::Text(texts)) = self.dictionary
        {
            *dictionary = texts.clone();
        }
        match self.encoding {
            ValueEncoding::Dictionary if stored.is_empty() => Ok(()),
            ValueEncoding::Dictionary => {
                let entries = match self.dictionary {
                    Some(Dictionary::Text(texts)) => texts.len(),
                    _ => 0,
                };
                let (width, packed) = self.packed_numbers()?;
                let before = out.len();
                runs(packed, width, stored.start, stored.end, |run| {
                    run.append_to(out)
                })?;
                let largest = out[before..].iter().copied().max().unwrap_or(0);
                match (largest as usize) < entries {
                    true => Ok(()),
                    false => Err(Damage("a number that the dictionary does not have")),
                }
            }
            ValueEncoding::Plain => {
                let wanted = PlainTexts(self.values).take(stored.end).skip(stored.start);
                let texts = Arc::make_mut(dictionary);
                let before = out.len();
                for text in wanted {
                    out.push(texts.push(text?)?);
                }
                match out.len() - before == stored.len() {
                    true => Ok(()),
                    false => Err(Damage("texts are cut off")),
                }
            }
            ValueEncoding::DeltaLength => {
                let texts = Arc::make_mut(dictionary);
                for text in delta_texts(self.values, stored)? {
                    out.push(texts.push(text)?);
                }
                Ok(())
            }
            _ => Err(Damage("texts in an encoding for numbers")),
        }
    }
}

/// Moves the values from `before` on to the rows that have one; the others get any.
fn spread<T: Copy + Default>(out: &mut Vec<T>, before: usize, valid: Option<&[bool]>) {
    let Some(valid) = valid else {
        return;
    };
    let mut next = out.len();
    out.resize(before + valid.len(), T::default());
    for (row, is_there) in valid.iter().enumerate().rev() {
        if *is_there {
            next -= 1;
            out[before + row] = out[next];
        }
    }
}

fn plain<T: Number>(bytes: &[u8], wanted: Range<usize>) -> Result<Vec<T>, Damage> {
    let mut out = Vec::with_capacity(wanted.len().min(bytes.len() / T::BYTES));
    append_plain(bytes, wanted, &mut out)?;
    Ok(out)
}

fn append_plain<T: Number>(
    bytes: &[u8],
    wanted: Range<usize>,
    out: &mut Vec<T>,
) -> Result<(), Damage> {
    let end = wanted.end.checked_mul(T::BYTES);
    let stored = end.and_then(|end| bytes.get(wanted.start * T::BYTES..end));
    T::append_plain(
        stored.ok_or(Damage("the values of a page are cut off"))?,
        out,
    );
    Ok(())
}

/// First the lowest bytes of all values, then the next, and so on.
fn append_split<T: Number>(
    bytes: &[u8],
    wanted: Range<usize>,
    out: &mut Vec<T>,
) -> Result<(), Damage> {
    let plane_bytes = bytes.len() / T::BYTES;
    if !bytes.len().is_multiple_of(T::BYTES) || wanted.end > plane_bytes {
        return Err(Damage("the values of a page are cut off"));
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let planes: Vec<&[u8]> = bytes
        .chunks_exact(plane_bytes)
        .map(|plane| &plane[wanted.clone()])
        .collect();
    T::append_split(&planes, out);
    Ok(())
}

/// Returns the texts of a page of lengths and texts.
fn delta_texts(bytes: &[u8], wanted: Range<usize>) -> Result<Vec<&[u8]>, Damage> {
    let cut = Damage("texts are cut off");
    // All lengths have to be passed to find the first text.
    let (lengths, behind) = deltas(bytes, usize::MAX)?;
    let lengths_wanted = lengths.get(..wanted.end).ok_or(cut)?;
    let mut rest = bytes.get(behind..).ok_or(cut)?;
    let mut texts = Vec::with_capacity(wanted.len());
    for (row, len) in lengths_wanted.iter().enumerate() {
        let len = usize::try_from(*len).map_err(|_| cut)?;
        let (text, next) = rest.split_at_checked(len).ok_or(cut)?;
        rest = next;
        if row >= wanted.start {
            texts.push(text);
        }
    }
    Ok(texts)
}

/// Texts behind their lengths.
struct PlainTexts<'a>(&'a [u8]);

impl<'a> Iterator for PlainTexts<'a> {
    type Item = Result<&'a [u8], Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let cut = Damage("a text is cut off");
        let Some((len, rest)) = self.0.split_first_chunk() else {
            self.0 = &[];
            return Some(Err(cut));
        };
        let len = u32::from_le_bytes(*len) as usize;
        if len > rest.len() {
            self.0 = &[];
            return Some(Err(cut));
        }
        let (text, behind) = rest.split_at(len);
        self.0 = behind;
        Some(Ok(text))
    }
}
