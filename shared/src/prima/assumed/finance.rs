//! **Assumed**: the documents of Prima's nominal ledger. No site has shown one; each request is a
//! capability of [`FinanceCapabilities`](crate::prima::finance::FinanceCapabilities).

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::kit::field_error::FieldError;
use crate::prima::connection::WireEncoding;
use crate::prima::finance::{
    CreditNote, FinanceProblem, JournalLine, NewJournal, NominalTransaction, PostedJournal,
};
use crate::prima::soap::one_line;
use crate::prima::xml::{DocumentWriter, Element};

use super::{DATE, read_date};

/// `NewJournal`.
pub const NEW_JOURNAL: &str = "NewJournal";
/// `JournalStatus`.
pub const JOURNAL_STATUS: &str = "JournalStatus";
/// `NominalTransactions`.
pub const NOMINAL_TRANSACTIONS: &str = "NominalTransactions";
/// `CreditNotes`.
pub const CREDIT_NOTES: &str = "CreditNotes";

const TRANSACTION: &str = "NominalTransactionData";
const CREDIT_NOTE: &str = "CreditNoteData";
const CREDIT_NOTE_LINE: &str = "CreditNoteLineData";

/// `<Request RequestType="NewJournal">` with a `JournalLineData` a line.
///
/// # Errors
/// One entry for each attribute with a character that XML does not have.
pub fn new_journal_request(
    journal: &NewJournal,
    encoding: WireEncoding,
) -> Result<String, Vec<FieldError>> {
    let mut document = DocumentWriter::new(encoding);
    document.open("Request", "", &[("RequestType", NEW_JOURNAL)]);
    let date = written(journal.date);
    let attributes = [
        ("TPGUID", journal.third_party_id.as_str()),
        ("JournalRef", &journal.reference),
        ("JournalDate", &date),
        ("Period", &journal.period),
        ("Currency", &journal.currency),
        ("Narrative", &journal.narrative),
    ];
    document.open("Data", "", &filled(&attributes));
    for (index, line) in journal.lines.iter().enumerate() {
        let number = (index + 1).to_string();
        let amounts = [line.debit, line.credit, line.tax_amount]
            .map(|amount| if amount.is_zero() { String::new() } else { amount.to_string() });
        let [debit, credit, tax] = amounts.each_ref().map(String::as_str);
        let attributes = [
            ("Line", number.as_str()),
            ("NominalCode", &line.nominal),
            ("CostCentre", &line.cost_centre),
            ("Debit", debit),
            ("Credit", credit),
            ("TaxCode", &line.tax_code),
            ("TaxAmount", tax),
            ("Narrative", &line.narrative),
            ("Reference", &line.reference),
        ];
        let label = format!("JournalLineData[{number}]");
        document.empty("JournalLineData", &label, &filled(&attributes));
    }
    document.close("Data");
    document.close("Request");
    document.finish()
}

/// `<Request RequestType="JournalStatus">`.
///
/// # Errors
/// The id has a character that XML does not have.
pub fn journal_status_request(
    third_party_id: &str,
    encoding: WireEncoding,
) -> Result<String, Vec<FieldError>> {
    of_data(JOURNAL_STATUS, &[("TPGUID", third_party_id)], encoding)
}

/// `<Request RequestType="NominalTransactions">` of a nominal, from the first day to the last.
///
/// # Errors
/// The nominal has a character that XML does not have.
pub fn nominal_transactions_request(
    nominal: &str,
    [from, to]: [Date; 2],
    encoding: WireEncoding,
) -> Result<String, Vec<FieldError>> {
    let attributes =
        [("NominalCode", nominal), ("DateFrom", &written(from)), ("DateTo", &written(to))];
    of_data(NOMINAL_TRANSACTIONS, &attributes, encoding)
}

/// `<Request RequestType="CreditNotes">`, from the first day to the last.
///
/// # Errors
/// None that the dates could cause.
pub fn credit_notes_request(
    [from, to]: [Date; 2],
    encoding: WireEncoding,
) -> Result<String, Vec<FieldError>> {
    let attributes = [("DateFrom", &*written(from)), ("DateTo", &written(to))];
    of_data(CREDIT_NOTES, &attributes, encoding)
}

