//! Lists, tables and spilled runs against a plain computation, in any split and order.

use proptest::prelude::*;
use swath_raster::ValueStatistics;

use super::*;

/// Pixels of a parcel: bits of a value, and share in 255ths.
type Sample = (u64, u8);

/// Turns bits into a value of a type; narrow ranges make ties.
trait OfBits: Ordered<Key: ListKey> {
    fn of_bits(bits: u64) -> Self;
}

macro_rules! of_bits {
    ($($type:ty: |$bits:ident| $value:expr;)*) => {$(
        impl OfBits for $type {
            fn of_bits($bits: u64) -> Self { $value }
        }
    )*};
}
of_bits! {
    u8: |bits| bits as u8;
    i8: |bits| bits as i8;
    u16: |bits| bits as u16;
    i16: |bits| bits as i16;
    u32: |bits| bits as u32;
    i32: |bits| bits as i32 % 50;
    u64: |bits| bits >> 11;
    i64: |bits| bits.cast_signed() >> 11;
    f32: |bits| f32::from(bits as i16) / 3.0;
    f64: |bits| (bits.cast_signed() >> 20) as f64 / 1e6;
}

fn list<T: OfBits>(samples: &[Sample], rule: CoverageRule) -> ValueList {
    let mut list = ValueList::new(T::DATA_TYPE);
    let values = T::Key::values(&mut list);
    for (bits, share) in samples {
        let key = T::of_bits(*bits).to_key();
        if rule == CoverageRule::Centre || *share == 255 {
            values.full.push(key);
        } else {
            values.part.push(key.with_weight(f32::from(*share) / 255.0));
        }
    }
    list
}

/// How values reach a store.
#[derive(Debug, Clone)]
struct Way {
    /// Samples of one unit.
    piece: usize,
    /// Every how many units the store is spilled; 0 = never.
    spill_every: usize,
    /// Units come last first.
    is_turned: bool,
}

fn statistics<T: OfBits>(
    samples: &[Sample],
    rule: CoverageRule,
    way: &Way,
) -> (Statistics, Vec<ClassCount>) {
    let scratch = Scratch::new().expect("scratch space");
    let mut store = ValueStore::new(T::DATA_TYPE, rule);
    let mut pieces: Vec<&[Sample]> = samples.chunks(way.piece.max(1)).collect();
    if way.is_turned {
        pieces.reverse();
    }
    for (index, piece) in pieces.into_iter().enumerate() {
        store.append(list::<T>(piece, rule));
        if way.spill_every > 0 && index % way.spill_every == 0 {
            store.spill(&scratch).expect("scratch space");
        }
    }
    let is_class = T::DATA_TYPE.size_bytes() <= 2;
    store
        .finish(is_class, &mut ListScratch::default())
        .expect("scratch space")
}

/// The definition, pixel by pixel.
fn plain<T: OfBits>(samples: &[Sample], rule: CoverageRule) -> (Statistics, Vec<ClassCount>) {
    let share = |share: u8| {
        if rule == CoverageRule::Centre {
            1.0
        } else {
            f64::from(f32::from(share) / 255.0)
        }
    };
    let mut pixels: Vec<(f64, f64)> = samples
        .iter()
        .map(|(bits, part)| (T::of_bits(*bits).to_f64(), share(*part)))
        .collect();
    pixels.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
    let mut distinct: Vec<(f64, f64)> = Vec::new();
    for (value, share) in &pixels {
        match distinct.last_mut() {
            Some(last) if last.0 == *value => last.1 += share,
            _ => distinct.push((*value, *share)),
        }
    }
    let classes = distinct
        .iter()
        .map(|(class, count)| ClassCount {
            class: *class,
            count: *count,
        })
        .collect();
    let total: f64 = pixels.iter().map(|(_, share)| share).sum();
    let mean = pixels
        .iter()
        .map(|(value, share)| value * share)
        .sum::<f64>()
        / total;
    let variance = pixels
        .iter()
        .map(|(value, share)| share * (value - mean).powi(2))
        .sum::<f64>()
        / total;
    // Type 7 on the values that the rule steps over: each pixel, or each distinct value.
    let steps = if rule == CoverageRule::Centre {
        &pixels
    } else {
        &distinct
    };
    let last_index = (steps.len() - 1) as f64;
    let quantile = |q: f64| {
        let wanted = q * last_index * total;
        let mut below = 0.0;
        let mut last = (steps[0].0, 0.0);
        for (index, (value, weight)) in steps.iter().enumerate() {
            let position = index as f64 * weight + last_index * below;
            if index > 0 && position >= wanted {
                return last.0 + (value - last.0) * (wanted - last.1) / (position - last.1);
            }
            last = (*value, position);
            below += weight;
        }
        last.0
    };
    let values = ValueStatistics {
        mean,
        stdev: variance.sqrt(),
        min: pixels[0].0,
        max: pixels[pixels.len() - 1].0,
        p25: quantile(0.25),
        p50: quantile(0.5),
        p75: quantile(0.75),
    };
    (
        Statistics {
            count: total,
            values: Some(values),
        },
        classes,
    )
}

