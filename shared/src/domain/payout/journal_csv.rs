//! The CSV of a journal: what a person imports where Prima takes none by its service, and the
//! evidence of what was sent where it does. What it looks like is a document, [`Layout`].

use jiff::civil::Date;
use jiff::fmt::strtime;
use serde::{Deserialize, Serialize};

use super::journal::{Journal, JournalLine};
use super::journal_files::import_file;
use crate::kit::amount::Amount;
use crate::kit::digest::sha256_hex;
use crate::kit::field_error::FieldError;

/// What a ledger's import takes. Unknown fields are refused: a misspelt one must not be ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// The columns, in their order.
    pub columns: Vec<Column>,
    /// The first line names the columns.
    #[serde(default = "yes")]
    pub heading_line: bool,
    /// What stands between two cells: a comma, a semicolon, a tab or a bar.
    #[serde(default = "comma")]
    pub separator: char,
    /// How its characters are written.
    #[serde(default)]
    pub encoding: FileEncoding,
    /// How a date is written, as `strftime` says it: `%d/%m/%Y`.
    #[serde(default = "iso")]
    pub date_form: String,
    /// Amounts have a comma before the pence: `12,30`.
    #[serde(default)]
    pub decimal_comma: bool,
    /// What a column `side` says of a debit, and of a credit.
    #[serde(default = "sides")]
    pub sides: [String; 2],
    /// The tax code of a line that has none.
    #[serde(default)]
    pub no_tax_code: String,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name.
    pub heading: String,
    /// What stands in it.
    pub holds: Holds,
    /// The same text in every line, where it holds `text`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holds {
    /// The journal's reference.
    JournalRef,
    /// The line's number, from 1.
    Line,
    /// The day on which it is booked.
    JournalDate,
    /// The period, as the calendar names it.
    Period,
    /// The nominal code.
    Nominal,
    /// The cost centre.
    CostCentre,
    /// The line's narrative.
    Narrative,
    /// The journal's reference and narrative: what its lines have in common.
    Title,
    /// The debit; empty where the line is credited.
    Debit,
    /// The credit; empty where the line is debited.
    Credit,
    /// The amount, below zero where it is credited.
    Signed,
    /// As `signed`, with the line's tax: for a ledger that takes the tax out by the tax code.
    SignedGross,
    /// The amount, without a sign: `side` says which it is.
    Net,
    /// Debit or credit, in the layout's words.
    Side,
    /// The currency's three letters.
    Currency,
    /// The tax code.
    TaxCode,
    /// The tax, on the line's own side; empty where there is none.
    TaxAmount,
    /// The document's number; else the billing cycle.
    DocumentNumber,
    /// Ours of the journal: `TPGUID`.
    ExternalRef,
    /// The same text in every line.
    Text,
}

/// How the characters of a file are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileEncoding {
    /// UTF-8.
    #[default]
    Utf8,
    /// UTF-8 with a byte order mark: Excel knows it by that.
    Utf8Bom,
    /// Windows-1252; a character that it does not have is a question mark.
    Windows1252,
}

fn yes() -> bool {
    true
}

fn comma() -> char {
    ','
}

fn iso() -> String {
    "%Y-%m-%d".to_owned()
}

fn sides() -> [String; 2] {
    ["D".to_owned(), "C".to_owned()]
}

impl Default for Layout {
    /// The neutral one.
    fn default() -> Self {
        let columns = [
            ("journal_ref", Holds::JournalRef),
            ("line", Holds::Line),
            ("journal_date", Holds::JournalDate),
            ("period", Holds::Period),
            ("nominal", Holds::Nominal),
            ("cost_centre", Holds::CostCentre),
            ("narrative", Holds::Narrative),
            ("debit", Holds::Debit),
            ("credit", Holds::Credit),
            ("currency", Holds::Currency),
            ("tax_code", Holds::TaxCode),
            ("tax_amount", Holds::TaxAmount),
            ("document_number", Holds::DocumentNumber),
            ("external_ref", Holds::ExternalRef),
        ];
        Self {
            columns: columns
                .into_iter()
                .map(|(heading, holds)| Column {
                    heading: heading.to_owned(),
                    holds,
                    text: String::new(),
                })
                .collect(),
            heading_line: true,
            separator: ',',
            encoding: FileEncoding::Utf8,
            date_form: iso(),
            decimal_comma: false,
            sides: sides(),
            no_tax_code: String::new(),
        }
    }
}

