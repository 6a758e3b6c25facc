//! What stock remembers between runs, besides ledgers and files: one small record for each channel,
//! one for the installation.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cadence::Sales;
use super::exceptions::StockException;
use super::import_memory::ImportMemory;
use crate::domain::order::row::Lease;
use crate::domain::rights::RefusedRights;
use crate::prima::sku::SkuOverride;
use crate::prima::stock::ranges::RangePlan;

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
    /// The latest reading had no time for all ranges, or could not be kept: the next run reads on
    /// without waiting for the pace.
    #[serde(default)]
    pub unfinished: bool,
    /// Prima SKUs of which something was sold or cancelled since they were asked for: the next run
    /// asks for them by name.
    #[serde(default)]
    pub sold: Vec<SkuOverride>,
    /// Ranges that failed in the latest reading, in words.
    #[serde(default)]
    pub failed_ranges: Vec<String>,
    /// SKUs in the figures, of the latest reading those without a usable figure, and those that no
    /// channel offers.
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

/// What is remembered of a channel's pushes. Each part has an owner, who alone decides what it
/// says; where two writers meet, each part is taken from its owner ([`PushMemory::merged`]). The
/// parts are stored as one flat record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PushMemory {
    /// `push-stock` owns it.
    #[serde(flatten)]
    pub run: RunMemory,
    /// Whoever follows the import owns it: `push-stock` until Mirakl has answered,
    /// `check-stock-imports` from then on.
    #[serde(flatten)]
    pub imports: ImportMemory,
    /// Nobody owns it alone.
    #[serde(flatten)]
    pub joint: JointMemory,
    /// Until then any number of offers may go to zero, because a person has looked. The operator's
    /// command owns it.
    #[serde(default)]
    pub zeroes_allowed_until: Option<Timestamp>,
}

/// What `push-stock` alone writes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunMemory {
    /// When the latest push began, or the latest run found that nothing differs.
    #[serde(default)]
    pub pushed_at: Option<Timestamp>,
    /// When orders were read for the latest push.
    #[serde(default)]
    pub looked_at: Option<Timestamp>,
    /// The list of offers.
    #[serde(default)]
    pub offers: OffersMemory,
    /// What was sold lately.
    #[serde(default)]
    pub sales: Sales,
    /// The latest import did not hold all: the next follows as soon as it may.
    #[serde(default)]
    pub more: bool,
    /// What a person has to know.
    #[serde(default)]
    pub exceptions: Vec<StockException>,
    /// What the latest evaluation found.
    #[serde(default)]
    pub latest: LatestEvaluation,
    /// Imports in a row that were sent too early after another, as the marketplace says.
    #[serde(default)]
    pub throttled: u32,
    /// The latest run knew every order that was placed before this.
    #[serde(default)]
    pub seen_until: Option<Timestamp>,
}

/// What several write.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JointMemory {
    /// When the quantities now on the marketplace were decided: the last fully imported push, or
    /// the last run that found no difference.
    #[serde(default)]
    pub decided_at: Option<Timestamp>,
    /// The next run has something to publish, whatever the pace says.
    #[serde(default)]
    pub pending: bool,
    /// Everything is to be published again: a person wants it, or nobody knows what an import has
    /// overwritten.
    #[serde(default)]
    pub republish: bool,
    /// Rights of publishing quantities that Mirakl refuses the channel's key.
    #[serde(default)]
    pub refused_rights: RefusedRights,
}

/// Whose word on a channel's imports counts where two writers meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportOwner {
    /// This run of `push-stock`: it has claimed the import, and nobody else can know yet what
    /// became of it.
    ThisRun,
    /// Whoever has written meanwhile.
    Others,
}

impl PushMemory {
    /// What a run of `push-stock` saves where others have saved `theirs` since it read its memory.
    #[must_use]
    pub fn merged(self, theirs: Self, imports: ImportOwner, is_republished: bool) -> Self {
        Self {
            run: self.run,
            imports: match imports {
                ImportOwner::ThisRun => self.imports,
                ImportOwner::Others => theirs.imports,
            },
            joint: self.joint.merged(theirs.joint, is_republished),
            zeroes_allowed_until: theirs.zeroes_allowed_until,
        }
    }
}

impl JointMemory {
    /// `is_republished`: this run has published everything again.
    fn merged(self, theirs: Self, is_republished: bool) -> Self {
        Self {
            decided_at: self.decided_at.max(theirs.decided_at),
            pending: self.pending || theirs.pending,
            republish: theirs.republish && !is_republished,
            // The rights of asking how an import stands are the other function's.
            refused_rights: self
                .refused_rights
                .joined(theirs.refused_rights, |operation| matches!(operation, "STO01" | "OF01")),
        }
    }
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

/// What the latest evaluation of a channel found: for display.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatestEvaluation {
    /// When the quantities were decided.
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
    /// Units that other channels have sold since what is shown was decided, beyond what is held
    /// back: they may be sold twice.
    #[serde(default)]
    pub may_sell_twice: u64,
    /// Why a push was due or not, in words.
    #[serde(default)]
    pub decision: String,
}

#[cfg(test)]
mod tests;
