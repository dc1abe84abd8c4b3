//! Values of one parcel and band while they come in, exact whatever their number.
//!
//! A list at first; a table of weights per value for types up to 16 bits once the list is longer
//! than that table; sorted runs on scratch space where a list would not fit in memory.

mod runs;
#[cfg(test)]
mod tests;

pub(crate) use runs::Scratch;

use std::sync::Arc;

use swath_raster::{
    CoverageRule, DataType, Distinct, Mask, Ordered, SHARE_MIN, SortKey, Statistics,
    StatisticsScratch, prefetch, statistics_of, statistics_of_stream,
};

use crate::ExtractError;
use crate::coverage_record::{CoverageRecord, Span};
use crate::scan_result::ClassCount;
use runs::{FromBytes, Runs};
use swath_grid::Window;

/// Values after which a list of at most 16-bit samples becomes a table.
const TABLE_FROM: usize = 65_536;

/// Bytes that come from memory together.
const CACHE_LINE_BYTES: usize = 64;

/// Keys of pixels: those that count fully, and those with shares.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Values<K: SortKey> {
    full: Vec<K>,
    part: Vec<K::Weighted>,
}

impl<K: SortKey> Default for Values<K> {
    fn default() -> Self {
        Self {
            full: Vec::new(),
            part: Vec::new(),
        }
    }
}

/// The values of a band, by the width of its keys.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ValueList {
    /// Samples of up to 32 bits.
    Narrow(Values<u32>),
    /// Samples of 64 bits.
    Wide(Values<u64>),
}

macro_rules! for_list {
    ($list:expr, $values:ident => $body:expr) => {
        match $list {
            ValueList::Narrow($values) => $body,
            ValueList::Wide($values) => $body,
        }
    };
}

/// Runs an expression with `$sample` as the Rust type of a data type.
macro_rules! for_data_type {
    ($data_type:expr, $sample:ident => $body:expr) => {
        match $data_type {
            DataType::U8 => {
                type $sample = u8;
                $body
            }
            DataType::I8 => {
                type $sample = i8;
                $body
            }
            DataType::U16 => {
                type $sample = u16;
                $body
            }
            DataType::I16 => {
                type $sample = i16;
                $body
            }
            DataType::U32 => {
                type $sample = u32;
                $body
            }
            DataType::I32 => {
                type $sample = i32;
                $body
            }
            DataType::U64 => {
                type $sample = u64;
                $body
            }
            DataType::I64 => {
                type $sample = i64;
                $body
            }
            DataType::F32 => {
                type $sample = f32;
                $body
            }
            DataType::F64 => {
                type $sample = f64;
                $body
            }
        }
    };
}

/// Buffers for the statistics of every kind of list.
#[derive(Debug, Default)]
pub(crate) struct ListScratch {
    keys32: StatisticsScratch<u32>,
    keys64: StatisticsScratch<u64>,
}

/// A key width with its kind of list.
pub(crate) trait ListKey: SortKey {
    fn values(list: &mut ValueList) -> &mut Values<Self>;
    fn scratch(scratch: &mut ListScratch) -> &mut StatisticsScratch<Self>;
}

macro_rules! list_key {
    ($key:ty, $variant:ident, $scratch:ident) => {
        impl ListKey for $key {
            fn values(list: &mut ValueList) -> &mut Values<Self> {
                match list {
                    ValueList::$variant(values) => values,
                    _ => unreachable!("the list was made for this data type"),
                }
            }
            fn scratch(scratch: &mut ListScratch) -> &mut StatisticsScratch<Self> {
                &mut scratch.$scratch
            }
        }
    };
}
list_key!(u32, Narrow, keys32);
list_key!(u64, Wide, keys64);

impl ValueList {
    /// Returns an empty list for samples of a type.
    pub(crate) fn new(data_type: DataType) -> Self {
        if data_type.size_bytes() == 8 {
            Self::Wide(Values::default())
        } else {
            Self::Narrow(Values::default())
        }
    }

    pub(crate) fn len(&self) -> usize {
        for_list!(self, values => values.full.len() + values.part.len())
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        fn of<K: SortKey>(values: &Values<K>) -> usize {
            values.full.capacity() * size_of::<K>()
                + values.part.capacity() * size_of::<K::Weighted>()
        }
        for_list!(self, values => of(values))
    }

    pub(crate) fn clear(&mut self) {
        for_list!(self, values => {
            values.full.clear();
            values.part.clear();
        });
    }

