//! What a channel's poll did, for its metrics and its log line.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use shared::mirakl::MiraklError;

use crate::listing::Listing;

/// One channel's minute in numbers.
#[derive(Clone, Debug, Default)]
pub struct ChannelReport {
    /// The channel's id.
    pub channel: String,
    /// Why nothing was done: `off`, `not due`, `another run is at it`.
    pub skipped: Option<&'static str>,
    /// The listing was complete and everything was recorded.
    pub completed: bool,
    /// Orders listed.
    pub listed: usize,
    /// Calls of OR11.
    pub pages: usize,
    /// Orders read by their ids, because they were missing from the open ones.
    pub listed_by_id: usize,
    /// Orders that waited for acceptance.
    pub waiting: usize,
    /// Seconds from creation to acceptance, of each order accepted.
    pub seconds_to_acknowledge: Vec<f64>,
    /// Orders accepted.
    pub acknowledged: usize,
    /// Age of the oldest order that still waits after the run.
    pub oldest_unacknowledged: Duration,
    /// Rows recorded.
    pub recorded: usize,
    /// Orders sent to the queue.
    pub queued: usize,
    /// References that Mirakl took.
    pub referenced: usize,
    /// Failures and oddities, by kind.
    pub counts: BTreeMap<String, u64>,
}

impl ChannelReport {
    pub(crate) fn new(channel: &str) -> Self {
        Self { channel: channel.to_owned(), ..Self::default() }
    }

    pub(crate) fn failed(channel: &str, kind: &str) -> Self {
        let mut report = Self::new(channel);
        report.count(&format!("poll_failed_{kind}"));
        report
    }

    pub(crate) fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    pub(crate) fn note_failure(&mut self, problem: &MiraklError) {
        self.count(&format!("mirakl_{}_{}", problem.operation.to_lowercase(), problem.kind()));
    }

    pub(crate) fn note_listing(&mut self, listing: &Listing) {
        self.listed = listing.orders.len() + listing.unreadable.len();
        self.pages = listing.pages;
    }

    pub(crate) fn accepted_after(&mut self, created: Option<Timestamp>, at: Timestamp) {
        self.acknowledged += 1;
        if let Some(created) = created {
            self.seconds_to_acknowledge.push(at.duration_since(created).as_secs_f64().max(0.0));
        }
    }

    pub(crate) fn note_unacknowledged(&mut self, age: Duration) {
        self.oldest_unacknowledged = self.oldest_unacknowledged.max(age);
    }
}
