//! The single bridge from async code to sync work: decode, statistics, encode.

use std::cell::RefCell;

use crate::codec::DecodeScratch;

thread_local! {
    static SCRATCH: RefCell<DecodeScratch> = RefCell::default();
}

/// Runs `work` on a compute thread (the global rayon pool) and waits for it without blocking.
///
/// The thread lends its decode buffers. Dropping the future lets the work finish unheard.
///
/// # Panics
/// Where `work` panics.
pub async fn run<T: Send + 'static>(
    work: impl FnOnce(&mut DecodeScratch) -> T + Send + 'static,
) -> T {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    rayon::spawn_fifo(move || {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
                Ok(mut scratch) => work(&mut scratch),
                // Work that waits for parts of its own lets the thread take up other work meanwhile.
                Err(_) => work(&mut DecodeScratch::default()),
            })
        }));
        // Nobody listens where the waiting side was dropped.
        let _ = sender.send(outcome);
    });
    match receiver.await {
        Ok(Ok(value)) => value,
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Err(_) => unreachable!("the compute thread always answers"),
    }
}
