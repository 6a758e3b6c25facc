//! An order's money as it was when `NewOrder` was sent: what settlements are compared with, long
//! after Mirakl stops listing the order. Nothing of the customer.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::order::remaining::remaining;
use crate::kit::amount::Amount;
use crate::mirakl::Order;
use crate::mirakl::order::Tax;
use crate::prima::order::PrimaOrder;

/// The money of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoneyFacts {
    /// `currency_iso_code`.
    pub currency: String,
    /// `order_tax_mode`: with `TAX_EXCLUDED` taxes come on top of prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_mode: Option<String>,
    /// Taxes that are computed on the order, and not line by line.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub order_taxes: Amount,
    /// What Prima was told that the customer paid; none where no payment was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoiced: Option<Amount>,
    /// When `NewOrder` was about to be sent.
    pub sent_at: Timestamp,
    /// Its lines.
    pub lines: Vec<LineMoney>,
}

/// The money of a line, as Mirakl lists it: before refunds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineMoney {
    /// `order_line_id`.
    pub line: String,
    /// `offer_sku`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub offer_sku: String,
    /// The Prima product with its matrix codes; empty where nothing of the line was sent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub product: String,
    /// Pieces that were sent.
    #[serde(default)]
    pub pieces: u32,
    /// `price`.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub price: Amount,
    /// `shipping_price`.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub shipping: Amount,
    /// `taxes` and `shipping_taxes`.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub taxes: Amount,
    /// `commission_fee`; none where Mirakl did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commission_fee: Option<Amount>,
    /// `commission_taxes`.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub commission_taxes: Amount,
}

fn is_nothing(amount: &Amount) -> bool {
    *amount == Amount::ZERO
}

impl MoneyFacts {
    /// Those of an order that is about to be sent as `document`.
    #[must_use]
    pub fn of(order: &Order, document: &PrimaOrder, now: Timestamp) -> Self {
        let sum =
            |taxes: &[Tax]| -> rust_decimal::Decimal { taxes.iter().map(|tax| tax.amount.0).sum() };
        let left = remaining(order, None);
        let sent: Vec<_> = left.live_lines().zip(&document.lines).collect();
        let lines = order.live_lines().map(|line| {
            let prima = sent.iter().find(|(sent, _)| sent.order_line_id == line.order_line_id);
            LineMoney {
                line: line.order_line_id.clone(),
                offer_sku: line.offer_sku.clone().unwrap_or_default(),
                product: prima.map_or_else(String::new, |(_, prima)| {
                    let codes = prima.matrix_codes.iter().filter(|code| !code.is_empty());
                    let parts: Vec<&str> =
                        std::iter::once(&prima.product).chain(codes).map(String::as_str).collect();
                    parts.join("-")
                }),
                pieces: prima.map_or(0, |(_, prima)| prima.quantity),
                price: line.price,
                shipping: line.shipping_price.unwrap_or_default(),
                taxes: Amount(sum(&line.taxes) + sum(&line.shipping_taxes)),
                commission_fee: line.commission_fee,
                commission_taxes: Amount(sum(&line.commission_taxes)),
            }
        });
        let order_taxes = order.order_taxes.iter().filter_map(|tax| tax.total_amount);
        let payments = document.payments.iter().map(|payment| payment.amount);
        Self {
            currency: order.currency_iso_code.clone().unwrap_or_default(),
            tax_mode: order.order_tax_mode.clone(),
            order_taxes: Amount(order_taxes.map(|tax| tax.0).sum()),
            invoiced: (!document.payments.is_empty()).then(|| Amount(payments.sum())),
            sent_at: now,
            lines: lines.collect(),
        }
    }

    /// Taxes come on top of prices.
    #[must_use]
    pub fn is_without_tax(&self) -> bool {
        self.tax_mode.as_deref() == Some("TAX_EXCLUDED")
    }
}
