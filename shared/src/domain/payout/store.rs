//! Where payouts are remembered: rows in a table, large parts as files in a bucket, journals to be
//! posted in a queue.
//!
//! | file | what |
//! | --- | --- |
//! | `lines/<host>/<shop>/<cycle>/<currency>/<psp>.json` | the lines of a cycle |
//! | `lines/<host>/<shop>/open.json` | the lines that are in no listed cycle |
//! | `lines/<host>/<shop>/reading.json` | what an unfinished reading has had |
//! | `journals/<hash>.json` | a journal, by the hash of what is sent: never overwritten with anything else |
//! | `reports/…`, `documents/…` | reports, CSVs and the operator's documents of a cycle |

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::key::{CycleKey, JournalName};
use super::row::{CycleRow, ShopKey, ShopRow};
use crate::domain::queue::QueueError;
use crate::domain::state::StoreError;

/// The rows of shops and of their billing cycles, and the references of journals.
pub trait PayoutStore {
    /// What the reader of a shop remembers; a new one where there is none.
    async fn load_shop(&self, shop: &ShopKey) -> Result<ShopRow, StoreError>;

    /// Saves it where the stored version still is its own (0: where there is none), and raises its
    /// version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is not; the version is then unchanged.
    async fn save_shop(&self, shop: &ShopKey, row: &mut ShopRow) -> Result<(), StoreError>;

    /// All cycles of a shop, strongly consistent, in the order of their keys.
    async fn cycles(&self, shop: &ShopKey) -> Result<Vec<CycleRow>, StoreError>;

    /// A cycle, strongly consistent.
    async fn load_cycle(&self, key: &CycleKey) -> Result<Option<CycleRow>, StoreError>;

    /// Saves a cycle as [`PayoutStore::save_shop`] does.
    async fn save_cycle(&self, row: &mut CycleRow) -> Result<(), StoreError>;

    /// Reserves the reference of a journal for ever. `Err` of the answer: whose it is.
    async fn reserve_reference(
        &self,
        reference: &str,
        of: &JournalMessage,
    ) -> Result<Result<(), JournalMessage>, StoreError>;
}

/// The large parts.
pub trait PayoutFiles {
    /// A file; `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Writes a file, whatever was there before. The bucket keeps its versions.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError>;
}

/// A message of the queue of journals: one is to be posted, or asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalMessage {
    /// The cycle.
    pub cycle: CycleKey,
    /// Which journal of it.
    pub name: JournalName,
}

/// The queue of journals.
pub trait JournalQueue {
    /// Has a journal worked on after `delay` (at most 15 minutes).
    async fn send_journal(
        &self,
        message: &JournalMessage,
        delay: Duration,
    ) -> Result<(), QueueError>;
}

/// The file of a cycle's lines.
#[must_use]
pub fn lines_file(key: &CycleKey) -> String {
    let CycleKey { host, shop, cycle, currency, psp } = key;
    format!("lines/{host}/{shop}/{cycle}/{currency}/{psp}.json")
}

/// The file of the lines of a shop that are in no listed cycle.
#[must_use]
pub fn open_lines_file(shop: &ShopKey) -> String {
    format!("lines/{}/{}/open.json", shop.host, shop.shop)
}

/// The file of the ids that a reading by cycles has had, where it goes over several runs.
#[must_use]
pub fn reading_file(shop: &ShopKey) -> String {
    format!("lines/{}/{}/reading.json", shop.host, shop.shop)
}

/// The report of a cycle: one HTML page.
#[must_use]
pub fn report_file(key: &CycleKey) -> String {
    let CycleKey { host, shop, cycle, currency, psp } = key;
    format!("reports/{host}/{shop}/{cycle}/{currency}/{psp}.html")
}

/// The CSV of a cycle's lines, beside its report.
#[must_use]
pub fn report_lines_file(key: &CycleKey) -> String {
    let CycleKey { host, shop, cycle, currency, psp } = key;
    format!("reports/{host}/{shop}/{cycle}/{currency}/{psp}.csv")
}

/// The file of a document of the operator's, as it came.
#[must_use]
pub fn document_file(key: &CycleKey, invoice_id: i64) -> String {
    let CycleKey { host, shop, cycle, currency, psp } = key;
    format!("documents/{host}/{shop}/{cycle}/{currency}/{psp}/{invoice_id}")
}

/// The file of a journal, by the hash of what is sent.
#[must_use]
pub fn journal_file(hash: &str) -> String {
    format!("journals/{hash}.json")
}

impl<T: PayoutStore> PayoutStore for &T {
    async fn load_shop(&self, shop: &ShopKey) -> Result<ShopRow, StoreError> {
        (**self).load_shop(shop).await
    }

    async fn save_shop(&self, shop: &ShopKey, row: &mut ShopRow) -> Result<(), StoreError> {
        (**self).save_shop(shop, row).await
    }

    async fn cycles(&self, shop: &ShopKey) -> Result<Vec<CycleRow>, StoreError> {
        (**self).cycles(shop).await
    }

    async fn load_cycle(&self, key: &CycleKey) -> Result<Option<CycleRow>, StoreError> {
        (**self).load_cycle(key).await
    }

    async fn save_cycle(&self, row: &mut CycleRow) -> Result<(), StoreError> {
        (**self).save_cycle(row).await
    }

    async fn reserve_reference(
        &self,
        reference: &str,
        of: &JournalMessage,
    ) -> Result<Result<(), JournalMessage>, StoreError> {
        (**self).reserve_reference(reference, of).await
    }
}

impl<T: PayoutFiles> PayoutFiles for &T {
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        (**self).read(name).await
    }

    async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        (**self).write(name, bytes).await
    }
}

impl<T: JournalQueue> JournalQueue for &T {
    async fn send_journal(
        &self,
        message: &JournalMessage,
        delay: Duration,
    ) -> Result<(), QueueError> {
        (**self).send_journal(message, delay).await
    }
}
