//! What the program asks of the allocator of the GNU C library; other allocators are left alone.

use std::convert::Infallible;
use std::time::Duration;

/// How much of what is freed is kept for what comes next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keeping {
    /// Smallest piece of memory that comes from the system and goes back to it by itself, in bytes.
    mapped_bytes_min: i32,
    /// Most free memory at the end of the heap between two times that it is given back, in bytes.
    free_bytes_max: i32,
}

impl Keeping {
    /// For a server: tiles are smaller than what goes back, large pictures leave nothing behind.
    pub(crate) const SERVER: Self = Self {
        mapped_bytes_min: 1 << 20,
        free_bytes_max: 16 << 20,
    };
    /// For work on whole rasters: blocks of a megabyte or two and strips of some tens, one after the other.
    pub(crate) const RASTERS: Self = Self {
        mapped_bytes_min: 32 << 20,
        free_bytes_max: 128 << 20,
    };
}

/// Keeps the memory that threads free within reach of each other: with an arena for every thread,
/// 100,000 parcels take half as much again, for no time won. Called before any thread is started.
pub(crate) fn share_arenas() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: no thread runs yet; the call takes two numbers and changes a limit.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives back what is free between what is kept: the allocator itself gives back only what is free at
/// its end. It takes a few milliseconds for a hundred megabytes.
pub(crate) fn give_memory_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the call may be made by any thread at any time; it takes a number of bytes to leave.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Gives back, now and then and for ever, what large blocks left free between what is kept: for work that goes on for long.
pub(crate) async fn keep_memory_small(every: Duration) -> Infallible {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let _ = tokio::task::spawn_blocking(give_memory_back).await;
    }
}

/// Keeps what one step has freed for the next: by itself the allocator gives the buffers of each
/// picture back to the system, which hands the next one pages that must be cleared first.
#[cfg_attr(
    not(all(target_os = "linux", target_env = "gnu")),
    allow(unused_variables, reason = "other allocators are left alone")
)]
pub(crate) fn keep_freed_memory(keeping: Keeping) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the call may be made by any thread at any time; it takes two numbers and changes a limit.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, keeping.mapped_bytes_min);
        libc::mallopt(libc::M_TRIM_THRESHOLD, keeping.free_bytes_max);
    }
}
