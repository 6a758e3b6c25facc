//! The lines of an order, as its row remembers them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::order::remaining::remaining;
use crate::mirakl::Order;

/// A line as the row remembers it: no prices (these are [`super::MoneyFacts`]), nothing of the customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowLine {
    /// Mirakl's `order_line_id`.
    pub order_line_id: String,
    /// The offer's SKU.
    pub offer_sku: String,
    /// Pieces, net of cancelations and refusals.
    pub quantity: u32,
}

/// The lines of an order that are still to be delivered.
#[must_use]
pub fn lines_of(order: &Order) -> Vec<RowLine> {
    lines_left(order, None)
}

/// The lines of an order that are still to be delivered, or have been: everything left at
/// `left_at`, where that is known.
#[must_use]
pub fn lines_left(order: &Order, left_at: Option<Timestamp>) -> Vec<RowLine> {
    remaining(order, left_at)
        .live_lines()
        .map(|line| RowLine {
            order_line_id: line.order_line_id.clone(),
            offer_sku: line.offer_sku.clone().unwrap_or_default(),
            quantity: line.quantity,
        })
        .collect()
}
