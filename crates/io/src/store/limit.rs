//! How many requests run at once against one store: grows while it answers, halves when it complains.

use std::sync::Mutex;

use tokio::sync::Notify;

/// Requests at once against a store that was not heard of yet.
const REQUESTS_START: usize = 16;
/// Most requests at once against one store.
const REQUESTS_MAX: usize = 64;

/// Adaptive limit of concurrent requests (additive increase, multiplicative decrease).
#[derive(Debug)]
pub(super) struct RequestLimit {
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug)]
struct State {
    allowed: usize,
    running: usize,
    good_since_change: usize,
}

/// Permission for one request; its drop frees the place.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    limit: &'a RequestLimit,
}

impl RequestLimit {
    pub(super) fn new() -> Self {
        let state = State {
            allowed: REQUESTS_START,
            running: 0,
            good_since_change: 0,
        };
        Self {
            state: Mutex::new(state),
            freed: Notify::new(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits until one more request may run.
    pub(super) async fn acquire(&self) -> Permit<'_> {
        loop {
            let freed = self.freed.notified();
            {
                let mut state = self.lock();
                if state.running < state.allowed {
                    state.running += 1;
                    return Permit { limit: self };
                }
            }
            freed.await;
        }
    }

    /// Notes an answer in time: after as many as run at once, one more may.
    pub(super) fn succeeded(&self) {
        let mut state = self.lock();
        state.good_since_change += 1;
        if state.good_since_change >= state.allowed && state.allowed < REQUESTS_MAX {
            state.allowed += 1;
            state.good_since_change = 0;
        }
    }

    /// Notes a complaint (429, 503, time-out): half as many may run.
    pub(super) fn overloaded(&self) {
        let mut state = self.lock();
        state.allowed = (state.allowed / 2).max(1);
        state.good_since_change = 0;
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.limit.lock().running -= 1;
        // Any waiter may go: one place was freed, and the limit may have grown meanwhile.
        self.limit.freed.notify_waiters();
        self.limit.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_halve_and_answers_grow_the_limit() {
        let limit = RequestLimit::new();
        limit.overloaded();
        assert_eq!(limit.lock().allowed, REQUESTS_START / 2);
        for _ in 0..REQUESTS_START / 2 {
            limit.succeeded();
        }
        assert_eq!(limit.lock().allowed, REQUESTS_START / 2 + 1);
    }

    #[tokio::test]
    async fn a_freed_place_wakes_a_waiter() {
        let limit = RequestLimit::new();
        let held: Vec<_> =
            futures::future::join_all((0..REQUESTS_START).map(|_| limit.acquire())).await;
        let waits = limit.acquire();
        drop(held);
        drop(waits.await);
        assert_eq!(limit.lock().running, 0);
    }
}
