//! A line of the transaction log (Mirakl seller API, TL02).

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::kind::TransactionType;

/// `payment_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub enum PaymentState {
    Pending,
    Payable,
    Paid,
    NotApplicable,
    Reserve,
}

impl PaymentState {
    /// Mirakl's code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.into()
    }
}

/// The order that a line is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub struct EntryOrder {
    pub order_id: String,
    pub commercial_id: String,
    pub created: Timestamp,
    pub order_line_id: Option<String>,
    pub refund_id: Option<String>,
    pub payment_type: &'static str,
}

/// What somebody meddled with in a line; the money itself moved as the line says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Spoilt {
    /// The line is not listed.
    pub hidden: bool,
    /// It is listed a second time, under another id.
    pub repeated: bool,
    /// Its amount is shown by so much higher (below zero: lower).
    pub changed_by: Decimal,
    /// Its `type` is shown as this.
    pub shown_as: Option<String>,
    /// It is shown without amounts.
    pub without_amounts: bool,
}

/// A line of the transaction log. Credited and debited are never below zero, and one of them is
/// zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub struct Entry {
    /// Its place in the shop's log.
    pub place: usize,
    pub id: String,
    pub kind: TransactionType,
    pub credited: Decimal,
    pub debited: Decimal,
    pub currency: String,
    pub psp: String,
    pub created: Timestamp,
    pub last_updated: Timestamp,
    pub state: PaymentState,
    /// The cycle that it belongs to, by its place.
    pub cycle: Option<usize>,
    /// The accounting document that it belongs to, by its place.
    pub document: Option<usize>,
    pub order: Option<EntryOrder>,
    /// `other_reference` of what is not tied to an order.
    pub reference: Option<String>,
    pub description: Option<String>,
    pub balance: Decimal,
    pub psp_balance: Decimal,
    pub spoilt: Spoilt,
}

impl Entry {
    /// What it adds to what the marketplace owes the seller.
    #[must_use]
    pub fn net(&self) -> Decimal {
        self.credited - self.debited
    }
}

/// What is known of a line that is to be written.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) kind: TransactionType,
    /// Above zero: credited; below: debited.
    pub(super) net: Decimal,
    pub(super) currency: String,
    pub(super) psp: String,
    pub(super) state: PaymentState,
    pub(super) order: Option<EntryOrder>,
    pub(super) reference: Option<String>,
    pub(super) description: Option<String>,
    pub(super) document: Option<usize>,
    pub(super) cycle: Option<usize>,
}
