//! `push-stock`: free stock, minus sales that Prima has not booked yet, goes to every channel: more
//! often where more is sold, reductions first.
//!
//! Each minute it looks whether a channel is due, asks Prima what is free, and publishes each
//! quantity that differs from what Mirakl is known to show.
//!
//! Guarantee: never more is offered than Prima had free, less what was in flight, as of the
//! figure's request and less what is held back. A run that cannot know what is in flight publishes
//! nothing. What one run leaves undone the next one finds: the ledger says what Mirakl shows, and
//! whatever differs is published.
//!
//! On a crash: before an import is sent, its lines are in doubt, and are published again. After it
//! was sent and before its id was kept, likewise, and once more when it can no longer be applied.
//! After that, `check-stock-imports` follows it up; a lost message is sent again.
//!
//! Begin to read at [`Ports::tick`].

mod channel_run;
mod conclude;
mod conditions;
mod decision;
mod error;
mod evaluation;
pub mod handler;
mod imports;
mod lease;
mod listing;
pub mod metrics;
mod offers_list;
mod publish;
mod reading;
mod report;
mod sales;
mod tick;

use jiff::Timestamp;
use shared::domain::channel::MiraklDirectory;
use shared::domain::channel_documents::ChannelDocuments;
use shared::domain::events::EventBus;
use shared::domain::prima_calls::PrimaCalls;
use shared::domain::prima_slots::SlotStore;
use shared::domain::queue::{ExceptionQueue, ImportQueue, ShownExceptions};
use shared::domain::state::ledger::{LedgerStore, StoredLedger};
use shared::domain::state::{BreakerStore, FlightStore, PollStore, StoreError};
use shared::domain::stock::files::StockFiles;
use shared::domain::stock::ledger::Change;
use shared::domain::stock::settings::StockSettings;
use shared::kit::clock::Clock;
use shared::mirakl::stock::MiraklStock;
use shared::prima::connection::PrimaBehaviour;
use shared::prima::stock::PrimaStock;

pub use decision::Decision;
pub use error::PushError;
pub use report::{ChannelReport, Report};

/// The types of the ports: the real ones, or the fault simulation's.
pub trait PortTypes {
    /// See [`Ports::directory`].
    type Directory: MiraklDirectory<Client: MiraklStock>;
    /// See [`Ports::prima`].
    type Prima: PrimaStock;
    /// See [`Ports::store`].
    type Store: FlightStore + PollStore + BreakerStore + SlotStore;
    /// See [`Ports::ledger`].
    type Ledger: LedgerStore;
    /// See [`Ports::files`].
    type Files: StockFiles;
    /// See [`Ports::queue`].
    type Queue: ImportQueue + ExceptionQueue + ShownExceptions;
    /// See [`Ports::events`].
    type Events: EventBus;
    /// See [`Ports::clock`].
    type Clock: Clock;
    /// See [`Ports::documents`].
    type Documents: ChannelDocuments;
}

/// What the function works with.
#[derive(Debug)]
pub struct Ports<T: PortTypes> {
    /// Hands out each channel's Mirakl client.
    pub directory: T::Directory,
    /// Prima.
    pub prima: T::Prima,
    /// What orders have in flight; Prima's breakers.
    pub store: T::Store,
    /// Ledgers and what is remembered.
    pub ledger: T::Ledger,
    /// The large files.
    pub files: T::Files,
    /// The queue of imports that are followed up, and its dead-letter queue.
    pub queue: T::Queue,
    /// The event bus.
    pub events: T::Events,
    /// Time.
    pub clock: T::Clock,
    /// Each channel's documents.
    pub documents: T::Documents,
    /// The installation's settings.
    pub settings: StockSettings,
    /// How patient to be with Prima.
    pub behaviour: PrimaBehaviour,
    /// How many calls Prima takes at once.
    pub calls: PrimaCalls,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Unique: the owner of this run's lease.
    pub id: String,
    /// When Lambda ends the function, whatever it does.
    pub hard_deadline: Timestamp,
}

/// A run that has begun.
#[derive(Clone, Copy, Debug)]
struct Tick<'r> {
    run: &'r Run,
    /// When it began: what it decides, it decides for this moment.
    now: Timestamp,
}

impl<T: PortTypes> Ports<T> {
    /// Appends to a ledger, and compacts it where that pays. Where another run has written it
    /// meanwhile, this one ends.
    async fn append(
        &self,
        stored: &mut StoredLedger,
        changes: &[Change],
    ) -> Result<(), StoreError> {
        self.ledger.append(stored, changes).await?;
        if stored.compaction_is_due()
            && let Err(problem) = self.ledger.compact(stored).await
        {
            tracing::warn!(%problem, "a ledger could not be compacted; the next run tries again");
        }
        Ok(())
    }
}
