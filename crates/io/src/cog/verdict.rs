//! Is this file a valid cloud-optimised GeoTIFF? The rules of `rio cogeo validate` (rio-cogeo 7.0).
//!
//! Errors make a file invalid: a reader over HTTP would pay for them with extra requests.
//! Warnings do not.

/// Largest side of an image that needs neither blocks nor overviews.
const SIDE_WITHOUT_BLOCKS_PX: u32 = 512;

/// The main IFD must start below this byte: after the header and GDAL's ghost area.
const FIRST_IFD_OFFSET_MAX: u64 = 300;

/// Ghost area entry of a file that an editor has touched.
const BROKEN_LAYOUT: &str = "KNOWN_INCOMPATIBLE_EDITION=YES";

/// What the verdict needs to know of an IFD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfdSummary {
    /// First byte of the IFD in the file.
    pub offset: u64,
    /// `ImageWidth`.
    pub width: u32,
    /// `ImageLength`.
    pub height: u32,
    /// `SamplesPerPixel`.
    pub samples: u16,
    /// Columns of a block: `TileWidth`, or the width of the image where it is in strips.
    pub block_width: u32,
    /// Bit 0 of `NewSubfileType`.
    pub is_overview: bool,
    /// Bit 2 of `NewSubfileType`.
    pub is_mask: bool,
    /// The first of the block offsets, row by row, that is not 0; `None` where all are.
    pub first_block_offset: Option<u64>,
}

/// The outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CogVerdict {
    /// True where there are no reasons against it.
    pub valid: bool,
    /// Why the file is invalid.
    pub reasons: Vec<String>,
    /// What could be better.
    pub warnings: Vec<String>,
}

/// Judges a file by its IFDs in the order of their chain (IFDs below `SubIFDs` do not count).
///
/// `ghost` is the text after the header from `GDAL_STRUCTURAL_METADATA_SIZE=` on, where there is
/// one. Overviews in a separate `.ovr` file are the caller's to notice.
pub fn verdict(ifds: &[IfdSummary], file_len: u64, ghost: Option<&str>) -> CogVerdict {
    let mut reasons = Vec::new();
    let mut warnings = Vec::new();
    let Some((main, others)) = ifds.split_first() else {
        reasons.push("the file has no image".to_owned());
        return CogVerdict {
            valid: false,
            reasons,
            warnings,
        };
    };
    let overviews: Vec<&IfdSummary> = others
        .iter()
        .filter(|ifd| ifd.is_overview && !ifd.is_mask && ifd.samples == main.samples)
        .collect();

    if is_large(main) {
        if main.block_width == main.width {
            reasons.push(format!(
                "an image of {} by {} px is not tiled",
                main.width, main.height
            ));
        }
        if overviews.is_empty() {
            let size = format!("{} by {} px", main.width, main.height);
            warnings.push(format!("an image of {size} should have overviews"));
        }
    }
    if main.offset > FIRST_IFD_OFFSET_MAX {
        reasons.push(format!(
            "the first IFD is at byte {}, not within the first {FIRST_IFD_OFFSET_MAX}",
            main.offset
        ));
    }
    if ghost.is_some_and(|text| text.contains(BROKEN_LAYOUT)) {
        reasons.push("the layout was broken by a later edit, as the header says".to_owned());
    }
    check_decimations(main, &overviews, &mut reasons);
    check_ifd_order(main, &overviews, &mut reasons);
    check_data_order(main, &overviews, &mut reasons);
    for (index, overview) in overviews.iter().enumerate() {
        if is_large(overview) && overview.block_width == overview.width {
            reasons.push(format!("overview {index} is not tiled"));
        }
    }
    if ifds.iter().any(|ifd| {
        ifd.first_block_offset
            .is_some_and(|offset| offset >= file_len)
    }) {
        warnings.push(format!(
            "blocks lie beyond the end of the file at byte {file_len}"
        ));
    }
    CogVerdict {
        valid: reasons.is_empty(),
        reasons,
        warnings,
    }
}

fn is_large(ifd: &IfdSummary) -> bool {
    ifd.width > SIDE_WITHOUT_BLOCKS_PX || ifd.height > SIDE_WITHOUT_BLOCKS_PX
}

fn check_decimations(main: &IfdSummary, overviews: &[&IfdSummary], reasons: &mut Vec<String>) {
    let decimation = |overview: &&IfdSummary| {
        let ratio = f64::from(main.width) / f64::from(overview.width.max(1));
        ratio.round_ties_even() as u64
    };
    let decimations: Vec<u64> = overviews.iter().map(decimation).collect();
    if !decimations.is_sorted() {
        reasons.push("overviews are not sorted from the largest to the smallest".to_owned());
    }
    for (index, decimation) in decimations.iter().enumerate() {
        if *decimation <= 1 {
            reasons.push(format!("overview {index} is as wide as the image"));
        }
    }
}

