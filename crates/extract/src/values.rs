//! Values of one parcel and band while they come in, exact whatever their number.
//!
//! A list at first; a table of weights per value for types up to 16 bits once the list is longer
//! than that table; sorted runs on scratch space where a list would not fit in memory.

use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use swath_raster::{
    CoverageRule, DataType, Distinct, Mask, Ordered, SHARE_MIN, SortKey, Statistics, StatisticsScratch,
    statistics_of_list, statistics_of_stream, statistics_of_weighted,
};

use crate::ExtractError;
use crate::coverage_record::{CoverageRecord, Span};
use crate::scan::ClassCount;
use swath_grid::Window;

/// Values after which a list of at most 16-bit samples becomes a table.
const TABLE_FROM: usize = 65_536;
/// Bytes of each run's read buffer when runs are merged.
const MERGE_BUFFER_BYTES: usize = 256 << 10;

/// Keys of pixels, with weights where shares count.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ValueList {
    /// Up to 32-bit samples that count fully.
    Keys32(Vec<u32>),
    /// Up to 32-bit samples with shares.
    Pairs32(Vec<u64>),
    /// 64-bit samples that count fully.
    Keys64(Vec<u64>),
    /// 64-bit samples with shares.
    Pairs64(Vec<u128>),
}

macro_rules! for_list {
    ($list:expr, $values:ident => $body:expr) => {
        match $list {
            ValueList::Keys32($values) => $body,
            ValueList::Pairs32($values) => $body,
            ValueList::Keys64($values) => $body,
            ValueList::Pairs64($values) => $body,
        }
    };
}

/// Runs an expression with `$sample` as the Rust type of a data type.
macro_rules! for_data_type {
    ($data_type:expr, $sample:ident => $body:expr) => {
        match $data_type {
            DataType::U8 => { type $sample = u8; $body }
            DataType::I8 => { type $sample = i8; $body }
            DataType::U16 => { type $sample = u16; $body }
            DataType::I16 => { type $sample = i16; $body }
            DataType::U32 => { type $sample = u32; $body }
            DataType::I32 => { type $sample = i32; $body }
            DataType::U64 => { type $sample = u64; $body }
            DataType::I64 => { type $sample = i64; $body }
            DataType::F32 => { type $sample = f32; $body }
            DataType::F64 => { type $sample = f64; $body }
        }
    };
}

/// Buffers for the statistics of every kind of list.
#[derive(Debug, Default)]
pub(crate) struct ListScratch {
    keys32: StatisticsScratch<u32>,
    keys64: StatisticsScratch<u64>,
}

/// A key width with its kinds of lists.
trait ListKey: SortKey {
    fn keys(list: &mut ValueList) -> Option<&mut Vec<Self>>;
    fn pairs(list: &mut ValueList) -> Option<&mut Vec<Self::Weighted>>;
    fn scratch(scratch: &mut ListScratch) -> &mut StatisticsScratch<Self>;
}

macro_rules! list_key {
    ($key:ty, $keys:ident, $pairs:ident, $scratch:ident) => {
        impl ListKey for $key {
            fn keys(list: &mut ValueList) -> Option<&mut Vec<Self>> {
                match list {
                    ValueList::$keys(values) => Some(values),
                    _ => None,
                }
            }
            fn pairs(list: &mut ValueList) -> Option<&mut Vec<Self::Weighted>> {
                match list {
                    ValueList::$pairs(values) => Some(values),
                    _ => None,
                }
            }
            fn scratch(scratch: &mut ListScratch) -> &mut StatisticsScratch<Self> {
                &mut scratch.$scratch
            }
        }
    };
}
list_key!(u32, Keys32, Pairs32, keys32);
list_key!(u64, Keys64, Pairs64, keys64);

