use proptest::prelude::*;
use swath_raster::Pixels;

use super::*;

fn strip_of(width: usize, first_row: usize, values: &[i16]) -> Strip {
    let rows = values.len() / width;
    Strip {
        width,
        first_row,
        rows,
        bands: vec![Pixels::I16(values.to_vec())],
        mask: None,
    }
}

/// Feeds the image in strips of `strip_rows` and returns the level.
fn reduced(
    rule: OverviewRule,
    source: LevelSize,
    nodata: Option<f64>,
    values: &[i16],
    mask: Option<&[u8]>,
    strip_rows: usize,
) -> Strip {
    let target = source.halved();
    let mut tail = strip_of(source.width, 0, &[]);
    tail.mask = mask.map(|_| Vec::new());
    let mut out = strip_of(target.width, 0, &[]);
    out.mask = tail.mask.clone();
    let mut reducer = Reducer::new(rule, source, target, nodata, tail);
    let chunk_len = strip_rows * source.width;
    for (index, chunk) in values.chunks(chunk_len).enumerate() {
        let mut strip = strip_of(source.width, index * strip_rows, chunk);
        strip.mask = mask.map(|mask| {
            let start = index * chunk_len;
            mask[start..start + chunk.len()].to_vec()
        });
        while reducer.reduce(&strip, &mut out, usize::MAX) {}
    }
    assert_eq!(out.rows, target.height);
    out
}

fn values_of(strip: &Strip) -> &[i16] {
    i16::slice(&strip.bands[0]).unwrap()
}

/// Area-weighted mean, by walking over every pixel of the image.
fn naive_average(
    source: LevelSize,
    nodata: Option<i16>,
    values: &[i16],
    mask: &[u8],
) -> Vec<Option<f64>> {
    let target = source.halved();
    let overlap = |target: usize, target_len: usize, source: usize, source_len: usize| {
        let ratio = source_len as f64 / target_len as f64;
        let (start, end) = (target as f64 * ratio, (target + 1) as f64 * ratio);
        (end.min(source as f64 + 1.0) - start.max(source as f64)).max(0.0)
    };
    let mut out = Vec::new();
    for row in 0..target.height {
        for col in 0..target.width {
            let (mut sum, mut weights) = (0.0, 0.0);
            for (index, value) in values.iter().enumerate() {
                let weight = overlap(row, target.height, index / source.width, source.height)
                    * overlap(col, target.width, index % source.width, source.width);
                if mask[index] != 0 && Some(*value) != nodata && weight > 1e-9 {
                    sum += weight * f64::from(*value);
                    weights += weight;
                }
            }
            out.push((weights > 0.0).then(|| sum / weights));
        }
    }
    out
}

#[test]
fn sizes_halve_rounding_down_until_one_block_holds_all() {
    let full = LevelSize {
        width: 5490,
        height: 700,
    };
    let widths: Vec<usize> = overview_sizes(full, 512)
        .iter()
        .map(|size| size.width)
        .collect();
    assert_eq!(widths, [2745, 1372, 686, 343]);
    let line = overview_sizes(
        LevelSize {
            width: 70_000,
            height: 1,
        },
        512,
    );
    assert_eq!(
        line.last(),
        Some(&LevelSize {
            width: 273,
            height: 1
        })
    );
    assert!(
        overview_sizes(
            LevelSize {
                width: 512,
                height: 512
            },
            512
        )
        .is_empty()
    );
}

#[test]
fn means_round_half_away_from_zero() {
    assert_eq!(i16::mean_of_four([1, 2, 1, 2]), 2);
    assert_eq!(i16::mean_of_four([-1, -2, -1, -2]), -2);
    assert_eq!(i16::mean_of_four([-1, -1, -1, -2]), -1);
    assert_eq!(i16::mean([-1, -2].into_iter(), 2), -2);
    assert_eq!(u64::mean_of_four([u64::MAX; 4]), u64::MAX);
    assert_eq!(i64::mean_of_four([i64::MIN; 4]), i64::MIN);
}

#[test]
fn a_mean_is_never_mistaken_for_nodata() {
    let size = LevelSize {
        width: 2,
        height: 2,
    };
    let out = reduced(
        OverviewRule::Average,
        size,
        Some(0.0),
        &[-1, 1, -1, 1],
        None,
        2,
    );
    assert_eq!(values_of(&out), [1]);
}

