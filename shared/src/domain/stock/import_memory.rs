//! What is remembered of a channel's imports: the one that is waited for, those that may still be
//! applied, those that have ended, and what Mirakl refused.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::rules::ImportKind;
use crate::kit::clock::{after, before};

/// Refused quantities that are remembered of a channel; what is refused beyond that is tried with
/// every push.
const REFUSED: usize = 1000;
/// A quantity that was refused is tried again after this long.
const REFUSED_FOR: Duration = Duration::from_secs(3600);
/// An import that has ended is remembered for so long, until its channel's orders are known.
const ENDED_FOR: Duration = Duration::from_secs(2 * 3600);
/// Imports that are remembered in any case.
const MEASURED: usize = 5;

/// What is remembered of a channel's imports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportMemory {
    /// The import that is followed up now: at most one.
    #[serde(default, rename = "import")]
    pub under_way: Option<ImportUnderWay>,
    /// Imports that are not waited for any more, and may still be applied.
    #[serde(default)]
    pub stray: Vec<ImportUnderWay>,
    /// Imports that ended lately, the latest last.
    #[serde(default)]
    pub ended: Vec<EndedImport>,
    /// When the latest import was found to be complete.
    #[serde(default)]
    pub imported_at: Option<Timestamp>,
    /// The latest import that failed; none once another was imported.
    #[serde(default)]
    pub failed: Option<FailedImport>,
    /// Quantities that Mirakl refused lately.
    #[serde(default)]
    pub refused: Vec<RefusedQuantity>,
    /// Lines of the latest import that were refused without being named, and one of the reasons:
    /// nobody knows which they are.
    #[serde(default)]
    pub unnamed: Option<(usize, String)>,
    /// Since the channel began.
    #[serde(default)]
    pub totals: Totals,
}

/// An import that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedImport {
    /// Ours: its lines are kept under it.
    pub mark: String,
    /// When it was about to be sent.
    pub begun_at: Timestamp,
    /// When it was found to have ended.
    pub ended_at: Timestamp,
}

impl EndedImport {
    /// From before it was sent until its end was known.
    #[must_use]
    pub fn took(&self) -> Duration {
        Duration::try_from(self.ended_at.duration_since(self.begun_at)).unwrap_or_default()
    }
}

/// An import that Mirakl may be working on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportUnderWay {
    /// Ours: its lines are kept under it.
    pub mark: String,
    /// Mirakl's; none where its answer was lost, or is on its way.
    #[serde(default)]
    pub import_id: Option<String>,
    /// How it was sent.
    pub kind: ImportKind,
    /// When it was about to be sent.
    pub begun_at: Timestamp,
    /// How many lines it has.
    pub lines: usize,
    /// When it is to be asked about; a message that is lost is sent again some time after.
    pub ask_at: Timestamp,
}

/// An import that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedImport {
    /// When it failed.
    pub at: Timestamp,
    /// Mirakl's reason.
    pub reason: String,
}

/// A quantity that Mirakl refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedQuantity {
    /// The offer.
    pub offer_sku: String,
    /// The quantity.
    pub quantity: u32,
    /// Mirakl's reason.
    pub reason: String,
    /// When it was sent.
    pub at: Timestamp,
}

/// Sums since a channel began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Imports that Mirakl has taken.
    #[serde(default)]
    pub pushes: u64,
    /// Lines that were imported.
    #[serde(default)]
    pub lines_published: u64,
    /// Lines that Mirakl refused.
    #[serde(default)]
    pub lines_in_error: u64,
    /// Imports that failed, or were given up.
    #[serde(default)]
    pub imports_failed: u64,
}

impl ImportMemory {
    /// Whether this import is the one that is waited for.
    #[must_use]
    pub fn waits_for(&self, mark: &str) -> bool {
        self.under_way.as_ref().is_some_and(|import| import.mark == mark)
    }

    /// Takes out the import that is waited for, where it is this one.
    pub fn take(&mut self, mark: &str) -> Option<ImportUnderWay> {
        self.under_way.take_if(|import| import.mark == mark)
    }

    /// Notes the end of an import.
    pub fn note_end(&mut self, import: &ImportUnderWay, now: Timestamp) {
        self.ended.push(EndedImport {
            mark: import.mark.clone(),
            begun_at: import.begun_at,
            ended_at: now,
        });
        let (count, oldest) = (self.ended.len(), before(now, ENDED_FOR));
        let mut place = 0;
        self.ended.retain(|ended| {
            place += 1;
            // A few stay in any case: they tell how long an import takes.
            ended.ended_at > oldest || place + MEASURED > count
        });
    }

    /// Gives an import up that is waited for: it may still be applied.
    pub fn give_up(&mut self, reason: String, now: Timestamp) {
        self.stray.extend(self.under_way.take());
        self.failed = Some(FailedImport { at: now, reason });
        self.totals.imports_failed += 1;
    }

    /// Remembers refusals, the latest first to stay; forgets those that are over, and those of
    /// `imported`.
    pub fn note_refusals(
        &mut self,
        refused: Vec<RefusedQuantity>,
        is_imported: impl Fn(&str) -> bool,
        now: Timestamp,
    ) {
        self.refused.retain(|known| {
            after(known.at, 24 * REFUSED_FOR) > now
                && !is_imported(&known.offer_sku)
                && !refused.iter().any(|new| new.offer_sku == known.offer_sku)
        });
        self.refused.splice(0..0, refused);
        self.refused.truncate(REFUSED);
    }

    /// Forgets refusals of all offers but those that still do not show what they should.
    pub fn keep_refusals<'a>(&mut self, differing: impl Iterator<Item = &'a String>) {
        let known: HashSet<&String> =
            self.refused.iter().map(|refused| &refused.offer_sku).collect();
        let kept: HashSet<String> = differing.filter(|sku| known.contains(sku)).cloned().collect();
        self.refused.retain(|refused| kept.contains(&refused.offer_sku));
    }

    /// Whether this very quantity was refused lately.
    #[must_use]
    pub fn is_refused(&self, offer_sku: &str, quantity: u32, now: Timestamp) -> bool {
        let refused = self.refused.iter().find(|refused| refused.offer_sku == offer_sku);
        refused.is_some_and(|refused| {
            refused.quantity == quantity && after(refused.at, REFUSED_FOR) > now
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    /// A refused quantity is tried again after an hour, and another quantity at once.
    #[test]
    fn a_refused_quantity_rests_an_hour_but_a_new_one_goes_now() {
        let at = |minute: i64| Timestamp::from_second(1_790_000_000 + 60 * minute).unwrap();
        let refused = |sku: &str, minute| RefusedQuantity {
            offer_sku: sku.into(),
            quantity: 3,
            reason: "no".into(),
            at: at(minute),
        };
        let mut memory = ImportMemory::default();
        memory.note_refusals(vec![refused("A", 0), refused("B", 0)], |_| false, at(0));
        assert!(
            memory.is_refused("A", 3, at(59))
                && !memory.is_refused("A", 4, at(1))
                && !memory.is_refused("A", 3, at(60))
        );
        memory.note_refusals(vec![refused("A", 60)], |sku| sku == "B", at(60));
        assert_eq!(memory.refused, [refused("A", 60)]);
        let mut other = memory.clone();
        other.keep_refusals(["A".to_owned()].iter());
        assert_eq!(other.refused, memory.refused);
        other.keep_refusals(["B".to_owned()].iter());
        assert_eq!(other.refused, [], "it shows what it should");
        memory.note_refusals(Vec::new(), |_| false, at(60 + 24 * 60));
        assert_eq!(memory.refused, []);
    }
}
