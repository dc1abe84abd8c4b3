//! Bytes: named stores, raster blocks, COG reading and writing, warp, vector formats.
//!
//! Fetching is async, decoding is sync; [`compute::run`] is the bridge.

mod codec;
pub mod cog;
mod composite;
pub mod compute;
mod error;
mod jp2;
mod raster;
mod store;
mod thread_watch;
mod tiff;
pub mod vector;
mod warp;

pub use codec::DecodeScratch;
pub use composite::{
    CompositeOptions, CompositeReader, CompositeRows, Slice, SliceBand, SliceMask, read_slices,
};
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
pub use thread_watch::{ThreadTime, ThreadWatch};
pub use tiff::{Compression, Interleave};
pub use warp::{
    BlockCache, Covered, ERROR_PX_DEFAULT, READ_BYTES_MAX, ReadOptions, WarpReader, WarpRows,
    covered, read, read_sharing, warp_spec,
};
