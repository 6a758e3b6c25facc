//! What holds for stock on the whole installation: which of Prima's figures is agreed to be free,
//! what lowers it, and the guards.

use std::time::Duration;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::kit::field_error::FieldError;
use crate::prima::connection::Patience;
use crate::prima::stock::StockBasis;

/// The agreement on record: nothing is published without it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasisAgreement {
    /// Which figure.
    pub figure: StockBasis,
    /// By whom.
    pub agreed_by: String,
    /// The day of the agreement.
    pub agreed_on: Date,
}

/// What lowers the agreed figure when an order takes stock. Probed on site; until then the safe
/// one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FallsAt {
    /// `NewOrder`.
    Creation,
    /// Prima allocates the order's stock, some time later.
    Allocation,
    /// The goods leave.
    #[default]
    Dispatch,
}

/// What becomes of the last pieces of a SKU that several channels offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastPieces {
    /// They are divided: no two channels show the same piece.
    #[default]
    Divide,
    /// One channel shows them all, the others none.
    OneChannel,
    /// Each channel shows all of them: what is sold on two within a minute is sold twice.
    Copy,
}

/// The part of the installation document that is about stock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StockSettings {
    /// Which figure is free to sell, as agreed. Without it nothing is published.
    pub basis: Option<BasisAgreement>,
    /// What lowers that figure.
    pub falls_at: FallsAt,
    /// Prima's status words from which on an order's stock is allocated; used where
    /// [`Self::falls_at`] is allocation.
    pub allocated_words: Vec<String>,
    /// An order counts as known to Prima's figure only if it was there this long before the figure
    /// was asked for.
    pub margin_seconds: u32,
    /// A figure this old does not raise what is offered; it still lowers it.
    pub raise_within_minutes: u32,
    /// Prima is silent for so long: from then on a channel's outage rule applies.
    pub silent_after_minutes: u32,
    /// Seconds that Prima may be silent while it answers a range: before the answer begins, and
    /// within it.
    pub silence_seconds: u32,
    /// Mebibytes of one answer that are still read.
    pub largest_answer_mebibytes: u32,
    /// Product codes at which the catalogue is parted before anything was learnt: for a catalogue
    /// that Prima cannot answer whole.
    pub range_boundaries: Vec<String>,
    /// SKUs that were sold are asked for by name with the next run, at most so many at once
    /// (`MultiAvailableToSell`); 0: never.
    pub named_skus: usize,
    /// Complete readings that must lack a SKU before it goes to zero.
    pub absent_readings: u32,
    /// At most so many of a hundred SKUs on offer may go to zero in one run; more than that is held
    /// back, and a person asked.
    pub zeroes_percent: u32,
    /// At or under so many free units a SKU is offered on one channel only; 0: never.
    pub last_units: u32,
    /// Which channel offers the last units: the first of these that has the SKU. The last pieces
    /// too, where one channel shows them.
    pub last_units_on: Vec<String>,
    /// What becomes of the last pieces of a SKU that several channels offer.
    pub last_pieces: LastPieces,
    /// At or under so many free units they always count as the last pieces: a burst of sales has no
    /// history.
    pub last_pieces_floor: u32,
    /// Who asked for it; needed for any other rule than to divide.
    pub last_pieces_by: String,
    /// The reason for that choice, as the person gave it.
    pub last_pieces_why: String,
}

impl Default for StockSettings {
    fn default() -> Self {
        Self {
            basis: None,
            falls_at: FallsAt::Dispatch,
            allocated_words: ["Allocated", "Picking", "Picked", "Packed"]
                .map(str::to_owned)
                .to_vec(),
            margin_seconds: 60,
            raise_within_minutes: 10,
            silent_after_minutes: 240,
            silence_seconds: 120,
            largest_answer_mebibytes: 512,
            range_boundaries: Vec::new(),
            named_skus: 100,
            absent_readings: 3,
            zeroes_percent: 10,
            last_units: 0,
            last_units_on: Vec::new(),
            last_pieces: LastPieces::Divide,
            last_pieces_floor: 10,
            last_pieces_by: String::new(),
            last_pieces_why: String::new(),
        }
    }
}

