//! What is wrong inside a file, before its name is known.

/// A reason without the name of the file; the reader of the file adds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damage(pub &'static str);
