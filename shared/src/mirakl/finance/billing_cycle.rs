//! Billing cycles (Mirakl seller API, SBC11): what the operator says it transfers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::amounts::{amount, amounts};
use super::entry::{self, Unfit, Unreadable, currency, present};
use super::pay_out::{OnWire as PayOutOnWire, PayOut};
use crate::kit::amount::Amount;
use crate::mirakl::null_as_default;
use crate::mirakl::wire::{date, text};

/// One billing cycle of a shop, in one currency, through one payment service provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingCycle {
    /// `id`.
    pub id: String,
    /// `currency_iso_code`.
    pub currency: String,
    /// `pay_out_psp_code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psp: Option<String>,
    /// `shop.shop_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shop: Option<String>,
    /// `payment_voucher_number`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voucher: Option<String>,
    /// `date_created`: when the cycle closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// `amount_transferred_to_seller`.
    pub transferred_to_seller: Amount,
    /// `amount_transferred_to_operator`: the operator's share, which may be negative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transferred_to_operator: Option<Amount>,
    /// `pay_out`.
    #[serde(default)]
    pub pay_out: PayOut,
    /// `summary`: totals by Mirakl's names for them.
    #[serde(default)]
    pub summary: BTreeMap<String, Amount>,
    /// Fields of an odd form that were done without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread_fields: Vec<String>,
}

impl BillingCycle {
    /// Reads one entry of SBC11, which is number `row` of its page.
    ///
    /// # Errors
    /// Its id, its currency or its transfer is missing or cannot be read.
    pub fn read(row: u64, raw: &str) -> Result<Self, Unreadable> {
        entry::read(row, raw, is_needed, OnWire::into_cycle)
    }
}

fn is_needed(field: &str) -> bool {
    matches!(
        field,
        "id" | "currency_iso_code" | "amount_transferred_to_seller" | "pay_out_psp_code"
    )
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OnWire {
    #[serde(deserialize_with = "text")]
    id: Option<String>,
    #[serde(deserialize_with = "text")]
    currency_iso_code: Option<String>,
    #[serde(deserialize_with = "text")]
    pay_out_psp_code: Option<String>,
    #[serde(deserialize_with = "text")]
    payment_voucher_number: Option<String>,
    #[serde(deserialize_with = "date::deserialize")]
    date_created: Option<Timestamp>,
    #[serde(deserialize_with = "amount")]
    amount_transferred_to_seller: Option<Amount>,
    #[serde(deserialize_with = "amount")]
    amount_transferred_to_operator: Option<Amount>,
    #[serde(deserialize_with = "null_as_default")]
    shop: Shop,
    #[serde(deserialize_with = "null_as_default")]
    pay_out: PayOutOnWire,
    #[serde(deserialize_with = "amounts")]
    summary: BTreeMap<String, Amount>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Shop {
    #[serde(deserialize_with = "text")]
    shop_id: Option<String>,
}

impl OnWire {
    fn into_cycle(self, unread_fields: Vec<String>) -> Result<BillingCycle, Unfit> {
        Ok(BillingCycle {
            id: present(self.id).ok_or(("id", "it is missing"))?,
            currency: currency(self.currency_iso_code)?,
            psp: present(self.pay_out_psp_code),
            shop: present(self.shop.shop_id),
            voucher: present(self.payment_voucher_number),
            created: self.date_created,
            transferred_to_seller: self
                .amount_transferred_to_seller
                .ok_or(("amount_transferred_to_seller", "it is missing"))?,
            transferred_to_operator: self.amount_transferred_to_operator,
            pay_out: self.pay_out.into_pay_out(),
            summary: self.summary,
            unread_fields,
        })
    }
}
