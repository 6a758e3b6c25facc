//! The exports of offers that shops asked for (Mirakl seller API, OF52 to OF54).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

/// The exports that shops asked for, by `tracking_id`.
#[derive(Debug, Default)]
pub(super) struct Exports(Mutex<BTreeMap<String, Export>>);

#[derive(Debug)]
pub(super) struct Export {
    pub(super) shop_id: i64,
    /// When it is complete.
    pub(super) ready: Timestamp,
    pub(super) content_type: &'static str,
    /// Its files, of the offers as they were when it was asked for.
    pub(super) files: Vec<String>,
}

impl Exports {
    pub(super) fn all(&self) -> MutexGuard<'_, BTreeMap<String, Export>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
