//! Where the time of an extraction goes: fetch, decode, statistics, write.
//!
//! Work is timed in stretches of many pixels, on the thread that does it, and summed over all threads.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use swath_io::{ThreadTime, ThreadWatch};

/// A part of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Stored bytes of rasters: their headers, requests for blocks, reading of local files.
    Fetch,
    /// Stored bytes to values: decompression, predictors, nodata, masks, indexes.
    Decode,
    /// Values to results: coverage, owners of parcels, gathering, statistics.
    Statistics,
    /// Results to rows in their place: sorting, encoding, storing, committing.
    Write,
}

const STAGES: usize = 4;

/// Time of one stage, summed over threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct StageTime {
    /// Seconds that processors worked; 0 where the system does not tell.
    pub cpu_s: f64,
    /// Seconds by the clock from the begin to the end of each stretch, waiting included; of what ran
    /// side by side each for itself, so that it may be more than the run took.
    pub wall_s: f64,
}

/// Time of each stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct StageTimes {
    /// Stored bytes of rasters: their headers, requests for blocks, reading of local files.
    pub fetch: StageTime,
    /// Stored bytes to values: decompression, predictors, nodata, masks, indexes.
    pub decode: StageTime,
    /// Values to results: coverage, owners of parcels, gathering, statistics.
    pub statistics: StageTime,
    /// Results to rows in their place: sorting, encoding, storing, committing.
    pub write: StageTime,
}

impl StageTimes {
    /// Returns the processor seconds of all stages.
    pub fn cpu_s(&self) -> f64 {
        self.fetch.cpu_s + self.decode.cpu_s + self.statistics.cpu_s + self.write.cpu_s
    }
}

impl AddAssign for StageTimes {
    fn add_assign(&mut self, other: Self) {
        for (own, other) in [
            (&mut self.fetch, other.fetch),
            (&mut self.decode, other.decode),
            (&mut self.statistics, other.statistics),
            (&mut self.write, other.write),
        ] {
            own.cpu_s += other.cpu_s;
            own.wall_s += other.wall_s;
        }
    }
}

/// Sums what threads spend on each stage.
#[derive(Debug, Default)]
pub struct StageMeter {
    cpu_ns: [AtomicU64; STAGES],
    wall_ns: [AtomicU64; STAGES],
}

impl StageMeter {
    /// Adds time to a stage.
    pub fn add(&self, stage: Stage, spent: ThreadTime) {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.cpu_ns[stage as usize].fetch_add(ns(spent.cpu), Ordering::Relaxed);
        self.wall_ns[stage as usize].fetch_add(ns(spent.wall), Ordering::Relaxed);
    }

    /// Does work of a stage on this thread.
    pub fn measure<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let mut watch = ThreadWatch::start();
        let done = work();
        self.add(stage, watch.lap());
        done
    }

    /// Waits for work of a stage. What it has other threads do is in the time by the clock only.
    ///
    /// Dropped before it is over, it adds nothing.
    pub async fn watch<F: Future>(&self, stage: Stage, work: F) -> F::Output {
        let begin = Instant::now();
        let mut cpu = Duration::ZERO;
        let mut work = std::pin::pin!(work);
        let done = std::future::poll_fn(|context| {
            let mut watch = ThreadWatch::start();
            let polled = work.as_mut().poll(context);
            cpu += watch.lap().cpu;
            polled
        });
        let done = done.await;
        let wall = begin.elapsed();
        self.add(stage, ThreadTime { cpu, wall });
        done
    }

    /// Returns what was added since this was asked last: of several who ask, each gets a part, and all
    /// parts add up to the whole.
    pub fn take(&self) -> StageTimes {
        let seconds =
            |ns: &AtomicU64| Duration::from_nanos(ns.swap(0, Ordering::Relaxed)).as_secs_f64();
        let time = |stage: Stage| StageTime {
            cpu_s: seconds(&self.cpu_ns[stage as usize]),
            wall_s: seconds(&self.wall_ns[stage as usize]),
        };
        StageTimes {
            fetch: time(Stage::Fetch),
            decode: time(Stage::Decode),
            statistics: time(Stage::Statistics),
            write: time(Stage::Write),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_taken_once_and_by_stage() {
        let meter = StageMeter::default();
        let second = |cpu| ThreadTime {
            cpu: Duration::from_secs(cpu),
            wall: Duration::from_secs(3),
        };
        meter.add(Stage::Decode, second(1));
        meter.add(Stage::Decode, second(1));
        meter.add(Stage::Write, second(2));
        let mut taken = meter.take();
        assert_eq!((taken.decode.cpu_s, taken.decode.wall_s), (2.0, 6.0));
        assert_eq!((taken.write.cpu_s, taken.fetch.wall_s), (2.0, 0.0));
        assert_eq!(meter.take(), StageTimes::default());
        meter.add(Stage::Fetch, second(1));
        taken += meter.take();
        assert_eq!(taken.cpu_s(), 5.0);
    }

    #[tokio::test]
    async fn waiting_counts_by_the_clock_alone() {
        let meter = StageMeter::default();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let begin = Instant::now();
        let waiting = meter.watch(Stage::Fetch, receiver);
        let sending = async {
            tokio::task::yield_now().await;
            sender.send(7)
        };
        let (found, sent) = tokio::join!(waiting, sending);
        assert_eq!((found, sent), (Ok(7), Ok(())));
        let taken = meter.take();
        assert!(taken.fetch.wall_s > 0.0 && taken.fetch.wall_s <= begin.elapsed().as_secs_f64());
        assert_eq!(meter.measure(Stage::Fetch, || 8), 8);
        assert!(meter.take().fetch.wall_s > 0.0);
    }
}
