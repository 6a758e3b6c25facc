//! An order as OR11 lists it. Only ids, states, quantities and money are needed; what else has a
//! form that is not understood is done without ([`Order::unread_fields`]). Whatever else Mirakl
//! promises has been seen absent or null, even in its own examples (Mirakl seller API, "Schema
//! against reality").

use std::collections::BTreeSet;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

pub use super::order_state::OrderState;
use crate::kit::amount::Amount;

/// An order, as far as the connector needs it.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Order {
    /// `order_id`: `<commercial_id>-A`; one shop's part of what the customer ordered.
    #[serde(deserialize_with = "super::wire::id")]
    pub order_id: String,
    /// `commercial_id`: the customer's order number.
    #[serde(
        default,
        deserialize_with = "super::wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub commercial_id: Option<String>,
    /// `order_state`.
    pub order_state: OrderState,
    /// `order_state_reason_code`: `ACCEPTANCE_TIMEOUT` where the window passed.
    #[serde(
        default,
        deserialize_with = "super::wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub order_state_reason_code: Option<String>,
    /// `created_date`.
    #[serde(default, with = "super::wire::date", skip_serializing_if = "Option::is_none")]
    pub created_date: Option<Timestamp>,
    /// `last_updated_date`: the order's version.
    #[serde(default, with = "super::wire::date", skip_serializing_if = "Option::is_none")]
    pub last_updated_date: Option<Timestamp>,
    /// `acceptance_decision_date`: null where the marketplace accepts for the seller.
    #[serde(default, with = "super::wire::date", skip_serializing_if = "Option::is_none")]
    pub acceptance_decision_date: Option<Timestamp>,
    /// `shipping_deadline`: ship by.
    #[serde(default, with = "super::wire::date", skip_serializing_if = "Option::is_none")]
    pub shipping_deadline: Option<Timestamp>,
    /// `currency_iso_code`, of every amount of the order.
    #[serde(
        default,
        deserialize_with = "super::wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub currency_iso_code: Option<String>,
    /// `order_tax_mode`: `TAX_INCLUDED` or `TAX_EXCLUDED`; absent means included, as on platforms
    /// older than the field.
    #[serde(
        default,
        deserialize_with = "super::wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub order_tax_mode: Option<String>,
    /// `price`: goods, net of cancelations, without shipping.
    #[serde(default)]
    pub price: Option<Amount>,
    /// `shipping_price`.
    #[serde(default)]
    pub shipping_price: Option<Amount>,
    /// `total_price`.
    #[serde(default)]
    pub total_price: Option<Amount>,
    /// `total_commission`: what the marketplace keeps, its tax included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_commission: Option<Amount>,
    /// `shipping_type_code`.
    #[serde(
        default,
        deserialize_with = "super::wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub shipping_type_code: Option<String>,
    /// `shipping_type_label`.
    #[serde(
        default,
        deserialize_with = "super::wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub shipping_type_label: Option<String>,
    /// `shipping_zone_code`.
    #[serde(
        default,
        deserialize_with = "super::wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub shipping_zone_code: Option<String>,
    /// `shipping_pudo_id`: the pick-up point.
    #[serde(
        default,
        deserialize_with = "super::wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub shipping_pudo_id: Option<String>,
    /// `transaction_number`: the payment's number at the marketplace.
    #[serde(
        default,
        deserialize_with = "super::wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub transaction_number: Option<String>,
    /// `payment_type`; on platforms that have only its older spelling, `paymentType`. Both may
    /// stand side by side.
    #[serde(
        default,
        deserialize_with = "super::wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub payment_type: Option<String>,
    /// `customer_debited_date`.
    #[serde(default, with = "super::wire::date", skip_serializing_if = "Option::is_none")]
    pub customer_debited_date: Option<Timestamp>,
    /// `has_customer_message`.
    #[serde(default)]
    pub has_customer_message: Option<bool>,
    /// `fully_refunded`: all that was paid was given back; goods may still stand on the lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fully_refunded: Option<bool>,
    /// `payment_workflow`: when the customer pays, such as `PAY_ON_ACCEPTANCE`, `PAY_ON_DELIVERY`,
    /// `NO_CUSTOMER_PAYMENT_CONFIRMATION`.
    #[serde(
        default,
        deserialize_with = "super::wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub payment_workflow: Option<String>,
    /// `fulfillment`: the centre that fulfils the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fulfillment: Option<Fulfillment>,
    /// `can_shop_ship`: false where the operator fulfils the order.
    #[serde(default)]
    pub can_shop_ship: Option<bool>,
    /// `channel`: the sales channel within the marketplace; often null.
    #[serde(
        default,
        deserialize_with = "super::wire::sales_channel",
        skip_serializing_if = "Option::is_none"
    )]
    pub channel: Option<SalesChannel>,
    /// `references`: the customer's and the seller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<References>,
    /// `customer`: absent or sparse before acceptance and debit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<Customer>,
    /// `customer_notification_email`: an anonymised relay address, or empty.
    #[serde(
        default,
        deserialize_with = "super::wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub customer_notification_email: Option<String>,
    /// `order_additional_fields`: the operator's own fields.
    #[serde(default, deserialize_with = "super::wire::null_as_default")]
    pub order_additional_fields: Vec<AdditionalField>,
    /// `order_taxes`: listed where taxes are computed on the order.
    #[serde(
        default,
        deserialize_with = "super::wire::null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub order_taxes: Vec<OrderTax>,
    /// `order_refunds`: what was refunded of those taxes.
    #[serde(
        default,
        deserialize_with = "super::wire::null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub order_refunds: Vec<OrderRefund>,
    /// `order_lines`.
    pub order_lines: Vec<OrderLine>,
    /// Fields that were done without, because their form is not understood: names and forms.
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
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct References {
    /// `order_reference_for_customer`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub order_reference_for_customer: Option<String>,
    /// `order_reference_for_seller`: Prima's order number, once OR04 wrote it.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub order_reference_for_seller: Option<String>,
}

