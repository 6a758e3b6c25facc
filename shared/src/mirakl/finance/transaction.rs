//! A line of the transaction log (Mirakl seller API, TL02 and TL05).
//!
//! Not read, and so never kept or logged: descriptions, `payment_info`, the customer's references.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::amounts::amount;
use super::entry::{self, Unfit, Unreadable, currency, present};
use super::transaction_type::{PaymentState, TransactionType};
use crate::kit::amount::Amount;
use crate::mirakl::null_as_default;
use crate::mirakl::wire::{date, text};

/// One movement of a shop's account with the operator.
///
/// It changes after it was written: `payment_state`, the billing cycle, the document's number and
/// amounts. `last_updated` tells.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TransactionLine {
    /// `id`: stable, a UUID or a number.
    pub id: String,
    /// `type`.
    pub kind: TransactionType,
    /// `currency_iso_code`.
    pub currency: String,
    /// `amount_credited`: to the seller. Never negative.
    pub credited: Amount,
    /// `amount_debited`: from the seller. Never negative.
    pub debited: Amount,
    /// `amount` is there, and is not what the two sides come to. It is never used: a marketplace's
    /// may be positive for a debit.
    #[serde(default, skip_serializing_if = "is_false")]
    pub contradicts_itself: bool,
    /// `payment_state`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<PaymentState>,
    /// `seller_billing_cycle_id`: the cycle that it is in, none before it is in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycle: Option<String>,
    /// `payment_voucher_number`: in no schema of TL02, but in its examples. Repeats across shops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voucher: Option<String>,
    /// `pay_out_psp_code`: the payment service provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psp: Option<String>,
    /// `shop.id`: in no schema, but in the examples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shop: Option<String>,
    /// `balance`: the shop's running balance after this line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<Amount>,
    /// `psp_balance`: the same, of one payment service provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psp_balance: Option<Amount>,
    /// `date_created`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// `last_updated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<Timestamp>,
    /// `entities.transaction_info.date`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transacted: Option<Timestamp>,
    /// `accounting_document_number`, else the number of a document written by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// `entities.order.id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// `entities.order_line.id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_line: Option<String>,
    /// `entities.order.references.order_reference_for_seller`: Prima's order number, where OR04
    /// wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seller_reference: Option<String>,
    /// `entities.refund.id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund: Option<String>,
    /// Fields of an odd form that were done without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread_fields: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl TransactionLine {
    /// What it moves: positive to the seller.
    #[must_use]
    pub fn net(&self) -> Amount {
        Amount(self.credited.0 - self.debited.0)
    }

    /// Reads one entry of TL02, or one line of TL05, which is number `row` of its page or file.
    ///
    /// # Errors
    /// Its id, type, currency or sides are missing or cannot be read; or a side is negative, so
    /// that nobody can tell which way the money went.
    pub fn read(row: u64, raw: &str) -> Result<Self, Unreadable> {
        entry::read(row, raw, is_needed, OnWire::into_line)
    }
}

/// What decides of the line's identity, amount, and cycle.
fn is_needed(field: &str) -> bool {
    matches!(
        field,
        "id" | "type"
            | "currency_iso_code"
            | "amount_credited"
            | "amount_debited"
            | "payment_state"
            | "seller_billing_cycle_id"
            | "pay_out_psp_code"
    )
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OnWire {
    #[serde(deserialize_with = "text")]
    id: Option<String>,
    #[serde(rename = "type", deserialize_with = "text")]
    kind: Option<String>,
    #[serde(deserialize_with = "text")]
    currency_iso_code: Option<String>,
    #[serde(deserialize_with = "amount")]
    amount: Option<Amount>,
    #[serde(deserialize_with = "amount")]
    amount_credited: Option<Amount>,
    #[serde(deserialize_with = "amount")]
    amount_debited: Option<Amount>,
    #[serde(deserialize_with = "amount")]
    balance: Option<Amount>,
    #[serde(deserialize_with = "amount")]
    psp_balance: Option<Amount>,
    #[serde(deserialize_with = "text")]
    payment_state: Option<String>,
    #[serde(deserialize_with = "text")]
    seller_billing_cycle_id: Option<String>,
    #[serde(deserialize_with = "text")]
    payment_voucher_number: Option<String>,
    #[serde(deserialize_with = "text")]
    pay_out_psp_code: Option<String>,
    #[serde(deserialize_with = "text")]
    accounting_document_number: Option<String>,
    #[serde(deserialize_with = "date::deserialize")]
    date_created: Option<Timestamp>,
    #[serde(deserialize_with = "date::deserialize")]
    last_updated: Option<Timestamp>,
    #[serde(deserialize_with = "null_as_default")]
    shop: WithId,
    #[serde(deserialize_with = "null_as_default")]
    entities: Entities,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entities {
    #[serde(deserialize_with = "null_as_default")]
    order: Order,
    #[serde(deserialize_with = "null_as_default")]
    order_line: WithId,
    #[serde(deserialize_with = "null_as_default")]
    refund: WithId,
    #[serde(deserialize_with = "null_as_default")]
    transaction_info: TransactionInfo,
    #[serde(deserialize_with = "null_as_default")]
    manual_accounting_document: ManualDocument,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WithId {
    #[serde(deserialize_with = "text")]
    id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Order {
    #[serde(deserialize_with = "text")]
    id: Option<String>,
    #[serde(deserialize_with = "null_as_default")]
    references: References,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct References {
    #[serde(deserialize_with = "text")]
    order_reference_for_seller: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TransactionInfo {
    #[serde(deserialize_with = "date::deserialize")]
    date: Option<Timestamp>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ManualDocument {
    #[serde(deserialize_with = "text")]
    number: Option<String>,
}

impl OnWire {
    fn into_line(self, unread_fields: Vec<String>) -> Result<TransactionLine, Unfit> {
        let side = |amount: Option<Amount>, field: &'static str| match amount {
            Some(amount) if amount < Amount::ZERO => {
                Err((field, "it is negative: which way the money went cannot be told"))
            }
            amount => Ok(amount.unwrap_or_default()),
        };
        if self.amount_credited.is_none() && self.amount_debited.is_none() {
            return Err(("amount_credited", "neither it nor amount_debited is there"));
        }
        let credited = side(self.amount_credited, "amount_credited")?;
        let debited = side(self.amount_debited, "amount_debited")?;
        let kind = present(self.kind).ok_or(("type", "it is missing"))?;
        let by_hand = present(self.entities.manual_accounting_document.number);
        Ok(TransactionLine {
            id: present(self.id).ok_or(("id", "it is missing"))?,
            kind: TransactionType::from_code(&kind),
            currency: currency(self.currency_iso_code)?,
            credited,
            debited,
            contradicts_itself: self
                .amount
                .is_some_and(|amount| amount.0 != credited.0 - debited.0),
            state: present(self.payment_state).map(|code| PaymentState::from_code(&code)),
            cycle: present(self.seller_billing_cycle_id),
            voucher: present(self.payment_voucher_number),
            psp: present(self.pay_out_psp_code),
            shop: present(self.shop.id),
            balance: self.balance,
            psp_balance: self.psp_balance,
            created: self.date_created,
            last_updated: self.last_updated,
            transacted: self.entities.transaction_info.date,
            document: present(self.accounting_document_number).or(by_hand),
            order: present(self.entities.order.id),
            order_line: present(self.entities.order_line.id),
            seller_reference: present(self.entities.order.references.order_reference_for_seller),
            refund: present(self.entities.refund.id),
            unread_fields,
        })
    }
}
