//! The types of the transaction log (Mirakl seller API, TL02 `type`: 51 of them).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Whose money a type moves. The operator's side is what `amount_transferred_to_operator` of a
/// billing cycle (SBC11) adds up, with the sign turned: so in both complete official examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// What customers pay for an order, and get back.
    Seller,
    /// What the operator charges, pays and remits.
    Operator,
    /// The dropship model: the operator buys from the seller.
    Purchase,
    /// Money that is kept back.
    Reserve,
    /// The transfer itself.
    Payment,
}

macro_rules! transaction_types {
    ($($(#[$doc:meta])+ $name:ident = $code:literal, $side:ident;)+) => {
        /// `type`. New values may appear at any time: they are kept as
        /// [`TransactionType::Unknown`]. The order is that of a journal's lines: sales, what the
        /// operator remits and pays, its fees, its credits, reserve, payment.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum TransactionType {
            $($(#[$doc])+ $name,)+
            /// A type that this version does not know.
            Unknown(String),
        }

        impl TransactionType {
            /// All known types.
            pub const ALL: [Self; 51] = [$(Self::$name),+];

            /// Mirakl's code.
            #[must_use]
            pub fn code(&self) -> &str {
                match self {
                    $(Self::$name => $code,)+
                    Self::Unknown(code) => code,
                }
            }

            /// Reads Mirakl's code; never fails.
            #[must_use]
            pub fn from_code(code: &str) -> Self {
                match code {
                    $($code => Self::$name,)+
                    other => Self::Unknown(other.to_owned()),
                }
            }

            /// Whose money it moves; `None` of an unknown type.
            #[must_use]
            pub fn side(&self) -> Option<Side> {
                match self {
                    $(Self::$name => Some(Side::$side),)+
                    Self::Unknown(_) => None,
                }
            }
        }
    };
}

transaction_types! {
    /// Goods of an order: with its taxes where the platform's prices include them.
    OrderAmount = "ORDER_AMOUNT", Seller;
    /// Taxes on goods, where they are told apart.
    OrderAmountTax = "ORDER_AMOUNT_TAX", Seller;
    /// Shipping that the customer paid.
    OrderShippingAmount = "ORDER_SHIPPING_AMOUNT", Seller;
    /// Taxes on that shipping, where they are told apart.
    OrderShippingAmountTax = "ORDER_SHIPPING_AMOUNT_TAX", Seller;
    /// Goods refunded.
    RefundOrderAmount = "REFUND_ORDER_AMOUNT", Seller;
    /// Taxes on goods refunded.
    RefundOrderAmountTax = "REFUND_ORDER_AMOUNT_TAX", Seller;
    /// Shipping refunded.
    RefundOrderShippingAmount = "REFUND_ORDER_SHIPPING_AMOUNT", Seller;
    /// Taxes on shipping refunded.
    RefundOrderShippingAmountTax = "REFUND_ORDER_SHIPPING_AMOUNT_TAX", Seller;
    /// A fee that the customer paid on an order.
    OrderFeeAmount = "ORDER_FEE_AMOUNT", Seller;
    /// That fee, refunded.
    RefundOrderFeeAmount = "REFUND_ORDER_FEE_AMOUNT", Seller;
    /// Taxes on goods that the operator pays to the tax authority itself.
    OperatorRemittedOrderAmountTax = "OPERATOR_REMITTED_ORDER_AMOUNT_TAX", Operator;
    /// The same, on shipping.
    OperatorRemittedOrderShippingAmountTax = "OPERATOR_REMITTED_ORDER_SHIPPING_AMOUNT_TAX", Operator;
    /// Such taxes on goods refunded.
    OperatorRemittedRefundOrderAmountTax = "OPERATOR_REMITTED_REFUND_ORDER_AMOUNT_TAX", Operator;
    /// Such taxes on shipping refunded.
    OperatorRemittedRefundOrderShippingAmountTax = "OPERATOR_REMITTED_REFUND_ORDER_SHIPPING_AMOUNT_TAX", Operator;
    /// The customer's fee on an order, which the operator keeps.
    OperatorRemittedOrderFeeAmount = "OPERATOR_REMITTED_ORDER_FEE_AMOUNT", Operator;
    /// That fee, refunded.
    OperatorRemittedRefundOrderFeeAmount = "OPERATOR_REMITTED_REFUND_ORDER_FEE_AMOUNT", Operator;
    /// Shipping that the operator pays.
    OperatorPaidOrderShippingAmount = "OPERATOR_PAID_ORDER_SHIPPING_AMOUNT", Operator;
    /// Taxes on shipping that the operator pays.
    OperatorPaidOrderShippingAmountTax = "OPERATOR_PAID_ORDER_SHIPPING_AMOUNT_TAX", Operator;
    /// Shipping that the operator paid, refunded.
    OperatorPaidRefundOrderShippingAmount = "OPERATOR_PAID_REFUND_ORDER_SHIPPING_AMOUNT", Operator;
    /// Taxes on it, refunded.
    OperatorPaidRefundOrderShippingAmountTax = "OPERATOR_PAID_REFUND_ORDER_SHIPPING_AMOUNT_TAX", Operator;
    /// The operator's commission.
    CommissionFee = "COMMISSION_FEE", Operator;
    /// VAT on commission.
    CommissionVat = "COMMISSION_VAT", Operator;
    /// Commission given back after a refund.
    RefundCommissionFee = "REFUND_COMMISSION_FEE", Operator;
    /// VAT on commission given back.
    RefundCommissionVat = "REFUND_COMMISSION_VAT", Operator;
    /// The shop's subscription.
    SubscriptionFee = "SUBSCRIPTION_FEE", Operator;
    /// VAT on the subscription.
    SubscriptionVat = "SUBSCRIPTION_VAT", Operator;
    /// An invoice that the operator wrote by hand.
    ManualInvoice = "MANUAL_INVOICE", Operator;
    /// VAT on such an invoice.
    ManualInvoiceVat = "MANUAL_INVOICE_VAT", Operator;
    /// A single charge of the operator's.
    InvoiceableOneOffDebit = "INVOICEABLE_ONE_OFF_DEBIT", Operator;
    /// Tax on a single charge.
    InvoiceableOneOffDebitTax = "INVOICEABLE_ONE_OFF_DEBIT_TAX", Operator;
    /// A fee of the seller's on an order.
    SellerFeeOnOrder = "SELLER_FEE_ON_ORDER", Operator;
    /// Tax on such a fee.
    SellerFeeOnOrderTax = "SELLER_FEE_ON_ORDER_TAX", Operator;
    /// A penalty, for instance for a late cancellation.
    SellerPenaltyFee = "SELLER_PENALTY_FEE", Operator;
    /// Tax on a penalty.
    SellerPenaltyFeeTax = "SELLER_PENALTY_FEE_TAX", Operator;
    /// A credit that the operator wrote by hand.
    ManualCredit = "MANUAL_CREDIT", Operator;
    /// VAT on such a credit.
    ManualCreditVat = "MANUAL_CREDIT_VAT", Operator;
    /// A single credit of the operator's.
    InvoiceableOneOffCredit = "INVOICEABLE_ONE_OFF_CREDIT", Operator;
    /// Tax on a single credit.
    InvoiceableOneOffCreditTax = "INVOICEABLE_ONE_OFF_CREDIT_TAX", Operator;
    /// Dropship: commission.
    PurchaseCommissionFee = "PURCHASE_COMMISSION_FEE", Purchase;
    /// Dropship: commission on shipping.
    PurchaseShippingCommissionFee = "PURCHASE_SHIPPING_COMMISSION_FEE", Purchase;
    /// Dropship: taxes on goods.
    PurchaseOrderAmountTax = "PURCHASE_ORDER_AMOUNT_TAX", Purchase;
    /// Dropship: taxes on shipping.
    PurchaseOrderShippingAmountTax = "PURCHASE_ORDER_SHIPPING_AMOUNT_TAX", Purchase;
    /// Dropship: commission on fees.
    PurchaseFeeCommissionFee = "PURCHASE_FEE_COMMISSION_FEE", Purchase;
    /// Dropship: commission given back.
    RefundPurchaseCommissionFee = "REFUND_PURCHASE_COMMISSION_FEE", Purchase;
    /// Dropship: commission on shipping given back.
    RefundPurchaseShippingCommissionFee = "REFUND_PURCHASE_SHIPPING_COMMISSION_FEE", Purchase;
    /// Dropship: taxes on goods given back.
    RefundPurchaseOrderAmountTax = "REFUND_PURCHASE_ORDER_AMOUNT_TAX", Purchase;
    /// Dropship: taxes on shipping given back.
    RefundPurchaseOrderShippingAmountTax = "REFUND_PURCHASE_ORDER_SHIPPING_AMOUNT_TAX", Purchase;
    /// Dropship: commission on fees given back.
    RefundPurchaseFeeCommissionFee = "REFUND_PURCHASE_FEE_COMMISSION_FEE", Purchase;
    /// Money that the operator keeps back.
    ReserveFunding = "RESERVE_FUNDING", Reserve;
    /// Money kept back before, now given.
    ReserveSettlement = "RESERVE_SETTLEMENT", Reserve;
    /// The transfer to the seller.
    Payment = "PAYMENT", Payment;
}

impl TransactionType {
    /// The types that an operator's VAT stands in, each with the fee that it is charged on.
    pub const FEE_TAXES: [(Self, Self); 9] = [
        (Self::CommissionVat, Self::CommissionFee),
        (Self::RefundCommissionVat, Self::RefundCommissionFee),
        (Self::SubscriptionVat, Self::SubscriptionFee),
        (Self::ManualInvoiceVat, Self::ManualInvoice),
        (Self::InvoiceableOneOffDebitTax, Self::InvoiceableOneOffDebit),
        (Self::SellerFeeOnOrderTax, Self::SellerFeeOnOrder),
        (Self::SellerPenaltyFeeTax, Self::SellerPenaltyFee),
        (Self::ManualCreditVat, Self::ManualCredit),
        (Self::InvoiceableOneOffCreditTax, Self::InvoiceableOneOffCredit),
    ];

    /// The fee that this is the VAT of.
    #[must_use]
    pub fn tax_of(&self) -> Option<Self> {
        Self::FEE_TAXES.iter().find(|(tax, _)| tax == self).map(|(_, fee)| fee.clone())
    }

    /// The transfer to the seller.
    #[must_use]
    pub fn is_payment(&self) -> bool {
        *self == Self::Payment
    }

    /// What the operator charges or credits by a document: its fees and what a person wrote, not the
    /// taxes that it remits and the shipping that it pays (assumed: Mirakl's examples of IV01 have
    /// totals that match nothing).
    #[must_use]
    pub fn is_invoiced(&self) -> bool {
        self.side() == Some(Side::Operator) && !self.code().starts_with("OPERATOR_")
    }

    /// Money kept back, or given after that.
    #[must_use]
    pub fn is_reserve(&self) -> bool {
        self.side() == Some(Side::Reserve)
    }

    /// Of the dropship model, which the connector does not book.
    #[must_use]
    pub fn is_purchase(&self) -> bool {
        self.side() == Some(Side::Purchase)
    }

    /// A sale's goods, shipping or taxes: what Prima's invoices hold.
    #[must_use]
    pub fn is_sale(&self) -> bool {
        matches!(
            self,
            Self::OrderAmount
                | Self::OrderAmountTax
                | Self::OrderShippingAmount
                | Self::OrderShippingAmountTax
        )
    }

    /// The same, refunded: what Prima's credit notes hold.
    #[must_use]
    pub fn is_refund(&self) -> bool {
        matches!(
            self,
            Self::RefundOrderAmount
                | Self::RefundOrderAmountTax
                | Self::RefundOrderShippingAmount
                | Self::RefundOrderShippingAmountTax
        )
    }

    /// Part of what an order's invoice or credit note comes to: goods, shipping, fees that the
    /// customer pays, and their taxes, less those that the operator remits.
    #[must_use]
    pub fn is_of_an_invoice(&self) -> bool {
        self.is_sale()
            || self.is_refund()
            || matches!(
                self,
                Self::OrderFeeAmount
                    | Self::RefundOrderFeeAmount
                    | Self::OperatorRemittedOrderAmountTax
                    | Self::OperatorRemittedOrderShippingAmountTax
                    | Self::OperatorRemittedOrderFeeAmount
                    | Self::OperatorRemittedRefundOrderAmountTax
                    | Self::OperatorRemittedRefundOrderShippingAmountTax
                    | Self::OperatorRemittedRefundOrderFeeAmount
            )
    }
}

impl fmt::Display for TransactionType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl Serialize for TransactionType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for TransactionType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_code(&std::borrow::Cow::<'de, str>::deserialize(deserializer)?))
    }
}

/// `payment_state`: where the money of a line is. New values are kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PaymentState {
    /// The order is not yet received, or its money not yet due.
    Pending,
    /// Goes into the next billing cycle.
    Payable,
    /// In a cycle that is paid.
    Paid,
    /// Kept back as a reserve.
    Reserve,
    /// Not the operator's to pay: the seller collected it.
    NotApplicable,
    /// A state this version does not know.
    Unknown(String),
}

impl PaymentState {
    /// Mirakl's code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Pending => "PENDING",
            Self::Payable => "PAYABLE",
            Self::Paid => "PAID",
            Self::Reserve => "RESERVE",
            Self::NotApplicable => "NOT_APPLICABLE",
            Self::Unknown(code) => code,
        }
    }

    /// Reads Mirakl's code; never fails.
    #[must_use]
    pub fn from_code(code: &str) -> Self {
        match code {
            "PENDING" => Self::Pending,
            "PAYABLE" => Self::Payable,
            "PAID" => Self::Paid,
            "RESERVE" => Self::Reserve,
            "NOT_APPLICABLE" => Self::NotApplicable,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

impl Serialize for PaymentState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for PaymentState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_code(&std::borrow::Cow::<'de, str>::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_and_a_new_one_is_kept() {
        for kind in TransactionType::ALL {
            assert!(kind.side().is_some());
            assert_eq!(TransactionType::from_code(kind.code()), kind);
        }
        let unknown = TransactionType::from_code("LOYALTY_FEE");
        assert_eq!((unknown.code(), unknown.side()), ("LOYALTY_FEE", None));
        for code in ["PENDING", "PAYABLE", "PAID", "RESERVE", "NOT_APPLICABLE", "BLOCKED"] {
            assert_eq!(PaymentState::from_code(code).code(), code);
        }
    }

    #[test]
    fn each_tax_names_its_fee_and_both_are_the_operators() {
        let taxes: Vec<_> =
            TransactionType::ALL.into_iter().filter(|kind| kind.tax_of().is_some()).collect();
        assert_eq!(taxes.len(), 9);
        for tax in taxes {
            let fee = tax.tax_of().map(|fee| fee.side());
            assert_eq!((tax.side(), fee), (Some(Side::Operator), Some(Some(Side::Operator))));
        }
    }
}
