//! Pixels in memory: bands, masks, coverage shares and exact statistics
