//! The types of transaction (Mirakl seller API, TL02 `type`), and the total of a billing cycle that
//! each counts in (SBC11 `summary`).

use serde::{Deserialize, Serialize};

/// `type` of a line of the transaction log.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub enum TransactionType {
    ManualCredit,
    ManualCreditVat,
    ManualInvoice,
    ManualInvoiceVat,
    InvoiceableOneOffDebit,
    InvoiceableOneOffDebitTax,
    InvoiceableOneOffCredit,
    InvoiceableOneOffCreditTax,
    OrderAmount,
    OrderAmountTax,
    OrderShippingAmount,
    OrderShippingAmountTax,
    CommissionFee,
    CommissionVat,
    RefundOrderAmount,
    RefundOrderAmountTax,
    RefundOrderShippingAmount,
    RefundOrderShippingAmountTax,
    RefundCommissionFee,
    RefundCommissionVat,
    SubscriptionFee,
    SubscriptionVat,
    OperatorRemittedOrderAmountTax,
    OperatorRemittedOrderShippingAmountTax,
    OperatorRemittedRefundOrderAmountTax,
    OperatorRemittedRefundOrderShippingAmountTax,
    OperatorPaidOrderShippingAmount,
    OperatorPaidOrderShippingAmountTax,
    OperatorPaidRefundOrderShippingAmount,
    OperatorPaidRefundOrderShippingAmountTax,
    Payment,
    PurchaseCommissionFee,
    PurchaseShippingCommissionFee,
    PurchaseOrderAmountTax,
    PurchaseOrderShippingAmountTax,
    RefundPurchaseCommissionFee,
    RefundPurchaseShippingCommissionFee,
    RefundPurchaseOrderAmountTax,
    RefundPurchaseOrderShippingAmountTax,
    OrderFeeAmount,
    OperatorRemittedOrderFeeAmount,
    RefundOrderFeeAmount,
    OperatorRemittedRefundOrderFeeAmount,
    PurchaseFeeCommissionFee,
    RefundPurchaseFeeCommissionFee,
    ReserveFunding,
    ReserveSettlement,
    SellerFeeOnOrder,
    SellerFeeOnOrderTax,
    SellerPenaltyFee,
    SellerPenaltyFeeTax,
}

/// A total of SBC11's `summary`.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub enum Total {
    Commissions,
    RefundCommissions,
    Subscription,
    OtherCredits,
    OtherInvoices,
    PayableOrders,
    RefundPayableOrders,
    NonPayableOrders,
    RefundNonPayableOrders,
    SellerFeesOnOrders,
    SellerPenaltyFees,
    Fee,
    RefundFee,
    FeeOperatorRemitted,
    RefundFeeOperatorRemitted,
    OperatorPaidShippingCharges,
    RefundOperatorPaidShippingCharges,
    OperatorRemittedTaxes,
    RefundOperatorRemittedTaxes,
    PurchaseTaxes,
    RefundPurchaseTaxes,
}

impl Total {
    /// Every total.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The total's name, between `total_` and `_excl_tax`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// A total of taxes alone: it has one figure, not one with and one without.
    #[must_use]
    pub fn is_of_taxes(self) -> bool {
        matches!(
            self,
            Self::OperatorRemittedTaxes
                | Self::RefundOperatorRemittedTaxes
                | Self::PurchaseTaxes
                | Self::RefundPurchaseTaxes
        )
    }

    /// It is the operator's share, or what the operator gives up of it.
    #[must_use]
    pub fn is_the_operators(self) -> bool {
        !matches!(
            self,
            Self::PayableOrders
                | Self::RefundPayableOrders
                | Self::NonPayableOrders
                | Self::RefundNonPayableOrders
                | Self::Fee
                | Self::RefundFee
        )
    }
}

impl TransactionType {
    /// Every type.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Mirakl's code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.into()
    }

    /// The type behind a code.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }

    /// The line is a tax on another one.
    #[must_use]
    pub fn is_tax(self) -> bool {
        self.code().ends_with("_TAX") || self.code().ends_with("_VAT")
    }

    /// The type of the tax on a line of this type, where it has one.
    #[must_use]
    pub fn tax(self) -> Option<Self> {
        Self::of_code(&format!("{}_TAX", self.code()))
            .or_else(|| Self::of_code(&format!("{}_VAT", self.code())))
            .or_else(|| Self::of_code(&format!("{}_VAT", self.code().strip_suffix("_FEE")?)))
    }

    /// The total of the cycle that the line counts in; none: it is in no total.
    #[must_use]
    pub fn total(self) -> Option<Total> {
        use TransactionType as T;
        Some(match self {
            T::CommissionFee | T::CommissionVat => Total::Commissions,
            T::RefundCommissionFee | T::RefundCommissionVat => Total::RefundCommissions,
            T::SubscriptionFee | T::SubscriptionVat => Total::Subscription,
            T::ManualCredit
            | T::ManualCreditVat
            | T::InvoiceableOneOffCredit
            | T::InvoiceableOneOffCreditTax => Total::OtherCredits,
            T::ManualInvoice
            | T::ManualInvoiceVat
            | T::InvoiceableOneOffDebit
            | T::InvoiceableOneOffDebitTax => Total::OtherInvoices,
            T::OrderAmount
            | T::OrderAmountTax
            | T::OrderShippingAmount
            | T::OrderShippingAmountTax => Total::PayableOrders,
            T::RefundOrderAmount
            | T::RefundOrderAmountTax
            | T::RefundOrderShippingAmount
            | T::RefundOrderShippingAmountTax => Total::RefundPayableOrders,
            T::SellerFeeOnOrder | T::SellerFeeOnOrderTax => Total::SellerFeesOnOrders,
            T::SellerPenaltyFee | T::SellerPenaltyFeeTax => Total::SellerPenaltyFees,
            T::OrderFeeAmount => Total::Fee,
            T::RefundOrderFeeAmount => Total::RefundFee,
            T::OperatorRemittedOrderFeeAmount => Total::FeeOperatorRemitted,
            T::OperatorRemittedRefundOrderFeeAmount => Total::RefundFeeOperatorRemitted,
            T::OperatorPaidOrderShippingAmount | T::OperatorPaidOrderShippingAmountTax => {
                Total::OperatorPaidShippingCharges
            }
            T::OperatorPaidRefundOrderShippingAmount
            | T::OperatorPaidRefundOrderShippingAmountTax => {
                Total::RefundOperatorPaidShippingCharges
            }
            T::OperatorRemittedOrderAmountTax | T::OperatorRemittedOrderShippingAmountTax => {
                Total::OperatorRemittedTaxes
            }
            T::OperatorRemittedRefundOrderAmountTax
            | T::OperatorRemittedRefundOrderShippingAmountTax => Total::RefundOperatorRemittedTaxes,
            T::PurchaseOrderAmountTax | T::PurchaseOrderShippingAmountTax => Total::PurchaseTaxes,
            T::RefundPurchaseOrderAmountTax | T::RefundPurchaseOrderShippingAmountTax => {
                Total::RefundPurchaseTaxes
            }
            T::Payment
            | T::ReserveFunding
            | T::ReserveSettlement
            | T::PurchaseCommissionFee
            | T::PurchaseShippingCommissionFee
            | T::RefundPurchaseCommissionFee
            | T::RefundPurchaseShippingCommissionFee
            | T::PurchaseFeeCommissionFee
            | T::RefundPurchaseFeeCommissionFee => return None,
        })
    }
}
