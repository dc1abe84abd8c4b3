//! The warp of a source that is all in memory: where pixels come from, and what they become.

use proptest::prelude::*;
use swath_grid::{Crs, GeoBox, Point, Projector, ShiftOptions, Size, Transform, Window};
use swath_raster::{
    GridChoice, Mask, Pixels, Positions, RasterBand, Resampling, WarpSource, default_grid,
    footprint, source_window, warp,
};

fn grid(epsg: u32, coefficients: [f64; 6], width: u32, height: u32) -> GeoBox {
    let crs = Crs::from_epsg(epsg).expect("a known code");
    let transform = Transform::from_gdal(coefficients).expect("invertible");
    GeoBox::new(crs, transform, Size { width, height }).expect("positive size")
}

/// 300 x 200 pixels of 10 m in Belgium.
fn utm31() -> GeoBox {
    grid(
        32631,
        [600_000.0, 10.0, 0.0, 5_650_000.0, 0.0, -10.0],
        300,
        200,
    )
}

fn suited(source: &GeoBox, epsg: u32) -> GeoBox {
    let crs = Crs::from_epsg(epsg).expect("a known code");
    default_grid(source, &crs, &GridChoice::default()).expect("a grid")
}

/// Column (first band) and row (second) of every pixel.
fn ramps(size: Size) -> Vec<Pixels> {
    let pixels = || (0..size.height).flat_map(|row| (0..size.width).map(move |col| (col, row)));
    vec![
        Pixels::F32(pixels().map(|(col, _)| col as f32 + 0.5).collect()),
        Pixels::F32(pixels().map(|(_, row)| row as f32 + 0.5).collect()),
    ]
}

fn warped(
    source: &GeoBox,
    bands: &[Pixels],
    masks: &[Mask],
    target: &GeoBox,
    resampling: Resampling,
    error_px: f64,
) -> Vec<RasterBand> {
    let positions = Positions::new(target, source, error_px).expect("a known pair");
    let window = Window::full(target.size());
    let cells = positions.cells(window);
    let held = WarpSource {
        window: Window::full(source.size()),
        size: source.size(),
        bands,
        masks,
    };
    if let Some(needed) = source_window(&cells, source.size(), resampling) {
        assert_eq!(needed.intersection(&held.window), Some(needed));
    }
    warp(&held, &cells, window, resampling)
}

/// The exact position of each target pixel on the source grid, computed apart.
fn exact(source: &GeoBox, target: &GeoBox) -> Vec<Point> {
    let options = ShiftOptions {
        accuracy_max_m: f64::INFINITY,
    };
    let projector = Projector::new(target.crs(), source.crs(), &options).expect("a known pair");
    let size = target.size();
    let mut points = Vec::new();
    for row in 0..size.height {
        for col in 0..size.width {
            let center = Point {
                x: f64::from(col) + 0.5,
                y: f64::from(row) + 0.5,
            };
            points.push(target.transform().to_crs(center));
        }
    }
    projector.project(&mut points).expect("all inside");
    points
        .iter()
        .map(|point| source.transform().to_grid(*point))
        .collect()
}

