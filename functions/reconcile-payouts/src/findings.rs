//! What of payouts needs a person now, in words and in money.

use jiff::civil::Date;
use shared::domain::payout::calendar::NoPeriod;
use shared::domain::payout::draft::Hold;
use shared::domain::payout::exceptions::{Finding, PayoutExceptionKind as Kind};
use shared::domain::payout::explain::{Answer, Cause};
use shared::domain::payout::key::CycleKey;
use shared::domain::payout::row::{CycleRow, LedgerGap};
use shared::domain::payout::store::JournalMessage;
use shared::domain::payout::tie::{Difference, Tie};
use shared::domain::rights::{FAILURES_TOLD, RefusedRight, Trouble};
use shared::kit::amount::Amount;
use shared::kit::currency::written;
use shared::mirakl::finance::{TransactionLine, Unreadable};
use shared::mirakl::rights::{purpose_of, refusal};

/// Ids that a finding lists.
const MOST_LINES: usize = 20;

/// The kinds that this function finds of a cycle; those of Prima's answers are another's.
pub(crate) const OF_CYCLE: [Kind; 15] = [
    Kind::CycleUntied,
    Kind::CycleIncomplete,
    Kind::UnreadableLine,
    Kind::UnknownType,
    Kind::ChartIncomplete,
    Kind::TypeHeld,
    Kind::VatTreatmentChanged,
    Kind::FeeWithoutDocument,
    Kind::ShopModelUnsupported,
    Kind::PeriodClosed,
    Kind::PaidAmountDiffers,
    Kind::PayoutFailed,
    Kind::PayoutLate,
    Kind::CycleChangedAfterPosting,
    Kind::LedgerGap,
];

/// The kinds that it finds of a shop.
pub(crate) const OF_SHOP: [Kind; 6] = [
    Kind::DocumentsUnusable,
    Kind::MarketplaceRefuses,
    Kind::LedgerGap,
    Kind::UnreadableLine,
    Kind::BankAccountChanged,
    Kind::FeesWithoutCycle,
];

/// With any of these nothing of a cycle is posted.
const HOLDS: [Kind; 9] = [
    Kind::CycleUntied,
    Kind::CycleIncomplete,
    Kind::UnreadableLine,
    Kind::ChartIncomplete,
    Kind::TypeHeld,
    Kind::VatTreatmentChanged,
    Kind::ShopModelUnsupported,
    Kind::PeriodClosed,
    Kind::CycleChangedAfterPosting,
];

/// Whether nothing of the cycle may be posted.
pub(crate) fn hold(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| HOLDS.contains(&finding.kind))
}

/// A finding about no money and no lines.
pub(crate) fn plain(kind: Kind, subject: &str, reason: String, remedy: &str) -> Finding {
    let (subject, remedy) = (subject.to_owned(), remedy.to_owned());
    Finding { kind, subject, amount: None, lines: Vec::new(), reason, remedy }
}

fn ids<'l>(lines: impl IntoIterator<Item = &'l TransactionLine>) -> Vec<String> {
    lines.into_iter().take(MOST_LINES).map(|line| line.id.clone()).collect()
}

fn sum<'l>(lines: impl IntoIterator<Item = &'l TransactionLine>) -> Amount {
    Amount(lines.into_iter().map(|line| line.net().0).sum())
}

pub(crate) fn cycle(key: &CycleKey) -> String {
    format!("cycle {} ({})", key.cycle, key.currency)
}

pub(crate) fn documents_unusable(subject: &str, problem: String) -> Finding {
    plain(
        Kind::DocumentsUnusable,
        subject,
        problem,
        "Correct the document: prima-mirakl payout-rules put, chart put or channels put. Until then no payout of this channel is read or booked.",
    )
}

/// An operation that Mirakl refuses the key, or that keeps failing; none before it is for a person.
pub(crate) fn marketplace_refuses(right: &RefusedRight) -> Option<Finding> {
    let operation = &right.operation;
    let (reason, remedy) = match right.trouble {
        Trouble::Right => (
            refusal(operation, &right.told),
            "Have the marketplace give the right to the key's user, or store another key: prima-mirakl check CHANNEL shows which rights are missing. It goes on by itself within half an hour.",
        ),
        Trouble::Failure | Trouble::NoAnswer if right.refusals >= FAILURES_TOLD => (
            format!(
                "{operation} has failed {} times in a row, the latest answer: {}; {}",
                right.refusals,
                right.told,
                purpose_of(operation)
            ),
            "Have the marketplace say why, and tell the connector's engineer what it answers. It is tried again with every run.",
        ),
        Trouble::Failure | Trouble::NoAnswer => return None,
    };
    Some(plain(Kind::MarketplaceRefuses, operation, reason, remedy))
}

