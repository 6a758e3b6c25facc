//! What is remembered between runs. Every change is a compare-and-swap on a version, so that a
//! crash, a repeat or a second writer can do no harm; nothing here is the only copy of a fact.

pub mod contract;
pub mod in_memory;
pub mod ledger;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher as _, Hasher as _};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::notify::Told;
use crate::domain::order::row::{Lease, OrderKey, OrderRow};
use crate::domain::rights::RefusedRights;
use crate::domain::stock::flight::Flight;

/// Why the store did not do as it was told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Somebody else changed the record since it was read: read again.
    #[error("{0} was changed by another run")]
    Conflict(String),
    /// The store cannot be reached, throttles, or did not answer; a write may have had its effect.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A record cannot be read.
    #[error("{record} cannot be read: {problem}")]
    Unreadable {
        /// The record, by its name for a person.
        record: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Whose an order number is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// Ours, from now on or already.
    Ours,
    /// Another order's.
    HeldBy(OrderKey),
}

/// What is listed of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListingKind {
    /// What waits for acceptance, alone.
    Waiting,
    /// What changed lately.
    Window,
    /// Everything that is open.
    Full,
    /// Orders by their ids.
    ById,
}

/// Where a listing stopped, for the next run to go on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfinishedListing {
    /// Of a window: since when.
    #[serde(default)]
    pub updated_from: Option<Timestamp>,
    /// Where its next page begins.
    pub offset: usize,
    /// The orders that its pages showed, as many as are kept; the latest last.
    pub shown: Vec<String>,
    /// Up to where everything is known once it is complete.
    #[serde(default)]
    pub mark: Option<Timestamp>,
    /// Orders may have slipped between two of its pages.
    #[serde(default)]
    pub slipped: bool,
}

/// What a channel's poller remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollState {
    /// As it was read; 0 when new.
    #[serde(skip)]
    pub version: u64,
    /// Keeps pollers of one channel from overlapping. Saves work; correctness never rests on it.
    #[serde(default)]
    pub lease: Option<Lease>,
    /// Mirakl's own `last_updated_date` up to which everything was listed and recorded.
    #[serde(default)]
    pub watermark: Option<Timestamp>,
    /// When the latest listing was begun.
    #[serde(default)]
    pub listed_at: Option<Timestamp>,
    /// Listings since the latest complete one by state alone.
    #[serde(default)]
    pub windows_since_full: u32,
    /// The next listing is to be by state alone: something was left behind.
    #[serde(default)]
    pub full_wanted: bool,
    /// Orders may have slipped through the latest listing by state alone, or it could not be begun:
    /// another is not begun at once.
    #[serde(default)]
    pub full_unfinished: bool,
    /// A listing by state alone that did not fit into one run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_rest: Option<UnfinishedListing>,
    /// A listing by window that did not fit into one run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_rest: Option<UnfinishedListing>,
    /// What the latest run had no turn for, because Mirakl's limit or its time was used up: the
    /// next one begins with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns_owed: Vec<ListingKind>,
    /// When a listing by state alone was last complete and recorded; at first, when the channel was
    /// first polled.
    #[serde(default)]
    pub full_completed_at: Option<Timestamp>,
    /// What people know of it where none has been for long.
    #[serde(default)]
    pub full_unlisted: Told,
    /// Orders of ours that were missing from the open ones, to be looked up by their ids; in this
    /// order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<String>,
    /// Orders waiting with us that had their turn to be looked up and wait still: others come
    /// first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub had_their_turn: Vec<String>,
    /// Values of Mirakl's that this version does not know, and that people were told of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_values: Vec<String>,
    /// When a listing was last complete and recorded; at first, when the channel was first polled.
    #[serde(default)]
    pub completed_at: Option<Timestamp>,
    /// What people know of it where no listing has been complete for long.
    #[serde(default)]
    pub unlisted: Told,
    /// When references were last written (OR04: once a minute).
    #[serde(default)]
    pub references_at: Option<Timestamp>,
    /// The exception up to which references that exceptions owe were looked for; the next run goes
    /// on after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references_sought_to: Option<String>,
    /// Operations of listing, accepting and writing references that Mirakl refuses the channel's
    /// key, or that keep failing.
    #[serde(default)]
    pub refused: RefusedRights,
    /// Orders whose nearly-over window was announced already.
    #[serde(default)]
    pub warned_orders: Vec<String>,
    /// When the latest listing was begun that was complete and recorded: every order that was
    /// placed before has its row.
    #[serde(default)]
    pub seen_until: Option<Timestamp>,
    /// How far the daily look has come.
    #[serde(default)]
    pub look: Look,
}

