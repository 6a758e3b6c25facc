//! The adapter's few workers: calls beyond them wait, and beyond a limit are turned away.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(super) struct Workers {
    state: Mutex<Counts>,
    freed: Notify,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    working: usize,
    waiting: usize,
    most: usize,
}

/// One call at work; the place is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    workers: Arc<Workers>,
}

impl Workers {
    /// Waits for a place; none if too many wait already. A limit of 0 is none.
    pub(super) async fn place(
        self: &Arc<Self>,
        limit: usize,
        waiting_limit: usize,
    ) -> Option<Place> {
        let mut waits = false;
        loop {
            let freed = self.freed.notified();
            {
                let mut counts = self.counts();
                if limit == 0 || counts.working < limit {
                    counts.working += 1;
                    counts.waiting -= usize::from(waits);
                    counts.most = counts.most.max(counts.working + counts.waiting);
                    return Some(Place { workers: Arc::clone(self) });
                }
                if !waits && counts.waiting >= waiting_limit {
                    counts.most = counts.most.max(counts.working + counts.waiting + 1);
                    return None;
                }
                counts.waiting += usize::from(!waits);
                counts.most = counts.most.max(counts.working + counts.waiting);
                waits = true;
            }
            freed.await;
        }
    }

    /// The most calls that were there at once, waiting and refused ones included.
    pub(super) fn most_at_once(&self) -> usize {
        self.counts().most
    }

    /// The calls that are there now, waiting ones included.
    pub(super) fn now(&self) -> usize {
        let counts = self.counts();
        counts.working + counts.waiting
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.workers.counts().working -= 1;
        self.workers.freed.notify_one();
    }
}
