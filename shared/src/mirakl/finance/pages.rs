//! Pages of the finance listings.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_64;

use super::entry::Unreadable;

/// One page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries that could be read.
    pub entries: Vec<T>,
    /// Those that could not: never dropped in silence.
    pub unreadable: Vec<Unreadable>,
    /// How many entries the page held, readable or not.
    pub length: usize,
    /// The token of the next page; `None` where the listing ends, or goes by offset.
    pub next_page_token: Option<String>,
    /// All that match, over all pages, where the listing says so.
    pub total_count: Option<u64>,
}

impl<T> Page<T> {
    /// Reads the entries of a page, each by itself.
    pub(super) fn read(
        raw: &[Box<RawValue>],
        next_page_token: Option<String>,
        total_count: Option<u64>,
        read: impl Fn(u64, &str) -> Result<T, Unreadable>,
    ) -> Self {
        let (mut entries, mut unreadable) = (Vec::with_capacity(raw.len()), Vec::new());
        for (row, raw) in (1..).zip(raw) {
            match read(row, raw.get()) {
                Ok(entry) => entries.push(entry),
                Err(problem) => unreadable.push(problem),
            }
        }
        Self { entries, unreadable, length: raw.len(), next_page_token, total_count }
    }
}

/// The page tokens of one reading, over as many runs as it takes: a listing whose tokens go round
/// in a circle would never end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenTokens(BTreeSet<u64>);

impl SeenTokens {
    /// Notes a page's next token; false where the reading had it before: then it is no reading.
    #[must_use]
    pub fn note(&mut self, token: &str) -> bool {
        self.0.insert(xxh3_64(token.as_bytes()))
    }
}
