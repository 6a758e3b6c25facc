//! The finance operations of the Mirakl seller API: the transaction log (TL02 to TL05), billing
//! cycles (SBC11) and accounting documents (IV01, IV02).
//!
//! Entries are read one by one: one that cannot be used keeps its place and the reason, and its
//! neighbours go on. Amounts are exact. Nothing of a customer and no bank account is read.

mod amounts;
mod bank_account;
mod billing_cycle;
mod client;
mod document;
mod entry;
mod line_file;
mod pages;
mod pay_out;
#[cfg(test)]
mod tests;
mod transaction;
mod transaction_type;

use jiff::Timestamp;

use super::error::MiraklError;
pub use bank_account::BankAccount;
pub use billing_cycle::BillingCycle;
pub use document::{AccountingDocument, DocumentType};
pub use entry::Unreadable;
pub use line_file::{LineFileError, LineReader};
pub use pages::{Page, SeenTokens};
pub use pay_out::{PayOut, PayOutState};
pub use transaction::TransactionLine;
pub use transaction_type::{PaymentState, Side, TransactionType};

/// Which lines of the transaction log to list. Everything that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionQuery {
    /// `last_updated_from`: whole seconds.
    pub updated_from: Option<Timestamp>,
    /// `seller_billing_cycle_id`: any of these, at most 100; empty for all.
    pub cycles: Vec<String>,
    /// Where Mirakl's limit is met, it is waited for no longer than until this moment; else until
    /// the client's deadline.
    pub limit_waited_until: Option<Timestamp>,
}

/// Which billing cycles or documents to list, by when they were created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CreatedQuery {
    /// `start_date`: whole seconds.
    pub from: Option<Timestamp>,
    /// `end_date`: whole seconds.
    pub to: Option<Timestamp>,
}

/// Where an export of the transaction log stands (TL04).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionsExport {
    /// Under way.
    Pending,
    /// Done: the addresses of its files, each for TL05.
    Completed(Vec<String>),
    /// It came to nothing (FAILED, CANCELED), and why.
    Failed(String),
    /// A state this version does not know.
    Unknown(String),
}

/// The finance operations of one channel. How often each may be called: TL02 20 times a minute and
/// 60 an hour; TL03, SBC11 and IV01 once a day (the latter two page by page); TL04 every 10 seconds.
/// TL02 to TL05 need `ROLE_SHOP_ACCOUNTANCY` or `ROLE_PARTNER_TRANSACTION_LOG_READ`:
/// `ROLE_SHOP_ADMIN` does not open them.
pub trait MiraklFinance {
    /// TL02: one page of at most 2,000 lines, those first that changed first; from the beginning,
    /// or at a token that an earlier page handed out, whatever run that was in. Beside a token,
    /// Mirakl ignores the query.
    async fn transactions(
        &self,
        query: &TransactionQuery,
        token: Option<&str>,
    ) -> Result<Page<TransactionLine>, MiraklError>;

    /// TL03: begins an export as NDJSON and answers its tracking id. One try: a refused one counts
    /// as well.
    async fn begin_transactions_export(
        &self,
        query: &TransactionQuery,
    ) -> Result<String, MiraklError>;

    /// TL04: where the export stands.
    async fn transactions_export(
        &self,
        tracking_id: &str,
    ) -> Result<TransactionsExport, MiraklError>;

    /// TL05: the lines of one file of an export, as they arrive. After an error the file counts as
    /// not read, whatever was handed over before.
    async fn exported_transactions(
        &self,
        url: &str,
        each: impl FnMut(Result<TransactionLine, Unreadable>),
    ) -> Result<(), MiraklError>;

    /// SBC11: one page of at most 1,000 billing cycles of every state, oldest first.
    async fn billing_cycles(
        &self,
        query: &CreatedQuery,
        token: Option<&str>,
    ) -> Result<Page<BillingCycle>, MiraklError>;

    /// IV01: one page of at most 100 documents of every type, oldest first, from `offset` on.
    async fn accounting_documents(
        &self,
        query: &CreatedQuery,
        offset: usize,
    ) -> Result<Page<AccountingDocument>, MiraklError>;

    /// IV02: a document as a file, most often a PDF.
    async fn accounting_document_file(&self, invoice_id: i64) -> Result<Vec<u8>, MiraklError>;
}
