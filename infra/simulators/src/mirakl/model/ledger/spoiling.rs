//! What may be wrong with a log that somebody reads: the marketplace's books themselves stay right.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::entry::Spoilt;
use super::log::Ledger;

/// What is to be wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what", deny_unknown_fields)]
pub enum Spoiling {
    /// It is not listed.
    Hide,
    /// It is listed twice, the second time under another id.
    Repeat,
    /// Its amount is shown by so much higher, below zero lower.
    Change {
        /// How much.
        by: Decimal,
    },
    /// Its `type` is shown as this.
    ShowAs {
        /// The type.
        code: String,
    },
    /// It is shown without amounts.
    WithoutAmounts,
    /// It is as it was.
    Mend,
}

impl Ledger {
    /// Spoils a line, or mends it: it counts as updated. False where there is none.
    pub fn spoil(&mut self, id: &str, spoiling: &Spoiling, now: Timestamp) -> bool {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == id) else {
            return false;
        };
        entry.last_updated = now;
        match spoiling {
            Spoiling::Hide => entry.spoilt.hidden = true,
            Spoiling::Repeat => entry.spoilt.repeated = true,
            Spoiling::Change { by } => entry.spoilt.changed_by = *by,
            Spoiling::ShowAs { code } => entry.spoilt.shown_as = Some(code.clone()),
            Spoiling::WithoutAmounts => entry.spoilt.without_amounts = true,
            Spoiling::Mend => entry.spoilt = Spoilt::default(),
        }
        true
    }
}
