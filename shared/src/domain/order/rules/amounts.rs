//! What the amounts of an order mean, and which of them Prima gets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is sent of an order whose prices do not contain the taxes (`TAX_EXCLUDED`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExcludedTax {
    /// The net prices, with `VatInclusive="No"`: Prima adds the tax.
    #[default]
    SendNet,
    /// Prices plus Mirakl's taxes, with `VatInclusive="Yes"`.
    AddTaxes,
}

/// How a marketplace's promotion on a line is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PromotionRule {
    /// The price after the promotion, and nothing more.
    #[default]
    Net,
    /// The price before it, with `Promotion` and `PromotionValue`.
    Gross {
        /// `Promotion`; empty: Mirakl's promotion id.
        #[serde(default)]
        code: String,
    },
}

/// A line's price that is not a whole number of hundredths per piece, where Prima wants the price
/// of one piece.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum InexactUnitPrice {
    /// The order becomes an exception.
    #[default]
    Exception,
    /// The price per piece is rounded down, and what is left goes into one charge of the order.
    RoundingCharge {
        /// The charge code.
        code: String,
    },
}

/// Money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AmountRules {
    /// Decimals that Prima takes in an amount. An amount with more becomes an exception: nothing is
    /// rounded.
    pub decimals: u32,
    /// `TAX_EXCLUDED`.
    pub excluded_tax: ExcludedTax,
    /// Promotions.
    pub promotions: PromotionRule,
    /// Prices that do not divide.
    pub inexact_unit_price: InexactUnitPrice,
    /// The allowed currencies: ISO code to Prima's code. Empty: any, by its ISO code.
    pub currencies: BTreeMap<String, String>,
    /// The currency of an order that names none; empty: such an order becomes an exception.
    pub missing_currency: String,
    /// Mirakl's code of a fee to the charge that carries it, where the order's total contains it.
    pub fees: BTreeMap<String, FeeRule>,
    /// The category (`epr_category_code`) of an eco contribution to the charge that carries it,
    /// where the order's total contains it beside the prices.
    pub eco_contributions: BTreeMap<String, FeeRule>,
}

/// How a fee is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeeRule {
    /// The charge code.
    pub charge: String,
}

impl Default for AmountRules {
    fn default() -> Self {
        Self {
            decimals: 2,
            excluded_tax: ExcludedTax::default(),
            promotions: PromotionRule::default(),
            inexact_unit_price: InexactUnitPrice::default(),
            currencies: BTreeMap::new(),
            missing_currency: String::new(),
            fees: BTreeMap::new(),
            eco_contributions: BTreeMap::new(),
        }
    }
}

/// A delivery that costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZeroCharge {
    /// No charge is sent.
    #[default]
    LeaveOut,
    /// A charge of 0.00 is sent.
    Send,
}
