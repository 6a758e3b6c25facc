//! Orders of the past, as one simulator tells them to the other: books that go back further than a
//! run need both sides of them.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// An order that was lived through before anybody looked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastOrder {
    /// Prima's number, which is the marketplace's too.
    pub number: String,
    /// `PayMethod`, which names the clearing account.
    pub pay_method: String,
    /// Its currency.
    pub currency: String,
    /// When it was entered.
    pub entered_at: Timestamp,
    /// When it left as a whole; absent: it was cancelled before.
    #[serde(default)]
    pub left_at: Option<Timestamp>,
    /// What was sold, in the order of the lines.
    pub lines: Vec<PastLine>,
    /// Shipping and fees.
    pub charges: Decimal,
    /// What was given back afterwards.
    #[serde(default)]
    pub credits: Vec<PastCredit>,
}

/// A line of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastLine {
    /// The offer's SKU.
    pub sku: String,
    /// Pieces.
    pub quantity: u32,
    /// Of the whole line, as the marketplace settles it.
    pub price: Decimal,
}

/// What was given back of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastCredit {
    /// When.
    pub at: Timestamp,
    /// How much, as the marketplace settles it.
    pub gross: Decimal,
}
