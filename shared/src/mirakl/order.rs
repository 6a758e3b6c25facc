//! An order as OR11 lists it. Only ids, states, quantities and money are needed; what else has a
//! form that is not understood is done without ([`Order::unread_fields`]). Whatever else Mirakl
//! promises has been seen absent or null, even in its own examples (Mirakl seller API, "Schema
//! against reality").

use std::collections::BTreeSet;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize};

pub use super::order_line::{
    AdditionalField, Cancelation, EcoContribution, Fee, OrderLine, Promotion, Refund, Tax,
};
pub use super::order_state::OrderState;
use crate::kit::amount::Amount;

/// An order, as far as the connector needs it.
#[serde_with::apply(
    Option<String> => #[serde(default, deserialize_with = "super::wire::text", skip_serializing_if = "Option::is_none")],
    Option<Timestamp> => #[serde(default, with = "super::wire::date", skip_serializing_if = "Option::is_none")],
    Option<Amount> => #[serde(default, skip_serializing_if = "Option::is_none")],
    Vec<_> => #[serde(default, deserialize_with = "super::wire::null_as_default", skip_serializing_if = "Vec::is_empty")],
)]
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Order {
    /// `order_id`: `<commercial_id>-A`; one shop's part of what the customer ordered.
    #[serde(deserialize_with = "super::wire::id")]
    pub order_id: String,
    /// `commercial_id`: the customer's order number.
    pub commercial_id: Option<String>,
    /// `order_state`.
    pub order_state: OrderState,
    /// `order_state_reason_code`: `ACCEPTANCE_TIMEOUT` where the window passed.
    pub order_state_reason_code: Option<String>,
    /// `created_date`.
    pub created_date: Option<Timestamp>,
    /// `last_updated_date`: the order's version.
    pub last_updated_date: Option<Timestamp>,
    /// `acceptance_decision_date`: null where the marketplace accepts for the seller.
    pub acceptance_decision_date: Option<Timestamp>,
    /// `shipping_deadline`: ship by.
    pub shipping_deadline: Option<Timestamp>,
    /// `currency_iso_code`, of every amount of the order.
    pub currency_iso_code: Option<String>,
    /// `order_tax_mode`: `TAX_INCLUDED` or `TAX_EXCLUDED`; absent means included, as on platforms
    /// older than the field.
    pub order_tax_mode: Option<String>,
    /// `price`: goods, net of cancelations, without shipping.
    pub price: Option<Amount>,
    /// `shipping_price`.
    pub shipping_price: Option<Amount>,
    /// `total_price`.
    pub total_price: Option<Amount>,
    /// `total_commission`: what the marketplace keeps, its tax included.
    pub total_commission: Option<Amount>,
    /// `shipping_type_code`.
    pub shipping_type_code: Option<String>,
    /// `shipping_type_label`.
    pub shipping_type_label: Option<String>,
    /// `shipping_zone_code`.
    pub shipping_zone_code: Option<String>,
    /// `shipping_pudo_id`: the pick-up point.
    pub shipping_pudo_id: Option<String>,
    /// `transaction_number`: the payment's number at the marketplace.
    pub transaction_number: Option<String>,
    /// `payment_type`; on platforms that have only its older spelling, `paymentType`. Both may
    /// stand side by side.
    pub payment_type: Option<String>,
    /// `customer_debited_date`.
    pub customer_debited_date: Option<Timestamp>,
    /// `has_customer_message`.
    #[serde(default)]
    pub has_customer_message: Option<bool>,
    /// `fully_refunded`: all that was paid was given back; goods may still stand on the lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fully_refunded: Option<bool>,
    /// `payment_workflow`: when the customer pays, such as `PAY_ON_ACCEPTANCE`, `PAY_ON_DELIVERY`,
    /// `NO_CUSTOMER_PAYMENT_CONFIRMATION`.
    pub payment_workflow: Option<String>,
    /// `fulfillment`: the centre that fulfils the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fulfillment: Option<Fulfillment>,
    /// `can_shop_ship`: false where the operator fulfils the order.
    #[serde(default)]
    pub can_shop_ship: Option<bool>,
    /// `channel`: the sales channel within the marketplace; often null.
    #[serde(default, deserialize_with = "sales_channel", skip_serializing_if = "Option::is_none")]
    pub channel: Option<SalesChannel>,
    /// `references`: the customer's and the seller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<References>,
    /// `customer`: absent or sparse before acceptance and debit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<Customer>,
    /// `customer_notification_email`: an anonymised relay address, or empty.
    pub customer_notification_email: Option<String>,
    /// `order_additional_fields`: the operator's own fields.
    pub order_additional_fields: Vec<AdditionalField>,
    /// `order_taxes`: listed where taxes are computed on the order.
    pub order_taxes: Vec<OrderTax>,
    /// `order_refunds`: what was refunded of those taxes.
    pub order_refunds: Vec<OrderRefund>,
    /// `order_lines`.
    #[serde_with(skip_apply)]
    pub order_lines: Vec<OrderLine>,
    /// Fields that were done without, because their form is not understood: names and forms.
    #[serde_with(skip_apply)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread_fields: Vec<String>,
}

