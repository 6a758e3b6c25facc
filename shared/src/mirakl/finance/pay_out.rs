//! What became of a transfer (Mirakl seller API: SBC11 `pay_out`, IV01 `payment`).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::entry::present;
use crate::mirakl::wire::{date, text};

/// Where a transfer stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PayOutState {
    /// `TO_PAY` in SBC11, `PENDING` in IV01.
    ToPay,
    /// `PAID`.
    Paid,
    /// `FAILED`.
    Failed,
    /// No state is given.
    #[default]
    NotTold,
    /// A state this version does not know.
    Unknown(String),
}

/// A transfer to the seller's bank.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayOut {
    /// `state`.
    #[serde(default)]
    pub state: PayOutState,
    /// `reference`: there once it is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// `transaction_date`: there once it is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transacted: Option<Timestamp>,
    /// `failure_reason`: `INCOMPLETE_KYC`, `AWAITING_INVOICE_CHECK`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct OnWire {
    #[serde(deserialize_with = "text")]
    state: Option<String>,
    #[serde(deserialize_with = "text")]
    reference: Option<String>,
    #[serde(deserialize_with = "date::deserialize")]
    transaction_date: Option<Timestamp>,
    #[serde(deserialize_with = "text")]
    failure_reason: Option<String>,
}

impl OnWire {
    pub(super) fn into_pay_out(self) -> PayOut {
        let state = match present(self.state).as_deref() {
            None => PayOutState::NotTold,
            Some("TO_PAY" | "PENDING") => PayOutState::ToPay,
            Some("PAID") => PayOutState::Paid,
            Some("FAILED") => PayOutState::Failed,
            Some(other) => PayOutState::Unknown(other.to_owned()),
        };
        PayOut {
            state,
            reference: present(self.reference),
            transacted: self.transaction_date,
            failure_reason: present(self.failure_reason),
        }
    }
}