#[test]
fn bilinear_on_ramps_is_the_position_within_the_bound() {
    let source = utm31();
    let size = source.size();
    for epsg in [3857, 3035, 32632, 4326] {
        let target = suited(&source, epsg);
        let places = exact(&source, &target);
        for error_px in [0.0, 0.125] {
            let masks = [Mask::All, Mask::All];
            let rule = Resampling::Bilinear;
            let bands = warped(&source, &ramps(size), &masks, &target, rule, error_px);
            let mut compared = 0;
            for (index, place) in places.iter().enumerate() {
                // Near the edge neighbours are missing and the ramp ends.
                let is_inside = place.x > 2.5
                    && place.y > 2.5
                    && place.x < f64::from(size.width) - 2.5
                    && place.y < f64::from(size.height) - 2.5;
                if !is_inside {
                    continue;
                }
                let (x, y) = (
                    bands[0].pixels.get_f64(index),
                    bands[1].pixels.get_f64(index),
                );
                let off = (x - place.x).abs().max((y - place.y).abs());
                // Degrees are oblong on the ground: there the kernel is widened along one side, and a
                // triangle of a width that is no whole number is a little lopsided.
                let lopsided = if epsg == 4326 { 0.07 } else { 1e-3 };
                let bound = error_px.max(lopsided);
                assert!(
                    off <= bound,
                    "EPSG:{epsg}, bound {error_px}: off by {off} at {place:?}"
                );
                assert!(bands[0].mask.is_valid(index));
                compared += 1;
            }
            assert!(compared > 40_000, "EPSG:{epsg}: {compared}");
        }
    }
}

#[test]
fn nearest_takes_the_pixel_that_holds_the_centre() {
    let source = utm31();
    let size = source.size();
    let target = suited(&source, 3035);
    let masks = [Mask::All, Mask::All];
    let bands = warped(
        &source,
        &ramps(size),
        &masks,
        &target,
        Resampling::Nearest,
        0.0,
    );
    for (index, place) in exact(&source, &target).iter().enumerate() {
        let is_inside = place.x >= 0.0
            && place.y >= 0.0
            && place.x < f64::from(size.width)
            && place.y < f64::from(size.height);
        assert_eq!(bands[0].mask.is_valid(index), is_inside, "{place:?}");
        if is_inside {
            assert_eq!(bands[0].pixels.get_f64(index), place.x.floor() + 0.5);
            assert_eq!(bands[1].pixels.get_f64(index), place.y.floor() + 0.5);
        }
    }
}

#[test]
fn a_target_across_the_antimeridian_gets_both_sides() {
    // The whole Earth in degrees; the target spans 170 to 190 degrees.
    let source = grid(4326, [-180.0, 1.0, 0.0, 90.0, 0.0, -1.0], 360, 180);
    let target = grid(4326, [170.0, 1.0, 0.0, 10.0, 0.0, -1.0], 20, 2);
    let masks = [Mask::All, Mask::All];
    let bands = warped(
        &source,
        &ramps(source.size()),
        &masks,
        &target,
        Resampling::Nearest,
        0.125,
    );
    let columns: Vec<f64> = (0..20)
        .map(|col| bands[0].pixels.get_f64(col) - 0.5)
        .collect();
    let expected: Vec<f64> = (350..360).chain(0..10).map(f64::from).collect();
    assert_eq!(columns, expected);
    assert_eq!(bands[0].mask, Mask::All);
    // The other way round: a source beyond 180 degrees, a target that says -175.
    let source = grid(4326, [170.0, 1.0, 0.0, 10.0, 0.0, -1.0], 20, 2);
    let target = grid(4326, [-180.0, 1.0, 0.0, 10.0, 0.0, -1.0], 20, 2);
    let bands = warped(
        &source,
        &ramps(source.size()),
        &masks,
        &target,
        Resampling::Nearest,
        0.125,
    );
    assert_eq!(bands[0].pixels.get_f64(0), 10.5);
    let valid: Vec<bool> = (0..20).map(|col| bands[0].mask.is_valid(col)).collect();
    assert_eq!(valid, [vec![true; 10], vec![false; 10]].concat());
}