fn of_data(
    request_type: &str,
    attributes: &[(&str, &str)],
    encoding: WireEncoding,
) -> Result<String, Vec<FieldError>> {
    let mut document = DocumentWriter::new(encoding);
    document.open("Request", "", &[("RequestType", request_type)]);
    document.empty("Data", "", attributes);
    document.close("Request");
    document.finish()
}

fn filled<'a>(attributes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    attributes.iter().copied().filter(|(_, value)| !value.is_empty()).collect()
}

fn written(date: Date) -> String {
    date.strftime(DATE).to_string()
}

/// Reads the answer to `JournalStatus`: the journal that was asked for.
///
/// # Errors
/// The answer names no journal, or another one.
pub fn read_journal_status(
    root: &Element,
    third_party_id: &str,
) -> Result<PostedJournal, FinanceProblem> {
    let data = root.child("Data").ok_or(FinanceProblem::Missing("Data"))?;
    if text(data, "TPGUID") != third_party_id {
        return Err(FinanceProblem::AnotherJournal);
    }
    Ok(PostedJournal { reference: text(data, "JournalRef"), number: text(data, "JournalNumber") })
}

/// Reads the answer to `NominalTransactions`.
///
/// # Errors
/// A transaction has a date or an amount that cannot be read. One that is left out would make a
/// balance that looks right: so the whole answer is of no use.
pub fn read_nominal_transactions(
    root: &Element,
) -> Result<Vec<NominalTransaction>, FinanceProblem> {
    below(root, TRANSACTION)
        .map(|element| {
            Ok(NominalTransaction {
                date: day(element, TRANSACTION, "Date")?,
                source: text(element, "Source"),
                reference: text(element, "Reference"),
                narrative: text(element, "Narrative"),
                currency: text(element, "Currency"),
                debit: money(element, TRANSACTION, "Debit")?,
                credit: money(element, TRANSACTION, "Credit")?,
            })
        })
        .collect()
}

/// Reads the answer to `CreditNotes`.
///
/// # Errors
/// As [`read_nominal_transactions`].
pub fn read_credit_notes(root: &Element) -> Result<Vec<CreditNote>, FinanceProblem> {
    below(root, CREDIT_NOTE)
        .map(|element| {
            let mut pieces = BTreeMap::new();
            for line in element.children_called(CREDIT_NOTE_LINE) {
                let number = whole(line, CREDIT_NOTE_LINE, "OrderLine")?;
                *pieces.entry(number).or_default() += whole(line, CREDIT_NOTE_LINE, "Quantity")?;
            }
            Ok(CreditNote {
                number: text(element, "CreditNoteNumber"),
                order_number: text(element, "OrderNumber"),
                date: day(element, CREDIT_NOTE, "Date")?,
                currency: text(element, "Currency"),
                net: money(element, CREDIT_NOTE, "Net")?,
                tax: money(element, CREDIT_NOTE, "Tax")?,
                gross: money(element, CREDIT_NOTE, "Gross")?,
                pieces,
            })
        })
        .collect()
}

/// Elements within `Data`, or beside it.
fn below<'a>(root: &'a Element, name: &'a str) -> impl Iterator<Item = &'a Element> {
    let within = root.children_called("Data").flat_map(move |data| data.children_called(name));
    root.children_called(name).chain(within)
}

/// ABL's unknown value is no value.
fn text(element: &Element, name: &str) -> String {
    let given = one_line(element.attribute(name).unwrap_or_default());
    if given == "?" { String::new() } else { given }
}

fn day(element: &Element, of: &'static str, name: &'static str) -> Result<Date, FinanceProblem> {
    read_date(&text(element, name)).ok_or(FinanceProblem::Unreadable { element: of, name })
}

/// An amount in plain digits; none is zero.
fn money(
    element: &Element,
    of: &'static str,
    name: &'static str,
) -> Result<Decimal, FinanceProblem> {
    let given = text(element, name);
    if given.is_empty() {
        return Ok(Decimal::ZERO);
    }
    Decimal::from_str_exact(&given).map_err(|_| FinanceProblem::Unreadable { element: of, name })
}

fn whole(element: &Element, of: &'static str, name: &'static str) -> Result<u32, FinanceProblem> {
    text(element, name).parse().map_err(|_| FinanceProblem::Unreadable { element: of, name })
}

