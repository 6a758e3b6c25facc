//! A line of an order, and what is taken off it or given back.

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::order_state::OrderState;
use crate::kit::amount::Amount;

/// An operator's own field on an order or a line.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct AdditionalField {
    /// `code`.
    pub code: String,
    /// `type`: STRING, DATE, NUMERIC, BOOLEAN, LINK, REGEX, TEXTAREA, LIST, `MULTIPLE_VALUES_LIST`.
    #[serde(default, deserialize_with = "super::wire::text", rename = "type")]
    pub kind: Option<String>,
    /// `value`: one string, or several; a number or a boolean as its text.
    #[serde(default, deserialize_with = "super::wire::text_or_texts")]
    pub value: Vec<String>,
}

/// One line of an order.
#[serde_with::apply(
    Option<String> => #[serde(default, deserialize_with = "super::wire::text", skip_serializing_if = "Option::is_none")],
    Option<Timestamp> => #[serde(default, with = "super::wire::date", skip_serializing_if = "Option::is_none")],
    Option<Amount> => #[serde(default, skip_serializing_if = "Option::is_none")],
    Vec<_> => #[serde(default, deserialize_with = "super::wire::null_as_default", skip_serializing_if = "Vec::is_empty")],
)]
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct OrderLine {
    /// `order_line_id`: the line's identity; the same SKU may be on two lines.
    #[serde(deserialize_with = "super::wire::id")]
    pub order_line_id: String,
    /// `order_line_state`.
    #[serde(default)]
    pub order_line_state: Option<OrderState>,
    /// `offer_sku`: the seller's own SKU.
    pub offer_sku: Option<String>,
    /// `product_title`.
    pub product_title: Option<String>,
    /// `quantity`: net of cancelations.
    #[serde(deserialize_with = "super::wire::whole")]
    pub quantity: u32,
    /// `price`: of the whole line, net of cancelations, without shipping.
    pub price: Amount,
    /// `price_unit`: of one piece.
    pub price_unit: Option<Amount>,
    /// `shipping_price`: the line's share.
    pub shipping_price: Option<Amount>,
    /// `total_price`.
    pub total_price: Option<Amount>,
    /// `taxes`, on the goods.
    pub taxes: Vec<Tax>,
    /// `shipping_taxes`.
    pub shipping_taxes: Vec<Tax>,
    /// `commission_fee`: what the marketplace keeps of the line, without its tax.
    pub commission_fee: Option<Amount>,
    /// `commission_taxes`.
    pub commission_taxes: Vec<Tax>,
    /// `promotions`: what the marketplace took off, already in the price.
    #[serde_with(skip_apply)]
    #[serde(default, deserialize_with = "promotions")]
    pub promotions: Vec<Promotion>,
    /// `fees`: what the customer pays besides goods and shipping. `total_price` contains them, or
    /// does not: the sums say.
    pub fees: Vec<Fee>,
    /// `eco_contributions`: usually contained in `price`.
    pub eco_contributions: Vec<EcoContribution>,
    /// `debited_date`: when the customer paid for the line.
    pub debited_date: Option<Timestamp>,
    /// `shipped_date`: when the line left.
    pub shipped_date: Option<Timestamp>,
    /// `cancelations`: already deducted from quantity and amounts.
    pub cancelations: Vec<Cancelation>,
    /// `refunds`: not deducted from quantity and amounts.
    pub refunds: Vec<Refund>,
    /// `order_line_additional_fields`.
    pub order_line_additional_fields: Vec<AdditionalField>,
}

impl OrderLine {
    /// Still to be delivered: not refused or cancelled as a whole, and with a quantity left.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.quantity > 0
            && !matches!(self.order_line_state, Some(OrderState::Refused | OrderState::Canceled))
    }
}

/// A tax on an amount.
#[serde_with::apply(
    Option<String> => #[serde(default, deserialize_with = "super::wire::text", skip_serializing_if = "Option::is_none")],
)]
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Tax {
    /// `code`.
    pub code: Option<String>,
    /// `amount`.
    pub amount: Amount,
    /// `tax_calculation_rule`: `NONE`, or `PROPORTIONAL_TO_AMOUNT`, where Mirakl computes what is
    /// given back of it.
    pub tax_calculation_rule: Option<String>,
}