pub(crate) fn unreadable_entry(operation: &str, entry: &Unreadable) -> Finding {
    let id = entry.id.clone().unwrap_or_else(|| format!("row {}", entry.row));
    plain(
        Kind::UnreadableLine,
        &format!("{operation} {id}"),
        format!("an entry of {operation} cannot be read: {entry}"),
        "Have the marketplace correct the entry. Its neighbours go on.",
    )
}

pub(crate) fn unreadable_lines(key: &CycleKey, entries: &[&Unreadable]) -> Option<Finding> {
    let first = entries.first()?;
    let lines = entries.iter().take(MOST_LINES).filter_map(|entry| entry.id.clone()).collect();
    Some(Finding {
        lines,
        ..plain(
            Kind::UnreadableLine,
            &key.to_string(),
            format!("{}: {} lines cannot be read, the first: {first}", cycle(key), entries.len()),
            "Have the marketplace correct them. The cycle is held back; its lines are read again every hour.",
        )
    })
}

pub(crate) fn ledger_gap(currency: &str, gap: &LedgerGap) -> Finding {
    Finding {
        amount: Some(gap.missing),
        lines: gap.lines.clone(),
        ..plain(
            Kind::LedgerGap,
            currency,
            format!(
                "the running balance of the transaction log ({currency}) jumps by {} beside lines {}: lines are missing there, are there twice, or were changed",
                written(gap.missing, currency),
                gap.lines.join(", ")
            ),
            "Ask the marketplace for the lines beside these. Cycles that tie are booked all the same.",
        )
    }
}

pub(crate) fn bank_account_changed(of: &str) -> Finding {
    plain(
        Kind::BankAccountChanged,
        of,
        format!("the operator's documents name another bank account for {of} than before"),
        "Make sure that finance has changed it in Mirakl's back office. If nobody has: have the marketplace stop payouts now. This is told for two weeks.",
    )
}

pub(crate) fn fees_without_cycle(currency: &str, days: u32, lines: &[&TransactionLine]) -> Finding {
    let amount = sum(lines.iter().copied());
    Finding {
        amount: Some(amount),
        lines: ids(lines.iter().copied()),
        ..plain(
            Kind::FeesWithoutCycle,
            currency,
            format!(
                "{} fees that come to {} {currency} are in no billing cycle after {days} days",
                lines.len(),
                written(amount, currency)
            ),
            "A shop that is owed nothing gets no cycle: the fees are booked with the next one. Accrue them at month end, or ask the marketplace when it closes one.",
        )
    }
}

/// How the sum stands beside the transfer.
fn sides(tie: &Tie, currency: &str) -> String {
    let show = |amount| written(amount, currency);
    format!(
        "its lines come to {} with {} carried in, and {} is transferred with {} carried out",
        show(tie.lines),
        show(tie.carried_in),
        show(tie.transfer),
        show(tie.carried_out)
    )
}

/// By how much a cycle does not tie.
pub(crate) fn difference_of(tie: &Tie) -> Option<Amount> {
    let amounts = tie.differences.iter().map(|difference| match difference {
        Difference::Lines(amount)
        | Difference::Invoices(amount)
        | Difference::Payments(amount)
        | Difference::CarriedOutUnproved(amount) => *amount,
    });
    let lines = tie.differences.iter().find_map(|difference| match difference {
        Difference::Lines(amount) => Some(*amount),
        _ => None,
    });
    lines.or_else(|| amounts.into_iter().next())
}

fn what_differs(difference: &Difference, currency: &str) -> String {
    let show = |amount| written(amount, currency);
    match difference {
        Difference::Lines(amount) => format!("the difference is {}", show(*amount)),
        Difference::Invoices(amount) => {
            format!("the operator's invoices say {} more than the transfer", show(*amount))
        }
        Difference::Payments(amount) => {
            format!("the PAYMENT lines paid {} more than the transfer", show(*amount))
        }
        Difference::CarriedOutUnproved(amount) => {
            format!("nothing proves that the lines, which come to {}, are all", show(*amount))
        }
    }
}

fn differences(tie: &Tie, currency: &str) -> String {
    let all: Vec<String> = tie.differences.iter().map(|one| what_differs(one, currency)).collect();
    all.join("; ")
}

