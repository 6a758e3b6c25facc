//! The running balance of a shop's account: a proof that no line is missing.
//!
//! Mirakl writes the balance after each line (TL02 `balance`, and `psp_balance` per payment service
//! provider), so balance before + net = balance: so of each of 415 recorded lines. Which of the
//! lines of one moment came first is not told. So balances are compared as multisets: each line
//! begins where another ended, but for the first and the last.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::kit::amount::Amount;
use crate::mirakl::finance::TransactionLine;

/// Lines on either side of a gap that are named.
const MOST_NEIGHBOURS: usize = 3;

/// A place where the balance jumps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// What is missing: the net of a line that is not there. Of a line that is there twice, or was
    /// changed, what it is too little.
    pub missing: Amount,
    /// Ids of lines that ended where the gap begins: at most three.
    pub after: Vec<String>,
    /// Ids of lines that began where it ends: at most three.
    pub before: Vec<String>,
}

/// What the running balance proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningBalance {
    /// Before the first line.
    pub opening: Amount,
    /// After the last line: what the marketplace owes.
    pub closing: Amount,
    /// Where it jumps.
    pub gaps: Vec<Gap>,
    /// Lines whose balance is not told: with any, nothing is proved.
    pub without: usize,
}

impl RunningBalance {
    /// Nothing is missing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.gaps.is_empty() && self.without == 0
    }
}

/// Proves the lines of one currency, of all cycles and states, from a balance on: `None` where that
/// is not known, and the first line's has to be taken. `balance_of` says which balance is meant.
#[must_use]
pub fn prove<'l>(
    lines: impl IntoIterator<Item = &'l TransactionLine>,
    opening: Option<Amount>,
    balance_of: impl Fn(&TransactionLine) -> Option<Amount>,
) -> RunningBalance {
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut without = 0;
    for line in lines {
        match balance_of(line) {
            Some(after) => steps.push(Step {
                created: line.created,
                id: &line.id,
                before: Amount(after.0 - line.net().0),
                after,
            }),
            None => without += 1,
        }
    }
    steps.sort_unstable();
    // Of the lines of the first and of the last moment, the one that no other of them continues.
    let edge = |moment: Option<&Step<'_>>| -> Vec<&Step<'_>> {
        let created = moment.map(|step| step.created);
        steps.iter().filter(|step| Some(step.created) == created).collect()
    };
    let (first, last) = (edge(steps.first()), edge(steps.last()));
    // How often each balance was reached, less how often a line began with it.
    let mut open: BTreeMap<Amount, i64> = BTreeMap::new();
    for step in &steps {
        *open.entry(step.after).or_default() += 1;
        *open.entry(step.before).or_default() -= 1;
    }
    let opening = opening.or_else(|| {
        let is_start = |step: &&&Step<'_>| !first.iter().any(|other| other.after == step.before);
        // More lines begin here than end: the lines of the first moment may come back to where they
        // began, and then each of them continues another.
        let is_owed = |step: &&&Step<'_>| open.get(&step.before).is_some_and(|&count| count < 0);
        first
            .iter()
            .filter(is_start)
            .find(is_owed)
            .or_else(|| first.iter().find(is_owed))
            .or_else(|| first.iter().find(is_start))
            .or(first.first())
            .map(|step| step.before)
    });
    let opening = opening.unwrap_or_default();
    *open.entry(opening).or_default() += 1;
    let is_open = |step: &&&Step<'_>| open.get(&step.after).is_some_and(|&count| count > 0);
    let is_end = |step: &&&Step<'_>| !last.iter().any(|other| other.before == step.after);
    let end = last
        .iter()
        .filter(is_end)
        .find(is_open)
        .or_else(|| last.iter().find(is_open))
        .or_else(|| last.iter().find(is_end))
        .or(last.last());
    let closing = end.map_or(opening, |step| step.after);
    *open.entry(closing).or_default() -= 1;

    let left = |sign: i64| {
        open.iter().flat_map(move |(&balance, &count)| {
            let times = usize::try_from(count * sign).unwrap_or(0);
            std::iter::repeat_n(balance, times)
        })
    };
    let mut begins: Vec<_> = left(1)
        .map(|balance| (steps.iter().position(|step| step.after == balance), balance))
        .collect();
    let mut ends: Vec<_> = left(-1)
        .map(|balance| (steps.iter().position(|step| step.before == balance), balance))
        .collect();
    begins.sort_unstable();
    ends.sort_unstable();
    let gaps = begins
        .into_iter()
        .zip(ends)
        .map(|((_, from), (_, to))| Gap {
            missing: Amount(to.0 - from.0),
            after: named(steps.iter().filter(|step| step.after == from)),
            before: named(steps.iter().filter(|step| step.before == to)),
        })
        .collect();
    RunningBalance { opening, closing, gaps, without }
}

/// One line's way from a balance to the next, in the order of time.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Step<'l> {
    created: Option<Timestamp>,
    id: &'l str,
    before: Amount,
    after: Amount,
}

fn named<'s>(steps: impl Iterator<Item = &'s Step<'s>>) -> Vec<String> {
    steps.take(MOST_NEIGHBOURS).map(|step| step.id.to_owned()).collect()
}
