//! Runs the real program and looks at what it says.

mod demo;
mod errors;
mod help;
mod info;
mod program;