/// A tax that is computed on the order.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct OrderTax {
    /// `code`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub code: Option<String>,
    /// `total_amount`.
    #[serde(default)]
    pub total_amount: Option<Amount>,
}

/// What one refund gave back of the taxes that are computed on the order.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct OrderRefund {
    /// `taxes`.
    #[serde(default, deserialize_with = "super::wire::null_as_default")]
    pub taxes: Vec<OrderTax>,
}

/// `fulfillment`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Fulfillment {
    /// `center`.
    #[serde(default)]
    pub center: Option<FulfillmentCenter>,
}

/// `fulfillment.center`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct FulfillmentCenter {
    /// `code`: `DEFAULT` is the shop's own, on marketplaces that name no other.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub code: Option<String>,
}

/// `channel`.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct SalesChannel {
    /// `code`.
    pub code: String,
    /// `label`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub label: Option<String>,
}

/// `references`.
#[serde_with::apply(
    Option<String> => #[serde(default, deserialize_with = "super::wire::text", skip_serializing_if = "Option::is_none")],
)]
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct References {
    /// `order_reference_for_customer`.
    pub order_reference_for_customer: Option<String>,
    /// `order_reference_for_seller`: Prima's order number, once OR04 wrote it.
    pub order_reference_for_seller: Option<String>,
}

/// `customer`.
#[serde_with::apply(
    Option<String> => #[serde(default, deserialize_with = "super::wire::text", skip_serializing_if = "Option::is_none")],
)]
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Customer {
    /// `civility`: "Mr", "Mrs", a label or null.
    pub civility: Option<String>,
    /// `customer_id`: the operator's.
    pub customer_id: Option<String>,
    /// `firstname`.
    pub firstname: Option<String>,
    /// `lastname`.
    pub lastname: Option<String>,
    /// `organization`: the company, on a business order.
    #[serde(default)]
    pub organization: Option<Organization>,
    /// `billing_address`.
    #[serde(default)]
    pub billing_address: Option<Address>,
    /// `shipping_address`.
    #[serde(default)]
    pub shipping_address: Option<Address>,
}

/// `customer.organization`.
#[serde_with::apply(
    Option<String> => #[serde(default, deserialize_with = "super::wire::text", skip_serializing_if = "Option::is_none")],
)]
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Organization {
    /// `organization_id`.
    pub organization_id: Option<String>,
    /// `name`.
    pub name: Option<String>,
    /// `tax_identification_number`.
    pub tax_identification_number: Option<String>,
    /// `identification_number`.
    pub identification_number: Option<String>,
}

/// A billing or shipping address.
#[serde_with::apply(
    Option<String> => #[serde(default, deserialize_with = "super::wire::text", skip_serializing_if = "Option::is_none")],
)]
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Address {
    /// `civility`.
    pub civility: Option<String>,
    /// `firstname`.
    pub firstname: Option<String>,
    /// `lastname`.
    pub lastname: Option<String>,
    /// `company`.
    pub company: Option<String>,
    /// `company_2`.
    pub company_2: Option<String>,
    /// `street_1`.
    pub street_1: Option<String>,
    /// `street_2`.
    pub street_2: Option<String>,
    /// `zip_code`.
    pub zip_code: Option<String>,
    /// `city`.
    pub city: Option<String>,
    /// `state`: county or region.
    pub state: Option<String>,
    /// `country`: a free label, "France (métropolitaine)".
    pub country: Option<String>,
    /// `country_iso_code`: alpha-3, may be null.
    pub country_iso_code: Option<String>,
    /// `phone`.
    pub phone: Option<String>,
    /// `phone_secondary`.
    pub phone_secondary: Option<String>,
    /// `additional_info`: of a shipping address.
    pub additional_info: Option<String>,
    /// `internal_additional_info`.
    pub internal_additional_info: Option<String>,
}

