//! Fixtures, fault-injecting servers and assertions for tests; ships nothing.
//!
//! * [`FaultServer`]: an HTTP or S3 server in this process that counts what it serves and breaks
//!   on request.
//! * [`fixtures`]: TIFF and JPEG 2000 writers for tests that share no code with the product.
//! * [`table`]: reading and comparing small Parquet tables.
//!
//! Everything here panics on misuse with a message for the author of a test.

pub mod fixtures;
pub mod server;
pub mod table;

pub use server::{Fault, FaultServer, Rule, Stats};
