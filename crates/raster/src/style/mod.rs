//! From values to colours.
//!
//! A [`Painting`] says which colour a value has: three values as red, green and blue, one value along a
//! [`ColorMap`], or the colours of classes. [`paint`] makes an [`Image`] of bands and masks; an image of
//! one value a pixel keeps its palette, so that files of it are small.

mod color_map;
mod image;
mod paint;

pub use color_map::{COLOR_MAP_STOPS_MAX, ColorMap, ColorMapError, parse_color};
pub use image::Image;
pub use paint::{ClassColor, Painting, ValueRange, paint};
