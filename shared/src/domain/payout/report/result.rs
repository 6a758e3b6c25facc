//! The result of a cycle in one sentence.

use super::figures::Report;
use super::words::{count, money, stage};
use crate::domain::payout::posting::Stage;
use crate::domain::payout::row::CycleStage;
use crate::kit::amount::Amount;

/// How it looks at first sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is left to do.
    Good,
    /// Something is still to come.
    Waiting,
    /// A person has to act.
    Bad,
}

/// The result, in one sentence.
#[must_use]
pub fn result(report: &Report<'_>) -> (Verdict, String) {
    let row = report.row;
    let currency = row.key.currency.as_str();
    let show = |amount: Amount| format!("{} {currency}", money(amount, currency));
    let cycle = &row.key.cycle;
    let lines = count(report.figures.lines, "line");
    let stated = show(row.cycle.transferred_to_seller.max(Amount::ZERO));
    let sum = show(report.figures.counted.net(|_| true));
    match row.stage {
        CycleStage::Listed => {
            (Verdict::Waiting, format!("Cycle {cycle} is listed, and its lines were not read yet."))
        }
        CycleStage::Reading => (
            Verdict::Waiting,
            format!(
                "Cycle {cycle} is still being read: its {lines} so far come to {sum}, and the marketplace states a transfer of {stated}; nothing is booked before they agree."
            ),
        ),
        CycleStage::Untied => (
            Verdict::Bad,
            format!(
                "Cycle {cycle} does not tie: its {lines} come to {sum}, and the marketplace states a transfer of {stated}; nothing of it is booked."
            ),
        ),
        CycleStage::BookedByHand => (
            Verdict::Good,
            format!(
                "Cycle {cycle} closed before the connector took over: it was read for the record, and a person books it."
            ),
        ),
        CycleStage::NothingToPost => (
            Verdict::Good,
            format!(
                "Cycle {cycle} ties to the penny at a transfer of {stated}, and there is nothing to book of it."
            ),
        ),
        CycleStage::Tied => tied(report, &stated, &show),
    }
}

fn tied(report: &Report<'_>, stated: &str, show: &dyn Fn(Amount) -> String) -> (Verdict, String) {
    let row = report.row;
    let ties = format!("Cycle {} ties to the penny at a transfer of {stated}", row.key.cycle);
    let deductions: rust_decimal::Decimal =
        report.journals.iter().map(|journal| -journal.clearing().0).sum();
    let deductions = show(Amount(deductions));
    let is_posted = |stage: &Stage| matches!(stage, Stage::Posted { .. });
    let open = row.journals.iter().find(|journal| !is_posted(&journal.row.stage));
    let needs_person = row.journals.iter().any(|journal| {
        matches!(journal.row.stage, Stage::Rejected | Stage::NeedsPerson | Stage::Held(_))
    });
    let (verdict, sentence) = match open {
        None if row.journals.is_empty() => {
            return (
                Verdict::Bad,
                format!("{ties}, and no journal of it could be made: see the findings."),
            );
        }
        None => (
            Verdict::Good,
            format!("{ties}, and its net deductions of {deductions} are booked in Prima."),
        ),
        Some(journal) => (
            if needs_person { Verdict::Bad } else { Verdict::Waiting },
            format!(
                "{ties}; its net deductions come to {deductions}, and journal {} {}.",
                journal.row.reference,
                stage(&journal.row.stage)
            ),
        ),
    };
    match (verdict, row.findings.len()) {
        (Verdict::Good, number) if number > 0 => {
            let needs =
                if number == 1 { "1 finding needs" } else { &format!("{number} findings need") };
            (Verdict::Waiting, format!("{sentence} Of it, {needs} a person."))
        }
        (verdict, _) => (verdict, sentence),
    }
}
