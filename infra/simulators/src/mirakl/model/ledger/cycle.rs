//! Billing cycles and accounting documents (Mirakl seller API, SBC11 and IV01).

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// `pay_out.state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub enum PayOut {
    ToPay,
    Paid,
    Failed,
}

impl PayOut {
    /// Mirakl's code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.into()
    }
}

/// A billing cycle of a shop, one currency and one payment service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub struct Cycle {
    /// Its place among the shop's cycles.
    pub place: usize,
    pub id: String,
    /// `payment_voucher_number`: every shop counts its own.
    pub voucher: String,
    pub currency: String,
    pub psp: String,
    /// When the one before was closed.
    pub begun: Timestamp,
    pub closed: Timestamp,
    /// The lines carry its id.
    pub ids_assigned: bool,
    /// What an earlier cycle left to be recovered: zero or below.
    pub carried_in: Decimal,
    /// What this one leaves: zero or below.
    pub carried_out: Decimal,
    pub transfer: Decimal,
    pub pay_out: PayOut,
    pub failure_reason: Option<String>,
    pub reference: Option<String>,
    pub paid: Option<Timestamp>,
}

/// What kind of accounting document it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub enum DocumentKind {
    AutoInvoice,
    ManualInvoice,
    ManualCredit,
}

impl DocumentKind {
    /// Mirakl's code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.into()
    }
}

/// An accounting document. What it charges is summed from its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub struct Document {
    pub place: usize,
    pub id: String,
    pub kind: DocumentKind,
    /// `invoice_id`: all shops are counted together.
    pub invoice_id: i64,
    /// `accounting_document_number`.
    pub number: String,
    pub currency: String,
    pub psp: String,
    pub created: Timestamp,
    /// When it is issued: before, it has neither `invoice_id` nor number.
    pub issued: Option<Timestamp>,
    /// The cycle of an `AUTO_INVOICE`.
    pub cycle: Option<usize>,
}