impl StockSettings {
    /// Everything that is wrong, one entry a field.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, field: &str, problem: &str| {
            if !holds {
                problems.push(FieldError::new(format!("stock.{field}"), problem));
            }
        };
        require(
            self.basis.as_ref().is_none_or(|basis| !basis.agreed_by.trim().is_empty()),
            "basis.agreed_by",
            "is blank: name who has agreed that this figure is free to sell",
        );
        require(
            self.falls_at != FallsAt::Allocation
                || self.allocated_words.iter().any(|word| !word.trim().is_empty()),
            "allocated_words",
            "is empty: name Prima's status words from which on stock is allocated, or set falls_at to \"dispatch\"",
        );
        require(self.margin_seconds <= 3600, "margin_seconds", "takes 0 to 3600");
        require(
            (1..=120).contains(&self.raise_within_minutes),
            "raise_within_minutes",
            "takes 1 to 120",
        );
        require(
            self.silent_after_minutes > self.raise_within_minutes
                && self.silent_after_minutes <= 10_080,
            "silent_after_minutes",
            "takes more than raise_within_minutes, up to 10080",
        );
        // A run has five minutes, and publishes in the last of them.
        require((1..=200).contains(&self.silence_seconds), "silence_seconds", "takes 1 to 200");
        require(
            (1..=4096).contains(&self.largest_answer_mebibytes),
            "largest_answer_mebibytes",
            "takes 1 to 4096",
        );
        require(self.named_skus <= 1000, "named_skus", "takes 0 to 1000");
        require((1..=100).contains(&self.absent_readings), "absent_readings", "takes 1 to 100");
        require((1..=100).contains(&self.zeroes_percent), "zeroes_percent", "takes 1 to 100");
        require(
            self.last_units == 0 || !self.last_units_on.is_empty(),
            "last_units_on",
            "is needed with last_units: name the channels that may offer the last units, the preferred one first",
        );
        require(self.last_pieces_floor <= 1000, "last_pieces_floor", "takes 0 to 1000");
        let is_explained =
            !self.last_pieces_by.trim().is_empty() && !self.last_pieces_why.trim().is_empty();
        require(
            self.last_pieces == LastPieces::Divide || is_explained,
            "last_pieces",
            "needs last_pieces_by and last_pieces_why: name who asked for another rule than to divide them, and why",
        );
        problems
    }

    /// The agreed figure.
    ///
    /// # Errors
    /// There is no agreement: why nothing is published, and what to do.
    pub fn agreed(&self) -> Result<StockBasis, &'static str> {
        self.basis.as_ref().map(|basis| basis.figure).ok_or(
            "nothing is published: the installation document has no stock.basis. Prima's available quantity may or may not be net of allocations, \
             and the wrong figure oversells: agree with the merchandisers which figure is free to sell, and put it with agreed_by and agreed_on",
        )
    }

    /// How a large answer is read.
    #[must_use]
    pub fn patience(&self) -> Patience {
        Patience {
            silence: Duration::from_secs(self.silence_seconds.into()),
            largest_answer: u64::from(self.largest_answer_mebibytes) * 1024 * 1024,
        }
    }

    /// The margin before a figure's request.
    #[must_use]
    pub fn margin(&self) -> Duration {
        Duration::from_secs(self.margin_seconds.into())
    }

    /// Whether a status word of Prima's says that an order's stock is allocated.
    #[must_use]
    pub fn is_allocated(&self, word: &str) -> bool {
        self.allocated_words.iter().any(|known| known.trim().eq_ignore_ascii_case(word.trim()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    #[test]
    fn nothing_is_published_before_the_figure_is_agreed() {
        let none = StockSettings::default();
        assert_eq!(none.problems(), Vec::new());
        assert!(none.agreed().unwrap_err().contains("stock.basis"));
        let text = r#"{"basis":{"figure":"available-less-allocated","agreed_by":"Anna Field, merchandising","agreed_on":"2026-11-02"},"last_units":3}"#;
        let agreed: StockSettings = serde_json::from_str(text).unwrap();
        assert_eq!(agreed.agreed(), Ok(StockBasis::AvailableLessAllocated));
        let problems: Vec<_> = agreed.problems().into_iter().map(|problem| problem.field).collect();
        assert_eq!(problems, ["stock.last_units_on"]);
    }
}
