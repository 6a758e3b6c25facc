//! What is noted on a Prima order, and when it is held.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::address::TooLong;
use crate::kit::amount::Amount;

/// Where a text goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instruction {
    /// `SpecialInstructions`.
    #[default]
    Special,
    /// `ShippingInstructions`.
    Shipping,
    /// Nowhere.
    Nothing,
}

/// An operator's field that is carried over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldRule {
    /// Mirakl's code of the field.
    pub code: String,
    /// What stands before its value; left out: nothing.
    #[serde(default)]
    pub label: String,
    /// Where it goes. Fields of a line always go to the line's narrative.
    #[serde(default)]
    pub to: Instruction,
}

/// Instructions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NoteRules {
    /// What is written where the customer sent a message (`has_customer_message`); the message
    /// itself stays in Mirakl.
    pub customer_message_text: String,
    /// Where that goes.
    pub customer_message: Instruction,
    /// Fields of the order.
    pub order_fields: Vec<FieldRule>,
    /// Fields of a line.
    pub line_fields: Vec<FieldRule>,
    /// Characters of `SpecialInstructions`.
    pub special_length: usize,
    /// Characters of `ShippingInstructions`.
    pub shipping_length: usize,
    /// What happens to instructions and narratives that are too long.
    pub too_long: TooLong,
}

impl Default for NoteRules {
    fn default() -> Self {
        Self {
            customer_message_text: "Customer message: see the order in Mirakl".to_owned(),
            customer_message: Instruction::Special,
            order_fields: Vec::new(),
            line_fields: Vec::new(),
            special_length: 200,
            shipping_length: 200,
            too_long: TooLong::Exception,
        }
    }
}

/// Orders that are put on hold in Prima for a person to release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldRule {
    /// Which orders.
    pub when: HoldWhen,
    /// What the person reads.
    pub narrative: String,
}

/// Which orders are held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HoldWhen {
    /// The customer paid more than this, in this currency.
    TotalAbove {
        /// The limit.
        amount: Amount,
        /// ISO code; orders in another currency are not meant.
        currency: String,
    },
    /// `has_customer_message`.
    CustomerMessage,
    /// Goes to one of these countries (alpha-3).
    CountryIn(Vec<String>),
    /// Of a business customer.
    Business,
    /// Goes to a pick-up point.
    PickUpPoint,
    /// A live line's SKU begins with one of these.
    SkuPrefix(Vec<String>),
    /// A field of the order has this value.
    AdditionalField {
        /// Mirakl's code of the field.
        code: String,
        /// The value.
        equals: String,
    },
    /// Every order, as in the first days of a channel.
    Always,
    /// Not paid yet.
    Unpaid,
    /// Of one of these payment workflows.
    PaymentWorkflow(Vec<String>),
}

impl HoldWhen {
    /// The limit of [`HoldWhen::TotalAbove`] is reached by `total` in `currency`.
    pub(in crate::domain::order) fn is_above(&self, total: Decimal, currency: &str) -> bool {
        matches!(self, Self::TotalAbove { amount, currency: limited } if limited == currency && total > amount.0)
    }
}
