//! Bytes: named stores, raster blocks, COG reading and writing, vector formats.
//!
//! Fetching is async, decoding is sync; [`compute::run`] is the bridge.

mod codec;
pub mod cog;
pub mod compute;
mod error;
mod jp2;
mod raster;
mod store;
mod tiff;
pub mod vector;

pub use codec::DecodeScratch;
pub use error::{ErrorKind, IoError};
pub use raster::{
    BandDescription, BandInfo, BlockPlan, CogDescription, ControlPoint, DecodedBlock, FetchedBlock,
    GeoTiff, ImageDescription, RasterDescription, blocks,
};
pub use store::{
    AssetRef, AwsEnvironment, ConditionalPut, DatedObject, Fetched, HrefRoots, LocalCopy,
    ObjectInfo, ObjectParts, ObjectUpload, ObjectVersion, Put, StoreConfig, StoreKind, StoreWriter,
    Stores, UnfinishedFile,
};
pub use tiff::{Compression, Interleave};
