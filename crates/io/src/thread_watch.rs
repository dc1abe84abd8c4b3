//! What a thread spends on a stretch of work.

use std::ops::AddAssign;
use std::time::{Duration, Instant};

/// Time that was spent, by one thread or summed over several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ThreadTime {
    /// Of the processor; zero where the system does not tell.
    pub cpu: Duration,
    /// By the clock.
    pub wall: Duration,
}

impl ThreadTime {
    /// Returns what is left without `part`, at least nothing.
    pub fn without(self, part: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(part.cpu),
            wall: self.wall.saturating_sub(part.wall),
        }
    }
}

impl AddAssign for ThreadTime {
    fn add_assign(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.wall += other.wall;
    }
}

/// Measures stretches of work of one thread: it must be asked on the thread that made it.
///
/// A look costs a system call, less than half a microsecond: one for a group of blocks, none for a pixel.
#[derive(Debug)]
pub struct ThreadWatch {
    cpu: Duration,
    wall: Instant,
}

impl ThreadWatch {
    /// Begins the first stretch.
    pub fn start() -> Self {
        Self {
            cpu: thread_cpu(),
            wall: Instant::now(),
        }
    }

    /// Ends a stretch and begins the next; returns what the one that ended took.
    pub fn lap(&mut self) -> ThreadTime {
        let now = Self::start();
        let spent = ThreadTime {
            cpu: now.cpu.saturating_sub(self.cpu),
            wall: now.wall.saturating_duration_since(self.wall),
        };
        *self = now;
        spent
    }
}

#[cfg(unix)]
fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanoseconds)
}

#[cfg(not(unix))]
fn thread_cpu() -> Duration {
    Duration::ZERO
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn laps_add_up_to_what_the_thread_worked() {
        let (mut whole, mut parts) = (ThreadWatch::start(), ThreadWatch::start());
        let mut sum = ThreadTime::default();
        let mut work = 0.0;
        while sum.cpu < Duration::from_millis(2) {
            work += std::hint::black_box(1.0);
            sum += parts.lap();
        }
        let all = whole.lap();
        assert!(work > 0.0 && all.cpu >= sum.cpu && all.wall >= sum.wall);
    }

    #[test]
    fn a_part_that_is_more_than_the_whole_leaves_nothing() {
        let long = ThreadTime {
            cpu: Duration::from_secs(2),
            wall: Duration::from_secs(1),
        };
        let short = ThreadTime {
            cpu: Duration::from_secs(1),
            ..long
        };
        assert_eq!(short.without(long), ThreadTime::default());
        assert_eq!(long.without(short).cpu, Duration::from_secs(1));
    }
}
