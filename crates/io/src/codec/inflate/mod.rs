//! Inflating zlib streams, several side by side.
//!
//! A deflate stream is a chain of dependent steps: the length of a code is known only once it was
//! looked up, and the next look-up begins behind it. A processor waits most of the time. Independent
//! streams, decoded in turns by one thread, fill each other's waits.
//!
//! Source: RFC 1950 (zlib), RFC 1951 (deflate). Codes are looked up in tables of 2^11 (literals and
//! lengths) and 2^8 entries (distances), longer codes in subtables behind them.
//!
//! * `tables` makes look-up tables of a block's codes;
//! * `stream` follows a stream with every check;
//! * `fast` takes the codes that lie well inside the buffers, of several streams in turns.

mod fast;
mod stream;
mod tables;
#[cfg(test)]
mod tests;

use std::array;

use stream::Stream;
use tables::Tables;

/// Why a stream was not inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InflateError {
    /// The stream breaks its own rules, or ends early, or its checksum differs.
    Damaged,
    /// It holds more than there is room for.
    TooLong,
}

/// Streams that one thread decodes in turns: with more the registers and caches run short.
pub(super) const LANES: usize = 4;

/// Tables for the streams under way, kept between blocks.
pub(super) struct Inflater {
    tables: Box<[Tables; LANES]>,
    /// For a stream that comes alone: the library is faster at one.
    alone: libdeflater::Decompressor,
}

impl Default for Inflater {
    fn default() -> Self {
        Self {
            tables: Box::new(array::from_fn(|_| Tables::empty())),
            alone: libdeflater::Decompressor::new(),
        }
    }
}

/// A zlib stream and the place it is inflated to.
pub(super) struct InflateJob<'a> {
    /// The stream.
    pub(super) stored: &'a [u8],
    /// Where its bytes go.
    pub(super) plain: &'a mut [u8],
}

impl Inflater {
    fn inflate_alone(&mut self, job: InflateJob) -> Result<usize, InflateError> {
        use libdeflater::DecompressionError;
        let outcome = self.alone.zlib_decompress(job.stored, job.plain);
        outcome.map_err(|error| match error {
            DecompressionError::BadData => InflateError::Damaged,
            DecompressionError::InsufficientSpace => InflateError::TooLong,
        })
    }

    /// Inflates zlib streams, each into its own buffer; returns the bytes written to each, in order.
    ///
    /// Each stream has an outcome of its own: an error of one leaves the others alone. What a buffer
    /// holds after an error is of no meaning.
    pub(super) fn inflate(&mut self, jobs: Vec<InflateJob>) -> Vec<Result<usize, InflateError>> {
        if jobs.len() == 1 {
            return jobs
                .into_iter()
                .map(|job| self.inflate_alone(job))
                .collect();
        }
        let mut outcomes = vec![Err(InflateError::Damaged); jobs.len()];
        let mut waiting = jobs.into_iter().enumerate();
        let mut lanes: Vec<Lane> = Vec::with_capacity(LANES);
        let mut free: Vec<usize> = (0..LANES).rev().collect();
        loop {
            // A lane has codes ahead: the others are done, and the next streams take their place.
            while lanes.len() < LANES {
                let Some((job, InflateJob { stored, plain })) = waiting.next() else {
                    break;
                };
                let table = free.pop().expect("as many tables as lanes");
                match Stream::open(stored, plain) {
                    Ok(stream) => lanes.push(Lane { job, table, stream }),
                    Err(error) => {
                        outcomes[job] = Err(error);
                        free.push(table);
                    }
                }
            }
            let mut index = 0;
            while index < lanes.len() {
                let lane = &mut lanes[index];
                match lane.stream.advance(&mut self.tables[lane.table]) {
                    Ok(true) => index += 1,
                    ended => {
                        let lane = lanes.swap_remove(index);
                        free.push(lane.table);
                        outcomes[lane.job] = ended.and_then(|_| lane.stream.close());
                    }
                }
            }
            if lanes.len() < LANES && waiting.len() > 0 {
                continue;
            }
            if lanes.is_empty() {
                return outcomes;
            }
            fast::run(&mut lanes, &self.tables);
        }
    }
}

/// A stream under way.
struct Lane<'a> {
    job: usize,
    table: usize,
    stream: Stream<'a>,
}