/// The first explanation, as a clause.
fn explanation(answer: Option<&Answer>, currency: &str) -> String {
    let Some(answer) = answer else { return "the difference is not explained".to_owned() };
    let lines = answer.lines.join(", ");
    let of = match (&answer.kind, &answer.order) {
        (Some(kind), Some(order)) => format!(" ({kind} of order {order})"),
        (Some(kind), None) => format!(" ({kind})"),
        (None, Some(order)) => format!(" (order {order})"),
        (None, None) => String::new(),
    };
    let amount = written(answer.amount, currency);
    match &answer.cause {
        Cause::GapInBalance => {
            format!("the running balance jumps by {amount} beside lines {lines}{of}")
        }
        Cause::OneLine => format!("line {lines}{of} is of that amount"),
        Cause::WrongSide => {
            format!("line {lines}{of} is of half the amount: it may be on the wrong side")
        }
        Cause::CountedTwice => format!("lines {lines}{of} are the same but for their ids"),
        Cause::Type(kind) => format!("all lines of type {kind} come to it"),
        Cause::Document(number) => format!("all lines of document {number} come to it"),
        Cause::Order(order) => format!("all lines of order {order} come to it"),
        Cause::Psp(psp) => format!("all lines by {psp} come to it"),
        Cause::OtherRule(_) => "by another tie_rule the cycle would tie".to_owned(),
        Cause::Carried(other) => format!("cycle {other} carries {amount}"),
        Cause::Total(name) => format!("the marketplace's {name} is off by it"),
        Cause::TwoLines => format!("lines {lines}{of} come to it together"),
    }
}

/// A cycle that does not tie after its hours.
pub(crate) fn untied(row: &CycleRow, tie: &Tie, answers: &[Answer]) -> Finding {
    let (key, first) = (&row.key, answers.first());
    let (kind, remedy) = if is_of_payment(tie) {
        (
            Kind::PaidAmountDiffers,
            "Compare the bank's receipt with the cycle in Mirakl's back office, and ask the marketplace. Nothing of the cycle is posted until they agree.",
        )
    } else {
        (
            Kind::CycleUntied,
            "prima-mirakl payouts explain CYCLE lists where the difference may come from. Have the marketplace correct it; the lines are read again every hour. Nothing of the cycle is posted.",
        )
    };
    let explained = if is_of_payment(tie) {
        String::new()
    } else {
        format!("; {}", explanation(first, &key.currency))
    };
    Finding {
        amount: difference_of(tie),
        lines: first.map(|answer| answer.lines.clone()).unwrap_or_default(),
        ..plain(
            kind,
            &key.to_string(),
            format!(
                "{} does not tie: {}: {}{explained}",
                cycle(key),
                sides(tie, &key.currency),
                differences(tie, &key.currency)
            ),
            remedy,
        )
    }
}

/// The lines agree, and what was paid does not.
pub(crate) fn is_of_payment(tie: &Tie) -> bool {
    !tie.differences.is_empty()
        && tie.differences.iter().all(|one| matches!(one, Difference::Payments(_)))
}

pub(crate) fn incomplete(row: &CycleRow, hours: u32) -> Finding {
    plain(
        Kind::CycleIncomplete,
        &row.key.to_string(),
        format!("{}: its lines still change after {hours} hours", cycle(&row.key)),
        "Ask the marketplace why. The cycle is booked once two readings an hour apart have the same lines.",
    )
}

pub(crate) fn shop_model(row: &CycleRow, lines: &[&TransactionLine]) -> Finding {
    let purchase: Vec<&TransactionLine> =
        lines.iter().copied().filter(|line| line.kind.is_purchase()).collect();
    Finding {
        amount: Some(sum(purchase.iter().copied())),
        lines: ids(purchase.iter().copied()),
        ..plain(
            Kind::ShopModelUnsupported,
            &row.key.to_string(),
            format!(
                "{} has {} lines of the dropship model (PURCHASE_*), which the connector does not book",
                cycle(&row.key),
                purchase.len()
            ),
            "Book this cycle by hand, and talk to the connector's engineers before the next one.",
        )
    }
}

/// `by`: what the cycle comes to more than what was posted of it.
pub(crate) fn changed_after_posting(row: &CycleRow, by: Amount) -> Finding {
    Finding {
        amount: Some(by),
        ..plain(
            Kind::CycleChangedAfterPosting,
            &row.key.to_string(),
            format!(
                "{} changed by {} after its journal was posted, and its transfer did not change",
                cycle(&row.key),
                written(by, &row.key.currency)
            ),
            "Ask the marketplace why. If the new lines are right, reverse the journal and post the cycle anew: prima-mirakl payouts reverse CYCLE.",
        )
    }
}