#[test]
fn utm_zones_at_the_antimeridian_keep_their_footprint_small() {
    let source = grid(
        32601,
        [400_000.0, 1000.0, 0.0, 7_000_000.0, 0.0, -1000.0],
        100,
        100,
    );
    let west = grid(
        32601,
        [220_000.0, 1000.0, 0.0, 7_000_000.0, 0.0, -1000.0],
        100,
        100,
    );
    for source in [source, west] {
        let crs = Crs::from_epsg(4326).expect("known");
        let bounds = footprint(&source, &crs).expect("a footprint");
        assert!(bounds.max_x - bounds.min_x < 3.0, "{bounds:?}");
        let target = suited(&source, 4326);
        let masks = [Mask::All, Mask::All];
        let bands = warped(
            &source,
            &ramps(source.size()),
            &masks,
            &target,
            Resampling::Nearest,
            0.125,
        );
        let valid = (0..target.size().width * target.size().height)
            .filter(|index| bands[0].mask.is_valid(*index as usize))
            .count();
        assert!(valid > 5000, "{valid} of {:?}", target.size());
    }
}

#[test]
fn what_a_projection_does_not_show_is_masked() {
    // Corners of a sinusoidal world lie off the Earth.
    let earth = grid(4326, [-180.0, 1.0, 0.0, 90.0, 0.0, -1.0], 360, 180);
    let crs = Crs::parse("+proj=sinu +lon_0=0 +R=6371007.181 +units=m +no_defs").expect("known");
    let target = default_grid(&earth, &crs, &GridChoice::default()).expect("a grid");
    let masks = [Mask::All, Mask::All];
    let bands = warped(
        &earth,
        &ramps(earth.size()),
        &masks,
        &target,
        Resampling::Nearest,
        0.125,
    );
    let size = target.size();
    let valid = (0..(size.width * size.height) as usize)
        .filter(|index| bands[0].mask.is_valid(*index))
        .count();
    // The outline of the projection is a sine: 2 / pi of its rectangle.
    let share = valid as f64 / f64::from(size.width * size.height);
    assert!(
        (share - std::f64::consts::FRAC_2_PI).abs() < 0.01,
        "{share}"
    );
    assert!(!bands[0].mask.is_valid(0));
}

#[test]
fn a_geostationary_disc_shows_half_of_the_earth() {
    let earth = grid(4326, [-180.0, 1.0, 0.0, 90.0, 0.0, -1.0], 360, 180);
    let crs = Crs::parse("+proj=geos +h=35785831 +lon_0=0 +ellps=WGS84 +units=m +no_defs")
        .expect("known");
    let step = 55_000.0;
    let transform =
        Transform::from_gdal([-100.0 * step, step, 0.0, 100.0 * step, 0.0, -step]).expect("ok");
    let size = Size {
        width: 200,
        height: 200,
    };
    let disc = GeoBox::new(crs, transform, size).expect("positive");
    let masks = [Mask::All, Mask::All];
    let bands = warped(
        &earth,
        &ramps(earth.size()),
        &masks,
        &disc,
        Resampling::Bilinear,
        0.125,
    );
    let at = |col: usize, row: usize| row * 200 + col;
    assert!(!bands[0].mask.is_valid(at(0, 0)) && !bands[0].mask.is_valid(at(199, 100)));
    assert!(bands[0].mask.is_valid(at(100, 100)));
    assert!((bands[0].pixels.get_f64(at(100, 100)) - 180.25).abs() < 0.1);
    let valid = (0..40_000)
        .filter(|index| bands[0].mask.is_valid(*index))
        .count();
    // A disc of radius 5,430 km about: pi * 98.7^2 pixels.
    assert!((28_000..32_000).contains(&valid), "{valid}");
    // And back: far sides of the Earth stay empty.
    let masks = [Mask::All, Mask::All];
    let back = warped(
        &disc,
        &ramps(size),
        &masks,
        &earth,
        Resampling::Nearest,
        0.125,
    );
    let is_valid = |col: usize, row: usize| back[0].mask.is_valid(row * 360 + col);
    assert!(is_valid(180, 90) && is_valid(230, 60));
    assert!(!is_valid(0, 90) && !is_valid(280, 90) && !is_valid(359, 0));
}