/// The daily look at what Mirakl has done with, and at what it does not know any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// When the latest one was begun; what was updated before it has been looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<Timestamp>,
    /// When the one under way was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Timestamp>,
    /// Where its next page of Mirakl's orders begins.
    #[serde(default)]
    pub offset: usize,
    /// All of Mirakl's side was looked at; this is the last of our own orders that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_to: Option<String>,
    /// In this look there was a batch of our open orders of which Mirakl knew none.
    #[serde(default)]
    pub none_was_known: bool,
    /// People were told of that, by this look or an earlier one: not again before a look without
    /// it.
    #[serde(default)]
    pub told_that_none_is_known: Told,
}

/// Whether Prima answers: a breaker for each of its operations, for the whole installation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrimaBreakers {
    /// As it was read; 0 when new.
    #[serde(skip)]
    pub version: u64,
    /// The operations whose latest call failed, by the name of their document: `NewOrder`. Absent
    /// ones answer.
    #[serde(default)]
    pub operations: BTreeMap<String, OperationBreaker>,
}

/// What is known of an operation of Prima's since its latest answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationBreaker {
    /// Failures that count: what Prima does again and again with one order says nothing of the
    /// others.
    #[serde(default)]
    pub failures: u32,
    /// The orders that it failed for, where that may have been the order's own matter.
    #[serde(default)]
    pub about: BTreeSet<String>,
    /// Since when its breaker is open; `None` while it is closed.
    #[serde(default)]
    pub open_since: Option<Timestamp>,
    /// While it is open: when the next call may be made, as a probe.
    #[serde(default)]
    pub next_probe: Option<Timestamp>,
    /// Probes since it opened.
    #[serde(default)]
    pub probes: u32,
    /// What people know of it since it opened.
    #[serde(default)]
    pub told: Told,
}

/// What the collector of dispatches and the function that tells them remember, for the whole
/// installation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionState {
    /// As it was read; 0 when new.
    #[serde(skip)]
    pub version: u64,
    /// Status words of Prima's that this version does not know and that were reported.
    #[serde(default)]
    pub reported_words: Vec<String>,
    /// Operations of dispatching that Mirakl refuses channels' keys, or that keep failing.
    #[serde(default)]
    pub refused: RefusedRights,
    /// Fields and forms of Prima's answers, of dispatch files, and of what a marketplace demands,
    /// that are not understood and that were reported.
    #[serde(default)]
    pub reported_forms: Vec<String>,
}

/// The rows of orders. As each store here: one implementation in memory, one on DynamoDB; both pass
/// the same contract tests.
pub trait OrderStore {
    /// A row, strongly consistent.
    async fn load_order(&self, key: &OrderKey) -> Result<Option<OrderRow>, StoreError>;

    /// Rows, strongly consistent; absent ones are absent from the answer. Any number of keys.
    async fn load_orders(
        &self,
        keys: &[OrderKey],
    ) -> Result<HashMap<OrderKey, OrderRow>, StoreError>;

    /// Saves `row` where the stored version still is `row.version` (0: where there is none), and
    /// raises `row.version`; what it has in flight with it, both or neither ([`FlightStore`]).
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is not; `row.version` is then unchanged.
    async fn save_order(&self, row: &mut OrderRow) -> Result<(), StoreError>;

    /// Keys of a channel's orders in an index state ([`OrderRow::index_state`]), oldest first, at
    /// most `limit`. The index lags: for sweeps and display only.
    async fn orders_in(
        &self,
        channel: &str,
        index_state: &str,
        limit: usize,
    ) -> Result<Vec<OrderKey>, StoreError>;

    /// As [`OrderStore::orders_in`], only those whose moment ([`OrderRow::index_moment`]) has come
    /// by `until`.
    async fn orders_due(
        &self,
        channel: &str,
        index_state: &str,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<OrderKey>, StoreError>;
}

/// Whose Prima's order numbers are.
pub trait NumberStore {
    /// Whose an order number is, without reserving it.
    async fn holder_of(&self, number: &str) -> Result<Option<OrderKey>, StoreError>;