fn check<T: OfBits>(samples: &[Sample], rule: CoverageRule, way: &Way) {
    let (found, found_classes) = statistics::<T>(samples, rule, way);
    let (expected, classes) = plain::<T>(samples, rule);
    let what = format!(
        "{} {rule:?} {way:?}, {} values",
        T::DATA_TYPE.name(),
        samples.len()
    );
    assert!(
        (found.count - expected.count).abs() <= 1e-12 * expected.count,
        "{what}: {found:?} {expected:?}"
    );
    let (found, expected) = (
        found.values.expect("values"),
        expected.values.expect("values"),
    );
    let size = expected.min.abs().max(expected.max.abs());
    let numbers =
        |of: &ValueStatistics| [of.mean, of.stdev, of.min, of.max, of.p25, of.p50, of.p75];
    for (a, b) in numbers(&found).into_iter().zip(numbers(&expected)) {
        assert!(
            (a - b).abs() <= 1e-12 * size,
            "{what}: {found:?} {expected:?}"
        );
    }
    if T::DATA_TYPE.size_bytes() <= 2 {
        assert_eq!(found_classes.len(), classes.len(), "{what}");
        for (a, b) in found_classes.iter().zip(&classes) {
            assert!(
                a.class == b.class && (a.count - b.count).abs() <= 1e-9,
                "{what}: {a:?} {b:?}"
            );
        }
    }
}

fn check_all(samples: &[Sample], way: &Way) {
    for rule in [CoverageRule::Fraction, CoverageRule::Centre] {
        check::<u8>(samples, rule, way);
        check::<i8>(samples, rule, way);
        check::<u16>(samples, rule, way);
        check::<i16>(samples, rule, way);
        check::<u32>(samples, rule, way);
        check::<i32>(samples, rule, way);
        check::<u64>(samples, rule, way);
        check::<i64>(samples, rule, way);
        check::<f32>(samples, rule, way);
        check::<f64>(samples, rule, way);
    }
}

fn many(len: u64) -> Vec<Sample> {
    let bits = |index: u64| (index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = |index: u64| (bits(index) ^ bits(index) >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (0..len)
        .map(|index| {
            (
                mixed(index) ^ mixed(index) >> 32,
                (mixed(index) >> 56) as u8 | 1,
            )
        })
        .collect()
}

#[test]
fn tables_and_runs_give_what_lists_give() {
    let samples = many(150_000);
    for (piece, spill_every, is_turned) in [
        (150_000, 0, false),
        (20_000, 0, true),
        (50_000, 0, false),
        (30_000, 2, false),
        (40_000, 1, true),
    ] {
        check_all(
            &samples,
            &Way {
                piece,
                spill_every,
                is_turned,
            },
        );
    }
}

#[test]
fn values_spilled_before_a_table_are_not_lost() {
    // The first piece goes to scratch space, the others make a table where the type has one.
    let samples = many(200_000);
    check_all(
        &samples,
        &Way {
            piece: 60_000,
            spill_every: 100,
            is_turned: false,
        },
    );
}

#[test]
fn any_split_in_one_order_gives_the_same_bits_of_a_list() {
    let samples = many(3_000);
    for rule in [CoverageRule::Fraction, CoverageRule::Centre] {
        let of = |piece| {
            let way = Way {
                piece,
                spill_every: 0,
                is_turned: false,
            };
            statistics::<f32>(&samples, rule, &way)
        };
        assert_eq!(of(3_000), of(700));
        assert_eq!(of(3_000), of(1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_split_gives_the_statistics_of_the_whole(
        samples in proptest::collection::vec((any::<u64>(), 1..=255_u8), 1..400),
        piece in 1..200_usize,
        spill_every in 0..5_usize,
        is_turned: bool,
    ) {
        check_all(&samples, &Way { piece, spill_every, is_turned });
    }

    #[test]
    fn ties_are_counted(
        samples in proptest::collection::vec((0..4_u64, prop_oneof![Just(255_u8), 1..=255_u8]), 1..200),
        piece in 1..100_usize,
        spill_every in 0..3_usize,
        is_turned: bool,
    ) {
        check_all(&samples, &Way { piece, spill_every, is_turned });
    }
}
