//! An order of the marketplace with all that OR11 says of it (Mirakl seller API, OR11).

use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::shipment::{Shipment, Tracking};

/// `order_state` and `order_line_state`.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "Mirakl's own words")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    Staging,
    WaitingAcceptance,
    WaitingDebit,
    WaitingDebitPayment,
    Shipping,
    Shipped,
    ToCollect,
    Received,
    Closed,
    Refused,
    Canceled,
    /// Of a line alone.
    Refunded,
}

impl State {
    /// Every state, in the order of an order's life.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Mirakl's code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.into()
    }

    /// The state behind a code of Mirakl's.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.code() == code)
    }

    /// Not shipped, refused or cancelled: something is still to be done.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(
            self,
            Self::Staging
                | Self::WaitingAcceptance
                | Self::WaitingDebit
                | Self::WaitingDebitPayment
                | Self::Shipping
        )
    }

    /// Paid for: the order may be, or has been, shipped.
    #[must_use]
    pub fn is_paid(self) -> bool {
        matches!(
            self,
            Self::Shipping | Self::Shipped | Self::ToCollect | Self::Received | Self::Closed
        )
    }
}

/// The centre of an order that the shop itself ships.
pub const SHOPS_OWN_CENTER: &str = "DEFAULT";

/// The payment workflow in which the customer is debited before the order may be shipped.
pub const PAY_ON_ACCEPTANCE: &str = "PAY_ON_ACCEPTANCE";

/// Why an order ended without a shipment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Cause {
    /// The seller refused every line.
    Refused,
    /// The seller did not answer in time.
    AcceptanceTimeout,
    /// The customer's payment failed.
    PaymentRefused,
    /// The operator cancelled it, whole or line by line.
    CanceledByOperator,
}

impl Cause {
    /// `order_state_reason_code`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Refused => "REFUSED",
            Self::AcceptanceTimeout => "ACCEPTANCE_TIMEOUT",
            Self::PaymentRefused => "PAYMENT_REFUSED",
            Self::CanceledByOperator => "CANCELED_BY_OPERATOR",
        }
    }

    /// `order_state_reason_label`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Refused => "Rejected by the seller",
            Self::AcceptanceTimeout => "Automatically rejected",
            Self::PaymentRefused => "Payment refused",
            Self::CanceledByOperator => "Canceled by the operator",
        }
    }
}

/// A tax on an amount.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub struct Tax {
    pub code: &'static str,
    /// Percent.
    pub rate: Decimal,
    pub amount: Decimal,
}

/// Pieces of a line that the operator took back; already deducted from the line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub struct Cancelation {
    pub id: String,
    pub quantity: u32,
    pub amount: Decimal,
    pub shipping_amount: Decimal,
    pub taxes: Vec<Tax>,
    pub shipping_taxes: Vec<Tax>,
    pub fees: Vec<Fee>,
    pub commission_fee: Decimal,
    pub commission_tax: Decimal,
    pub created: Timestamp,
    pub reason_code: String,
}

/// A refund on a line. The line keeps its quantity and amounts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub struct Refund {
    pub id: String,
    pub order_refund_id: String,
    pub quantity: u32,
    pub amount: Decimal,
    pub shipping_amount: Decimal,
    pub taxes: Vec<Tax>,
    pub shipping_taxes: Vec<Tax>,
    pub reason_code: String,
    pub excluded_from_shipment: bool,
    pub created: Timestamp,
}

/// What the customer pays besides goods and shipping.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub struct Fee {
    pub code: &'static str,
    pub amount: Decimal,
}

/// A promotion that the marketplace applied to a line; the price is already net of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// The promotion's id.
    pub id: &'static str,
    /// What the operator calls it.
    pub description: &'static str,
    /// By how much it lowers the line.
    pub deduced_amount: Decimal,
}

/// A line of an order; amounts are net of cancelations, and with or without taxes as the order
/// says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub struct OrderLine {
    pub order_line_id: String,
    pub offer_id: i64,
    pub offer_sku: String,
    pub product_title: String,
    pub state: State,
    pub quantity: u32,
    pub price_unit: Decimal,
    /// Of the whole line.
    pub shipping_price: Decimal,
    pub taxes: Vec<Tax>,
    pub shipping_taxes: Vec<Tax>,
    pub fees: Vec<Fee>,
    /// Without tax.
    pub commission_fee: Decimal,
    pub commission_tax: Decimal,
    pub promotion: Option<Promotion>,
    pub cancelations: Vec<Cancelation>,
    pub refunds: Vec<Refund>,
    /// Pieces that were shipped.
    pub shipped: u32,
}