impl Tax {
    /// Mirakl computes what is given back of it: nobody has to say.
    #[must_use]
    pub fn is_proportional(&self) -> bool {
        self.tax_calculation_rule
            .as_deref()
            .is_some_and(|rule| rule.eq_ignore_ascii_case("PROPORTIONAL_TO_AMOUNT"))
    }
}

/// A fee that the operator adds to a line. The schema knows no taxes of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Fee {
    /// `code`: the operator's.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub code: Option<String>,
    /// `amount`, of the whole line.
    #[serde(default)]
    pub amount: Option<Amount>,
}

/// What the law of a country makes the customer pay for the waste of a product.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct EcoContribution {
    /// `epr_category_code`, such as `FR-TLC`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub epr_category_code: Option<String>,
    /// `total_amount`, of the whole line.
    #[serde(default)]
    pub total_amount: Option<Amount>,
}

/// A promotion that was applied to a line.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Promotion {
    /// `id`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub id: Option<String>,
    /// `deduced_amount`.
    #[serde(default)]
    pub deduced_amount: Option<Amount>,
}

/// A cancelation of a part of a line.
#[serde_with::apply(
    Option<String> => #[serde(default, deserialize_with = "super::wire::text", skip_serializing_if = "Option::is_none")],
    Option<Amount> => #[serde(default, skip_serializing_if = "Option::is_none")],
    Vec<_> => #[serde(default, deserialize_with = "super::wire::null_as_default", skip_serializing_if = "Vec::is_empty")],
)]
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Cancelation {
    /// `id`.
    pub id: Option<String>,
    /// `quantity`: may be null although an amount was cancelled.
    #[serde(default, deserialize_with = "super::wire::optional_whole")]
    pub quantity: Option<u32>,
    /// `amount`.
    pub amount: Option<Amount>,
    /// `shipping_amount`.
    pub shipping_amount: Option<Amount>,
    /// `taxes`, on the goods that are cancelled.
    pub taxes: Vec<Tax>,
    /// `shipping_taxes`.
    pub shipping_taxes: Vec<Tax>,
    /// `reason_code`.
    pub reason_code: Option<String>,
    /// `created_date`.
    #[serde(default, with = "super::wire::date", skip_serializing_if = "Option::is_none")]
    pub created_date: Option<Timestamp>,
}

/// A refund on a line.
#[serde_with::apply(
    Option<String> => #[serde(default, deserialize_with = "super::wire::text", skip_serializing_if = "Option::is_none")],
    Option<Amount> => #[serde(default, skip_serializing_if = "Option::is_none")],
    Vec<_> => #[serde(default, deserialize_with = "super::wire::null_as_default", skip_serializing_if = "Vec::is_empty")],
)]
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Refund {
    /// `id`.
    pub id: Option<String>,
    /// `quantity`: for information; may be null or 0 although an amount was refunded.
    #[serde(default, deserialize_with = "super::wire::optional_whole")]
    pub quantity: Option<u32>,
    /// `amount`: goods.
    pub amount: Option<Amount>,
    /// `shipping_amount`.
    pub shipping_amount: Option<Amount>,
    /// `taxes`, on the goods that are refunded.
    pub taxes: Vec<Tax>,
    /// `shipping_taxes`.
    pub shipping_taxes: Vec<Tax>,
    /// `order_refund_id`: one for all lines of one OR28.
    pub order_refund_id: Option<String>,
    /// `reason_code`.
    pub reason_code: Option<String>,
    /// `created_date`.
    #[serde(default, with = "super::wire::date", skip_serializing_if = "Option::is_none")]
    pub created_date: Option<Timestamp>,
}

/// Promotions of a line: an array, null, or an empty object.
fn promotions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Promotion>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    if raw.starts_with('[') {
        serde_json::from_str(raw).map_err(D::Error::custom)
    } else {
        Ok(Vec::new())
    }
}
