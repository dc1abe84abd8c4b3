//! Coding styles, and how many structures a decoder has to set up for one tile.
//!
//! A few bytes of header may ask for billions of precincts or code-blocks: they are counted first.

use swath_grid::Size;

use super::header::{COC, COD};
use super::{be_u16, header};

/// Most precincts, and code-blocks times layers, of one tile: some hundred bytes each.
const STRUCTURES_MAX: u64 = 4 << 20;
/// Most quality layers: what the decoder takes.
const LAYERS_MAX: u16 = 32;
/// Most halvings.
const LEVELS_MAX: u8 = 32;

/// How the coefficients of one component are cut up.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ComponentStyle {
    levels: u8,
    /// Logarithms of width and height of a code-block.
    block_log: [u8; 2],
    /// Logarithms of width and height of a precinct, by resolution.
    precinct_logs: Vec<[u8; 2]>,
}

/// The style of every component.
#[derive(Debug, Clone, Default)]
pub(super) struct CodingStyles {
    layers: u16,
    default: Option<ComponentStyle>,
    own: Vec<Option<ComponentStyle>>,
}

impl CodingStyles {
    /// Returns these styles with what `segments` of a main or tile-part header change.
    pub(super) fn with(
        &self,
        segments: &[(u16, Vec<u8>)],
        components: usize,
    ) -> Result<Self, String> {
        let mut styles = self.clone();
        styles.own.resize(components, None);
        for (marker, body) in segments {
            match *marker {
                COD => {
                    let cut = "its coding style (COD) is cut off";
                    let flags = *body.first().ok_or(cut)?;
                    styles.layers = be_u16(body, 2).ok_or(cut)?;
                    if !(1..=LAYERS_MAX).contains(&styles.layers) {
                        return Err(format!(
                            "{} quality layers (1 to {LAYERS_MAX} are read)",
                            styles.layers
                        ));
                    }
                    styles.default = Some(component_style(flags, body.get(5..).ok_or(cut)?)?);
                }
                COC => {
                    let cut = "its component coding style (COC) is cut off";
                    // Up to 256 components their index has one byte.
                    let index = usize::from(*body.first().ok_or(cut)?);
                    let flags = *body.get(1).ok_or(cut)?;
                    let own = styles
                        .own
                        .get_mut(index)
                        .ok_or_else(|| format!("a coding style for component {index}"))?;
                    *own = Some(component_style(flags, body.get(2..).ok_or(cut)?)?);
                }
                header::POC => {
                    return Err("changes of the progression order (POC) are not read".to_owned());
                }
                _ => {}
            }
        }
        Ok(styles)
    }

    /// True once a default style is known.
    pub(super) fn is_complete(&self) -> bool {
        self.default.is_some()
    }

    fn styles(&self) -> impl Iterator<Item = &ComponentStyle> {
        self.own
            .iter()
            .filter_map(|own| own.as_ref().or(self.default.as_ref()))
    }

    /// Returns the halvings that every component has.
    pub(super) fn levels_min(&self) -> u8 {
        self.styles().map(|style| style.levels).min().unwrap_or(0)
    }

    /// Refuses a tile of `size` pixels that asks for more structures than any real image.
    pub(super) fn check_structures(&self, size: Size) -> Result<(), String> {
        let layers = u64::from(self.layers);
        let mut count = 0_u64;
        for style in self.styles() {
            count = count.saturating_add(style.structures(size, layers));
        }
        if count > STRUCTURES_MAX {
            return Err(format!(
                "a tile of {}x{} pixels is cut into {count} precincts and code-blocks (at most {STRUCTURES_MAX} are read)",
                size.width, size.height
            ));
        }
        Ok(())
    }
}

impl ComponentStyle {
    /// Returns at least the number of precincts, and of code-blocks times `layers`.
    fn structures(&self, size: Size, layers: u64) -> u64 {
        let mut count = 0_u64;
        for (resolution, precinct) in self.precinct_logs.iter().enumerate() {
            let halvings = u32::from(self.levels) - resolution as u32;
            let sides = [size.width, size.height].map(|side| (u64::from(side) >> halvings) + 2);
            // Every cut may leave a part at either end.
            let pieces =
                |log: [u8; 2]| ((sides[0] >> log[0]) + 2).saturating_mul((sides[1] >> log[1]) + 2);
            let precincts = pieces(*precinct);
            // Beyond the lowest resolution precincts and code-blocks live in sub-bands of half the size.
            let inner = if resolution == 0 { 0 } else { 1 };
            let block = [0, 1].map(|axis| self.block_log[axis].min(precinct[axis] - inner));
            let blocks = pieces(block).saturating_add(precincts.saturating_mul(4));
            count = count
                .saturating_add(precincts.saturating_mul(3))
                .saturating_add(blocks.saturating_mul(layers));
        }
        count
    }
}

/// Reads the part that COD and COC share (T.800 table A.20).
fn component_style(flags: u8, body: &[u8]) -> Result<ComponentStyle, String> {
    let &[levels, width, height, _, _, ref precincts @ ..] = body else {
        return Err("a coding style is cut off".to_owned());
    };
    if levels > LEVELS_MAX {
        return Err(format!("{levels} wavelet levels (at most {LEVELS_MAX})"));
    }
    let block_log = [width.saturating_add(2), height.saturating_add(2)];
    if block_log.iter().any(|log| *log > 10) || block_log[0] + block_log[1] > 12 {
        return Err(format!(
            "code-blocks of 2^{} x 2^{} coefficients",
            block_log[0], block_log[1]
        ));
    }
    let resolutions = usize::from(levels) + 1;
    let precinct_logs = if flags & 1 == 0 {
        vec![[15, 15]; resolutions]
    } else {
        let sizes = precincts
            .get(..resolutions)
            .ok_or("the precinct sizes of a coding style are cut off")?;
        sizes.iter().map(|size| [size & 15, size >> 4]).collect()
    };
    let is_flat = |log: &[u8; 2]| log.contains(&0);
    if precinct_logs.iter().skip(1).any(is_flat) {
        return Err("precincts without area in the sub-bands".to_owned());
    }
    Ok(ComponentStyle {
        levels,
        block_log,
        precinct_logs,
    })
}
