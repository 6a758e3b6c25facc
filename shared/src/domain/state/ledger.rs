//! What is remembered of stock between runs: each channel's ledger of what Mirakl is known to show,
//! and small records beside it.
//!
//! A ledger is kept as *sets* (see [`crate::domain::stock::ledger`]): first a base, then what each
//! run changed. Their parts are written first, under names that nothing ever had; then the *head*,
//! a small record that names the sets in order, is switched from the one that was read to the new
//! one. What no head names is not part of the ledger, so a crash between any two writes loses
//! nothing and shows nothing that was not finished, and of two writers one is refused and reads
//! again. Compaction writes one new base, switches the head to it and deletes everything older,
//! with what crashed runs have left.
//!
//! | record | what |
//! | --- | --- |
//! | `ledger#<channel>` / `head` | the [`Head`] |
//! | `ledger#<channel>` / `part#<mark>#<number>` | a part of a set; no two sets ever have the same mark |
//! | `push#<channel>` / `state` | what the pushes of a channel remember: theirs to define |
//! | `installation` / `state` | what stock remembers for the whole installation: its flow's to define |
//! | `installation` / `lease` | who is at work now |

pub mod contract;
pub mod in_memory;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{StoreError, write_mark};
use crate::domain::stock::ledger::{Change, Ledger, decode, encode};

/// Parts written or deleted at once.
const AT_ONCE: usize = 8;
/// Sets that a head names at most before the ledger is compacted, however small they are: a head is
/// rewritten by every run.
const MOST_SETS: usize = 1000;

/// A record as it was read, for compare-and-swap: different after every write, also where a table
/// was emptied in between. That of a record that is not there is the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version(pub(crate) Option<String>);

/// A small record: a JSON document of at most 400 KB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StockRecord<'a> {
    /// A ledger's [`Head`]: nobody's but [`LedgerStore`]'s.
    Head(&'a str),
    /// What the pushes of this channel remember.
    Push(&'a str),
    /// What stock remembers for the whole installation.
    Installation,
    /// Who is at work now.
    Lease,
}

impl StockRecord<'_> {
    /// Its two keys.
    pub(crate) fn keys(self) -> (String, &'static str) {
        match self {
            Self::Head(channel) => (partition(channel), "head"),
            Self::Push(channel) => (format!("push#{channel}"), "state"),
            Self::Installation => ("installation".to_owned(), "state"),
            Self::Lease => ("installation".to_owned(), "lease"),
        }
    }

    /// Its name, for messages.
    pub(crate) fn name(self) -> String {
        let (pk, sk) = self.keys();
        format!("{pk}/{sk}")
    }
}

pub(crate) fn partition(channel: &str) -> String {
    format!("ledger#{channel}")
}

/// The sets that make up a ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The base, then what was appended, in order.
    sets: Vec<KeptSet>,
}

impl Head {
    /// Whether the bytes that were read again because they stand beside the base are as many as
    /// rewriting it would cost. So at most as much is spent on either; with equal changes that is
    /// the least of both together.
    fn is_due(&self) -> bool {
        let Some((base, appended)) = self.sets.split_first() else { return false };
        let reread: u64 =
            appended.iter().rev().zip(0..).map(|(set, times)| set.bytes * times).sum();
        reread >= base.bytes && appended.len() > 1 || self.sets.len() >= MOST_SETS
    }

    fn parts(&self) -> impl Iterator<Item = String> + '_ {
        self.sets.iter().flat_map(KeptSet::names)
    }
}

/// A set's parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptSet {
    mark: String,
    parts: usize,
    bytes: u64,
}

impl KeptSet {
    fn names(&self) -> impl Iterator<Item = String> + '_ {
        (0..self.parts).map(|number| format!("part#{}#{number:04}", self.mark))
    }
}

/// Everything that is kept of a ledger.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The head, and its version.
    pub head: (Head, Version),
    /// The parts by name, whether the head names them or not.
    pub parts: BTreeMap<String, Vec<u8>>,
}

/// A channel's ledger as it was read, to be changed by [`LedgerStore::append`].
#[derive(Clone, Debug)]
pub struct StoredLedger {
    channel: String,
    ledger: Ledger,
    head: Head,
    version: Version,
    /// Names of the parts that were there when it was read, and of those that this run added.
    parts: BTreeSet<String>,
}

impl StoredLedger {
    /// What Mirakl is known to show.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Whether [`LedgerStore::compact`] pays now.
    #[must_use]
    pub fn compaction_is_due(&self) -> bool {
        self.head.is_due()
    }

    /// `Err`: which part is not there or cannot be read, and why.
    fn assembled(channel: &str, kept: Kept) -> Result<Self, (String, &'static str)> {
        let (head, version) = kept.head;
        let mut ledger = Ledger::default();
        for set in &head.sets {
            // A little more than eight bytes each: of a million, so that the list need not be moved
            // as it grows.
            let bytes: usize =
                set.names().filter_map(|name| kept.parts.get(&name)).map(Vec::len).sum();
            let mut changes = Vec::with_capacity(bytes / 8);
            for name in set.names() {
                let part = kept.parts.get(&name).ok_or_else(|| (name.clone(), ABSENT))?;
                decode(part, &mut changes).map_err(|problem| (name, problem))?;
            }
            // The first is the base, and by far the largest.
            match ledger.is_empty() {
                true => ledger = Ledger::from(changes),
                false => ledger.apply(&changes),
            }
        }
        Ok(Self {
            channel: channel.to_owned(),
            ledger,
            head,
            version,
            parts: kept.parts.into_keys().collect(),
        })
    }
}

