//! Integration tests of the test kit, and the test of the architecture of the workspace.

mod architecture;
mod program;
mod s3;
mod server;
mod tiff;
