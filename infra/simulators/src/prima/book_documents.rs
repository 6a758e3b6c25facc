//! The requests and answers of the nominal ledger (assumed, in Prima's own style).

use jiff::civil::Date;

use super::books::{CreditNote, JournalLine, NewJournal, PostedJournal, Transaction};
use super::order::Refusal;
use super::response::{ResponseFormat, carried_out, close, money, open};
use super::xml::Element;

/// How Prima writes dates.
const DATE: &str = "%d/%m/%Y";

/// Reads a date as Prima writes one.
pub(super) fn date(element: &Element, name: &str) -> Result<Date, Refusal> {
    let text = element.attribute(name).unwrap_or_default();
    Date::strptime(DATE, text).map_err(|_| Refusal::new(format!("{name} is not a date: {text}")))
}

/// `NewJournal`.
pub(super) fn read_journal(data: &Element) -> Result<NewJournal, Refusal> {
    let text = |name: &str| data.attribute(name).unwrap_or_default().to_owned();
    Ok(NewJournal {
        third_party_id: text("TPGUID"),
        reference: text("JournalRef"),
        date: date(data, "JournalDate")?,
        period: text("Period"),
        currency: text("Currency"),
        narrative: text("Narrative"),
        lines: data.children.iter().map(read_line).collect::<Result<_, _>>()?,
    })
}

fn read_line(line: &Element) -> Result<JournalLine, Refusal> {
    if line.name != "JournalLineData" {
        return Err(Refusal::new(format!("Unknown element {} in Data", line.name)));
    }
    let text = |name: &str| line.attribute(name).unwrap_or_default().to_owned();
    let place = format!("JournalLineData {}", text("Line"));
    let amount = |name: &str| {
        if line.attribute(name).unwrap_or_default().is_empty() {
            Ok(rust_decimal::Decimal::ZERO)
        } else {
            money(line, name, &place)
        }
    };
    Ok(JournalLine {
        nominal: text("NominalCode"),
        cost_centre: text("CostCentre"),
        debit: amount("Debit")?,
        credit: amount("Credit")?,
        tax_code: text("TaxCode"),
        tax_amount: amount("TaxAmount")?,
        narrative: text("Narrative"),
        reference: text("Reference"),
    })
}

/// The answer to `JournalStatus`.
pub(super) fn journal(posted: &PostedJournal, format: &ResponseFormat) -> String {
    let mut content = String::new();
    let attributes = [
        ("TPGUID", posted.journal.third_party_id.as_str()),
        ("JournalRef", &posted.journal.reference),
        ("JournalNumber", &posted.number),
        ("JournalDate", &posted.journal.date.strftime(DATE).to_string()),
        ("Period", &posted.journal.period),
    ];
    open(&mut content, "Data", &attributes, format);
    close(&mut content, "Data", format);
    carried_out("JournalStatus", &content, format)
}

/// The answer to `NominalTransactions`.
pub(super) fn transactions(
    nominal: &str,
    found: &[Transaction],
    format: &ResponseFormat,
) -> String {
    let mut content = String::new();
    open(&mut content, "Data", &[("NominalCode", nominal)], format);
    for line in found {
        let attributes = [
            ("Date", line.date.strftime(DATE).to_string()),
            ("Source", <&str>::from(line.source).to_owned()),
            ("Reference", line.reference.clone()),
            ("Narrative", line.narrative.clone()),
            ("Currency", line.currency.clone()),
            ("Debit", line.debit.to_string()),
            ("Credit", line.credit.to_string()),
            ("CostCentre", line.cost_centre.clone()),
        ];
        let attributes = attributes.each_ref().map(|(name, value)| (*name, value.as_str()));
        open(&mut content, "NominalTransactionData", &attributes, format);
        close(&mut content, "NominalTransactionData", format);
    }
    close(&mut content, "Data", format);
    carried_out("NominalTransactions", &content, format)
}

/// The answer to `CreditNotes`.
pub(super) fn credit_notes(found: &[CreditNote], format: &ResponseFormat) -> String {
    let mut content = String::new();
    open(&mut content, "Data", &[], format);
    for note in found {
        let attributes = [
            ("CreditNoteNumber", note.number.clone()),
            ("OrderNumber", note.order_number.clone()),
            ("Date", note.date.strftime(DATE).to_string()),
            ("Currency", note.currency.clone()),
            ("Net", note.net.to_string()),
            ("Tax", note.tax.to_string()),
            ("Gross", note.gross.to_string()),
        ];
        let attributes = attributes.each_ref().map(|(name, value)| (*name, value.as_str()));
        open(&mut content, "CreditNoteData", &attributes, format);
        for (line, pieces) in &note.lines {
            let attributes = [("OrderLine", &*line.to_string()), ("Quantity", &pieces.to_string())];
            open(&mut content, "CreditNoteLineData", &attributes, format);
            close(&mut content, "CreditNoteLineData", format);
        }
        close(&mut content, "CreditNoteData", format);
    }
    close(&mut content, "Data", format);
    carried_out("CreditNotes", &content, format)
}
