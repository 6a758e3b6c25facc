//! Sums of a cycle's lines, by type and document: what journals and proofs are made of.

use std::collections::BTreeMap;

use crate::kit::amount::Amount;
use crate::mirakl::finance::{TransactionLine, TransactionType};

/// Several lines in one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Credited less debited: positive to the seller.
    pub net: Amount,
    /// How many lines.
    pub lines: u64,
}

impl Sum {
    /// With one line more.
    pub fn add(&mut self, net: Amount) {
        self.net.0 += net.0;
        self.lines += 1;
    }
}

/// Sums by type, and within it by the document's number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals(pub BTreeMap<(TransactionType, Option<String>), Sum>);

impl Totals {
    /// Of these lines.
    #[must_use]
    pub fn of<'l>(lines: impl IntoIterator<Item = &'l TransactionLine>) -> Self {
        let mut totals = Self::default();
        for line in lines {
            totals.add(line);
        }
        totals
    }

    /// With one line more.
    pub fn add(&mut self, line: &TransactionLine) {
        let key = (line.kind.clone(), line.document.clone());
        self.0.entry(key).or_default().add(line.net());
    }

    /// What all types come to of which `is_meant` says so.
    #[must_use]
    pub fn net(&self, is_meant: impl Fn(&TransactionType) -> bool) -> Amount {
        Amount(
            self.0.iter().filter(|((kind, _), _)| is_meant(kind)).map(|(_, sum)| sum.net.0).sum(),
        )
    }

    /// Whether there is a line of such a type.
    #[must_use]
    pub fn any(&self, is_meant: impl Fn(&TransactionType) -> bool) -> bool {
        self.0.keys().any(|(kind, _)| is_meant(kind))
    }
}
