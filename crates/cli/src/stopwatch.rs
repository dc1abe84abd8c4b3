//! What a stretch of work takes: by the clock, and of the processors.

use std::time::Instant;

use serde::{Deserialize, Serialize};

/// Time that a stretch of work took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// By the clock.
    pub wall_s: f64,
    /// On all processors together; `None` where the system does not tell.
    pub cpu_s: Option<f64>,
}

/// Measures what this process does.
pub struct Stopwatch {
    start: Instant,
    cpu_start_s: Option<f64>,
}

impl Stopwatch {
    /// Starts to measure.
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
            cpu_start_s: cpu_s(),
        }
    }

    /// Returns what was spent since the start, by the whole process.
    pub fn spent(&self) -> Spent {
        let cpu_s = cpu_s()
            .zip(self.cpu_start_s)
            .map(|(now, start)| now - start);
        Spent {
            wall_s: self.start.elapsed().as_secs_f64(),
            cpu_s,
        }
    }
}

/// Returns the processor time of this process.
#[cfg(unix)]
fn cpu_s() -> Option<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}

#[cfg(not(unix))]
fn cpu_s() -> Option<f64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn work_takes_processor_time() {
        let watch = Stopwatch::start();
        let mut sum = 0.0;
        while watch.spent().cpu_s.is_some_and(|cpu_s| cpu_s <= 0.0) {
            sum += std::hint::black_box(1.0);
        }
        assert!(sum >= 0.0 && watch.spent().wall_s > 0.0);
    }
}
