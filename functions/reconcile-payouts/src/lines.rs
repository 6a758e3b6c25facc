//! The files of lines: one of each cycle, and one of the lines that are in none. A line that is
//! found in two of them counts once: its newest version wins.

use std::collections::BTreeMap;

use shared::domain::payout::key::CycleKey;
use shared::domain::payout::ledger::{Ledger, Listed};
use shared::domain::payout::row::ShopKey;
use shared::domain::payout::store::{PayoutFiles, lines_file, open_lines_file};
use shared::mirakl::finance::{TransactionLine, Unreadable};
use xxhash_rust::xxh3::xxh3_64;

use crate::ReconcileError;

/// Which file a line stands in: those of cycles come before the open one, so that a line that
/// moves into a cycle is written there before it is taken away here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Cycle(CycleKey),
    Open,
}

/// Lines that were loaded, and what of them has changed.
#[derive(Debug)]
pub(crate) struct Lines {
    shop: ShopKey,
    /// The files that were loaded, with a hash of what was in them; none where there was none.
    loaded: BTreeMap<Place, Option<u64>>,
    pub(crate) ledger: Ledger,
}

impl Lines {
    /// The open lines, and those of these cycles.
    pub(crate) async fn load<'k>(
        files: &impl PayoutFiles,
        shop: &ShopKey,
        cycles: impl IntoIterator<Item = &'k CycleKey>,
    ) -> Result<Self, ReconcileError> {
        let mut lines =
            Self { shop: shop.clone(), loaded: BTreeMap::new(), ledger: Ledger::default() };
        lines.need(files, Place::Open).await?;
        for key in cycles {
            lines.need_cycle(files, key).await?;
        }
        Ok(lines)
    }

    /// Loads the lines of a cycle, where they are not there yet.
    pub(crate) async fn need_cycle(
        &mut self,
        files: &impl PayoutFiles,
        key: &CycleKey,
    ) -> Result<(), ReconcileError> {
        self.need(files, Place::Cycle(key.clone())).await
    }

    /// Whether the lines of a cycle were loaded.
    pub(crate) fn has(&self, key: &CycleKey) -> bool {
        self.loaded.contains_key(&Place::Cycle(key.clone()))
    }

    async fn need(&mut self, files: &impl PayoutFiles, place: Place) -> Result<(), ReconcileError> {
        if self.loaded.contains_key(&place) {
            return Ok(());
        }
        let name = self.file(&place);
        let bytes = files.read(&name).await?;
        if let Some(bytes) = &bytes {
            let found: Ledger = serde_json::from_slice(bytes)
                .map_err(|problem| ReconcileError::File { name, problem: problem.to_string() })?;
            self.ledger.absorb(found);
        }
        self.loaded.insert(place, bytes.map(|bytes| xxh3_64(&bytes)));
        Ok(())
    }

    fn file(&self, place: &Place) -> String {
        match place {
            Place::Cycle(key) => lines_file(key),
            Place::Open => open_lines_file(&self.shop),
        }
    }

    /// Loads the lines of every cycle that a line is in, and writes each file that has changed.
    pub(crate) async fn write(
        &mut self,
        files: &impl PayoutFiles,
        listed: &[Listed],
    ) -> Result<(), ReconcileError> {
        // A file that is loaded may hold lines of yet another cycle.
        loop {
            let missing = self.cycles_of_lines(listed).into_iter().find(|key| !self.has(key));
            let Some(key) = missing else { break };
            self.need_cycle(files, &key).await?;
        }
        let by_cycle = self.ledger.by_cycle(listed);
        let mut places: BTreeMap<String, CycleKey> = BTreeMap::new();
        for (key, lines) in &by_cycle.cycles {
            places.extend(lines.iter().map(|line| (line.id.clone(), (*key).clone())));
        }
        let place_of = |line: &TransactionLine| {
            places.get(&line.id).cloned().map_or(Place::Open, Place::Cycle)
        };
        let unreadable_of = |line: &Unreadable| {
            let cycle = listed.iter().find(|one| line.cycle.as_ref() == Some(&one.key.cycle));
            let is_loaded = |key: &&CycleKey| self.has(key);
            let key = cycle.map(|one| &one.key).filter(is_loaded);
            key.cloned().map_or(Place::Open, Place::Cycle)
        };
        let mut parts = self.ledger.clone().parted(place_of, unreadable_of);
        let before = self.loaded.clone();
        for (place, hash) in before {
            let part = parts.remove(&place);
            if part.is_none() && hash.is_none() {
                continue;
            }
            let name = self.file(&place);
            let bytes = serde_json::to_vec(&part.unwrap_or_default()).map_err(|problem| {
                ReconcileError::File { name: name.clone(), problem: problem.to_string() }
            })?;
            let new = xxh3_64(&bytes);
            if hash != Some(new) {
                files.write(&name, bytes).await?;
                self.loaded.insert(place, Some(new));
            }
        }
        Ok(())
    }

    fn cycles_of_lines(&self, listed: &[Listed]) -> Vec<CycleKey> {
        self.ledger.by_cycle(listed).cycles.into_keys().cloned().collect()
    }
}
