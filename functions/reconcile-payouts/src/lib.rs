//! `reconcile-payouts`: reads each shop's billing cycles, documents and transaction log, proves
//! that a cycle's lines come to exactly what is transferred, and makes its journal.
//!
//! Guarantee: nothing is queued for Prima of a cycle that does not tie to the penny. What does not
//! is one exception, with its amounts and where the difference may come from.
//!
//! On a crash: lines are written before the watermark is, so they are read again and merged by
//! their ids: none is lost, none counts twice. A journal's file and reference are there before the
//! row names them. A journal is noted as queued before its message is sent, and the message of one
//! that is queued for long is sent again.
//!
//! Begin to read at [`Ports::tick`].

mod approval;
mod booking;
mod conclude;
mod error;
mod findings;
pub mod handler;
mod journals;
mod lines;
mod listing;
mod log;
pub mod metrics;
mod outbox;
mod pages;
mod papers;
mod report;
mod shop;
mod tick;
mod transfers;
mod tying;
mod verdict;

use jiff::Timestamp;
use shared::domain::channel::MiraklDirectory;
use shared::domain::channel_documents::ChannelDocuments;
use shared::domain::events::EventBus;
use shared::domain::payout::settings::FinanceSettings;
use shared::domain::payout::store::{JournalQueue, PayoutFiles, PayoutStore};
use shared::domain::queue::{ExceptionQueue, ShownExceptions};
use shared::kit::clock::Clock;
use shared::mirakl::finance::MiraklFinance;

pub use error::ReconcileError;
pub use report::{ChannelReport, Report};

/// The types of the ports: the real ones, or a test's.
pub trait PortTypes {
    /// See [`Ports::directory`].
    type Directory: MiraklDirectory<Client: MiraklFinance>;
    /// See [`Ports::documents`].
    type Documents: ChannelDocuments;
    /// See [`Ports::store`].
    type Store: PayoutStore;
    /// See [`Ports::files`].
    type Files: PayoutFiles;
    /// See [`Ports::queue`].
    type Queue: JournalQueue + ExceptionQueue + ShownExceptions;
    /// See [`Ports::events`].
    type Events: EventBus;
    /// See [`Ports::clock`].
    type Clock: Clock;
}

/// What the function works with.
#[derive(Debug)]
pub struct Ports<T: PortTypes> {
    /// Hands out each channel's Mirakl client.
    pub directory: T::Directory,
    /// The channels and their payout documents.
    pub documents: T::Documents,
    /// Shops, cycles and references.
    pub store: T::Store,
    /// Lines and journals.
    pub files: T::Files,
    /// The queue of journals, and its dead-letter queue.
    pub queue: T::Queue,
    /// The event bus.
    pub events: T::Events,
    /// Time.
    pub clock: T::Clock,
    /// The nominal ledger of the installation.
    pub finance: FinanceSettings,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Unique: the owner of this run's leases.
    pub id: String,
    /// When Lambda ends the function, whatever it does.
    pub hard_deadline: Timestamp,
}
