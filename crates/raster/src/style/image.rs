//! A picture in memory.

use crate::Mask;

/// A picture: rows from the top, pixels from the left, 8 bits a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image {
    /// Red, green and blue of each pixel; all of them are seen.
    Rgb {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Three bytes a pixel.
        pixels: Vec<u8>,
    },
    /// Red, green, blue and opacity of each pixel; opacity is 0 or 255.
    Rgba {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Four bytes a pixel.
        pixels: Vec<u8>,
    },
    /// A number of a colour for each pixel; number 0 is transparent.
    Indexed {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// One byte a pixel.
        pixels: Vec<u8>,
        /// Red, green, blue of each number; the first stands for nothing.
        palette: Vec<[u8; 3]>,
    },
}

impl Image {
    /// Returns columns and rows.
    pub fn size(&self) -> (u32, u32) {
        match self {
            Self::Rgb { width, height, .. }
            | Self::Rgba { width, height, .. }
            | Self::Indexed { width, height, .. } => (*width, *height),
        }
    }

    /// True where every pixel is seen.
    pub fn is_opaque(&self) -> bool {
        match self {
            Self::Rgb { .. } => true,
            Self::Rgba { pixels, .. } => pixels.chunks_exact(4).all(|pixel| pixel[3] == 255),
            Self::Indexed { pixels, .. } => !pixels.contains(&0),
        }
    }

    /// Returns red, green, blue and opacity of each pixel.
    pub fn to_rgba(&self) -> Vec<u8> {
        match self {
            Self::Rgb { pixels, .. } => {
                let mut rgba = vec![255; pixels.len() / 3 * 4];
                for (pixel, color) in rgba.chunks_exact_mut(4).zip(pixels.chunks_exact(3)) {
                    pixel[..3].copy_from_slice(color);
                }
                rgba
            }
            Self::Rgba { pixels, .. } => pixels.clone(),
            Self::Indexed {
                pixels, palette, ..
            } => pixels
                .iter()
                .flat_map(|number| match number {
                    0 => [0; 4],
                    number => {
                        let [red, green, blue] = palette[usize::from(*number)];
                        [red, green, blue, 255]
                    }
                })
                .collect(),
        }
    }

    /// Returns red, green and blue of each pixel, `background` where nothing is seen.
    pub fn to_rgb(&self, background: [u8; 3]) -> Vec<u8> {
        match self {
            Self::Rgb { pixels, .. } => pixels.clone(),
            Self::Rgba { pixels, .. } => pixels
                .chunks_exact(4)
                .flat_map(|pixel| match pixel[3] {
                    0 => background,
                    _ => [pixel[0], pixel[1], pixel[2]],
                })
                .collect(),
            Self::Indexed {
                pixels, palette, ..
            } => pixels
                .iter()
                .flat_map(|number| match number {
                    0 => background,
                    number => palette[usize::from(*number)],
                })
                .collect(),
        }
    }

    /// Returns which pixels are seen.
    pub fn mask(&self) -> Mask {
        match self {
            Self::Rgb { .. } => Mask::All,
            Self::Rgba { pixels, .. } => {
                Mask::from_flags(pixels.chunks_exact(4).map(|pixel| pixel[3] != 0).collect())
            }
            Self::Indexed { pixels, .. } => {
                Mask::from_flags(pixels.iter().map(|number| *number != 0).collect())
            }
        }
    }

    /// Returns the picture with a colour where nothing is seen.
    pub fn with_background(self, color: [u8; 3]) -> Self {
        match self {
            Self::Rgb { .. } => self,
            Self::Rgba {
                width,
                height,
                mut pixels,
            } => {
                for pixel in pixels.chunks_exact_mut(4) {
                    if pixel[3] == 0 {
                        pixel.copy_from_slice(&[color[0], color[1], color[2], 255]);
                    }
                }
                Self::Rgba {
                    width,
                    height,
                    pixels,
                }
            }
            Self::Indexed {
                width,
                height,
                pixels,
                palette,
            } => {
                let pixels = Self::Indexed {
                    width,
                    height,
                    pixels,
                    palette,
                }
                .to_rgba();
                Self::Rgba {
                    width,
                    height,
                    pixels,
                }
                .with_background(color)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_show_the_same() {
        let indexed = Image::Indexed {
            width: 2,
            height: 1,
            pixels: vec![0, 1],
            palette: vec![[0; 3], [10, 20, 30]],
        };
        let plain = Image::Rgba {
            width: 2,
            height: 1,
            pixels: vec![0, 0, 0, 0, 10, 20, 30, 255],
        };
        assert_eq!(indexed.to_rgba(), plain.to_rgba());
        assert_eq!(indexed.to_rgb([9; 3]), plain.to_rgb([9; 3]));
        assert_eq!(indexed.mask(), plain.mask());
        assert!(!indexed.is_opaque() && !plain.is_opaque());
        let filled = indexed.with_background([9; 3]);
        assert_eq!(filled, plain.with_background([9; 3]));
        assert!(filled.is_opaque());
    }

    #[test]
    fn opaque_pictures_show_the_same_without_opacity() {
        let pixels = vec![1, 2, 3, 4, 5, 6];
        let plain = Image::Rgb {
            width: 2,
            height: 1,
            pixels: pixels.clone(),
        };
        assert_eq!(plain.to_rgba(), [1, 2, 3, 255, 4, 5, 6, 255]);
        assert_eq!(plain.to_rgb([9; 3]), pixels);
        assert_eq!((plain.mask(), plain.is_opaque()), (Mask::All, true));
        assert_eq!(plain.clone().with_background([9; 3]), plain);
    }
}