#[test]
fn a_polar_grid_gets_its_pole() {
    let earth = grid(4326, [-180.0, 1.0, 0.0, 90.0, 0.0, -1.0], 360, 180);
    let polar = grid(3995, [-2e6, 20_000.0, 0.0, 2e6, 0.0, -20_000.0], 200, 200);
    let masks = [Mask::All, Mask::All];
    let bands = warped(
        &earth,
        &ramps(earth.size()),
        &masks,
        &polar,
        Resampling::Nearest,
        0.125,
    );
    assert_eq!(bands[1].mask, Mask::All);
    assert_eq!(bands[1].pixels.get_f64(100 * 200 + 100), 0.5);
    let bounds = footprint(&polar, earth.crs()).expect("a footprint");
    assert_eq!(
        (bounds.min_x, bounds.max_x, bounds.max_y),
        (-180.0, 180.0, 90.0)
    );
}

/// A grid four times as coarse over the same area.
fn quarter(source: &GeoBox) -> GeoBox {
    let size = source.size();
    let transform = source.transform().scaled(4.0, 4.0);
    let size = Size {
        width: size.width / 4,
        height: size.height / 4,
    };
    GeoBox::new(source.crs().clone(), transform, size).expect("positive")
}

fn values(band: &RasterBand) -> Vec<Option<f64>> {
    (0..band.pixels.len())
        .map(|index| {
            band.mask
                .is_valid(index)
                .then(|| band.pixels.get_f64(index))
        })
        .collect()
}

#[test]
fn rules_over_areas_count_what_a_pixel_covers() {
    let source = grid(32631, [0.0, 1.0, 0.0, 0.0, 0.0, -1.0], 8, 4);
    let target = quarter(&source);
    let mut pixels = vec![1u8; 32];
    pixels[0] = 9;
    pixels[1] = 3;
    // The right half: one valid pixel.
    let mut flags = vec![true; 32];
    for row in 0..4 {
        flags[row * 8 + 4..row * 8 + 8].fill(false);
    }
    flags[4] = true;
    pixels[4] = 7;
    let run = |rule| {
        let bands = [Pixels::U8(pixels.clone())];
        let masks = [Mask::Pixels(flags.clone())];
        values(&warped(&source, &bands, &masks, &target, rule, 0.125)[0])
    };
    assert_eq!(run(Resampling::Average), [Some(2.0), Some(7.0)]);
    assert_eq!(run(Resampling::Mode), [Some(1.0), Some(7.0)]);
    assert_eq!(run(Resampling::Min), [Some(1.0), Some(7.0)]);
    assert_eq!(run(Resampling::Max), [Some(9.0), Some(7.0)]);
}

#[test]
fn masked_neighbours_count_nothing() {
    let source = grid(32631, [0.0, 1.0, 0.0, 0.0, 0.0, -1.0], 4, 4);
    let target = grid(32631, [0.4, 1.0, 0.0, -0.4, 0.0, -1.0], 3, 3);
    let mut pixels = vec![100i16; 16];
    let mut flags = vec![true; 16];
    pixels[5] = -9999;
    flags[5] = false;
    for rule in [Resampling::Bilinear, Resampling::Cubic] {
        let bands = [Pixels::I16(pixels.clone())];
        let masks = [Mask::Pixels(flags.clone())];
        let band = &warped(&source, &bands, &masks, &target, rule, 0.0)[0];
        let expected: Vec<Option<f64>> =
            (0..9).map(|index| (index != 4).then_some(100.0)).collect();
        assert_eq!(values(band), expected, "{rule}");
    }
}

