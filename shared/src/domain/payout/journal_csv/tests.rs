//! Golden files: what a ledger's import was agreed to be. Lines end with CR LF in what is written,
//! and with LF in `golden/`.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use super::*;
use crate::domain::payout::chart::Account;
use crate::domain::payout::tests::{amount, journal};

const NEUTRAL: &str = include_str!("../../../../../infra/seed/journal-layouts/neutral.json");
const SAGE: &str =
    include_str!("../../../../../infra/seed/journal-layouts/sage-50-audit-trail.json");
const XERO: &str = include_str!("../../../../../infra/seed/journal-layouts/xero.json");

fn layout(seed: &str) -> Layout {
    let layout: Layout = serde_json::from_str(seed).unwrap();
    assert_eq!(layout.problems(), []);
    layout
}

/// A journal with tax beside a line, a cost centre, a letter that ASCII does not have, and texts
/// that a spreadsheet would calculate.
fn odd() -> Journal {
    let mut journal = journal();
    let line = &mut journal.lines[0];
    line.account = Account {
        nominal: "5600".to_owned(),
        cost_centre: Some("MKT".to_owned()),
        tax_code: Some("T1".to_owned()),
    };
    let tax = amount("2.46");
    line.tax_amount = Some(tax);
    line.narrative = "=HYPERLINK(\"http://example.com\") café, 3 lines 📦".to_owned();
    line.reference = "-INV-7".to_owned();
    let clearing = journal.lines.last_mut().unwrap();
    clearing.credit.0 += tax.0;
    assert_eq!(journal.problems(), []);
    journal
}

#[track_caller]
fn assert_golden(seed: &str, golden: &str) {
    let layout = layout(seed);
    let bytes = write(&odd(), &layout).unwrap().csv;
    let (text, _, _) = match layout.encoding {
        FileEncoding::Windows1252 => encoding_rs::WINDOWS_1252.decode(&bytes),
        _ => encoding_rs::UTF_8.decode(&bytes),
    };
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    assert_eq!(text.replace("\r\n", "\n"), golden);
}

#[test]
fn the_neutral_layout_is_as_agreed() {
    assert_eq!(layout(NEUTRAL), Layout::default());
    assert_golden(NEUTRAL, include_str!("golden/neutral.csv"));
}

#[test]
fn the_audit_trail_of_sage_50_is_as_agreed() {
    assert_golden(SAGE, include_str!("golden/sage-50-audit-trail.csv"));
    let bytes = write(&odd(), &layout(SAGE)).unwrap().csv;
    assert!(bytes.windows(4).any(|four| four == b"caf\xe9"), "Windows-1252");
    assert!(bytes.ends_with(b"\r\n"));
}

#[test]
fn the_manual_journal_of_xero_is_as_agreed() {
    assert_golden(XERO, include_str!("golden/xero.csv"));
}

/// Rows, totals and hash are of the very bytes.
#[test]
fn the_control_file_says_what_the_csv_holds() {
    let (journal, layout) = (odd(), Layout::default());
    let written = write(&journal, &layout).unwrap();
    let control: Control = serde_json::from_slice(&written.control).unwrap();
    assert_eq!(control.sha256, sha256_hex(&written.csv));
    assert_eq!(control.file, format!("{}.csv", journal.reference));
    let mut reader = csv::Reader::from_reader(written.csv.as_slice());
    let headings = reader.headers().unwrap().clone();
    let place = |name: &str| headings.iter().position(|one| one == name).unwrap();
    let [debit, credit, tax] = ["debit", "credit", "tax_amount"].map(place);
    let (mut rows, mut sums) = (0, [Amount::ZERO; 3]);
    for record in reader.records().map(Result::unwrap) {
        rows += 1;
        for (sum, column) in sums.iter_mut().zip([debit, credit, tax]) {
            sum.0 += record[column].parse::<rust_decimal::Decimal>().unwrap_or_default();
        }
    }
    assert_eq!(rows, control.rows);
    assert_eq!(sums, [control.debit, control.credit, control.tax_debit]);
    assert_eq!(control.debit.0 + control.tax_debit.0, control.credit.0 + control.tax_credit.0);
}

/// The same journal is the same bytes, and amounts keep the source's digits.
#[test]
fn amounts_keep_their_digits_and_signs_stay_numbers() {
    let mut journal = odd();
    journal.lines[0].debit = amount("12.300");
    let text = |layout: &Layout| String::from_utf8(write(&journal, layout).unwrap().csv).unwrap();
    assert!(text(&Layout::default()).contains(",12.300,"));
    assert_eq!(text(&Layout::default()), text(&Layout::default()));
    let signed = Layout { encoding: FileEncoding::Utf8, ..layout(XERO) };
    let last = text(&signed).lines().last().unwrap().to_owned();
    assert!(last.contains(",-"), "a negative number is no formula: {last}");
    let comma = Layout { decimal_comma: true, separator: ';', ..Layout::default() };
    assert!(text(&comma).contains(";12,300;"));
}

/// A layout that would lose the tax writes nothing.
#[test]
fn tax_without_a_column_is_refused() {
    let mut layout = Layout::default();
    layout.columns.retain(|column| column.holds != Holds::TaxAmount);
    assert_eq!(write(&odd(), &layout), Err(LayoutProblem::NoPlaceForTax(1)));
}

#[test]
fn each_fault_of_a_layout_is_named() {
    let wrong = Layout {
        columns: Vec::new(),
        separator: 'x',
        date_form: "%Q".to_owned(),
        ..Layout::default()
    };
    let fields: Vec<_> = wrong.problems().into_iter().map(|one| one.field).collect();
    assert_eq!(fields, ["columns", "columns", "columns", "columns", "separator", "date_form"]);
    assert!(serde_json::from_str::<Layout>(r#"{"columns":[],"seperator":";"}"#).is_err());
}
