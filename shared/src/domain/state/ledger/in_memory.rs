//! The stock's memory in memory: the reference model of the one on DynamoDB, and the fault
//! simulation's. It counts bytes, and can crash at any write.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Kept, LedgerStore, StockRecord, Version};
use crate::domain::state::StoreError;
use crate::domain::state::{to_json, write_mark};

/// Everything in memory, for one thread.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    inner: RefCell<Inner>,
    crash: Cell<Option<Crash>>,
}

#[derive(Debug, Default)]
struct Inner {
    records: HashMap<String, (String, Version)>,
    parts: HashMap<String, BTreeMap<String, Vec<u8>>>,
    traffic: Traffic,
}

/// When writes begin to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    /// After so many that succeed.
    pub writes: u32,
    /// The first that fails has its effect all the same: only its answer is lost.
    pub has_effect: bool,
}

/// Bytes of records and parts, keys not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Read.
    pub read: u64,
    /// Written.
    pub written: u64,
    /// Size of the parts that were deleted: nothing is sent, but DynamoDB charges a deletion as a
    /// write.
    pub deleted: u64,
}

impl MemoryLedger {
    /// Forgets everything, as an emptied table would.
    pub fn wipe(&self) {
        *self.inner.borrow_mut() = Inner::default();
    }

    /// From now on writes fail as told; `None`: no longer.
    pub fn crash(&self, crash: Option<Crash>) {
        self.crash.set(crash);
    }

    /// Bytes since the beginning.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.inner.borrow().traffic
    }

    fn write(&self, effect: impl FnOnce(&mut Inner)) -> Result<(), StoreError> {
        let crash = self.crash.get();
        if crash.is_none_or(|crash| crash.writes > 0 || crash.has_effect) {
            effect(&mut self.inner.borrow_mut());
        }
        match crash {
            Some(Crash { writes: 0, .. }) => {
                self.crash.set(Some(Crash { writes: 0, has_effect: false }));
                Err(StoreError::Unavailable("crashed".to_owned()))
            }
            Some(Crash { writes, has_effect }) => {
                self.crash.set(Some(Crash { writes: writes - 1, has_effect }));
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl LedgerStore for MemoryLedger {
    async fn load_record<T: DeserializeOwned + Default>(
        &self,
        record: StockRecord<'_>,
    ) -> Result<(T, Version), StoreError> {
        let mut inner = self.inner.borrow_mut();
        let Some((json, version)) = inner.records.get(&record.name()).cloned() else {
            return Ok(Default::default());
        };
        inner.traffic.read += json.len() as u64;
        let unreadable = |problem: serde_json::Error| StoreError::Unreadable {
            record: record.name(),
            problem: problem.to_string(),
        };
        Ok((serde_json::from_str(&json).map_err(unreadable)?, version))
    }

    async fn save_record<T: Serialize>(
        &self,
        record: StockRecord<'_>,
        document: &T,
        version: &Version,
    ) -> Result<Version, StoreError> {
        let name = record.name();
        let json = to_json(document, &name)?;
        let stored = self
            .inner
            .borrow()
            .records
            .get(&name)
            .map(|(_, version)| version.clone())
            .unwrap_or_default();
        if stored != *version {
            return Err(StoreError::Conflict(name));
        }
        let new = Version(Some(write_mark()));
        self.write(|inner| {
            inner.traffic.written += json.len() as u64;
            inner.records.insert(name, (json, new.clone()));
        })?;
        Ok(new)
    }

    async fn load_kept(&self, channel: &str) -> Result<Kept, StoreError> {
        let head = self.load_record(StockRecord::Head(channel)).await?;
        let mut inner = self.inner.borrow_mut();
        let parts = inner.parts.get(channel).cloned().unwrap_or_default();
        inner.traffic.read += parts.values().map(|part| part.len() as u64).sum::<u64>();
        Ok(Kept { head, parts })
    }

    async fn put_part(&self, channel: &str, name: &str, part: Vec<u8>) -> Result<(), StoreError> {
        self.write(|inner| {
            inner.traffic.written += part.len() as u64;
            inner.parts.entry(channel.to_owned()).or_default().insert(name.to_owned(), part);
        })
    }

    async fn delete_part(&self, channel: &str, name: &str) -> Result<(), StoreError> {
        self.write(|inner| {
            let deleted = inner.parts.get_mut(channel).and_then(|parts| parts.remove(name));
            inner.traffic.deleted += deleted.map_or(0, |part| part.len() as u64);
        })
    }
}
