//! What of an order's money is booked.

use std::collections::{BTreeSet, HashMap};

use rust_decimal::Decimal;

/// What of an order is booked.
#[derive(Debug, Default)]
pub(super) struct Followed {
    /// Its sale.
    pub(super) sold: bool,
    /// The money is owed.
    pub(super) payable: bool,
    /// The refunds and cancelations that are booked, or that came before the sale was.
    pub(super) given_back: BTreeSet<String>,
    /// What is left of the commission and its tax, by line: a line that is refunded and then
    /// cancelled gives its commission back once.
    pub(super) commissions: HashMap<String, (Decimal, Decimal)>,
    /// The payment service.
    pub(super) psp: String,
}
