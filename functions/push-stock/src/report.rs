//! What a run did, for its measures and its log line.

use std::time::Duration;

use shared::domain::prima_slots::Slot;
use shared::domain::stock::cadence::{Reason, Velocity};
use shared::domain::stock::in_flight::Unprotected;

use crate::Decision;

/// A run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// No channel has a stock flow.
    pub idle: bool,
    /// Another run is at work.
    pub overlapped: bool,
    /// Nobody has agreed which of Prima's figures is free.
    pub unagreed: bool,
    /// What came of the request for slots of Prima's calls; none where nothing was to be asked.
    pub slot: Option<Slot>,
    /// Prima was asked for everything.
    pub reading: Option<ReadingReport>,
    /// Prima was asked for what was sold, by name.
    pub named: Option<NamedReport>,
    /// Seconds since the oldest figure in use was asked for.
    pub figures_age: Option<i64>,
    /// Exceptions that were told.
    pub announced: usize,
    /// The channels.
    pub channels: Vec<ChannelReport>,
}

/// A reading of Prima's stock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadingReport {
    /// Ranges that were read.
    pub ranges: usize,
    /// Ranges that failed.
    pub failed: usize,
    /// SKUs with a figure that can be used.
    pub figures: usize,
    /// SKUs without one.
    pub unusable: usize,
    /// Milliseconds from the first request to the last answer.
    pub milliseconds: u64,
}

/// A reading of single SKUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamedReport {
    /// SKUs that were asked for.
    pub asked: usize,
    /// SKUs that were answered.
    pub answered: usize,
    /// There was no answer.
    pub failed: bool,
}

/// A channel in a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChannelReport {
    /// Its id.
    pub channel: String,
    /// Offers that orders have touched since the run before.
    pub touched: usize,
    /// Lines that differed.
    pub waiting: usize,
    /// Lines that were sent.
    pub published: usize,
    /// Lines that a live channel would have sent.
    pub would_publish: usize,
    /// An import was sent, and Mirakl has taken it.
    pub pushed: bool,
    /// An import failed.
    pub failed: bool,
    /// Why a push was due, or would be; none where that was not looked at.
    pub reason: Option<Reason>,
    /// What was done about publishing; none where that was not looked at.
    pub decision: Option<Decision>,
    /// Sales.
    pub velocity: Velocity,
    /// Units sold that protect no stock.
    pub unprotected: Vec<Unprotected>,
    /// Units that other channels have sold since what is shown here was decided, beyond what is
    /// held back.
    pub may_sell_twice: u64,
    /// Offers whose quantity differed from the ledger when a new list was compared.
    pub drifted: usize,
    /// How long the import under way has been so; zero where none is.
    pub oldest_import: Duration,
    /// How long nobody has been told of the oldest exception.
    pub oldest_unannounced: Duration,
}

impl ChannelReport {
    /// Of a channel.
    #[must_use]
    pub fn of(channel: &str) -> Self {
        Self { channel: channel.to_owned(), ..Self::default() }
    }
}