/// IFDs must stand in the order image, largest overview, …, smallest overview.
fn check_ifd_order(main: &IfdSummary, overviews: &[&IfdSummary], reasons: &mut Vec<String>) {
    let mut before = main.offset;
    for (index, overview) in overviews.iter().enumerate() {
        if overview.offset < before {
            let other = match index {
                0 => "the image".to_owned(),
                _ => format!("overview {}", index - 1),
            };
            reasons.push(format!(
                "the IFD of overview {index} at byte {} stands before that of {other} at {before}",
                overview.offset
            ));
        }
        before = overview.offset;
    }
}

/// Blocks must stand in the order smallest overview, …, largest overview, image, after the IFDs.
fn check_data_order(main: &IfdSummary, overviews: &[&IfdSummary], reasons: &mut Vec<String>) {
    let levels = std::iter::once(main).chain(overviews.iter().copied());
    let stored: Vec<u64> = levels.filter_map(|ifd| ifd.first_block_offset).collect();
    let last_ifd = overviews.last().map_or(main.offset, |ifd| ifd.offset);
    if stored.last().is_some_and(|offset| *offset < last_ifd) {
        reasons.push("blocks stand before the last IFD of the image and its overviews".to_owned());
    }
    for (index, pair) in stored.windows(2).enumerate() {
        if pair[0] < pair[1] {
            let larger = match index {
                0 => "the image".to_owned(),
                _ => format!("overview {}", index - 1),
            };
            reasons.push(format!(
                "the blocks of {larger} stand before those of overview {index}"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ifd(offset: u64, side: u32, first_block: u64) -> IfdSummary {
        IfdSummary {
            offset,
            width: side,
            height: side,
            samples: 1,
            block_width: 512,
            is_overview: side < 4096,
            is_mask: false,
            first_block_offset: Some(first_block),
        }
    }

    fn good() -> Vec<IfdSummary> {
        vec![
            ifd(192, 4096, 90_000),
            ifd(600, 2048, 50_000),
            ifd(900, 1024, 20_000),
        ]
    }

    fn reasons(ifds: &[IfdSummary]) -> Vec<String> {
        verdict(ifds, 1_000_000, None).reasons
    }

    #[test]
    fn the_layout_of_gdal_is_valid() {
        let verdict = verdict(&good(), 1_000_000, Some("KNOWN_INCOMPATIBLE_EDITION=NO\n "));
        assert!(verdict.valid, "{verdict:?}");
        assert!(verdict.warnings.is_empty());
    }

    #[test]
    fn missing_overviews_are_a_warning() {
        let verdict = verdict(&good()[..1], 1_000_000, None);
        assert!(verdict.valid);
        assert_eq!(verdict.warnings.len(), 1);
    }

    #[test]
    fn strips_are_an_error_in_large_images_only() {
        let mut ifds = good();
        ifds[0].block_width = 4096;
        ifds[1].block_width = 2048;
        assert_eq!(
            reasons(&ifds),
            [
                "an image of 4096 by 4096 px is not tiled",
                "overview 0 is not tiled"
            ]
        );
        let mut small = ifd(8, 512, 200);
        (small.is_overview, small.block_width) = (false, 512);
        assert!(verdict(&[small], 1_000_000, None).valid);
    }

    #[test]
    fn ifds_and_blocks_out_of_order_are_errors() {
        let mut late = good();
        late[0].offset = 301;
        assert_eq!(
            reasons(&late),
            ["the first IFD is at byte 301, not within the first 300"]
        );
        let mut swapped = good();
        (swapped[1].offset, swapped[2].offset) = (900, 600);
        assert_eq!(reasons(&swapped).len(), 1);
        let mut data_late = good();
        data_late[1].first_block_offset = Some(95_000);
        assert_eq!(
            reasons(&data_late),
            ["the blocks of the image stand before those of overview 0"]
        );
        let mut data_early = good();
        data_early[2].first_block_offset = Some(700);
        assert_eq!(reasons(&data_early).len(), 1);
    }

    #[test]
    fn unsorted_overviews_are_an_error() {
        let ifds = vec![
            ifd(192, 4096, 90_000),
            ifd(600, 1024, 50_000),
            ifd(900, 2048, 20_000),
        ];
        assert_eq!(
            reasons(&ifds),
            ["overviews are not sorted from the largest to the smallest"]
        );
        let same = vec![ifd(192, 4096, 90_000), ifd(600, 4000, 50_000)];
        assert_eq!(reasons(&same), ["overview 0 is as wide as the image"]);
    }

    #[test]
    fn an_edited_file_says_so_itself() {
        let text = "LAYOUT=IFDS_BEFORE_DATA\nKNOWN_INCOMPATIBLE_EDITION=YES\n";
        assert!(!verdict(&good(), 1_000_000, Some(text)).valid);
    }

    #[test]
    fn masks_and_empty_levels_do_not_count() {
        let mut ifds = good();
        let mut mask = ifd(400, 4096, 1);
        (mask.is_mask, mask.is_overview) = (true, false);
        ifds.insert(1, mask);
        ifds[2].first_block_offset = None;
        assert!(verdict(&ifds, 1_000_000, None).valid);
    }

    #[test]
    fn a_cut_file_is_a_warning() {
        assert_eq!(verdict(&good(), 80_000, None).warnings.len(), 1);
    }
}
