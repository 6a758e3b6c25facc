//! Proofs beside the tie-out. They find, and hold nothing back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::tie::TieRule;
use super::totals::Totals;
use crate::kit::amount::Amount;
use crate::mirakl::finance::TransactionType as Type;
use crate::mirakl::finance::{
    AccountingDocument, BillingCycle, DocumentType, PaymentState, Side, TransactionLine,
};

/// A total of the marketplace's that our lines do not come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffTotal {
    /// Its name: `total_commissions_incl_tax`, `amount_transferred_to_operator`, or a document's
    /// number.
    pub name: String,
    /// What the marketplace says.
    pub stated: Amount,
    /// What our lines come to.
    pub lines: Amount,
}

impl OffTotal {
    fn unless_same(name: &str, stated: Amount, lines: Amount) -> Option<Self> {
        (stated != lines).then(|| Self { name: name.to_owned(), stated, lines })
    }

    /// What our lines have too much, and too little where it is negative.
    #[must_use]
    pub fn difference(&self) -> Amount {
        Amount(self.lines.0 - self.stated.0)
    }
}

/// The operator's share (SBC11 `amount_transferred_to_operator`): minus all that the operator
/// charges, remits and pays. It is what our journal deducts, reserve apart. So in both complete
/// official examples of SBC11.
#[must_use]
pub fn operators_share(cycle: &BillingCycle, lines: &[&TransactionLine]) -> Option<OffTotal> {
    let totals = Totals::of(lines.iter().copied());
    let share = totals.net(|kind| kind.side() == Some(Side::Operator));
    let stated = cycle.transferred_to_operator?;
    OffTotal::unless_same("amount_transferred_to_operator", stated, Amount(-share.0))
}

/// A total of SBC11 `summary` and the types that it stands for. Totals of sales are compared with
/// their taxes: where prices include them, no line tells them apart.
const SUMMARY: [(&str, &[Type]); 22] = [
    ("total_refund_commissions_excl_tax", &[Type::RefundCommissionFee]),
    ("total_commissions_excl_tax", &[Type::CommissionFee]),
    ("total_commissions_incl_tax", &[Type::CommissionFee, Type::CommissionVat]),
    ("total_refund_commissions_incl_tax", &[Type::RefundCommissionFee, Type::RefundCommissionVat]),
    ("total_subscription_excl_tax", &[Type::SubscriptionFee]),
    ("total_subscription_incl_tax", &[Type::SubscriptionFee, Type::SubscriptionVat]),
    ("total_other_invoices_excl_tax", &[Type::ManualInvoice, Type::InvoiceableOneOffDebit]),
    (
        "total_other_invoices_incl_tax",
        &[
            Type::ManualInvoice,
            Type::ManualInvoiceVat,
            Type::InvoiceableOneOffDebit,
            Type::InvoiceableOneOffDebitTax,
        ],
    ),
    ("total_other_credits_excl_tax", &[Type::ManualCredit, Type::InvoiceableOneOffCredit]),
    (
        "total_other_credits_incl_tax",
        &[
            Type::ManualCredit,
            Type::ManualCreditVat,
            Type::InvoiceableOneOffCredit,
            Type::InvoiceableOneOffCreditTax,
        ],
    ),
    (
        "total_operator_remitted_taxes",
        &[Type::OperatorRemittedOrderAmountTax, Type::OperatorRemittedOrderShippingAmountTax],
    ),
    (
        "total_refund_operator_remitted_taxes",
        &[
            Type::OperatorRemittedRefundOrderAmountTax,
            Type::OperatorRemittedRefundOrderShippingAmountTax,
        ],
    ),
    (
        "total_operator_paid_shipping_charges_incl_tax",
        &[Type::OperatorPaidOrderShippingAmount, Type::OperatorPaidOrderShippingAmountTax],
    ),
    (
        "total_refund_operator_paid_shipping_charges_incl_tax",
        &[
            Type::OperatorPaidRefundOrderShippingAmount,
            Type::OperatorPaidRefundOrderShippingAmountTax,
        ],
    ),
    ("total_fee_incl_tax", &[Type::OrderFeeAmount]),
    ("total_refund_fee_incl_tax", &[Type::RefundOrderFeeAmount]),
    ("total_fee_operator_remitted_incl_tax", &[Type::OperatorRemittedOrderFeeAmount]),
    ("total_refund_fee_operator_remitted_incl_tax", &[Type::OperatorRemittedRefundOrderFeeAmount]),
    ("total_seller_fees_on_orders_excl_tax", &[Type::SellerFeeOnOrder]),
    ("total_seller_fees_on_orders_incl_tax", &[Type::SellerFeeOnOrder, Type::SellerFeeOnOrderTax]),
    ("total_seller_penalty_fees_excl_tax", &[Type::SellerPenaltyFee]),
    ("total_seller_penalty_fees_incl_tax", &[Type::SellerPenaltyFee, Type::SellerPenaltyFeeTax]),
];