impl OrderLine {
    /// `price`: the line without shipping.
    #[must_use]
    pub fn price(&self) -> Decimal {
        self.price_unit * Decimal::from(self.quantity)
    }

    /// `total_price`: with shipping and fees.
    #[must_use]
    pub fn total_price(&self) -> Decimal {
        self.price() + self.shipping_price + self.fees.iter().map(|fee| fee.amount).sum::<Decimal>()
    }

    /// `total_commission`: the fee and its tax.
    #[must_use]
    pub fn total_commission(&self) -> Decimal {
        self.commission_fee + self.commission_tax
    }

    /// The goods' whole price was given back.
    #[must_use]
    pub fn is_refunded(&self) -> bool {
        let refunded: Decimal = self.refunds.iter().map(|refund| refund.amount).sum();
        !self.refunds.is_empty() && refunded >= self.price()
    }

    /// What is left of the goods' price: refunds are not deducted from it.
    #[must_use]
    pub fn goods_left(&self) -> Decimal {
        (self.price() - self.refunds.iter().map(|refund| refund.amount).sum::<Decimal>())
            .max(Decimal::ZERO)
    }

    /// What is left of the shipping price.
    #[must_use]
    pub fn shipping_left(&self) -> Decimal {
        (self.shipping_price
            - self.refunds.iter().map(|refund| refund.shipping_amount).sum::<Decimal>())
        .max(Decimal::ZERO)
    }

    /// Pieces that are still to be shipped.
    #[must_use]
    pub fn to_ship(&self) -> u32 {
        let excluded: u32 = self
            .refunds
            .iter()
            .filter(|refund| refund.excluded_from_shipment)
            .map(|refund| refund.quantity)
            .sum();
        if matches!(self.state, State::Canceled | State::Refused | State::Refunded) {
            0
        } else {
            self.quantity.saturating_sub(self.shipped + excluded)
        }
    }

    /// What the customer ordered, before any cancelation.
    #[must_use]
    pub fn ordered_quantity(&self) -> u32 {
        self.quantity
            + self.cancelations.iter().map(|cancelation| cancelation.quantity).sum::<u32>()
    }
}

/// An address, as the marketplace writes one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub struct Address {
    pub civility: Option<&'static str>,
    pub firstname: String,
    pub lastname: String,
    pub company: Option<String>,
    pub company_2: Option<String>,
    pub street_1: String,
    pub street_2: Option<String>,
    pub zip_code: String,
    pub city: String,
    pub state: Option<&'static str>,
    /// A label in words.
    pub country: &'static str,
    /// Alpha-3; old platforms leave it out.
    pub country_iso_code: &'static str,
    pub phone: Option<String>,
    pub phone_secondary: Option<String>,
    /// What the customer tells the carrier; of a shipping address only.
    pub additional_info: Option<String>,
}

/// The business that a customer buys for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub struct Organization {
    pub organization_id: String,
    pub name: String,
    pub identification_number: Option<String>,
    pub tax_identification_number: Option<String>,
}

/// Who bought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub struct Customer {
    pub customer_id: String,
    pub civility: Option<&'static str>,
    pub firstname: String,
    pub lastname: String,
    pub locale: Option<&'static str>,
    /// Set on a business order.
    pub organization: Option<Organization>,
    pub billing_address: Address,
    pub shipping_address: Address,
}

/// The value of an additional field of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldValue {
    /// `STRING`, `LIST` and the like.
    Text(String),
    /// `MULTIPLE_VALUES_LIST`.
    Several(Vec<String>),
}

/// An additional field of an order: what the operator adds to Mirakl's own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub struct AdditionalField {
    pub code: &'static str,
    pub kind: &'static str,
    pub value: FieldValue,
}

/// How long an order takes for what others take as long for as the marketplace's settings say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnTimes {
    /// In STAGING.
    pub staging: Option<Duration>,
    /// Until its acceptance is too late.
    pub acceptance: Option<Duration>,
    /// From its acceptance to its payment.
    pub payment: Option<Duration>,
    /// Nobody ever pays it.
    pub is_never_paid: bool,
}