/// Codes that Mirakl documents and that need no rule of ours: of lines, and deprecated ones.
const KNOWN_STATES: [&str; 5] =
    ["REFUNDED", "INCIDENT_OPEN", "INCIDENT_CLOSED", "WAITING_REFUND", "WAITING_REFUND_PAYMENT"];
const KNOWN_TAX_MODES: [&str; 2] = ["TAX_INCLUDED", "TAX_EXCLUDED"];
const KNOWN_WORKFLOWS: [&str; 5] = [
    "PAY_ON_ACCEPTANCE",
    "PAY_ON_DELIVERY",
    "PAY_ON_DUE_DATE",
    "PAY_ON_SHIPMENT",
    "NO_CUSTOMER_PAYMENT_CONFIRMATION",
];

impl Order {
    /// States and codes that this version does not know, as `order_state CODE`. They are of closed
    /// lists: codes that each marketplace chooses itself, such as shipping types, are none of them.
    #[must_use]
    pub fn unknown_values(&self) -> BTreeSet<String> {
        let state = |state: &OrderState| match state {
            OrderState::Other(code) if !KNOWN_STATES.contains(&code.as_str()) => Some(code.clone()),
            _ => None,
        };
        let other_than = |known: &[&str], code: &Option<String>| {
            code.clone().filter(|code| !known.contains(&code.as_str()))
        };
        let of_order = [
            ("order_state", state(&self.order_state)),
            ("order_tax_mode", other_than(&KNOWN_TAX_MODES, &self.order_tax_mode)),
            ("payment_workflow", other_than(&KNOWN_WORKFLOWS, &self.payment_workflow)),
        ];
        let of_lines = self
            .order_lines
            .iter()
            .map(|line| ("order_line_state", line.order_line_state.as_ref().and_then(state)));
        let found =
            of_order.into_iter().chain(of_lines).filter_map(|(field, code)| Some((field, code?)));
        found.map(|(field, code)| format!("{field} {}", printable(&code))).collect()
    }
}

/// A code, and no more: whatever else may stand in its place is not repeated to anybody.
fn printable(code: &str) -> &str {
    let is_code = code.len() <= 60
        && code
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.'));
    if is_code { code } else { "(no code)" }
}

impl Order {
    /// The lines that are still to be delivered.
    pub fn live_lines(&self) -> impl Iterator<Item = &OrderLine> {
        self.order_lines.iter().filter(|line| line.is_live())
    }

    /// Prima's order number as Mirakl holds it, where it holds one.
    #[must_use]
    pub fn seller_reference(&self) -> Option<&str> {
        self.references
            .as_ref()?
            .order_reference_for_seller
            .as_deref()
            .filter(|reference| !reference.is_empty())
    }

    /// Prices are without taxes.
    #[must_use]
    pub fn is_without_tax(&self) -> bool {
        self.order_tax_mode.as_deref() == Some("TAX_EXCLUDED")
    }

    /// Taxes are computed on the order, and not line by line.
    #[must_use]
    pub fn has_order_level_tax(&self) -> bool {
        !self.order_taxes.is_empty()
    }

    /// What is left of a tax that is computed on the order; none of one that is not.
    #[must_use]
    pub fn tax_left(&self, code: Option<&str>) -> Option<Decimal> {
        let of_code = |taxes: &[OrderTax]| -> Option<Decimal> {
            let amounts = taxes
                .iter()
                .filter(|tax| tax.code.as_deref() == code)
                .map(|tax| tax.total_amount.unwrap_or_default().0);
            amounts.reduce(|sum, amount| sum + amount)
        };
        let refunded: Decimal =
            self.order_refunds.iter().filter_map(|refund| of_code(&refund.taxes)).sum();
        of_code(&self.order_taxes).map(|whole| (whole - refunded).max(Decimal::ZERO))
    }

    /// The ids of all lines.
    #[must_use]
    pub fn line_ids(&self) -> Vec<String> {
        self.order_lines.iter().map(|line| line.order_line_id.clone()).collect()
    }
}

/// The sales channel: null, or an object whose fields may be null.
fn sales_channel<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SalesChannel>, D::Error> {
    #[derive(Deserialize)]
    struct OnWire {
        #[serde(default, deserialize_with = "super::wire::text")]
        code: Option<String>,
        #[serde(default, deserialize_with = "super::wire::text")]
        label: Option<String>,
    }
    let channel = Option::<OnWire>::deserialize(deserializer)?;
    Ok(channel.and_then(|OnWire { code, label }| Some(SalesChannel { code: code?, label })))
}
