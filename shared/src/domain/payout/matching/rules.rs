//! What a person decides of matching.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::kit::amount::Amount;
use crate::kit::field_error::FieldError;

/// Rules of matching, of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MatchRules {
    /// Days after despatch, after which an order that is in no line of the log is told.
    pub not_settled_after_days: u32,
    /// Days after a refund, or a credit note, after which its counterpart is missing.
    pub credit_note_after_days: u32,
    /// The rates of commission that were agreed: any other is told.
    pub commission_band: Option<Band>,
    /// What an order may differ by, between what was kept of it and what is settled.
    pub order_limit: Amount,
}

impl Default for MatchRules {
    fn default() -> Self {
        Self {
            not_settled_after_days: 30,
            credit_note_after_days: 14,
            commission_band: None,
            order_limit: Amount::ZERO,
        }
    }
}

/// Rates in percent of goods and shipping, without the commission's own VAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// The least.
    pub least: Decimal,
    /// The most.
    pub most: Decimal,
}

impl MatchRules {
    /// Everything that is wrong, one entry a field.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, field: &str, problem: &str| {
            if !holds {
                problems.push(FieldError::new(field, problem));
            }
        };
        for (field, days) in [
            ("not_settled_after_days", self.not_settled_after_days),
            ("credit_note_after_days", self.credit_note_after_days),
        ] {
            require((1..=180).contains(&days), field, "takes 1 to 180");
        }
        require(self.order_limit >= Amount::ZERO, "order_limit", "is negative");
        require(
            self.commission_band.is_none_or(|band| {
                !band.least.is_sign_negative()
                    && band.least <= band.most
                    && band.most <= Decimal::ONE_HUNDRED
            }),
            "commission_band",
            "takes rates in percent, least before most",
        );
        problems
    }
}
