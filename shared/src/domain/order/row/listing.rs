//! What Mirakl lists of an order, and what became of it there: the part of the row that
//! `acknowledge-orders` owns.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::unset::{is_false, is_zero};
use crate::domain::order::remaining::{gone_pieces, has_left};
use crate::kit::amount::Amount;
use crate::mirakl::{Order, OrderState};

/// What an order pays out: its total less the marketplace's commission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayoutValue {
    /// The amount.
    pub amount: Amount,
    /// Its currency.
    pub currency: String,
}

/// What Mirakl lists of an order. Whoever lists writes it; all others read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Mirakl's state, as last listed.
    pub state: OrderState,
    /// Mirakl's `last_updated_date`, as last listed: the version of what we know. Older messages
    /// are dropped.
    #[serde(default)]
    pub updated: Option<Timestamp>,
    /// Mirakl's `created_date`.
    #[serde(default)]
    pub created: Option<Timestamp>,
    /// Ship by.
    #[serde(default)]
    pub shipping_deadline: Option<Timestamp>,
    /// `shipping_type_code`: it may demand a tracking number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_type: Option<String>,
    /// What it pays out: what a dispatch that cannot be confirmed holds back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payout_value: Option<PayoutValue>,
    /// When it was first listed.
    pub seen_at: Timestamp,
    /// When we accepted it; `None` where the marketplace or a person did.
    #[serde(default)]
    pub acknowledged_at: Option<Timestamp>,
    /// An operator adopted it although it is older than the take-over, or asked for another try.
    #[serde(default)]
    pub adopted: bool,
    /// Mirakl cancelled the order while it was not ours to move.
    #[serde(default)]
    pub cancel_requested: Option<Timestamp>,
    /// Pieces by offer SKU that Mirakl lists as cancelled or refused, whatever Prima has: a
    /// marketplace may have put them back on offer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub taken_back: BTreeMap<String, u32>,
    /// Refunds that Mirakl lists on its lines: with each, what a channel shows of them may have
    /// changed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refunds: u32,
    /// The marketplace ships it itself: nothing of it ever leaves our warehouse.
    #[serde(default, skip_serializing_if = "is_false")]
    pub fulfilled_by_operator: bool,
    /// Mirakl has said that something of it has left. What is CLOSED later, or refunded, had left
    /// then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub shipped: bool,
}

impl Listing {
    /// That of an order of which nothing can be read but its state.
    pub(super) fn unread(state: OrderState, now: Timestamp) -> Self {
        Self {
            state,
            updated: None,
            created: None,
            shipping_deadline: None,
            shipping_type: None,
            payout_value: None,
            seen_at: now,
            acknowledged_at: None,
            adopted: false,
            cancel_requested: None,
            taken_back: BTreeMap::new(),
            refunds: 0,
            fulfilled_by_operator: false,
            shipped: false,
        }
    }

    /// Takes over what Mirakl lists. `left_at`: since when everything has left, where that is
    /// known.
    pub(super) fn note(&mut self, order: &Order, left_at: Option<Timestamp>) {
        self.state = order.order_state.clone();
        self.updated = order.last_updated_date.or(self.updated);
        self.created = order.created_date.or(self.created);
        self.shipping_deadline = order.shipping_deadline.or(self.shipping_deadline);
        if order.shipping_type_code.is_some() {
            self.shipping_type.clone_from(&order.shipping_type_code);
        }
        self.payout_value = payout_value(order).or_else(|| self.payout_value.take());
        self.shipped |= has_left(order);
        for (offer_sku, pieces) in taken_back(order, left_at) {
            let known = self.taken_back.entry(offer_sku).or_default();
            *known = pieces.max(*known);
        }
        let refunds: usize = order.order_lines.iter().map(|line| line.refunds.len()).sum();
        // What was seen once is not taken back by a listing that names fewer.
        self.refunds = self.refunds.max(u32::try_from(refunds).unwrap_or(u32::MAX));
    }
}

/// Pieces by offer SKU that a listing says are cancelled, refused, or refunded before they left.
fn taken_back(order: &Order, left_at: Option<Timestamp>) -> BTreeMap<String, u32> {
    let is_over = |state: Option<&OrderState>| {
        matches!(state, Some(OrderState::Refused | OrderState::Canceled))
    };
    let mut back: BTreeMap<String, u32> = BTreeMap::new();
    for line in &order.order_lines {
        let Some(offer_sku) = &line.offer_sku else { continue };
        let cancelled: u32 = line.cancelations.iter().filter_map(|part| part.quantity).sum();
        let is_refused =
            is_over(Some(&order.order_state)) || is_over(line.order_line_state.as_ref());
        let ended = if is_refused { line.quantity } else { gone_pieces(order, line, left_at) };
        if cancelled > 0 || ended > 0 {
            let pieces = back.entry(offer_sku.clone()).or_default();
            *pieces = pieces.saturating_add(cancelled).saturating_add(ended);
        }
    }
    back
}

fn payout_value(order: &Order) -> Option<PayoutValue> {
    let total = order.total_price?;
    let commission = order.total_commission.unwrap_or_default();
    Some(PayoutValue {
        amount: Amount(total.0 - commission.0),
        currency: order.currency_iso_code.clone()?,
    })
}
