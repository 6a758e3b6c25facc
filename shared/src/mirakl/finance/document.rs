//! Accounting documents (Mirakl seller API, IV01): the operator's invoices and credits.
//!
//! Not read: addresses, names, descriptions of items. Of the bank account, a hash.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::amounts::{amount, amounts};
use super::bank_account::BankAccount;
use super::entry::{self, Unfit, Unreadable, currency, present};
use super::pay_out::{OnWire as PayOutOnWire, PayOut};
use crate::kit::amount::Amount;
use crate::mirakl::null_as_default;
use crate::mirakl::wire::{date, text};

/// `type`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentType {
    /// The invoice of a billing cycle, written by the platform.
    AutoInvoice,
    /// An invoice that a person wrote.
    ManualInvoice,
    /// A credit that a person wrote: it is in the next transfer already.
    ManualCredit,
    /// A type this version does not know.
    Unknown(String),
}

/// A document of the operator's to the shop. Told apart by [`Self::id`]: numbers may repeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountingDocument {
    /// `id`: a draft has one too.
    pub id: String,
    /// `type`.
    pub kind: DocumentType,
    /// `invoice_id`: there once it is issued, and what IV02 takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice_id: Option<i64>,
    /// `state`: such as COMPLETE, DRAFT, GENERATED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// `currency_iso_code`.
    pub currency: String,
    /// `pay_out_psp_code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psp: Option<String>,
    /// `shop_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shop: Option<String>,
    /// `seller_billing_cycle_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycle: Option<String>,
    /// `payment_voucher_number`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voucher: Option<String>,
    /// `date_created`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// `issue_date`; of a manual document, its `emission_date` where that is all there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued: Option<Timestamp>,
    /// `due_date`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// `start_time`: of the period that an automatic invoice is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// `end_time`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// `total_amount_excl_taxes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_excl_taxes: Option<Amount>,
    /// `total_amount_incl_taxes`. The older `total_charged_amount` is not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_incl_taxes: Option<Amount>,
    /// `payment`.
    #[serde(default)]
    pub payment: PayOut,
    /// `summary`: totals by Mirakl's names, `amount_transferred` among them. Automatic invoices
    /// have it.
    #[serde(default)]
    pub summary: BTreeMap<String, Amount>,
    /// The account that is paid to, as a hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bank_account: Option<BankAccount>,
    /// Fields of an odd form that were done without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread_fields: Vec<String>,
}

impl AccountingDocument {
    /// Reads one entry of IV01, which is number `row` of its page.
    ///
    /// # Errors
    /// Its id, type or currency is missing or cannot be read.
    pub fn read(row: u64, raw: &str) -> Result<Self, Unreadable> {
        entry::read(row, raw, is_needed, OnWire::into_document)
    }

    /// `summary.amount_transferred` of an automatic invoice.
    #[must_use]
    pub fn amount_transferred(&self) -> Option<Amount> {
        self.summary.get("amount_transferred").copied()
    }
}

fn is_needed(field: &str) -> bool {
    matches!(
        field,
        "id" | "type" | "currency_iso_code" | "seller_billing_cycle_id" | "pay_out_psp_code"
    ) || field.starts_with("summary")
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OnWire {
    #[serde(deserialize_with = "text")]
    id: Option<String>,
    #[serde(rename = "type", deserialize_with = "text")]
    kind: Option<String>,
    #[serde(deserialize_with = "text")]
    invoice_id: Option<String>,
    #[serde(deserialize_with = "text")]
    state: Option<String>,
    #[serde(deserialize_with = "text")]
    currency_iso_code: Option<String>,
    #[serde(deserialize_with = "text")]
    pay_out_psp_code: Option<String>,
    #[serde(deserialize_with = "text")]
    shop_id: Option<String>,
    #[serde(deserialize_with = "text")]
    seller_billing_cycle_id: Option<String>,
    #[serde(deserialize_with = "text")]
    payment_voucher_number: Option<String>,
    #[serde(deserialize_with = "date::deserialize")]
    date_created: Option<Timestamp>,
    #[serde(deserialize_with = "date::deserialize")]
    issue_date: Option<Timestamp>,
    #[serde(deserialize_with = "date::deserialize")]
    emission_date: Option<Timestamp>,
    #[serde(deserialize_with = "date::deserialize")]
    due_date: Option<Timestamp>,
    #[serde(deserialize_with = "date::deserialize")]
    start_time: Option<Timestamp>,
    #[serde(deserialize_with = "date::deserialize")]
    end_time: Option<Timestamp>,
    #[serde(deserialize_with = "amount")]
    total_amount_excl_taxes: Option<Amount>,
    #[serde(deserialize_with = "amount")]
    total_amount_incl_taxes: Option<Amount>,
    #[serde(deserialize_with = "null_as_default")]
    payment: PayOutOnWire,
    #[serde(deserialize_with = "amounts")]
    summary: BTreeMap<String, Amount>,
    payment_info: Option<Box<RawValue>>,
}

impl OnWire {
    fn into_document(self, unread_fields: Vec<String>) -> Result<AccountingDocument, Unfit> {
        let kind = match present(self.kind).ok_or(("type", "it is missing"))?.as_str() {
            "AUTO_INVOICE" => DocumentType::AutoInvoice,
            "MANUAL_INVOICE" => DocumentType::ManualInvoice,
            "MANUAL_CREDIT" => DocumentType::ManualCredit,
            other => DocumentType::Unknown(other.to_owned()),
        };
        Ok(AccountingDocument {
            id: present(self.id).ok_or(("id", "it is missing"))?,
            kind,
            invoice_id: self.invoice_id.and_then(|id| id.trim().parse().ok()),
            state: present(self.state),
            currency: currency(self.currency_iso_code)?,
            psp: present(self.pay_out_psp_code),
            shop: present(self.shop_id),
            cycle: present(self.seller_billing_cycle_id),
            voucher: present(self.payment_voucher_number),
            created: self.date_created,
            issued: self.issue_date.or(self.emission_date),
            due: self.due_date,
            from: self.start_time,
            to: self.end_time,
            total_excl_taxes: self.total_amount_excl_taxes,
            total_incl_taxes: self.total_amount_incl_taxes,
            payment: self.payment.into_pay_out(),
            summary: self.summary,
            bank_account: self.payment_info.and_then(|raw| BankAccount::read(raw.get())),
            unread_fields,
        })
    }
}
