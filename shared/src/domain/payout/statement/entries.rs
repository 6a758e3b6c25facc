//! What Prima booked on the clearing account, and which receipts pay which transfers.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::cycle::ClosedCycle;
use crate::kit::amount::Amount;

/// Days after which a receipt is no longer taken for a transfer.
const MOST_DAYS: i32 = 60;

/// One transaction of the clearing account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its date.
    pub date: Date,
    /// The order, journal, credit note or receipt.
    pub reference: String,
    /// What it is, in words.
    pub narrative: String,
    /// A debit; below zero a credit.
    pub amount: Amount,
}

/// Which entries pay which cycle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipts {
    /// By the cycle's place: the entries' places, one or two.
    pub of_cycles: Vec<Vec<usize>>,
}

impl Receipts {
    /// The entries that pay a transfer.
    #[must_use]
    pub fn used(&self) -> BTreeSet<usize> {
        self.of_cycles.iter().flatten().copied().collect()
    }
}

/// Finds the receipt of each transfer: one, or two that come to it exactly, on the days after the
/// cycle closed. One that names the transfer's reference goes before any other.
#[must_use]
pub fn receipts(
    entries: &[Entry],
    cycles: &[ClosedCycle<'_>],
    may_be_receipt: impl Fn(&Entry) -> bool,
) -> Receipts {
    let mut free: BTreeSet<usize> = (0..entries.len())
        .filter(|&place| {
            entries
                .get(place)
                .is_some_and(|entry| entry.amount < Amount::ZERO && may_be_receipt(entry))
        })
        .collect();
    let mut found = Receipts { of_cycles: vec![Vec::new(); cycles.len()] };
    // Those that are named first, so that none takes another's.
    for only_named in [true, false] {
        for (place, cycle) in cycles.iter().enumerate() {
            let Some(of_cycle) = found.of_cycles.get_mut(place) else { continue };
            if cycle.transfer <= Amount::ZERO || !of_cycle.is_empty() {
                continue;
            }
            let fits = |index: &usize| {
                entries.get(*index).is_some_and(|entry| {
                    let is_named = cycle.pay_out_reference.is_some_and(|reference| {
                        entry.reference.contains(reference) || entry.narrative.contains(reference)
                    });
                    let days = (entry.date - cycle.closed).get_days();
                    (is_named || !only_named) && (0..=MOST_DAYS).contains(&days)
                })
            };
            let usable: Vec<usize> = free.iter().copied().filter(fits).collect();
            if let Some(paid) = that_come_to(entries, &usable, cycle.transfer) {
                for index in &paid {
                    free.remove(index);
                }
                *of_cycle = paid;
            }
        }
    }
    found
}

/// One receipt of the amount, or the first two that come to it.
fn that_come_to(entries: &[Entry], usable: &[usize], transfer: Amount) -> Option<Vec<usize>> {
    let received = |index: usize| entries.get(index).map(|entry| -entry.amount.0);
    if let Some(&one) = usable.iter().find(|&&index| received(index) == Some(transfer.0)) {
        return Some(vec![one]);
    }
    usable.iter().enumerate().find_map(|(place, &one)| {
        let rest = transfer.0 - received(one)?;
        let others = usable.get(place + 1..)?;
        let other = others.iter().find(|&&index| received(index) == Some(rest))?;
        Some(vec![one, *other])
    })
}