/// Why a journal cannot be written in a layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutProblem {
    /// Its tax would be missing.
    #[error(
        "line {0} has tax, and the layout of finance.journal_file has no column for it (tax-amount or signed-gross)"
    )]
    NoPlaceForTax(u32),
    /// It cannot be written at all.
    #[error("the layout of finance.journal_file cannot be used: {0}")]
    Unusable(String),
}

/// What an import is checked against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// The journal's reference.
    pub journal_ref: String,
    /// The CSV that it is of.
    pub file: String,
    /// The day on which it is booked.
    pub journal_date: Date,
    /// The currency.
    pub currency: String,
    /// Its lines, without the heading line.
    pub rows: usize,
    /// All debits, without tax.
    pub debit: Amount,
    /// All credits, without tax.
    pub credit: Amount,
    /// The tax of debited lines.
    pub tax_debit: Amount,
    /// The tax of credited lines.
    pub tax_credit: Amount,
    /// SHA-256 of the CSV's bytes.
    pub sha256: String,
}

/// A journal, written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The CSV.
    pub csv: Vec<u8>,
    /// Its [`Control`], as JSON.
    pub control: Vec<u8>,
}

impl Layout {
    /// Everything that is wrong, one entry a field.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, field: &str, problem: &str| {
            if !holds {
                problems.push(FieldError::new(field, problem));
            }
        };
        require(
            self.has(Holds::JournalRef) || self.has(Holds::Title),
            "columns",
            "one has to hold journal-ref, or title",
        );
        require(self.has(Holds::Nominal), "columns", "one has to hold nominal");
        require(self.has(Holds::JournalDate), "columns", "one has to hold journal-date");
        require(
            (self.has(Holds::Debit) && self.has(Holds::Credit))
                || self.has(Holds::Signed)
                || self.has(Holds::SignedGross)
                || (self.has(Holds::Net) && self.has(Holds::Side)),
            "columns",
            "the amounts need debit and credit, or signed, or signed-gross, or net and side",
        );
        require(
            !self.has(Holds::SignedGross) || !self.has(Holds::TaxAmount),
            "columns",
            "signed-gross has the tax in it: tax-amount would say it twice",
        );
        require(
            self.columns.iter().all(|one| !one.heading.is_empty() || !self.heading_line),
            "columns",
            "each needs a heading",
        );
        require(
            matches!(self.separator, ',' | ';' | '\t' | '|'),
            "separator",
            "takes a comma, a semicolon, a tab or a bar",
        );
        let day = strtime::format(&self.date_form, Date::constant(2026, 11, 5));
        require(
            day.is_ok_and(|text| text.contains("26") && text.contains('5')),
            "date_form",
            "takes a form of strftime with day and year, such as %d/%m/%Y",
        );
        problems
    }

    fn has(&self, what: Holds) -> bool {
        self.columns.iter().any(|column| column.holds == what)
    }
}

/// Writes a journal.
///
/// # Errors
/// The layout has no place for what the journal has.
pub fn write(journal: &Journal, layout: &Layout) -> Result<Written, LayoutProblem> {
    let has_place = layout.has(Holds::TaxAmount) || layout.has(Holds::SignedGross);
    if let Some(line) = journal.lines.iter().find(|line| line.tax_amount.is_some() && !has_place) {
        return Err(LayoutProblem::NoPlaceForTax(line.line));
    }
    let unusable = |problem: String| LayoutProblem::Unusable(problem);
    let date = strtime::format(&layout.date_form, journal.date)
        .map_err(|problem| unusable(problem.to_string()))?;
    let separator =
        u8::try_from(layout.separator).map_err(|problem| unusable(problem.to_string()))?;
    let mut writer = csv::WriterBuilder::new()
        .delimiter(separator)
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    if layout.heading_line {
        writer
            .write_record(layout.columns.iter().map(|column| &column.heading))
            .map_err(|problem| unusable(problem.to_string()))?;
    }
    for line in &journal.lines {
        let cells = layout.columns.iter().map(|column| cell(column, line, journal, layout, &date));
        writer.write_record(cells).map_err(|problem| unusable(problem.to_string()))?;
    }
    let text = writer.into_inner().map_err(|problem| unusable(problem.to_string()))?;
    let csv = encoded(text, layout.encoding);
    let control = control(journal, &csv);
    let mut control =
        serde_json::to_vec_pretty(&control).map_err(|problem| unusable(problem.to_string()))?;
    control.push(b'\n');
    Ok(Written { csv, control })
}

