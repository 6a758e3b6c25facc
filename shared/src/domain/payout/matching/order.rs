//! One order's money, and how its Prima order was found.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::order::row::{LineMoney, MoneyFacts};
use crate::domain::payout::exceptions::Finding;
use crate::kit::amount::Amount;
use crate::mirakl::finance::TransactionType as Type;

/// An order's money by what it is: positive is to the seller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrderMoney {
    /// Goods: with their taxes where the platform's prices include them.
    pub goods: Amount,
    /// Shipping that the customer paid.
    pub shipping: Amount,
    /// Taxes on both, where they are told apart.
    pub tax: Amount,
    /// What the operator remits of these taxes.
    pub remitted: Amount,
    /// The operator's commission, with its VAT.
    pub commission: Amount,
    /// Goods, shipping and taxes refunded, less what the operator had remitted of them.
    pub refunds: Amount,
    /// Commission given back, with its VAT.
    pub commission_refunded: Amount,
    /// Everything else about the order: fees, penalties, shipping that the operator pays.
    pub other: Amount,
}

impl OrderMoney {
    /// With a line's net more.
    pub fn add(&mut self, kind: &Type, net: Amount) {
        let sum = match kind {
            Type::OrderAmount => &mut self.goods,
            Type::OrderShippingAmount => &mut self.shipping,
            Type::OrderAmountTax | Type::OrderShippingAmountTax => &mut self.tax,
            Type::OperatorRemittedOrderAmountTax | Type::OperatorRemittedOrderShippingAmountTax => {
                &mut self.remitted
            }
            Type::CommissionFee | Type::CommissionVat => &mut self.commission,
            Type::RefundCommissionFee | Type::RefundCommissionVat => &mut self.commission_refunded,
            Type::OperatorRemittedRefundOrderAmountTax
            | Type::OperatorRemittedRefundOrderShippingAmountTax => &mut self.refunds,
            kind if kind.is_refund() => &mut self.refunds,
            _ => &mut self.other,
        };
        sum.0 += net.0;
    }

    /// With another order's, or another line's, money.
    pub fn add_all(&mut self, other: &Self) {
        self.goods.0 += other.goods.0;
        self.shipping.0 += other.shipping.0;
        self.tax.0 += other.tax.0;
        self.remitted.0 += other.remitted.0;
        self.commission.0 += other.commission.0;
        self.refunds.0 += other.refunds.0;
        self.commission_refunded.0 += other.commission_refunded.0;
        self.other.0 += other.other.0;
    }

    /// What the customer paid: goods, shipping and taxes.
    #[must_use]
    pub fn gross(&self) -> Amount {
        Amount(self.goods.0 + self.shipping.0 + self.tax.0)
    }

    /// What the sale comes to: goods, shipping and taxes, less what the operator remits of them.
    #[must_use]
    pub fn sales(&self) -> Amount {
        Amount(self.goods.0 + self.shipping.0 + self.tax.0 + self.remitted.0)
    }

    /// What the marketplace keeps of it, or pays besides.
    #[must_use]
    pub fn costs(&self) -> Amount {
        Amount(self.commission.0 + self.commission_refunded.0 + self.other.0)
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> Amount {
        Amount(self.sales().0 + self.refunds.0 + self.costs().0)
    }
}

/// What our side knows of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownOrder<'k> {
    /// Prima's order number.
    pub number: &'k str,
    /// How it was found.
    pub found: Found,
    /// Its money, as it was when it was sent.
    pub facts: Option<&'k MoneyFacts>,
    /// Mirakl's `created_date`.
    pub created: Option<Timestamp>,
    /// When all of it had left.
    pub despatched: Option<Timestamp>,
    /// What Prima's credit notes come to; none where they were not read, or refunds are booked by
    /// our journal.
    pub credited: Option<Amount>,
}

impl OrderMoney {
    /// What is expected of a line.
    #[must_use]
    pub fn expected_of(line: &LineMoney, is_without_tax: bool) -> Self {
        let commission = line.commission_fee.unwrap_or_default().0 + line.commission_taxes.0;
        Self {
            goods: line.price,
            shipping: line.shipping,
            tax: if is_without_tax { line.taxes } else { Amount::ZERO },
            commission: Amount(-commission),
            ..Self::default()
        }
    }

    /// What is expected of an order.
    #[must_use]
    pub fn expected(facts: &MoneyFacts) -> Self {
        let is_without_tax = facts.is_without_tax();
        let mut sum = Self::default();
        if is_without_tax {
            sum.tax = facts.order_taxes;
        }
        for line in &facts.lines {
            sum.add_all(&Self::expected_of(line, is_without_tax));
        }
        sum
    }
}

/// How the Prima order of a line was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// By the money facts that were kept when `NewOrder` was sent.
    Facts,
    /// By the order's row.
    Row,
    /// By the reference that Mirakl has of us (TL02 `order_reference_for_seller`).
    SellerReference,
    /// By a list of orders that were keyed in by hand.
    Import,
}

/// An order of a cycle: what was expected of it, what was settled over all cycles, what is off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderMatch {
    /// Mirakl's order id.
    pub order: String,
    /// Prima's order number, and how it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prima: Option<(String, Found)>,
    /// What our facts say; none where no facts are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<OrderMoney>,
    /// What the transaction log says, over all cycles.
    pub settled: OrderMoney,
    /// What is off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}
