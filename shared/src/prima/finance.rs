//! What the connector asks of Prima's nominal ledger. All of it is assumed, and each request is a
//! capability that a site may lack; the names on the wire are in [`super::assumed::finance`].

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::error::PrimaError;

/// Which requests of the nominal ledger a site has, and how it words its refusals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FinanceCapabilities {
    /// `NewJournal` is there; else journals go to a file.
    pub new_journal: bool,
    /// `JournalStatus` is there: a journal whose answer was lost can be asked for.
    pub journal_status: bool,
    /// `NominalTransactions` is there: a clearing account can be read.
    pub nominal_transactions: bool,
    /// `CreditNotes` is there: refunds can be matched.
    pub credit_notes: bool,
    /// What `JournalStatus` answers of a journal that Prima does not have; `*` at the end stands
    /// for anything.
    pub unknown_journal_texts: Vec<String>,
    /// What `NewJournal` answers of a journal that is posted already; `{id}` stands for its
    /// `TPGUID`, `*` at the end for anything.
    pub duplicate_texts: Vec<String>,
}

/// A journal to be posted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewJournal {
    /// `TPGUID`: ours, the same for every attempt.
    pub third_party_id: String,
    /// `JournalRef`.
    pub reference: String,
    /// `JournalDate`.
    pub date: Date,
    /// `Period`, as the site's calendar names it; empty: left out.
    pub period: String,
    /// `Currency`, by ISO 4217.
    pub currency: String,
    /// `Narrative`; empty: left out.
    pub narrative: String,
    /// Its lines; debits and credits come to the same.
    pub lines: Vec<JournalLine>,
}

/// A line of a journal: debited or credited, never both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalLine {
    /// `NominalCode`.
    pub nominal: String,
    /// `CostCentre`; empty: left out.
    pub cost_centre: String,
    /// `Debit`, zero where the line is credited.
    pub debit: Decimal,
    /// `Credit`, zero where the line is debited.
    pub credit: Decimal,
    /// `TaxCode`; empty: left out.
    pub tax_code: String,
    /// `TaxAmount`, on the line's own side; zero: left out.
    pub tax_amount: Decimal,
    /// `Narrative`; empty: left out.
    pub narrative: String,
    /// `Reference`; empty: left out.
    pub reference: String,
}

/// A journal that Prima has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedJournal {
    /// `JournalRef`.
    pub reference: String,
    /// `JournalNumber`: Prima's own.
    pub number: String,
}

/// What became of a `NewJournal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posting {
    /// Prima took it.
    Posted,
    /// Prima had it already, in the words of `duplicate_texts`.
    WasPosted(String),
}

/// A transaction of a nominal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NominalTransaction {
    /// Its date.
    pub date: Date,
    /// Where it comes from, in Prima's words.
    pub source: String,
    /// The order, journal, credit note or receipt.
    pub reference: String,
    /// What it is.
    pub narrative: String,
    /// Its currency.
    pub currency: String,
    /// Debited; zero where it is credited.
    pub debit: Decimal,
    /// Credited; zero where it is debited.
    pub credit: Decimal,
}

/// A credit note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditNote {
    /// `CreditNoteNumber`.
    pub number: String,
    /// `OrderNumber`.
    pub order_number: String,
    /// Its date.
    pub date: Date,
    /// Its currency.
    pub currency: String,
    /// Without tax.
    pub net: Decimal,
    /// The tax.
    pub tax: Decimal,
    /// With tax.
    pub gross: Decimal,
    /// Pieces that came back, by `OrderLine`.
    pub pieces: BTreeMap<u32, u32>,
}

/// Why a document of the nominal ledger is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FinanceProblem {
    /// An element is not there.
    #[error("the response document has no {0}")]
    Missing(&'static str),
    /// An attribute cannot be read.
    #[error("the response document has a {element} whose {name} cannot be read")]
    Unreadable {
        /// The element.
        element: &'static str,
        /// The attribute.
        name: &'static str,
    },
    /// The answer is about another journal.
    #[error("the answer is about another journal than was asked for")]
    AnotherJournal,
    /// A line of a journal is on no side, on both, or below zero.
    #[error("line {line} of the journal is not on exactly one side")]
    NotOneSided {
        /// From 1.
        line: usize,
    },
}

/// The nominal ledger of one Prima installation. No call is repeated by the implementation.
pub trait PrimaFinance {
    /// `NewJournal`. Ask first: a repeat may post it twice.
    ///
    /// # Errors
    /// [`super::Outcome::Refused`] only where Prima read the journal and answered an error that is
    /// none of `duplicate_texts`.
    async fn new_journal(&self, journal: &NewJournal) -> Result<Posting, PrimaError>;

    /// `JournalStatus`. Safe to repeat. `Ok(None)` only where Prima answered one of
    /// `unknown_journal_texts`.
    async fn journal_status(
        &self,
        third_party_id: &str,
    ) -> Result<Option<PostedJournal>, PrimaError>;

    /// `NominalTransactions`, from the first day to the last. Safe to repeat.
    async fn nominal_transactions(
        &self,
        nominal: &str,
        days: [Date; 2],
    ) -> Result<Vec<NominalTransaction>, PrimaError>;

    /// `CreditNotes`, from the first day to the last. Safe to repeat.
    async fn credit_notes(&self, days: [Date; 2]) -> Result<Vec<CreditNote>, PrimaError>;
}
