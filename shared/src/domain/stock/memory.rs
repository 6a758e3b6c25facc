//! What stock remembers between runs, besides ledgers and files: one small record for each channel, one for the installation.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cadence::Sales;
use super::exceptions::StockException;
use super::rules::ImportKind;
use crate::domain::order::row::Lease;
use crate::domain::rights::RefusedRights;
use crate::kit::clock::{after, before};
use crate::prima::sku::SkuOverride;
use crate::prima::stock::ranges::RangePlan;

/// Refused quantities that are remembered of a channel; what is refused beyond that is tried with every push.
const REFUSED: usize = 1000;
/// A quantity that was refused is tried again after this long.
const REFUSED_FOR: Duration = Duration::from_secs(3600);
/// An import that has ended is remembered for so long, until its channel's orders are known.
const ENDED_FOR: Duration = Duration::from_secs(2 * 3600);
/// Imports that are remembered in any case.
const MEASURED: usize = 5;

/// What stock remembers for the whole installation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockMemory {
    /// In which ranges Prima's catalogue is asked for.
    #[serde(default)]
    pub plan: RangePlan,
    /// When Prima was last asked for everything.
    #[serde(default)]
    pub asked_at: Option<Timestamp>,
    /// Since when everything it has is known: that range's request which was read the longest ago.
    #[serde(default)]
    pub whole_at: Option<Timestamp>,
    /// The latest reading had no time for all ranges: the next goes on with those, without waiting for the pace.
    #[serde(default)]
    pub unfinished: bool,
    /// Prima SKUs of which something was sold or cancelled since they were asked for: the next run asks for them by name.
    #[serde(default)]
    pub sold: Vec<SkuOverride>,
    /// Ranges that failed in the latest reading, in words.
    #[serde(default)]
    pub failed_ranges: Vec<String>,
    /// SKUs in the figures, of the latest reading those without a usable figure, and those that no channel offers.
    #[serde(default)]
    pub skus: usize,
    /// See [`Self::skus`].
    #[serde(default)]
    pub unusable: usize,
    /// See [`Self::skus`].
    #[serde(default)]
    pub without_offer: usize,
    /// What a person has to know of the whole installation.
    #[serde(default)]
    pub exceptions: Vec<StockException>,
}

/// Who is at work now: renewed while it is, so that a run that died is soon followed by another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockLease {
    /// Keeps two runs from overlapping. Saves work; correctness never rests on it.
    #[serde(default)]
    pub lease: Option<Lease>,
    /// The run before ended in an error: what it had noticed may be nowhere.
    #[serde(default)]
    pub disturbed: bool,
}

/// What the pushes of a channel remember.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PushMemory {
    /// When the latest push began, or was found to have nothing to say.
    #[serde(default)]
    pub pushed_at: Option<Timestamp>,
    /// When what was sold was looked at for the latest push.
    #[serde(default)]
    pub looked_at: Option<Timestamp>,
    /// When the latest import was found to be through.
    #[serde(default)]
    pub imported_at: Option<Timestamp>,
    /// When that was decided which the marketplace shows now: the latest push that is imported whole, or a look that found nothing to say.
    #[serde(default)]
    pub decided_at: Option<Timestamp>,
    /// The import that is followed up now: at most one.
    #[serde(default)]
    pub import: Option<ImportUnderWay>,
    /// Imports that are not waited for any more, and may still be applied.
    #[serde(default)]
    pub stray: Vec<ImportUnderWay>,
    /// The list of offers.
    #[serde(default)]
    pub offers: OffersMemory,
    /// What was sold lately.
    #[serde(default)]
    pub sales: Sales,
    /// Something was left to publish by the latest run.
    #[serde(default)]
    pub pending: bool,
    /// The latest import did not hold all: the next follows as soon as it may.
    #[serde(default)]
    pub more: bool,
    /// Quantities that Mirakl refused lately.
    #[serde(default)]
    pub refused: Vec<RefusedQuantity>,
    /// What a person has to know.
    #[serde(default)]
    pub exceptions: Vec<StockException>,
    /// A person wants everything published again.
    #[serde(default)]
    pub republish: bool,
    /// A person has looked: until then any number of offers may go to zero.
    #[serde(default)]
    pub zeroes_allowed_until: Option<Timestamp>,
    /// What the latest evaluation found.
    #[serde(default)]
    pub latest: LatestEvaluation,
    /// The latest import that failed; none once another was imported.
    #[serde(default)]
    pub failed: Option<FailedImport>,
    /// Imports in a row that were sent too early after another, as the marketplace says.
    #[serde(default)]
    pub throttled: u32,
    /// Lines of the latest import that were refused without being named, and one of the reasons: nobody knows which they are.
    #[serde(default)]
    pub unnamed: Option<(usize, String)>,
    /// Since the channel began.
    #[serde(default)]
    pub totals: Totals,
    /// Rights of publishing quantities that Mirakl refuses the channel's key.
    #[serde(default)]
    pub refused_rights: RefusedRights,
    /// Imports that ended lately, the latest last.
    #[serde(default)]
    pub ended: Vec<EndedImport>,
    /// At the latest look every order was known that had been placed before.
    #[serde(default)]
    pub seen_until: Option<Timestamp>,
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
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// What is known of a channel's offers as Mirakl has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffersMemory {
    /// When the list that is used was asked for.
    #[serde(default)]
    pub listed_at: Option<Timestamp>,
    /// How many offers it has.
    #[serde(default)]
    pub offers: usize,
    /// An export that Mirakl is making.
    #[serde(default)]
    pub export: Option<ExportUnderWay>,
    /// When a list may be asked for again.
    #[serde(default)]
    pub again_at: Option<Timestamp>,
    /// Why there is no new one.
    #[serde(default)]
    pub problem: Option<String>,
    /// The latest list was not used because it names far fewer offers than the one before: so many.
    #[serde(default)]
    pub shrunk_to: Option<usize>,
    /// Offers whose quantity differed from what the ledger knew, when the list was compared.
    #[serde(default)]
    pub drifted: usize,
    /// Offers that could not be read, or cannot be named in an import, with examples.
    #[serde(default)]
    pub unreadable: Vec<String>,
}