/// An order of one shop. What the world outside may not change by itself is changed by
/// [`Marketplace`](super::Marketplace) alone, which hands out shared references.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub struct Order {
    /// The commercial id and `-A`.
    pub order_id: String,
    pub commercial_id: String,
    pub shop_id: i64,
    pub state: State,
    /// Why it was refused or cancelled.
    pub cause: Option<Cause>,
    pub created: Timestamp,
    pub last_updated: Timestamp,
    /// Null where the marketplace accepts for the seller.
    pub acceptance_decision_date: Option<Timestamp>,
    pub customer_debited_date: Option<Timestamp>,
    pub shipped_date: Option<Timestamp>,
    pub currency: String,
    /// `TAX_INCLUDED`; else `TAX_EXCLUDED`.
    pub tax_included: bool,
    pub payment_workflow: &'static str,
    pub payment_type: &'static str,
    /// Whether the marketplace accepts it for the seller; none: as its settings say.
    pub automatic_acceptance: Option<bool>,
    /// The payment fails once it is asked for.
    pub payment_fails: bool,
    pub times: OwnTimes,
    pub channel: Option<(&'static str, &'static str)>,
    pub fulfillment_center_code: &'static str,
    pub shipping_type: (&'static str, &'static str),
    pub shipping_zone: (&'static str, &'static str),
    pub shipping_pudo_id: Option<String>,
    pub shipping_deadline: Timestamp,
    pub leadtime_to_ship: u32,
    pub customer: Customer,
    pub has_customer_message: bool,
    pub additional_fields: Vec<AdditionalField>,
    pub reference_for_customer: Option<String>,
    pub reference_for_seller: Option<String>,
    pub lines: Vec<OrderLine>,
    /// For judgement: when it was accepted, by whomever.
    pub accepted_at: Option<Timestamp>,
    /// For judgement: how often OR21 was called for it, with success or not.
    pub accept_calls: u32,
    /// For judgement: how often OR04 wrote its reference.
    pub reference_writes: u32,
    /// Carrier and number of the whole order (OR23).
    pub tracking: Option<Tracking>,
    /// Its shipments in parts (ST01).
    pub shipments: Vec<Shipment>,
    /// For judgement: how often OR23 wrote its tracking, and of these, after it was shipped.
    pub tracking_writes: u32,
    pub tracked_after_shipping: u32,
    /// For judgement: OR24 came before OR23.
    pub shipped_without_tracking: bool,
    /// When the marketplace moves it on by itself.
    pub due: Option<Timestamp>,
}

impl Order {
    /// The lines that count: a refused line keeps its amounts, and they belong to no total.
    fn counted(&self) -> impl Iterator<Item = &OrderLine> {
        self.lines.iter().filter(|line| line.state != State::Refused)
    }

    /// `price`: all lines without shipping.
    #[must_use]
    pub fn price(&self) -> Decimal {
        self.counted().map(OrderLine::price).sum()
    }

    /// `shipping_price`.
    #[must_use]
    pub fn shipping_price(&self) -> Decimal {
        self.counted().map(|line| line.shipping_price).sum()
    }

    /// `total_price`.
    #[must_use]
    pub fn total_price(&self) -> Decimal {
        self.counted().map(OrderLine::total_price).sum()
    }

    /// `total_commission`.
    #[must_use]
    pub fn total_commission(&self) -> Decimal {
        self.counted().map(OrderLine::total_commission).sum()
    }

    /// The promotions' sum.
    #[must_use]
    pub fn deduced_amount(&self) -> Decimal {
        self.counted()
            .filter_map(|line| line.promotion.as_ref())
            .map(|promotion| promotion.deduced_amount)
            .sum()
    }

    /// `fully_refunded`: whatever was paid was given back, whether it has left or not.
    #[must_use]
    pub fn fully_refunded(&self) -> bool {
        let mut paid = self
            .lines
            .iter()
            .filter(|line| !matches!(line.state, State::Refused | State::Canceled))
            .peekable();
        paid.peek().is_some() && paid.all(OrderLine::is_refunded)
    }

    /// `can_cancel`: the seller may still cancel.
    #[must_use]
    pub fn can_cancel(&self) -> bool {
        self.state.is_open() && !matches!(self.state, State::Staging | State::WaitingAcceptance)
    }

    /// `can_shop_ship`.
    #[must_use]
    pub fn can_shop_ship(&self) -> bool {
        self.state == State::Shipping && self.fulfillment_center_code == SHOPS_OWN_CENTER
    }

    /// Lines that are neither refused nor cancelled follow the order; refunded ones only when it is
    /// closed.
    pub(super) fn enter(&mut self, state: State) {
        self.state = state;
        for line in &mut self.lines {
            let stays = matches!(line.state, State::Canceled | State::Refused)
                || (line.state == State::Refunded && state != State::Closed);
            if !stays {
                line.state = state;
            }
        }
    }
}