    fn append(&mut self, other: ValueList) {
        fn join<K: SortKey>(all: &mut Values<K>, more: Values<K>) {
            if all.full.is_empty() && all.part.is_empty() {
                *all = more;
                return;
            }
            all.full.extend(more.full);
            all.part.extend(more.part);
        }
        match (self, other) {
            (Self::Narrow(all), Self::Narrow(more)) => join(all, more),
            (Self::Wide(all), Self::Wide(more)) => join(all, more),
            _ => unreachable!("a band has one kind of list"),
        }
    }

    /// Returns the statistics; may reorder the list.
    pub(crate) fn statistics(
        &mut self,
        data_type: DataType,
        rule: CoverageRule,
        scratch: &mut ListScratch,
    ) -> Statistics {
        fn of<T: Ordered<Key: ListKey>>(
            list: &mut ValueList,
            rule: CoverageRule,
            scratch: &mut ListScratch,
        ) -> Statistics {
            let values = T::Key::values(list);
            let is_weighted = rule == CoverageRule::Fraction;
            statistics_of::<T>(
                &mut values.full,
                &values.part,
                is_weighted,
                T::Key::scratch(scratch),
            )
        }
        for_data_type!(data_type, T => of::<T>(self, rule, scratch))
    }

    /// Returns how much each value counts, by rising value.
    pub(crate) fn counts(&mut self, data_type: DataType) -> Vec<ClassCount> {
        fn of<T: Ordered<Key: ListKey>>(list: &mut ValueList) -> Vec<ClassCount> {
            let mut pairs = weighted(T::Key::values(list));
            pairs.sort_unstable();
            let mut counts: Vec<ClassCount> = Vec::new();
            for (key, weight) in pairs.into_iter().map(<T::Key as SortKey>::split) {
                let (class, count) = (T::key_to_f64(key), f64::from(weight));
                match counts.last_mut() {
                    Some(last) if last.class == class => last.count += count,
                    _ => counts.push(ClassCount { class, count }),
                }
            }
            counts
        }
        for_data_type!(data_type, T => of::<T>(self))
    }
}

/// Returns all values as pairs with their share.
fn weighted<K: SortKey>(values: &Values<K>) -> Vec<K::Weighted> {
    values
        .full
        .iter()
        .map(|key| key.with_weight(1.0))
        .chain(values.part.iter().copied())
        .collect()
}

/// Appends the valid pixels of `record` within `window` to `list`.
///
/// `pixels` and `valid` are of the window, row by row.
pub(crate) fn gather<T: Ordered<Key: ListKey>>(
    record: &CoverageRecord,
    window: &Window,
    pixels: &[T],
    valid: &Mask,
    list: &mut ValueList,
) {
    if *valid == Mask::None {
        return;
    }
    let Values { full, part } = T::Key::values(list);
    // Rows lie far apart: the processor does not see by itself which pixels come next.
    let below = |at: usize, len: usize| {
        for line in (0..len).step_by(CACHE_LINE_BYTES / size_of::<T>()) {
            prefetch(pixels, at + line + window.width as usize);
        }
    };
    record.for_each_span(window, |span| match span {
        Span::Full { at, len } => {
            below(at, len);
            let run = &pixels[at..at + len];
            match valid {
                Mask::Pixels(flags) => {
                    let kept = run
                        .iter()
                        .zip(&flags[at..at + len])
                        .filter(|(_, valid)| **valid);
                    full.extend(kept.map(|(value, _)| value.to_key()));
                }
                _ => full.extend(run.iter().map(|value| value.to_key())),
            }
        }
        Span::Partial { at, shares } => {
            below(at, shares.len());
            let pixels = pixels[at..at + shares.len()].iter().zip(shares);
            let mut push = |value: &T, bits: &u32| {
                let share = f32::from_bits(*bits);
                if share >= SHARE_MIN {
                    part.push(value.to_key().with_weight(share));
                }
            };
            match valid {
                Mask::Pixels(flags) => {
                    let kept = pixels.zip(&flags[at..]).filter(|(_, valid)| **valid);
                    kept.for_each(|((value, bits), _)| push(value, bits));
                }
                _ => pixels.for_each(|(value, bits)| push(value, bits)),
            }
        }
    });
}

/// Values of one band of a parcel that lies in several units.
#[derive(Debug)]
pub(crate) struct ValueStore {
    data_type: DataType,
    rule: CoverageRule,
    list: ValueList,
    table: Option<Vec<f64>>,
    runs: Option<Runs>,
}

