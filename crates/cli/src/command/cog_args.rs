//! How a COG is written: options that the commands share.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use swath_io::cog::{CogOptions, Compression, OverviewRule};

use crate::error::UsageError;

/// Compression of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scheme {
    /// Fast and small; needs GDAL 2.3 or newer to read
    Zstd,
    /// Read by everything
    Deflate,
    /// Read by everything, larger
    Lzw,
    /// Stored as it is
    None,
}

/// How overviews are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Overviews {
    /// Mean of the valid pixels
    Average,
    /// One of the pixels
    Nearest,
    /// The most frequent value, for classes
    Mode,
    /// No overviews
    None,
}

/// Options of the COG that a command writes.
#[derive(Debug, clap::Args)]
pub struct CogArgs {
    /// Compression
    #[arg(long, value_enum, default_value = "zstd")]
    compress: Scheme,
    /// Compression level [default: the fastest that is at most 2 % larger than GDAL's default]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    level: Option<i32>,
    /// Width and height of a block, a multiple of 16
    #[arg(long, value_name = "PX", default_value_t = 512)]
    block: u32,
    /// How overviews are made
    #[arg(long, value_enum, default_value = "average")]
    overviews: Overviews,
    /// Replace the target if it is there
    #[arg(long)]
    overwrite: bool,
}

impl CogArgs {
    /// Refuses a target that is there, unless it may be replaced.
    ///
    /// # Errors
    /// A [`UsageError`] that says how to replace it.
    pub fn check_target(&self, target: &Path) -> Result<(), UsageError> {
        if target.exists() && !self.overwrite {
            return Err(UsageError(format!(
                "{} is there already; give --overwrite to replace it",
                target.display()
            )));
        }
        Ok(())
    }

    /// Returns the width and height of a block.
    pub fn block_px(&self) -> u32 {
        self.block
    }

    /// Returns the options for the writer, and what stops it when dropped.
    pub fn options(&self, threads: usize) -> (CogOptions, CancelOnDrop) {
        let cancel = Arc::new(AtomicBool::new(false));
        let options = CogOptions {
            compression: self.compression(),
            block_px: self.block,
            overviews: match self.overviews {
                Overviews::Average => OverviewRule::Average,
                Overviews::Nearest => OverviewRule::Nearest,
                Overviews::Mode => OverviewRule::Mode,
                Overviews::None => OverviewRule::None,
            },
            threads,
            cancel: Some(cancel.clone()),
            ..CogOptions::default()
        };
        (options, CancelOnDrop(cancel))
    }

    fn compression(&self) -> Compression {
        match (self.compress, self.level) {
            (Scheme::None, _) => Compression::None,
            (Scheme::Lzw, _) => Compression::Lzw,
            (Scheme::Zstd, None) => Compression::default(),
            (Scheme::Zstd, Some(level)) => Compression::Zstd { level },
            (Scheme::Deflate, None) => Compression::Deflate { level: 0 },
            (Scheme::Deflate, Some(level)) => Compression::Deflate {
                level: level.clamp(1, 12) as u8,
            },
        }
    }
}

/// Tells the writing thread to stop where the command is dropped (Ctrl-C).
pub struct CancelOnDrop(pub Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
