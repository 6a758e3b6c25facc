//! What a run did, for its measures and its log line.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::domain::prima_slots::Slot;

/// Failures and oddities of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Oddity {
    /// The ages of what waits could not be known.
    AgesUnknown,
    /// A channel's documents could not be used, or not read.
    DocumentsUnusable,
    /// An exception of which nobody had been told.
    ExceptionsAnnounced,
    /// Fields in a form that is not understood.
    FieldsInOddForm,
    /// The dispatch files could not be listed, or one of them not read.
    FilesUnavailable,
    /// Prima gave no answer.
    PrimaNoAnswer,
    /// Prima's answer cannot be understood.
    PrimaUnclear,
    /// The queue took no message.
    QueueUnavailable,
    /// A message that was lost was sent again.
    QueuedAgain,
    /// The table gave no answer.
    StoreUnavailable,
    /// A status word of Prima's that is not known.
    UnknownStatusWord,
}

/// A run in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Orders that were due.
    pub due: usize,
    /// Due orders left to the next run: more than Prima's budget, no slot, out of time, or Prima
    /// does not answer.
    pub postponed: usize,
    /// What came of the request for slots; none where nothing was to be asked.
    pub slot: Option<Slot>,
    /// Questions put to Prima.
    pub asked: usize,
    /// Parcels that wait for Mirakl, in orders that were looked at.
    pub found: usize,
    /// Messages queued.
    pub queued: usize,
    /// Orders that became exceptions.
    pub exceptions: usize,
    /// Dispatches that waited for their carrier and went on by themselves.
    pub resumed: usize,
    /// Orders whose deadline is near, told.
    pub warned: usize,
    /// Exceptions told again.
    pub reminded: usize,
    /// Dispatch files taken in.
    pub files: usize,
    /// How long Mirakl has not been told of the oldest dispatch.
    pub oldest_untold: Duration,
    /// How long nobody has been told of the oldest exception of a dispatch.
    pub oldest_unannounced: Duration,
    /// Failures and oddities, by kind.
    pub counts: BTreeMap<Oddity, usize>,
}

impl Report {
    /// The ages are those of all rows: nothing that they follow from was unreadable.
    #[must_use]
    pub fn knows_ages(&self) -> bool {
        !self.counts.contains_key(&Oddity::AgesUnknown)
            && !self.counts.contains_key(&Oddity::StoreUnavailable)
    }

    pub(crate) fn count(&mut self, what: Oddity) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.due += other.due;
        self.postponed += other.postponed;
        self.asked += other.asked;
        self.found += other.found;
        self.queued += other.queued;
        self.exceptions += other.exceptions;
        self.resumed += other.resumed;
        self.warned += other.warned;
        self.reminded += other.reminded;
        self.files += other.files;
        self.oldest_untold = self.oldest_untold.max(other.oldest_untold);
        self.oldest_unannounced = self.oldest_unannounced.max(other.oldest_unannounced);
        for (what, count) in other.counts {
            *self.counts.entry(what).or_default() += count;
        }
    }
}