impl ValueList {
    /// Returns an empty list for samples of a type under a rule.
    pub(crate) fn new(data_type: DataType, rule: CoverageRule) -> Self {
        match (data_type.size_bytes() == 8, rule) {
            (false, CoverageRule::Centre) => Self::Keys32(Vec::new()),
            (false, CoverageRule::Fraction) => Self::Pairs32(Vec::new()),
            (true, CoverageRule::Centre) => Self::Keys64(Vec::new()),
            (true, CoverageRule::Fraction) => Self::Pairs64(Vec::new()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        for_list!(self, values => values.len())
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        for_list!(self, values => values.capacity() * size_of_val(&values[..values.len().min(1)]).max(4))
    }

    pub(crate) fn clear(&mut self) {
        for_list!(self, values => values.clear());
    }

    fn append(&mut self, other: ValueList) {
        match (self, other) {
            (Self::Keys32(all), Self::Keys32(more)) => all.extend(more),
            (Self::Pairs32(all), Self::Pairs32(more)) => all.extend(more),
            (Self::Keys64(all), Self::Keys64(more)) => all.extend(more),
            (Self::Pairs64(all), Self::Pairs64(more)) => all.extend(more),
            _ => unreachable!("a band has one kind of list"),
        }
    }

    /// Returns the statistics; sorts the list.
    pub(crate) fn statistics(&mut self, data_type: DataType, scratch: &mut ListScratch) -> Statistics {
        fn of<T: Ordered<Key: ListKey>>(list: &mut ValueList, scratch: &mut ListScratch) -> Statistics {
            if let Some(keys) = T::Key::keys(list) {
                return statistics_of_list::<T>(keys, T::Key::scratch(scratch));
            }
            match T::Key::pairs(list) {
                Some(pairs) => statistics_of_weighted::<T>(pairs, T::Key::scratch(scratch)),
                None => unreachable!("the list was made for this data type"),
            }
        }
        for_data_type!(data_type, T => of::<T>(self, scratch))
    }

    /// Returns how much each value of the sorted list counts.
    pub(crate) fn counts(&mut self, data_type: DataType) -> Vec<ClassCount> {
        fn of<T: Ordered<Key: ListKey>>(list: &mut ValueList) -> Vec<ClassCount> {
            let mut counts: Vec<ClassCount> = Vec::new();
            let mut add = |class: f64, count: f64| match counts.last_mut() {
                Some(last) if last.class == class => last.count += count,
                _ => counts.push(ClassCount { class, count }),
            };
            if let Some(keys) = T::Key::keys(list) {
                keys.iter().for_each(|key| add(T::key_to_f64(*key), 1.0));
            } else if let Some(pairs) = T::Key::pairs(list) {
                for pair in pairs.iter() {
                    let (key, weight) = T::Key::split(*pair);
                    add(T::key_to_f64(key), f64::from(weight));
                }
            }
            counts
        }
        for_data_type!(data_type, T => of::<T>(self))
    }
}

/// Appends the valid pixels of `record` within `window` to `list`.
///
/// `values` and `valid` are of the window, row by row.
pub(crate) fn gather<T: Ordered<Key: SortKey>>(
    record: &CoverageRecord,
    window: &Window,
    values: &[T],
    valid: &Mask,
    list: &mut ValueList,
) where
    T: GatherInto,
{
    T::gather_into(record, window, values, valid, list);
}

/// Bridges the sample type to its kinds of lists.
pub(crate) trait GatherInto: Ordered {
    fn gather_into(record: &CoverageRecord, window: &Window, values: &[Self], valid: &Mask, list: &mut ValueList);
}

impl<T: Ordered> GatherInto for T
where
    T::Key: ListKey,
{
    fn gather_into(record: &CoverageRecord, window: &Window, values: &[T], valid: &Mask, list: &mut ValueList) {
        if let Some(keys) = T::Key::keys(list) {
            record.for_each_span(window, |span| {
                let Span::Full { at, len } = span else { return };
                let run = &values[at..at + len];
                match valid {
                    Mask::All => keys.extend(run.iter().map(|value| value.to_key())),
                    Mask::None => {}
                    Mask::Pixels(flags) => {
                        let kept = run.iter().zip(&flags[at..at + len]).filter(|(_, valid)| **valid);
                        keys.extend(kept.map(|(value, _)| value.to_key()));
                    }
                }
            });
        } else if let Some(pairs) = T::Key::pairs(list) {
            record.for_each_span(window, |span| match span {
                Span::Full { at, len } => {
                    let run = &values[at..at + len];
                    match valid {
                        Mask::All => pairs.extend(run.iter().map(|value| value.to_key().with_weight(1.0))),
                        Mask::None => {}
                        Mask::Pixels(flags) => {
                            let kept = run.iter().zip(&flags[at..at + len]).filter(|(_, valid)| **valid);
                            pairs.extend(kept.map(|(value, _)| value.to_key().with_weight(1.0)));
                        }
                    }
                }
                Span::Partial { at, shares } => {
                    let run = values[at..at + shares.len()].iter().zip(shares).enumerate();
                    for (index, (value, bits)) in run {
                        let share = f32::from_bits(*bits);
                        if share >= SHARE_MIN && valid.is_valid(at + index) {
                            pairs.push(value.to_key().with_weight(share));
                        }
                    }
                }
            });
        }
    }
}

/// Values of one band of a parcel that lies in several units.
#[derive(Debug)]
pub(crate) struct ValueStore {
    data_type: DataType,
    list: ValueList,
    table: Option<Vec<f64>>,
    runs: Option<Runs>,
}

/// Sorted runs on scratch space.
#[derive(Debug)]
struct Runs {
    file: File,
    /// Number of values in each run.
    lens: Vec<u64>,
}

impl ValueStore {
    pub(crate) fn new(data_type: DataType, rule: CoverageRule) -> Self {
        Self { data_type, list: ValueList::new(data_type, rule), table: None, runs: None }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.list.memory_bytes() + self.table.as_ref().map_or(0, |table| table.len() * 8)
    }

    /// Adds the values of one unit.
    pub(crate) fn append(&mut self, values: ValueList) {
        self.list.append(values);
        if self.list.len() > TABLE_FROM && self.data_type.size_bytes() <= 2 {
            self.fill_table();
        }
    }

    fn fill_table(&mut self) {
        let table = self.table.get_or_insert_with(|| vec![0.0; 65_536]);
        // Signed types have their sign in the high bit of the 32-bit key: the low half is kept in order.
        let slot = |key: u32| (key.wrapping_sub(key_base(self.data_type))) as usize & 0xffff;
        match &self.list {
            ValueList::Keys32(keys) => keys.iter().for_each(|key| table[slot(*key)] += 1.0),
            ValueList::Pairs32(pairs) => pairs.iter().for_each(|pair| {
                let (key, weight) = u32::split(*pair);
                table[slot(key)] += f64::from(weight);
            }),
            _ => unreachable!("samples of at most 16 bits have 32-bit keys"),
        }
        self.list.clear();
    }

    /// Moves the list to scratch space as a sorted run.
    ///
    /// # Errors
    /// Where the scratch space is full or fails.
    pub(crate) fn spill(&mut self) -> Result<(), ExtractError> {
        if self.list.len() == 0 || self.table.is_some() {
            return Ok(());
        }
        if self.runs.is_none() {
            let file = tempfile::tempfile().map_err(|error| scratch_error(&error))?;
            self.runs = Some(Runs { file, lens: Vec::new() });
        }
        let Some(runs) = &mut self.runs else { return Ok(()) };
        let mut out = BufWriter::with_capacity(1 << 20, &runs.file);
        runs.lens.push(self.list.len() as u64);
        for_list!(&mut self.list, values => {
            values.sort_unstable();
            for value in values.iter() {
                out.write_all(&value.to_le_bytes()).map_err(|error| scratch_error(&error))?;
            }
            *values = Vec::new();
        });
        out.flush().map_err(|error| scratch_error(&error))
    }

    /// Returns the statistics of all values and, for classes, their counts.
    ///
    /// # Errors
    /// Where scratch space fails, or classes of more than 16 bits went there.
    pub(crate) fn finish(
        mut self,
        is_class: bool,
        scratch: &mut ListScratch,
    ) -> Result<(Statistics, Vec<ClassCount>), ExtractError> {
        if self.table.is_some() {
            self.fill_table();
            let is_weighted = matches!(self.list, ValueList::Pairs32(_));
            let table = self.table.unwrap_or_default();
            let counts = if is_class { table_counts(&table, self.data_type) } else { Vec::new() };
            return Ok((table_statistics(&table, self.data_type, is_weighted), counts));
        }
        if self.runs.is_some() {
            if is_class {
                let reason = "classes of more than 16 bits over more pixels than --memory holds: give more, or smaller parcels";
                return Err(ExtractError::Limit { reason: reason.to_owned() });
            }
            self.spill()?;
            return Ok((self.merged_statistics()?, Vec::new()));
        }
        let statistics = self.list.statistics(self.data_type, scratch);
        let counts = if is_class { self.list.counts(self.data_type) } else { Vec::new() };
        Ok((statistics, counts))
    }

    fn merged_statistics(self) -> Result<Statistics, ExtractError> {
        let Some(runs) = &self.runs else { return Ok(Statistics { count: 0.0, values: None }) };
        fn keys<T: Ordered>(runs: &Runs) -> Result<Statistics, ExtractError>
        where
            T::Key: FromBytes,
        {
            statistics_of_stream(false, &mut |visit| runs.merge::<T::Key>(|key| visit(T::key_to_f64(key), 1.0)))
        }
        fn pairs<T: Ordered>(runs: &Runs) -> Result<Statistics, ExtractError>
        where
            <T::Key as SortKey>::Weighted: FromBytes,
        {
            statistics_of_stream(true, &mut |visit| {
                runs.merge::<<T::Key as SortKey>::Weighted>(|pair| {
                    let (key, weight) = T::Key::split(pair);
                    visit(T::key_to_f64(key), f64::from(weight));
                })
            })
        }
        let is_weighted = matches!(self.list, ValueList::Pairs32(_) | ValueList::Pairs64(_));
        for_data_type!(self.data_type, T => if is_weighted { pairs::<T>(runs) } else { keys::<T>(runs) })
    }
}

fn table_counts(table: &[f64], data_type: DataType) -> Vec<ClassCount> {
    let filled = table.iter().enumerate().filter(|(_, weight)| **weight > 0.0);
    filled.map(|(slot, count)| ClassCount { class: table_value(slot, data_type), count: *count }).collect()
}

fn table_value(slot: usize, data_type: DataType) -> f64 {
    let key = key_base(data_type).wrapping_add(slot as u32);
    for_data_type!(data_type, T => <T as TableKey>::value(key))
}

fn key_base(data_type: DataType) -> u32 {
    match data_type {
        DataType::I8 => (-128i32 as u32) ^ 1 << 31,
        DataType::I16 => (-32_768i32 as u32) ^ 1 << 31,
        _ => 0,
    }
}

fn table_statistics(table: &[f64], data_type: DataType, is_weighted: bool) -> Statistics {
    let value = |slot: usize| table_value(slot, data_type);
    let filled = || table.iter().enumerate().filter(|(_, weight)| **weight > 0.0);
    if is_weighted {
        let mut distinct = Distinct::default();
        filled().for_each(|(slot, weight)| distinct.push(value(slot), *weight));
        return distinct.statistics();
    }
    let outcome: Result<Statistics, std::convert::Infallible> = statistics_of_stream(false, &mut |visit| {
        for (slot, count) in filled() {
            for _ in 0..*count as u64 {
                visit(value(slot), 1.0);
            }
        }
        Ok(())
    });
    match outcome {
        Ok(statistics) => statistics,
        Err(never) => match never {},
    }
}

/// Keys of tables; samples wider than 16 bits never have one.
trait TableKey {
    fn value(key: u32) -> f64;
}

macro_rules! table_key {
    ($($narrow:ty),*; $($wide:ty),*) => {
        $(impl TableKey for $narrow { fn value(key: u32) -> f64 { <$narrow>::key_to_f64(key) } })*
        $(impl TableKey for $wide { fn value(_: u32) -> f64 { unreachable!("no table for this type") } })*
    };
}
table_key!(u8, i8, u16, i16; u32, i32, u64, i64, f32, f64);

fn scratch_error(error: &std::io::Error) -> ExtractError {
    let reason = format!("{error}; free some space in the temporary folder (TMPDIR) or give more --memory");
    ExtractError::Scratch { reason }
}

/// Fixed-size values in a run.
trait FromBytes: Copy + Ord {
    fn read(reader: &mut impl Read) -> std::io::Result<Self>;
}

macro_rules! from_bytes {
    ($($type:ty),*) => {$(
        impl FromBytes for $type {
            fn read(reader: &mut impl Read) -> std::io::Result<Self> {
                let mut bytes = [0; size_of::<$type>()];
                reader.read_exact(&mut bytes)?;
                Ok(<$type>::from_le_bytes(bytes))
            }
        }
    )*};
}
from_bytes!(u32, u64, u128);

impl Runs {
    /// Calls `visit` with all values of all runs in order.
    fn merge<K: FromBytes>(&self, mut visit: impl FnMut(K)) -> Result<(), ExtractError> {
        let failed = |error: std::io::Error| scratch_error(&error);
        let mut start = 0;
        let mut readers = Vec::new();
        for len in &self.lens {
            readers.push(RunReader::<K>::new(&self.file, start, *len).map_err(failed)?);
            start += len * size_of::<K>() as u64;
        }
        let mut heads = BinaryHeap::new();
        for (index, reader) in readers.iter_mut().enumerate() {
            heads.extend(reader.next().map_err(failed)?.map(|value| std::cmp::Reverse((value, index))));
        }
        while let Some(std::cmp::Reverse((value, index))) = heads.pop() {
            visit(value);
            heads.extend(readers[index].next().map_err(failed)?.map(|value| std::cmp::Reverse((value, index))));
        }
        Ok(())
    }
}

struct RunReader<K> {
    reader: BufReader<FileAt>,
    left: u64,
    kind: std::marker::PhantomData<K>,
}

impl<K: FromBytes> RunReader<K> {
    fn new(file: &File, offset: u64, len: u64) -> std::io::Result<Self> {
        let at = FileAt { file: file.try_clone()?, offset };
        Ok(Self { reader: BufReader::with_capacity(MERGE_BUFFER_BYTES, at), left: len, kind: Default::default() })
    }

    fn next(&mut self) -> std::io::Result<Option<K>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        K::read(&mut self.reader).map(Some)
    }
}

/// Reads at an own position of a shared file.
struct FileAt {
    file: File,
    offset: u64,
}

impl Read for FileAt {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.file.seek(SeekFrom::Start(self.offset))?;
        let len = self.file.read(buffer)?;
        self.offset += len as u64;
        Ok(len)
    }
}