    /// Reserves Prima's order number for an order; whole, uncut, for ever.
    async fn reserve_number(&self, number: &str, key: &OrderKey)
    -> Result<Reservation, StoreError>;
}

/// What the pollers of channels remember.
pub trait PollStore {
    /// A channel's poll state; a new one where there is none.
    async fn load_poll(&self, channel: &str) -> Result<PollState, StoreError>;

    /// Saves it as [`OrderStore::save_order`] does.
    async fn save_poll(&self, channel: &str, poll: &mut PollState) -> Result<(), StoreError>;
}

/// What the collector of dispatches, and the function that tells them, remember.
pub trait CollectionStore {
    /// What the collector remembers; nothing where there is nothing.
    async fn load_collection(&self) -> Result<CollectionState, StoreError>;

    /// Saves it as [`OrderStore::save_order`] does.
    async fn save_collection(&self, collection: &mut CollectionState) -> Result<(), StoreError>;
}

/// Whether Prima answers.
pub trait BreakerStore {
    /// Prima's breakers; all closed where nothing is recorded.
    async fn load_breakers(&self) -> Result<PrimaBreakers, StoreError>;

    /// Saves it as [`OrderStore::save_order`] does.
    async fn save_breakers(&self, breakers: &mut PrimaBreakers) -> Result<(), StoreError>;
}

/// What orders have in flight, beside their rows.
pub trait FlightStore {
    /// The flights of all of a channel's orders that are not long over, strongly consistent: each
    /// as of its order's latest row.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Unreadable`].
    async fn flights(&self, channel: &str) -> Result<Vec<Flight>, StoreError>;
}

impl<T: FlightStore> FlightStore for &T {
    async fn flights(&self, channel: &str) -> Result<Vec<Flight>, StoreError> {
        (**self).flights(channel).await
    }
}

impl<T: OrderStore> OrderStore for &T {
    async fn load_order(&self, key: &OrderKey) -> Result<Option<OrderRow>, StoreError> {
        (**self).load_order(key).await
    }

    async fn load_orders(
        &self,
        keys: &[OrderKey],
    ) -> Result<HashMap<OrderKey, OrderRow>, StoreError> {
        (**self).load_orders(keys).await
    }

    async fn save_order(&self, row: &mut OrderRow) -> Result<(), StoreError> {
        (**self).save_order(row).await
    }

    async fn orders_in(
        &self,
        channel: &str,
        index_state: &str,
        limit: usize,
    ) -> Result<Vec<OrderKey>, StoreError> {
        (**self).orders_in(channel, index_state, limit).await
    }

    async fn orders_due(
        &self,
        channel: &str,
        index_state: &str,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<OrderKey>, StoreError> {
        (**self).orders_due(channel, index_state, until, limit).await
    }
}

impl<T: NumberStore> NumberStore for &T {
    async fn holder_of(&self, number: &str) -> Result<Option<OrderKey>, StoreError> {
        (**self).holder_of(number).await
    }

    async fn reserve_number(
        &self,
        number: &str,
        key: &OrderKey,
    ) -> Result<Reservation, StoreError> {
        (**self).reserve_number(number, key).await
    }
}

impl<T: PollStore> PollStore for &T {
    async fn load_poll(&self, channel: &str) -> Result<PollState, StoreError> {
        (**self).load_poll(channel).await
    }

    async fn save_poll(&self, channel: &str, poll: &mut PollState) -> Result<(), StoreError> {
        (**self).save_poll(channel, poll).await
    }
}

impl<T: CollectionStore> CollectionStore for &T {
    async fn load_collection(&self) -> Result<CollectionState, StoreError> {
        (**self).load_collection().await
    }

    async fn save_collection(&self, collection: &mut CollectionState) -> Result<(), StoreError> {
        (**self).save_collection(collection).await
    }
}

impl<T: BreakerStore> BreakerStore for &T {
    async fn load_breakers(&self) -> Result<PrimaBreakers, StoreError> {
        (**self).load_breakers().await
    }

    async fn save_breakers(&self, breakers: &mut PrimaBreakers) -> Result<(), StoreError> {
        (**self).save_breakers(breakers).await
    }
}

pub(crate) fn to_json<T: Serialize>(value: &T, what: &str) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|problem| StoreError::Unreadable {
        record: what.to_owned(),
        problem: problem.to_string(),
    })
}

/// Different for every write. The standard library's hasher is seeded from the operating system's
/// randomness.
pub(crate) fn write_mark() -> String {
    let random = || std::collections::hash_map::RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}