fn cell(
    column: &Column,
    line: &JournalLine,
    journal: &Journal,
    layout: &Layout,
    date: &str,
) -> String {
    let account = &line.account;
    let is_debit = line.debit != Amount::ZERO;
    let net = if is_debit { line.debit } else { line.credit };
    let number = |amount: Amount| {
        let digits = amount.to_string();
        if layout.decimal_comma { digits.replace('.', ",") } else { digits }
    };
    let signed = |amount: Amount| number(if is_debit { amount } else { Amount(-amount.0) });
    let unless_zero =
        |amount: Amount| if amount == Amount::ZERO { String::new() } else { number(amount) };
    match column.holds {
        Holds::JournalRef => defused(&journal.reference),
        Holds::Line => line.line.to_string(),
        Holds::JournalDate => date.to_owned(),
        Holds::Period => defused(&journal.period),
        Holds::Nominal => defused(&account.nominal),
        Holds::CostCentre => defused(account.cost_centre.as_deref().unwrap_or_default()),
        Holds::Narrative => defused(&line.narrative),
        Holds::Title => defused(&format!("{} {}", journal.reference, journal.narrative)),
        Holds::Debit => unless_zero(line.debit),
        Holds::Credit => unless_zero(line.credit),
        Holds::Signed => signed(net),
        Holds::SignedGross => signed(Amount(net.0 + line.tax_amount.unwrap_or_default().0)),
        Holds::Net => number(net),
        Holds::Side => layout.sides[usize::from(!is_debit)].clone(),
        Holds::Currency => defused(&journal.currency),
        Holds::TaxCode => defused(account.tax_code.as_deref().unwrap_or(&layout.no_tax_code)),
        Holds::TaxAmount => line.tax_amount.map(number).unwrap_or_default(),
        Holds::DocumentNumber => defused(&line.reference),
        Holds::ExternalRef => defused(&journal.guid),
        Holds::Text => defused(&column.text),
    }
}

/// A text that no spreadsheet takes for a formula.
fn defused(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

fn encoded(text: Vec<u8>, encoding: FileEncoding) -> Vec<u8> {
    match encoding {
        FileEncoding::Utf8 => text,
        FileEncoding::Utf8Bom => [b"\xef\xbb\xbf".as_slice(), &text].concat(),
        FileEncoding::Windows1252 => String::from_utf8_lossy(&text)
            .chars()
            .flat_map(|c| {
                let text = c.to_string();
                let (bytes, _, is_unmappable) = encoding_rs::WINDOWS_1252.encode(&text);
                if is_unmappable { b"?".to_vec() } else { bytes.into_owned() }
            })
            .collect(),
    }
}

fn control(journal: &Journal, csv: &[u8]) -> Control {
    let sum =
        |of: fn(&JournalLine) -> Amount| Amount(journal.lines.iter().map(|line| of(line).0).sum());
    Control {
        journal_ref: journal.reference.clone(),
        file: import_file(&journal.reference).rsplit('/').next().unwrap_or_default().to_owned(),
        journal_date: journal.date,
        currency: journal.currency.clone(),
        rows: journal.lines.len(),
        debit: sum(|line| line.debit),
        credit: sum(|line| line.credit),
        tax_debit: sum(|line| match line.tax_amount {
            Some(tax) if line.debit != Amount::ZERO => tax,
            _ => Amount::ZERO,
        }),
        tax_credit: sum(|line| match line.tax_amount {
            Some(tax) if line.debit == Amount::ZERO => tax,
            _ => Amount::ZERO,
        }),
        sha256: sha256_hex(csv),
    }
}

#[cfg(test)]
mod tests;
