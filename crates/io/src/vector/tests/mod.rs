//! Tests of the readers as a whole, on files made here and on the shared real ones.

mod fixtures;
mod formats;
mod geometry;
mod hostile;
mod judged;
mod points;
mod sets;
mod shared;