/// `customer`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Customer {
    /// `civility`: "Mr", "Mrs", a label or null.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub civility: Option<String>,
    /// `customer_id`: the operator's.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub customer_id: Option<String>,
    /// `firstname`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub firstname: Option<String>,
    /// `lastname`.
    #[serde(default, deserialize_with = "super::wire::text")]
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
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Organization {
    /// `organization_id`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub organization_id: Option<String>,
    /// `name`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub name: Option<String>,
    /// `tax_identification_number`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub tax_identification_number: Option<String>,
    /// `identification_number`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub identification_number: Option<String>,
}

/// A billing or shipping address.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Address {
    /// `civility`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub civility: Option<String>,
    /// `firstname`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub firstname: Option<String>,
    /// `lastname`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub lastname: Option<String>,
    /// `company`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub company: Option<String>,
    /// `company_2`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub company_2: Option<String>,
    /// `street_1`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub street_1: Option<String>,
    /// `street_2`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub street_2: Option<String>,
    /// `zip_code`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub zip_code: Option<String>,
    /// `city`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub city: Option<String>,
    /// `state`: county or region.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub state: Option<String>,
    /// `country`: a free label, "France (métropolitaine)".
    #[serde(default, deserialize_with = "super::wire::text")]
    pub country: Option<String>,
    /// `country_iso_code`: alpha-3, may be null.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub country_iso_code: Option<String>,
    /// `phone`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub phone: Option<String>,
    /// `phone_secondary`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub phone_secondary: Option<String>,
    /// `additional_info`: of a shipping address.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub additional_info: Option<String>,
    /// `internal_additional_info`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub internal_additional_info: Option<String>,
}

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
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct OrderLine {
    /// `order_line_id`: the line's identity; the same SKU may be on two lines.
    #[serde(deserialize_with = "super::wire::id")]
    pub order_line_id: String,
    /// `order_line_state`.
    #[serde(default)]
    pub order_line_state: Option<OrderState>,
    /// `offer_sku`: the seller's own SKU.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub offer_sku: Option<String>,
    /// `product_title`.
    #[serde(
        default,
        deserialize_with = "super::wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub product_title: Option<String>,
    /// `quantity`: net of cancelations.
    #[serde(deserialize_with = "super::wire::whole")]
    pub quantity: u32,
    /// `price`: of the whole line, net of cancelations, without shipping.
    pub price: Amount,
    /// `price_unit`: of one piece.
    #[serde(default)]
    pub price_unit: Option<Amount>,
    /// `shipping_price`: the line's share.
    #[serde(default)]
    pub shipping_price: Option<Amount>,
    /// `total_price`.
    #[serde(default)]
    pub total_price: Option<Amount>,
    /// `taxes`, on the goods.
    #[serde(default, deserialize_with = "super::wire::null_as_default")]
    pub taxes: Vec<Tax>,
    /// `shipping_taxes`.
    #[serde(default, deserialize_with = "super::wire::null_as_default")]
    pub shipping_taxes: Vec<Tax>,
    /// `commission_fee`: what the marketplace keeps of the line, without its tax.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commission_fee: Option<Amount>,
    /// `commission_taxes`.
    #[serde(
        default,
        deserialize_with = "super::wire::null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub commission_taxes: Vec<Tax>,
    /// `promotions`: what the marketplace took off, already in the price.
    #[serde(default, deserialize_with = "super::wire::promotions")]
    pub promotions: Vec<Promotion>,
    /// `fees`: what the customer pays besides goods and shipping. `total_price` contains them, or
    /// does not: the sums say.
    #[serde(
        default,
        deserialize_with = "super::wire::null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub fees: Vec<Fee>,
    /// `eco_contributions`: usually contained in `price`.
    #[serde(
        default,
        deserialize_with = "super::wire::null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub eco_contributions: Vec<EcoContribution>,
    /// `debited_date`: when the customer paid for the line.
    #[serde(default, with = "super::wire::date", skip_serializing_if = "Option::is_none")]
    pub debited_date: Option<Timestamp>,
    /// `shipped_date`: when the line left.
    #[serde(default, with = "super::wire::date", skip_serializing_if = "Option::is_none")]
    pub shipped_date: Option<Timestamp>,
    /// `cancelations`: already deducted from quantity and amounts.
    #[serde(default, deserialize_with = "super::wire::null_as_default")]
    pub cancelations: Vec<Cancelation>,
    /// `refunds`: not deducted from quantity and amounts.
    #[serde(
        default,
        deserialize_with = "super::wire::null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub refunds: Vec<Refund>,
    /// `order_line_additional_fields`.
    #[serde(default, deserialize_with = "super::wire::null_as_default")]
    pub order_line_additional_fields: Vec<AdditionalField>,
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

impl OrderLine {
    /// Still to be delivered: not refused or cancelled as a whole, and with a quantity left.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.quantity > 0
            && !matches!(self.order_line_state, Some(OrderState::Refused | OrderState::Canceled))
    }
}