impl ValueStore {
    pub(crate) fn new(data_type: DataType, rule: CoverageRule) -> Self {
        Self {
            data_type,
            rule,
            list: ValueList::new(data_type),
            table: None,
            runs: None,
        }
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
        let values = u32::values(&mut self.list);
        values.full.iter().for_each(|key| table[slot(*key)] += 1.0);
        for (key, weight) in values.part.iter().map(|pair| u32::split(*pair)) {
            table[slot(key)] += f64::from(weight);
        }
        self.list.clear();
    }

    /// Returns the bytes that [`ValueStore::spill`] would free.
    pub(crate) fn spillable_bytes(&self) -> usize {
        if self.table.is_some() {
            0
        } else {
            self.list.memory_bytes()
        }
    }

    /// Moves the list to scratch space as a sorted run.
    ///
    /// # Errors
    /// Where the scratch space is full or fails.
    pub(crate) fn spill(&mut self, scratch: &Arc<Scratch>) -> Result<(), ExtractError> {
        if self.list.len() == 0 || self.table.is_some() {
            return Ok(());
        }
        let mut runs = self.runs.take().unwrap_or_else(|| Runs::new(scratch));
        self.push_list(&mut runs)?;
        self.runs = Some(runs);
        Ok(())
    }

    fn push_list(&mut self, runs: &mut Runs) -> Result<(), ExtractError> {
        let is_weighted = self.rule == CoverageRule::Fraction;
        for_list!(&mut self.list, values => {
            let values = std::mem::take(values);
            if is_weighted { runs.push(weighted(&values)) } else { runs.push(values.full) }
        })
    }

    /// Adds spilled values to the table: types that have one need no merge.
    fn take_runs_into_table(&mut self, runs: &Runs) -> Result<(), ExtractError> {
        let table = self.table.get_or_insert_with(|| vec![0.0; 65_536]);
        let base = key_base(self.data_type);
        let mut add =
            |key: u32, weight: f64| table[key.wrapping_sub(base) as usize & 0xffff] += weight;
        match self.rule {
            CoverageRule::Centre => runs.merge::<u32>(|key| add(key, 1.0)),
            CoverageRule::Fraction => runs.merge::<u64>(|pair| {
                let (key, weight) = u32::split(pair);
                add(key, f64::from(weight));
            }),
        }
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
        if let Some(mut runs) = self.runs.take() {
            if self.data_type.size_bytes() <= 2 {
                self.take_runs_into_table(&runs)?;
            } else if is_class {
                let reason = "classes of more than 16 bits over more pixels than --memory holds: give more, or smaller parcels";
                return Err(ExtractError::Limit {
                    reason: reason.to_owned(),
                });
            } else {
                self.push_list(&mut runs)?;
                return Ok((self.merged_statistics(&runs)?, Vec::new()));
            }
        }
        if self.table.is_some() {
            self.fill_table();
            let is_weighted = self.rule == CoverageRule::Fraction;
            let table = self.table.unwrap_or_default();
            let counts = if is_class {
                table_counts(&table, self.data_type)
            } else {
                Vec::new()
            };
            return Ok((
                table_statistics(&table, self.data_type, is_weighted),
                counts,
            ));
        }
        let statistics = self.list.statistics(self.data_type, self.rule, scratch);
        let counts = if is_class {
            self.list.counts(self.data_type)
        } else {
            Vec::new()
        };
        Ok((statistics, counts))
    }

    fn merged_statistics(&self, runs: &Runs) -> Result<Statistics, ExtractError> {
        fn keys<T: Ordered>(runs: &Runs) -> Result<Statistics, ExtractError>
        where
            T::Key: FromBytes,
        {
            statistics_of_stream(false, &mut |visit| {
                runs.merge::<T::Key>(|key| visit(T::key_to_f64(key), 1.0))
            })
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
        let is_weighted = self.rule == CoverageRule::Fraction;
        for_data_type!(self.data_type, T => if is_weighted { pairs::<T>(runs) } else { keys::<T>(runs) })
    }
}

fn table_counts(table: &[f64], data_type: DataType) -> Vec<ClassCount> {
    let filled = table
        .iter()
        .enumerate()
        .filter(|(_, weight)| **weight > 0.0);
    filled
        .map(|(slot, count)| ClassCount {
            class: table_value(slot, data_type),
            count: *count,
        })
        .collect()
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
    let filled = || {
        table
            .iter()
            .enumerate()
            .filter(|(_, weight)| **weight > 0.0)
    };
    if is_weighted {
        let mut distinct = Distinct::default();
        filled().for_each(|(slot, weight)| distinct.push(value(slot), *weight));
        return distinct.statistics();
    }
    let outcome: Result<Statistics, std::convert::Infallible> =
        statistics_of_stream(false, &mut |visit| {
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
