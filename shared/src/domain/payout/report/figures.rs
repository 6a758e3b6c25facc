//! What a report is made from.

use jiff::Timestamp;

use crate::domain::payout::draft::Books;
use crate::domain::payout::journal::Journal;
use crate::domain::payout::matching::{Contribution, OrderMatch};
use crate::domain::payout::row::CycleRow;
use crate::domain::payout::tie::TieRule;
use crate::domain::payout::totals::Totals;
use crate::mirakl::finance::TransactionLine;

/// The sums of a cycle's lines. Made line by line: a page never needs the lines themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CycleFigures {
    /// Of the lines that the transfer pays.
    pub counted: Totals,
    /// Of all others: the transfer itself, and what the seller collected.
    pub apart: Totals,
    /// How many lines there are.
    pub lines: u64,
}

impl CycleFigures {
    /// Of these lines.
    #[must_use]
    pub fn of<'l>(lines: impl IntoIterator<Item = &'l TransactionLine>, rule: TieRule) -> Self {
        let mut figures = Self::default();
        for line in lines {
            figures.add(line, rule);
        }
        figures
    }

    /// With one line more.
    pub fn add(&mut self, line: &TransactionLine, rule: TieRule) {
        self.lines += 1;
        let totals = if rule.counts(line) { &mut self.counted } else { &mut self.apart };
        totals.add(line);
    }
}

/// All that a report tells.
#[derive(Clone, Copy, Debug)]
pub struct Report<'r> {
    /// The cycle, with its documents and findings.
    pub row: &'r CycleRow,
    /// The sums of its lines.
    pub figures: &'r CycleFigures,
    /// The chart, applied to it; none where it cannot be, and then no line has a place.
    pub books: Option<&'r Books<'r>>,
    /// Its journals, in the order in which they were made.
    pub journals: &'r [Journal],
    /// The bank account that the transfer is expected on, by the chart.
    pub bank: Option<&'r str>,
    /// The orders of the cycle, matched; none where they were not.
    pub orders: Option<&'r [OrderMatch]>,
    /// What each SKU brought.
    pub contribution: &'r [Contribution],
    /// When it is made.
    pub made_at: Timestamp,
}