const ABSENT: &str = "it is not there";

/// Where the stock's memory is kept. What an implementation does is in the first five functions;
/// the ledger is built on those.
pub trait LedgerStore {
    /// A small record and its version, strongly consistent; the default where there is none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Unreadable`].
    async fn load_record<T: DeserializeOwned + Default>(
        &self,
        record: StockRecord<'_>,
    ) -> Result<(T, Version), StoreError>;

    /// Saves a small record where `version` still is the stored one, and answers the new one.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is not.
    async fn save_record<T: Serialize>(
        &self,
        record: StockRecord<'_>,
        document: &T,
        version: &Version,
    ) -> Result<Version, StoreError>;

    /// Everything that is kept of a channel's ledger: the head first, then the parts; strongly
    /// consistent each.
    ///
    /// # Errors
    /// As [`LedgerStore::load_record`].
    async fn load_kept(&self, channel: &str) -> Result<Kept, StoreError>;

    /// Writes a part of a channel's ledger.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn put_part(&self, channel: &str, name: &str, part: Vec<u8>) -> Result<(), StoreError>;

    /// Deletes a part of a channel's ledger, where there is one of that name.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn delete_part(&self, channel: &str, name: &str) -> Result<(), StoreError>;

    /// A channel's ledger, strongly consistent; empty where there is none.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] names the part that is damaged or gone. The remedy is to delete
    /// that channel's records (`ledger#<channel>`): everything is published anew then.
    async fn load(&self, channel: &str) -> Result<StoredLedger, StoreError> {
        let mut seen = None;
        loop {
            let kept = self.load_kept(channel).await?;
            let version = Some(kept.head.1.clone());
            match StoredLedger::assembled(channel, kept) {
                Ok(stored) => return Ok(stored),
                // Compacted while it was read: another head stands there now.
                Err((_, ABSENT)) if seen != version => seen = version,
                Err((part, problem)) => {
                    let problem = format!(
                        "{problem}; delete the records under {} to publish everything anew",
                        partition(channel)
                    );
                    return Err(StoreError::Unreadable {
                        record: format!("{}/{part}", partition(channel)),
                        problem,
                    });
                }
            }
        }
    }

    /// Appends changes, of which only those are written that change something; `stored` has them
    /// afterwards.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when another run changed the ledger since: load it again. After any
    /// error `stored` is as it was.
    async fn append(
        &self,
        stored: &mut StoredLedger,
        changes: &[Change],
    ) -> Result<(), StoreError> {
        let set = stored.ledger.effective(changes);
        if set.is_empty() {
            return Ok(());
        }
        let before = stored.head.sets.clone();
        switch(self, stored, before, encode(set.iter().copied())).await?;
        stored.ledger.apply(&set);
        Ok(())
    }

    /// Puts one new base in the place of base and changes, and deletes those and whatever crashed
    /// runs have left.
    ///
    /// # Errors
    /// As [`LedgerStore::append`]. It can be repeated at any time; what an error has left is
    /// deleted by the next one.
    async fn compact(&self, stored: &mut StoredLedger) -> Result<(), StoreError> {
        let parts = encode(stored.ledger.entries());
        switch(self, stored, Vec::new(), parts).await?;
        // All parts that were there when the ledger was read: whoever wrote them and has not named
        // them yet read an older head than this one, and is refused.
        let named: BTreeSet<String> = stored.head.parts().collect();
        let old: Vec<String> = stored.parts.difference(&named).cloned().collect();
        let channel = stored.channel.clone();
        let deleted = stream::iter(&old)
            .map(|name| self.delete_part(&channel, name))
            .buffer_unordered(AT_ONCE);
        deleted.try_collect::<()>().await?;
        stored.parts = named;
        Ok(())
    }
}

/// Writes a set and switches the head to the sets `before` and this one.
async fn switch(
    store: &(impl LedgerStore + ?Sized),
    stored: &mut StoredLedger,
    before: Vec<KeptSet>,
    parts: Vec<Vec<u8>>,
) -> Result<(), StoreError> {
    let bytes = parts.iter().map(|part| part.len() as u64).sum();
    let set = KeptSet { mark: write_mark(), parts: parts.len(), bytes };
    let channel = stored.channel.as_str();
    let names: Vec<String> = set.names().collect();
    let written = stream::iter(names.iter().zip(parts))
        .map(|(name, part)| store.put_part(channel, name, part));
    written.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    let mut head = Head { sets: before };
    head.sets.push(set);
    stored.version = store.save_record(StockRecord::Head(channel), &head, &stored.version).await?;
    stored.head = head;
    stored.parts.extend(names);
    Ok(())
}

#[cfg(test)]
mod tests;