pub(crate) fn unknown_type(row: &CycleRow, code: &str, lines: &[&TransactionLine]) -> Finding {
    let amount = sum(lines.iter().copied());
    Finding {
        amount: Some(amount),
        lines: ids(lines.iter().copied()),
        ..plain(
            Kind::UnknownType,
            &format!("{} {code}", row.key),
            format!(
                "{} has {} lines of type {code}, which the chart does not know: {} {} goes to suspense",
                cycle(&row.key),
                lines.len(),
                written(amount, &row.key.currency),
                row.key.currency
            ),
            "Find out what the type is and have it mapped; then move it out of suspense: prima-mirakl payouts post CYCLE --reclassify.",
        )
    }
}

pub(crate) fn fee_without_document(row: &CycleRow, lines: &[&TransactionLine]) -> Finding {
    let amount = sum(lines.iter().copied());
    Finding {
        amount: Some(amount),
        lines: ids(lines.iter().copied()),
        ..plain(
            Kind::FeeWithoutDocument,
            &row.key.to_string(),
            format!(
                "{} has {} fees that come to {} {} and have no document of the operator's",
                cycle(&row.key),
                lines.len(),
                written(amount, &row.key.currency),
                row.key.currency
            ),
            "Ask the marketplace for its invoice: without one there is no input tax. The fees are booked.",
        )
    }
}

pub(crate) fn held(row: &CycleRow, hold: &Hold, lines: &[&TransactionLine]) -> Finding {
    let of_type = |code: &str| -> Vec<&TransactionLine> {
        lines.iter().copied().filter(|line| line.kind.code() == code).collect()
    };
    let (key, named) = (&row.key, cycle(&row.key));
    let (kind, about, reason, remedy) = match hold {
        Hold::Type(kind) => (
            Kind::TypeHeld,
            Some(kind),
            format!("{named} has lines of type {kind}, which the chart holds back"),
            "Decide where the type is booked: prima-mirakl chart put CHANNEL. The cycle goes on by itself.",
        ),
        Hold::Purchase(_) => return shop_model(row, lines),
        Hold::VatTreatmentChanged(kind) => (
            Kind::VatTreatmentChanged,
            Some(kind),
            format!(
                "{named}: its lines of type {kind} contradict how the chart says that the operator's fees are taxed"
            ),
            "Ask the accountant how the operator's fees are taxed now, and from which day on; put it into the chart's commission_vat. The cycle goes on by itself.",
        ),
        Hold::NoVatTreatment(day) => (
            Kind::ChartIncomplete,
            None,
            format!("{named}: the chart does not say how the operator's fees are taxed on {day}"),
            "Add it to the chart's commission_vat: prima-mirakl chart put CHANNEL.",
        ),
    };
    let about_lines = about.map(|kind| of_type(kind.code())).unwrap_or_default();
    let subject = about.map_or_else(|| key.to_string(), |kind| format!("{key} {kind}"));
    Finding {
        amount: about.is_some().then(|| sum(about_lines.iter().copied())),
        lines: ids(about_lines.iter().copied()),
        ..plain(kind, &subject, reason, remedy)
    }
}

pub(crate) fn no_chart(row: &CycleRow, day: Date) -> Finding {
    plain(
        Kind::ChartIncomplete,
        &row.key.to_string(),
        format!("{}: the chart has no version that holds on {day}", cycle(&row.key)),
        "Add one: prima-mirakl chart put CHANNEL. The cycle goes on by itself.",
    )
}

pub(crate) fn no_bank(row: &CycleRow) -> Finding {
    plain(
        Kind::ChartIncomplete,
        &row.key.to_string(),
        format!(
            "{}: the chart has no bank account for {} by {}",
            cycle(&row.key),
            row.key.currency,
            row.key.psp
        ),
        "Add it, and make sure that the chart's clearing account is of this currency: prima-mirakl chart put CHANNEL.",
    )
}

pub(crate) fn unsound(row: &CycleRow, problem: &str) -> Finding {
    plain(
        Kind::ChartIncomplete,
        &row.key.to_string(),
        format!("{}: no journal can be made of it: {problem}", cycle(&row.key)),
        "Tell the connector's engineers.",
    )
}

pub(crate) fn reference_taken(row: &CycleRow, reference: &str, by: &JournalMessage) -> Finding {
    plain(
        Kind::ChartIncomplete,
        &row.key.to_string(),
        format!(
            "{}: its reference {reference} is already that of {}{}",
            cycle(&row.key),
            by.cycle,
            by.name
        ),
        "Let references be longer (finance.limits.reference_length of the installation document).",
    )
}

pub(crate) fn no_period(row: &CycleRow, problem: &NoPeriod) -> Finding {
    plain(
        Kind::PeriodClosed,
        &row.key.to_string(),
        format!("{}: {problem}", cycle(&row.key)),
        "Open the period, add one to finance.calendar of the installation document, or set closed_period to next-open in the payout rules.",
    )
}