/// Which types a total is about.
type IsMeant = fn(&Type) -> bool;

/// The totals of sales: with the operator as payer, and, of lines in the state `NOT_APPLICABLE`,
/// without.
const SALES: [(&str, bool, IsMeant); 4] = [
    ("total_payable_orders_incl_tax", true, Type::is_sale),
    ("total_refund_payable_orders_incl_tax", true, Type::is_refund),
    ("total_non_payable_orders_incl_tax", false, Type::is_sale),
    ("total_refund_non_payable_orders_incl_tax", false, Type::is_refund),
];

/// Each total of a cycle's summary that our lines do not come to.
#[must_use]
pub fn summary(cycle: &BillingCycle, lines: &[&TransactionLine]) -> Vec<OffTotal> {
    let totals = Totals::of(lines.iter().copied());
    let of_types = SUMMARY.iter().filter_map(|(name, types)| {
        let stated = *cycle.summary.get(*name)?;
        OffTotal::unless_same(name, stated, totals.net(|kind| types.contains(kind)))
    });
    let of_sales = SALES.iter().filter_map(|(name, is_payable, is_meant)| {
        let stated = *cycle.summary.get(*name)?;
        let meant = lines.iter().filter(|line| {
            is_meant(&line.kind) && (line.state != Some(PaymentState::NotApplicable)) == *is_payable
        });
        OffTotal::unless_same(name, stated, Amount(meant.map(|line| line.net().0).sum()))
    });
    of_types.chain(of_sales).collect()
}

/// Whether the summary vouches for every line that counts: each is of a type that has a total, and
/// each of these totals is there and met.
#[must_use]
pub fn summary_vouches(cycle: &BillingCycle, lines: &[&TransactionLine], rule: TieRule) -> bool {
    let is_told = |kind: &Type| {
        let with_tax = SUMMARY
            .iter()
            .filter(|(name, types)| !name.ends_with("excl_tax") && types.contains(kind));
        let of_sales =
            SALES.iter().filter(|(_, is_payable, is_meant)| *is_payable && is_meant(kind));
        with_tax
            .map(|(name, _)| *name)
            .chain(of_sales.map(|(name, ..)| *name))
            .any(|name| cycle.summary.contains_key(name))
    };
    // A total that is told and met by no line at all vouches as well: for there being none.
    let all_told = SUMMARY
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !name.ends_with("excl_tax"))
        .chain(SALES.iter().map(|(name, ..)| *name))
        .all(|name| cycle.summary.contains_key(name));
    all_told
        && summary(cycle, lines).is_empty()
        && lines.iter().filter(|line| rule.counts(line)).all(|line| is_told(&line.kind))
}

/// Each document whose total our lines do not come to. Documents and lines meet by number, zeros
/// before it apart; a document that no line names is left out.
#[must_use]
pub fn documents(documents: &[&AccountingDocument], lines: &[&TransactionLine]) -> Vec<OffTotal> {
    let bare = |number: &str| number.trim_start_matches('0').to_owned();
    let mut by_number: BTreeMap<String, Amount> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.kind.is_invoiced()) {
        if let Some(number) = &line.document {
            by_number.entry(bare(number)).or_default().0 -= line.net().0;
        }
    }
    let off = documents.iter().filter_map(|document| {
        let number = document.invoice_id?.to_string();
        let lines = *by_number.get(&number)?;
        let total = document.total_incl_taxes?;
        // A credit's total is told without a sign.
        let stated = if document.kind == DocumentType::ManualCredit {
            Amount(-total.0.abs())
        } else {
            total
        };
        OffTotal::unless_same(&number, stated, lines)
    });
    off.collect()
}