/// What a journal's line may not be, told before it is sent.
///
/// # Errors
/// The first line that is on no side or on both, or below zero.
pub fn check_sides(lines: &[JournalLine]) -> Result<(), FinanceProblem> {
    let is_one_sided = |line: &JournalLine| {
        line.debit.is_zero() != line.credit.is_zero()
            && line.debit >= Decimal::ZERO
            && line.credit >= Decimal::ZERO
    };
    match lines.iter().position(|line| !is_one_sided(line)) {
        None => Ok(()),
        Some(index) => Err(FinanceProblem::NotOneSided { line: index + 1 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(content: &str) -> Element {
        let text = format!(r#"<Response RequestStatus="OK">{content}</Response>"#);
        crate::prima::xml::read(&text).unwrap_or_default()
    }

    #[test]
    fn a_journal_is_written_with_one_side_a_line() {
        let line = |nominal: &str, debit: i64, credit: i64| JournalLine {
            nominal: nominal.into(),
            debit: Decimal::new(debit, 2),
            credit: Decimal::new(credit, 2),
            ..JournalLine::default()
        };
        let journal = NewJournal {
            third_party_id: "MK-1".into(),
            reference: "R&1".into(),
            date: Date::constant(2026, 11, 5),
            period: "2026-11".into(),
            currency: "GBP".into(),
            narrative: String::new(),
            lines: vec![line("5600", 3570, 0), line("1260", 0, 3570)],
        };
        assert_eq!(
            new_journal_request(&journal, WireEncoding::Utf8).as_deref(),
            Ok(concat!(
                r#"<?xml version="1.0" encoding="UTF-8"?><Request RequestType="NewJournal">"#,
                r#"<Data TPGUID="MK-1" JournalRef="R&amp;1" JournalDate="05/11/2026" Period="2026-11" Currency="GBP">"#,
                r#"<JournalLineData Line="1" NominalCode="5600" Debit="35.70"/>"#,
                r#"<JournalLineData Line="2" NominalCode="1260" Credit="35.70"/></Data></Request>"#
            ))
        );
        assert_eq!(check_sides(&journal.lines), Ok(()));
        let wrong = [line("5600", 1, 0), line("1260", 1, 1)];
        assert_eq!(check_sides(&wrong), Err(FinanceProblem::NotOneSided { line: 2 }));
    }

    /// An amount that cannot be read is never taken for zero.
    #[test]
    fn a_transaction_that_cannot_be_read_spoils_the_answer() {
        let of = |attributes: &str| {
            let element = format!(r#"<Data><NominalTransactionData {attributes}/></Data>"#);
            read_nominal_transactions(&root(&element))
        };
        let read = of(r#"Date="05/11/2026" Debit="" Credit="35.70" Currency="GBP""#);
        assert_eq!(
            read.map(|found| found.iter().map(|line| line.credit - line.debit).sum::<Decimal>()),
            Ok(Decimal::new(3570, 2))
        );
        for (attributes, name) in [
            (r#"Date="2026-11-05" Credit="35.70""#, "Date"),
            (r#"Date="05/11/2026" Credit="35,70""#, "Credit"),
            (r#"Date="05/11/2026" Debit="1e3""#, "Debit"),
        ] {
            let unreadable = FinanceProblem::Unreadable { element: TRANSACTION, name };
            assert_eq!(of(attributes), Err(unreadable));
        }
    }

    #[test]
    fn credit_notes_are_read_with_their_pieces() {
        let element = concat!(
            r#"<CreditNoteData CreditNoteNumber="CN1" OrderNumber="201C1" Date="05/11/2026" Currency="GBP" Net="40.00" Tax="8.00" Gross="48.00">"#,
            r#"<CreditNoteLineData OrderLine="1" Quantity="2"/></CreditNoteData>"#
        );
        let read = read_credit_notes(&root(element));
        assert!(read.is_ok_and(|notes| {
            notes.len() == 1
                && notes.iter().all(|note| {
                    note.gross == note.net + note.tax && note.pieces == BTreeMap::from([(1, 2)])
                })
        }));
    }

    #[test]
    fn another_journal_than_was_asked_for_is_no_answer() {
        let element = r#"<Data TPGUID="MK-2" JournalRef="R2" JournalNumber="J2"/>"#;
        assert_eq!(
            read_journal_status(&root(element), "MK-1"),
            Err(FinanceProblem::AnotherJournal)
        );
        assert!(read_journal_status(&root(element), "MK-2").is_ok());
    }
}
