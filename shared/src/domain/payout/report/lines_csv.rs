//! All lines of a cycle as CSV, each with its place in the books.

use std::io::Write;

use super::figures::Report;
use crate::domain::payout::draft::{LineKey, Place};
use crate::domain::payout::journal::Journal;
use crate::domain::payout::tie::TieRule;
use crate::kit::csv::defused;
use crate::kit::currency::written;
use crate::mirakl::finance::TransactionLine;

const HEADINGS: [&str; 16] = [
    "id",
    "type",
    "payment_state",
    "order",
    "order_line",
    "refund",
    "document",
    "date_created",
    "currency",
    "credited",
    "debited",
    "net",
    "counts",
    "place",
    "journal_ref",
    "journal_line",
];

/// Writes one CSV line for each line of the cycle. The sum of `net` by journal line is what the
/// journals come to there. Cells of text that a spreadsheet would compute are defused; numbers are
/// as they are.
///
/// # Errors
/// It cannot be written.
pub fn lines_csv<'l>(
    lines: impl IntoIterator<Item = &'l TransactionLine>,
    rule: TieRule,
    report: &Report<'_>,
    writer: impl Write,
) -> Result<(), csv::Error> {
    let mut csv = csv::Writer::from_writer(writer);
    csv.write_record(HEADINGS)?;
    for line in lines {
        let counts = rule.counts(line);
        let place = report.books.map(|books| {
            if !counts && !line.kind.is_payment() {
                Place::NotInTransfer
            } else {
                books.place(&line.kind, line.document.as_ref())
            }
        });
        let (name, references, numbers) = match &place {
            None => ("not decided", String::new(), String::new()),
            Some(Place::Journal(key)) => in_journals("journal", key, report.journals),
            Some(Place::Suspense(key)) => in_journals("suspense", key, report.journals),
            Some(Place::Prima) => ("prima", String::new(), String::new()),
            Some(Place::Cash) => ("bank", String::new(), String::new()),
            Some(Place::NotInTransfer) => ("not in transfer", String::new(), String::new()),
            Some(Place::Held) => ("held", String::new(), String::new()),
        };
        let text = |value: Option<&str>| defused(value.unwrap_or_default()).into_owned();
        let number = |amount| written(amount, &line.currency);
        csv.write_record([
            text(Some(&line.id)),
            text(Some(line.kind.code())),
            text(line.state.as_ref().map(|state| state.code())),
            text(line.order.as_deref()),
            text(line.order_line.as_deref()),
            text(line.refund.as_deref()),
            text(line.document.as_deref()),
            line.created.map(|at| at.to_string()).unwrap_or_default(),
            text(Some(&line.currency)),
            number(line.credited),
            number(line.debited),
            number(line.net()),
            (if counts { "yes" } else { "no" }).to_owned(),
            name.to_owned(),
            references,
            numbers,
        ])?;
    }
    csv.flush()?;
    Ok(())
}

/// The journals that have the key, and its lines in them. What changed after posting stands in two.
fn in_journals(
    place: &'static str,
    key: &LineKey,
    journals: &[Journal],
) -> (&'static str, String, String) {
    let found = journals.iter().filter_map(|journal| Some((journal, journal.line_of(key)?)));
    let (references, numbers): (Vec<_>, Vec<_>) =
        found.map(|(journal, line)| (journal.reference.clone(), line.to_string())).unzip();
    (place, defused(&references.join(" + ")).into_owned(), numbers.join(" + "))
}
