//! WMTS 1.0.0 (OGC 07-057r7): by query and by path.
//!
//! 1. [`tile`] understands which tile is meant.
//! 2. [`capabilities`] writes the document, [`answer`](fn@answer) asks for pictures and values.

mod answer;
mod capabilities;
mod tile;

pub(super) use answer::answer;