#[test]
fn pixels_without_a_valid_one_below_are_absent() {
    let size = LevelSize {
        width: 4,
        height: 2,
    };
    let values = [-9, -9, 3, -9, -9, -9, -9, 4];
    for rule in [OverviewRule::Average, OverviewRule::Mode] {
        let out = reduced(rule, size, Some(-9.0), &values, None, 2);
        assert_eq!(values_of(&out)[0], -9);
        assert!([3, 4].contains(&values_of(&out)[1]));
    }
}

#[test]
fn the_mode_is_the_first_of_the_most_frequent() {
    let size = LevelSize {
        width: 4,
        height: 2,
    };
    let out = reduced(
        OverviewRule::Mode,
        size,
        None,
        &[5, 2, 7, 8, 2, 5, 8, 7],
        None,
        2,
    );
    assert_eq!(values_of(&out), [2, 8]);
}

#[test]
fn nearest_takes_the_upper_left_pixel() {
    let size = LevelSize {
        width: 4,
        height: 4,
    };
    let values: Vec<i16> = (0..16).collect();
    let out = reduced(OverviewRule::Nearest, size, None, &values, None, 2);
    assert_eq!(values_of(&out), [0, 2, 8, 10]);
}

#[test]
fn a_single_pixel_stays() {
    let size = LevelSize {
        width: 1,
        height: 1,
    };
    for rule in [
        OverviewRule::Average,
        OverviewRule::Nearest,
        OverviewRule::Mode,
    ] {
        assert_eq!(values_of(&reduced(rule, size, None, &[7], None, 1)), [7]);
    }
}

#[test]
fn floats_without_nodata_keep_nan_where_nothing_is_valid() {
    let kernel = Kernel {
        source_width: 4,
        nodata: None,
        absent: f32::ABSENT,
    };
    let mut out = [0.0_f32; 2];
    kernel.average_of_four(
        &[f32::NAN, f32::NAN, 1.0, f32::NAN],
        &[f32::NAN, f32::NAN, 2.0, 3.0],
        &mut out,
    );
    assert!(out[0].is_nan());
    assert_eq!(out[1], 2.0);
}

proptest! {
    #[test]
    fn averages_equal_the_naive_ones_whatever_the_strips(
        width in 1usize..14, height in 1usize..14, half_strip in 1usize..4,
        seed in proptest::collection::vec((-20_i16..20, 0u8..3), 196), has_mask: bool,
    ) {
        let size = LevelSize { width, height };
        let values: Vec<i16> = seed.iter().map(|(value, _)| *value).take(width * height).collect();
        let mask: Vec<u8> = seed
            .iter()
            .map(|(_, state)| if has_mask && *state == 0 { 0 } else { 255 })
            .take(width * height)
            .collect();
        // Strips of a level hold an even number of rows, but for the last.
        let out = reduced(
            OverviewRule::Average, size, Some(-7.0), &values, has_mask.then_some(&mask), 2 * half_strip + 2,
        );
        let expected = naive_average(size, Some(-7), &values, &mask);
        for (got, mean) in values_of(&out).iter().copied().zip(expected) {
            // Beside nodata the mean moves by a step.
            let half = if got == -6 { 1.5 } else { 0.5 };
            match mean {
                Some(mean) => prop_assert!((f64::from(got) - mean).abs() <= half + 1e-9, "{got} {mean}"),
                None => prop_assert_eq!(got, -7),
            }
        }
    }

    #[test]
    fn nearest_and_mode_do_not_depend_on_the_strips(
        width in 1usize..14, height in 1usize..20, half_strip in 2usize..5,
        values in proptest::collection::vec(-3_i16..3, 280),
    ) {
        let size = LevelSize { width, height };
        let values = &values[..width * height];
        for rule in [OverviewRule::Nearest, OverviewRule::Mode] {
            let whole = reduced(rule, size, None, values, None, height);
            let parts = reduced(rule, size, None, values, None, 2 * half_strip);
            prop_assert_eq!(values_of(&whole), values_of(&parts));
        }
    }
}