/// A tax on an amount.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Tax {
    /// `code`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub code: Option<String>,
    /// `amount`.
    pub amount: Amount,
    /// `tax_calculation_rule`: `NONE`, or `PROPORTIONAL_TO_AMOUNT`, where Mirakl computes what is
    /// given back of it.
    #[serde(
        default,
        deserialize_with = "super::wire::text",
        skip_serializing_if = "Option::is_none"
    )]
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
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Cancelation {
    /// `id`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub id: Option<String>,
    /// `quantity`: may be null although an amount was cancelled.
    #[serde(default, deserialize_with = "super::wire::optional_whole")]
    pub quantity: Option<u32>,
    /// `amount`.
    #[serde(default)]
    pub amount: Option<Amount>,
    /// `shipping_amount`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_amount: Option<Amount>,
    /// `taxes`, on the goods that are cancelled.
    #[serde(
        default,
        deserialize_with = "super::wire::null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub taxes: Vec<Tax>,
    /// `shipping_taxes`.
    #[serde(
        default,
        deserialize_with = "super::wire::null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub shipping_taxes: Vec<Tax>,
    /// `reason_code`.
    #[serde(
        default,
        deserialize_with = "super::wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub reason_code: Option<String>,
    /// `created_date`.
    #[serde(default, with = "super::wire::date", skip_serializing_if = "Option::is_none")]
    pub created_date: Option<Timestamp>,
}

/// A refund on a line.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Refund {
    /// `id`.
    #[serde(default, deserialize_with = "super::wire::text")]
    pub id: Option<String>,
    /// `quantity`: for information; may be null or 0 although an amount was refunded.
    #[serde(default, deserialize_with = "super::wire::optional_whole")]
    pub quantity: Option<u32>,
    /// `amount`: goods.
    #[serde(default)]
    pub amount: Option<Amount>,
    /// `shipping_amount`.
    #[serde(default)]
    pub shipping_amount: Option<Amount>,
    /// `taxes`, on the goods that are refunded.
    #[serde(
        default,
        deserialize_with = "super::wire::null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub taxes: Vec<Tax>,
    /// `shipping_taxes`.
    #[serde(
        default,
        deserialize_with = "super::wire::null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub shipping_taxes: Vec<Tax>,
    /// `order_refund_id`: one for all lines of one OR28.
    #[serde(
        default,
        deserialize_with = "super::wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub order_refund_id: Option<String>,
    /// `reason_code`.
    #[serde(
        default,
        deserialize_with = "super::wire::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub reason_code: Option<String>,
    /// `created_date`.
    #[serde(default, with = "super::wire::date", skip_serializing_if = "Option::is_none")]
    pub created_date: Option<Timestamp>,
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
