//! Named stores, raster blocks, COG reading and writing, vector formats