/// An export that Mirakl is making (OF52).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportUnderWay {
    /// Mirakl's.
    pub tracking_id: String,
    /// When it was asked for.
    pub begun_at: Timestamp,
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
    /// When.
    pub at: Timestamp,
}

/// What the latest evaluation of a channel found: for display.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatestEvaluation {
    /// When.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// Offers.
    #[serde(default)]
    pub offers: usize,
    /// Offers that are to show something.
    #[serde(default)]
    pub to_offer: usize,
    /// Offers without a Prima SKU.
    #[serde(default)]
    pub unmapped: usize,
    /// Offers whose Prima SKU no reading has had.
    #[serde(default)]
    pub unknown_to_prima: usize,
    /// Lines that waited.
    #[serde(default)]
    pub waiting: usize,
    /// Offers that showed more than they should.
    #[serde(default)]
    pub to_lower: usize,
    /// Units that other channels have sold since what is shown was decided, beyond what is held back: they may be sold twice.
    #[serde(default)]
    pub may_sell_twice: u64,
    /// Why a push was due or not, in words.
    #[serde(default)]
    pub decision: String,
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

impl PushMemory {
    /// This memory of a run of `push-stock`, where others have written `stored` since it was read: what they may have changed comes
    /// from there. `republished`: this run has seen to a republication.
    #[must_use]
    pub fn over(self, stored: Self, republished: bool) -> Self {
        Self {
            import: stored.import,
            stray: stored.stray,
            refused: stored.refused,
            failed: stored.failed,
            unnamed: stored.unnamed,
            totals: stored.totals,
            republish: stored.republish && !republished,
            zeroes_allowed_until: stored.zeroes_allowed_until,
            decided_at: self.decided_at.max(stored.decided_at),
            imported_at: stored.imported_at,
            ended: stored.ended,
            pending: self.pending || stored.pending,
            // Following an import up is the other function's.
            refused_rights: self.refused_rights.joined(stored.refused_rights, |operation| matches!(operation, "STO01" | "OF01")),
            ..self
        }
    }

    /// Notes the end of an import.
    pub fn note_end(&mut self, import: &ImportUnderWay, now: Timestamp) {
        self.ended.push(EndedImport { mark: import.mark.clone(), begun_at: import.begun_at, ended_at: now });
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
        self.stray.extend(self.import.take());
        self.failed = Some(FailedImport { at: now, reason });
        self.totals.imports_failed += 1;
    }

    /// Remembers refusals, the latest first to stay; forgets those that are over, and those of `imported`.
    pub fn note_refusals(&mut self, refused: Vec<RefusedQuantity>, is_imported: impl Fn(&str) -> bool, now: Timestamp) {
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
        let known: HashSet<&String> = self.refused.iter().map(|refused| &refused.offer_sku).collect();
        let kept: HashSet<String> = differing.filter(|sku| known.contains(sku)).cloned().collect();
        self.refused.retain(|refused| kept.contains(&refused.offer_sku));
    }

    /// Whether this very quantity was refused lately.
    #[must_use]
    pub fn is_refused(&self, offer_sku: &str, quantity: u32, now: Timestamp) -> bool {
        let refused = self.refused.iter().find(|refused| refused.offer_sku == offer_sku);
        refused.is_some_and(|refused| refused.quantity == quantity && after(refused.at, REFUSED_FOR) > now)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    #[test]
    fn a_refused_quantity_is_tried_again_after_an_hour_and_another_at_once() {
        let at = |minute: i64| Timestamp::from_second(1_790_000_000 + 60 * minute).unwrap();
        let refused = |sku: &str, minute| RefusedQuantity { offer_sku: sku.into(), quantity: 3, reason: "no".into(), at: at(minute) };
        let mut memory = PushMemory::default();
        memory.note_refusals(vec![refused("A", 0), refused("B", 0)], |_| false, at(0));
        assert!(memory.is_refused("A", 3, at(59)) && !memory.is_refused("A", 4, at(1)) && !memory.is_refused("A", 3, at(60)));
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
