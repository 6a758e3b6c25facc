//! What was asked of the simulator: enough to judge a caller's discipline, without names or
//! addresses.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

const KEPT: usize = 10_000;

/// One call, once it has ended.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Call {
    /// From 1, in the order of their beginning.
    pub(super) sequence: u64,
    pub(super) at: Timestamp,
    pub(super) milliseconds: u64,
    pub(super) operation: String,
    pub(super) order_numbers: Vec<String>,
    /// `OK`, `ERROR`, `Fault`, `late effect` or the kind of misbehaviour.
    pub(super) outcome: String,
    /// The text of a refusal or fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
}

/// The last calls, and counts of all.
#[derive(Debug, Default)]
pub(super) struct Calls {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    begun: u64,
    last: VecDeque<Call>,
    /// By operation, then outcome.
    counts: BTreeMap<String, BTreeMap<String, u64>>,
}

/// What `GET /simulator/calls` shows.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    counts: BTreeMap<String, BTreeMap<String, u64>>,
    calls: Vec<Call>,
}

impl Calls {
    pub(super) fn begin(&self) -> u64 {
        let mut inner = self.inner();
        inner.begun += 1;
        inner.begun
    }

    pub(super) fn end(&self, call: Call) {
        let mut inner = self.inner();
        *inner
            .counts
            .entry(call.operation.clone())
            .or_default()
            .entry(call.outcome.clone())
            .or_default() += 1;
        if inner.last.len() == KEPT {
            inner.last.pop_front();
        }
        inner.last.push_back(call);
    }

    pub(super) fn show(&self) -> Shown {
        let inner = self.inner();
        Shown { counts: inner.counts.clone(), calls: inner.last.iter().cloned().collect() }
    }

    /// Forgets every call; the sequence goes on.
    pub(super) fn forget(&self) {
        let mut inner = self.inner();
        inner.last.clear();
        inner.counts.clear();
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
