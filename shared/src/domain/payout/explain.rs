//! Where the difference of an untied cycle may come from. Deterministic, ordered, at most ten
//! answers; none is ever applied.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::balance::RunningBalance;
use super::proofs::OffTotal;
use super::tie::TieRule;
use crate::kit::amount::Amount;
use crate::mirakl::finance::TransactionLine;

/// Answers that are given.
const MOST: usize = 10;
/// Ids that one answer lists.
const MOST_IDS: usize = 20;

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The running balance jumps by it: a line is missing there, is there twice, or was changed.
    /// The lines are its neighbours.
    GapInBalance,
    /// One line is of that amount.
    OneLine,
    /// One line is of half the amount: on the wrong side, it would make the difference.
    WrongSide,
    /// Two lines are the same but for their ids.
    CountedTwice,
    /// All lines of one type come to it.
    Type(String),
    /// All lines of one document.
    Document(String),
    /// All lines of one order.
    Order(String),
    /// All lines of one payment service provider.
    Psp(String),
    /// By this rule the cycle would tie.
    OtherRule(TieRule),
    /// A neighbouring cycle carries it.
    Carried(String),
    /// This total of the marketplace's is off by it.
    Total(String),
    /// Two lines come to it.
    TwoLines,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What it says.
    pub cause: Cause,
    /// The amount that it is about.
    pub amount: Amount,
    /// The lines: at most twenty ids.
    pub lines: Vec<String>,
    /// Their type, where they have one.
    pub kind: Option<String>,
    /// Their order, where they have one.
    pub order: Option<String>,
}

/// What there is to look at.
#[derive(Clone, Copy, Debug)]
pub struct Clues<'c> {
    /// The lines that are summed.
    pub lines: &'c [&'c TransactionLine],
    /// The running balance of all lines.
    pub balance: Option<&'c RunningBalance>,
    /// Rules by which the cycle would tie.
    pub other_rules: &'c [TieRule],
    /// What neighbouring cycles carried out, by their ids.
    pub carried: &'c [(String, Amount)],
    /// Totals of the marketplace's that are off.
    pub totals: &'c [OffTotal],
}

/// Explains by how much the lines' net is more than it should be. Empty where nothing explains it.
#[must_use]
pub fn explain(difference: Amount, clues: &Clues<'_>) -> Vec<Answer> {
    if difference == Amount::ZERO {
        return Vec::new();
    }
    let mut lines: Vec<&TransactionLine> = clues.lines.to_vec();
    lines.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    let mut answers = gaps(difference, clues.balance);
    answers.extend(single(difference, &lines));
    answers.extend(twice(difference, &lines));
    answers.extend(groups(difference, &lines));
    let rest = |cause, amount| Answer { cause, amount, lines: Vec::new(), kind: None, order: None };
    answers.extend(clues.other_rules.iter().map(|rule| rest(Cause::OtherRule(*rule), difference)));
    // What was carried in too little, or too much.
    let carried = clues.carried.iter().filter(|(_, amount)| amount.0.abs() == difference.0.abs());
    answers.extend(carried.map(|(cycle, amount)| rest(Cause::Carried(cycle.clone()), *amount)));
    // The operator's share has the other sign.
    let totals =
        clues.totals.iter().filter(|total| total.difference().0.abs() == difference.0.abs());
    answers.extend(totals.map(|total| rest(Cause::Total(total.name.clone()), total.difference())));
    if answers.is_empty() {
        answers.extend(pair(difference, &lines));
    }
    answers.truncate(MOST);
    answers
}

fn gaps(difference: Amount, balance: Option<&RunningBalance>) -> Vec<Answer> {
    let gaps = balance.map_or(&[][..], |balance| &balance.gaps);
    let fits = gaps.iter().filter(|gap| gap.missing.0 == -difference.0);
    fits.map(|gap| Answer {
        cause: Cause::GapInBalance,
        amount: gap.missing,
        lines: gap.after.iter().chain(&gap.before).cloned().collect(),
        kind: None,
        order: None,
    })
    .collect()
}

fn about(cause: Cause, amount: Amount, lines: &[&TransactionLine]) -> Answer {
    let same = |of: fn(&TransactionLine) -> Option<&str>| {
        let first = of(lines.first()?)?;
        lines.iter().all(|line| of(line) == Some(first)).then(|| first.to_owned())
    };
    Answer {
        cause,
        amount,
        lines: lines.iter().take(MOST_IDS).map(|line| line.id.clone()).collect(),
        kind: same(|line| Some(line.kind.code())),
        order: same(|line| line.order.as_deref()),
    }
}

fn single(difference: Amount, lines: &[&TransactionLine]) -> Vec<Answer> {
    let whole = lines.iter().filter(|line| line.net() == difference);
    let half = lines.iter().filter(|line| line.net().0 + line.net().0 == difference.0);
    // A few of each, so that they leave room for the rest.
    whole
        .take(3)
        .map(|line| about(Cause::OneLine, line.net(), &[line]))
        .chain(half.take(2).map(|line| about(Cause::WrongSide, line.net(), &[line])))
        .collect()
}

/// Lines of that amount that are the same but for their ids. One line of that amount alone is an
/// answer already.
fn twice(difference: Amount, lines: &[&TransactionLine]) -> Vec<Answer> {
    let mut same: BTreeMap<_, Vec<&TransactionLine>> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.net() == difference) {
        let facts = (&line.kind, &line.order, &line.order_line, &line.document, &line.refund);
        same.entry(facts).or_default().push(line);
    }
    let found = same.into_values().filter(|lines| lines.len() > 1);
    found.map(|lines| about(Cause::CountedTwice, difference, &lines)).collect()
}

fn groups(difference: Amount, lines: &[&TransactionLine]) -> Vec<Answer> {
    type By = (fn(&TransactionLine) -> Option<&str>, fn(String) -> Cause);
    let by: [By; 4] = [
        (|line| Some(line.kind.code()), Cause::Type),
        (|line| line.document.as_deref(), Cause::Document),
        (|line| line.order.as_deref(), Cause::Order),
        (|line| line.psp.as_deref(), Cause::Psp),
    ];
    let mut answers = Vec::new();
    for (name_of, cause) in by {
        let mut groups: BTreeMap<&str, Vec<&TransactionLine>> = BTreeMap::new();
        for line in lines {
            if let Some(name) = name_of(line) {
                groups.entry(name).or_default().push(line);
            }
        }
        for (name, group) in groups {
            let net: rust_decimal::Decimal = group.iter().map(|line| line.net().0).sum();
            // One line alone is an answer already.
            if net == difference.0 && group.len() > 1 {
                answers.push(about(cause(name.to_owned()), difference, &group));
            }
        }
    }
    answers
}

/// The first two lines that come to it.
fn pair(difference: Amount, lines: &[&TransactionLine]) -> Option<Answer> {
    let mut seen: BTreeMap<Amount, &TransactionLine> = BTreeMap::new();
    for line in lines {
        let wanted = Amount(difference.0 - line.net().0);
        if let Some(other) = seen.get(&wanted) {
            return Some(about(Cause::TwoLines, difference, &[other, line]));
        }
        seen.entry(line.net()).or_insert(line);
    }
    None
}
