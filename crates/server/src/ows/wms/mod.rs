//! WMS 1.1.1 (OGC 01-068r3) and 1.3.0 (OGC 06-042).
//!
//! 1. [`version`] says in which version an answer is given.
//! 2. [`request`] understands GetMap and its relatives; [`capabilities`] and [`legend`] write.
//! 3. [`answer`](fn@answer) asks for pictures; [`exceptions`] writes what went wrong in the form asked for.

mod answer;
mod capabilities;
mod exceptions;
pub(super) mod legend;
mod request;
mod version;

pub(super) use answer::answer;