#[test]
fn choices_of_a_grid_that_make_none_are_refused() {
    let source = utm31();
    let crs = Crs::from_epsg(3857).expect("known");
    let elsewhere = swath_grid::Bounds {
        min_x: 0.0,
        min_y: 0.0,
        max_x: 1000.0,
        max_y: 1000.0,
    };
    let size = Size {
        width: 10,
        height: 10,
    };
    let small = Point { x: 1e-9, y: 1e-9 };
    let choices = [
        (Some(small), None, Some(size), "give one of them"),
        (Some(small), None, None, "more than a raster can have"),
        (None, Some(elsewhere), None, "do not touch"),
        (Some(Point { x: -1.0, y: 1.0 }), None, None, "not positive"),
    ];
    for (resolution, bounds, size, expected) in choices {
        let choice = GridChoice {
            resolution,
            bounds,
            size,
        };
        let error = default_grid(&source, &crs, &choice).expect_err("no grid");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Values of interpolation and of areas stay between the smallest and the largest; a constant
    /// stays what it is, whatever the rule, also beside masked pixels.
    #[test]
    fn values_stay_in_their_range(
        dx in -3.0..3.0f64, dy in -3.0..3.0f64, scale in 0.3..3.0f64, angle in -0.5..0.5f64,
        pixels in prop::collection::vec(any::<u16>(), 144),
        flags in prop::collection::vec(prop::bool::weighted(0.8), 144),
    ) {
        let source = grid(32631, [0.0, 1.0, 0.0, 0.0, 0.0, -1.0], 12, 12);
        let (sin, cos) = (scale * angle.sin(), scale * angle.cos());
        let target = grid(32631, [dx, cos, sin, dy, sin, -cos], 8, 8);
        let valid = || pixels.iter().zip(&flags).filter(|(_, flag)| **flag).map(|(value, _)| *value);
        let (low, top) = (valid().min().unwrap_or(0), valid().max().unwrap_or(0));
        for rule in Resampling::ALL {
            let bands = [Pixels::U16(pixels.clone()), Pixels::U16(vec![4321; 144])];
            let masks = [Mask::from_flags(flags.clone()), Mask::from_flags(flags.clone())];
            let result = warped(&source, &bands, &masks, &target, rule, 0.125);
            let constant = values(&result[1]);
            prop_assert!(constant.iter().flatten().all(|value| *value == 4321.0), "{rule}");
            let is_bounded = rule != Resampling::Cubic;
            for value in values(&result[0]).into_iter().flatten().filter(|_| is_bounded) {
                prop_assert!((f64::from(low)..=f64::from(top)).contains(&value), "{rule}: {value}");
            }
        }
    }

    /// Cells hold each pixel at most once and keep the bound everywhere, not only where they were checked.
    #[test]
    fn cells_keep_their_bound(
        lon in -170.0..170.0f64, lat in -80.0..80.0f64, step in 0.0005..0.2f64,
        error_px in 0.01..0.5f64,
    ) {
        let target = grid(4326, [lon, step, 0.0, lat, 0.0, -step], 150, 140);
        let source = grid(3857, [-2e7, step * 111_000.0, 0.0, 2e7, 0.0, -step * 111_000.0], 400, 400);
        let approximate = Positions::new(&target, &source, error_px).expect("a known pair");
        let exact = Positions::new(&target, &source, 0.0).expect("a known pair");
        let window = Window::full(target.size());
        let mut places = vec![None; window.len() as usize];
        for (positions, is_exact) in [(exact, true), (approximate, false)] {
            for cell in positions.cells(window) {
                for (col, row, place) in cell.pixels() {
                    let index = (row * 150 + col) as usize;
                    if is_exact {
                        places[index] = Some(place);
                        continue;
                    }
                    let Some(expected) = places[index].take() else {
                        return Err(TestCaseError::fail("a pixel twice, or one that is nowhere"));
                    };
                    if !expected.x.is_finite() {
                        prop_assert!(!place.x.is_finite(), "{place:?} is off the map");
                        continue;
                    }
                    let off = (expected.x - place.x).abs().max((expected.y - place.y).abs());
                    prop_assert!(off <= error_px, "off by {off} at {expected:?}");
                }
            }
        }
        let is_left_out = |place: &Option<Point>| place.is_some_and(|place| place.x.is_finite());
        prop_assert!(!places.iter().any(is_left_out));
    }
}
