//! The bridge: from what Prima invoiced to what arrives at the bank, step by step.

use std::collections::BTreeSet;

use super::figures::Report;
use crate::domain::payout::draft::{Books, Place};
use crate::kit::amount::Amount;
use crate::mirakl::finance::{Side, TransactionType as Type};

/// What a step is about. The order is that of the bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::VariantArray)]
pub enum StepKind {
    /// Goods, shipping and taxes of orders.
    Sales,
    /// The same, refunded.
    Refunds,
    /// Fees that customers paid on orders, less what the operator keeps of them.
    OrderFees,
    /// Shipping that the operator pays.
    OperatorShipping,
    /// Taxes that the operator remits.
    RemittedTaxes,
    /// Commission, less what was given back.
    Commission,
    /// The subscription.
    Subscription,
    /// Invoices of the operator's, and its fees on orders.
    Invoices,
    /// Penalties.
    Penalties,
    /// Credits of the operator's.
    Credits,
    /// VAT that the operator charged on all these.
    FeeVat,
    /// Of the dropship model.
    Purchase,
    /// Of types that this version does not know.
    Unknown,
    /// Kept back, or given after that.
    Reserve,
    /// Left over from the cycle before.
    CarriedIn,
    /// Left to the next cycle.
    CarriedOut,
    /// What nothing above explains.
    Unexplained,
}

impl StepKind {
    fn of(kind: &Type) -> Self {
        match kind {
            kind if kind.is_sale() => Self::Sales,
            kind if kind.is_refund() => Self::Refunds,
            kind if kind.tax_of().is_some() => Self::FeeVat,
            Type::OrderFeeAmount
            | Type::RefundOrderFeeAmount
            | Type::OperatorRemittedOrderFeeAmount
            | Type::OperatorRemittedRefundOrderFeeAmount => Self::OrderFees,
            Type::OperatorPaidOrderShippingAmount
            | Type::OperatorPaidOrderShippingAmountTax
            | Type::OperatorPaidRefundOrderShippingAmount
            | Type::OperatorPaidRefundOrderShippingAmountTax => Self::OperatorShipping,
            Type::CommissionFee | Type::RefundCommissionFee => Self::Commission,
            Type::SubscriptionFee => Self::Subscription,
            Type::ManualInvoice | Type::InvoiceableOneOffDebit | Type::SellerFeeOnOrder => {
                Self::Invoices
            }
            Type::SellerPenaltyFee => Self::Penalties,
            Type::ManualCredit | Type::InvoiceableOneOffCredit => Self::Credits,
            Type::Unknown(_) => Self::Unknown,
            kind => match kind.side() {
                Some(Side::Reserve) => Self::Reserve,
                Some(Side::Purchase) => Self::Purchase,
                _ => Self::RemittedTaxes,
            },
        }
    }

    /// Its name on the page.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sales => "Sales: goods, shipping and their taxes",
            Self::Refunds => "Refunds to customers",
            Self::OrderFees => "Fees that customers paid on orders",
            Self::OperatorShipping => "Shipping that the marketplace pays",
            Self::RemittedTaxes => "Taxes that the marketplace remits itself",
            Self::Commission => "Commission, less what was given back",
            Self::Subscription => "Subscription",
            Self::Invoices => "Other fees and invoices of the marketplace",
            Self::Penalties => "Penalties",
            Self::Credits => "Credits of the marketplace",
            Self::FeeVat => "VAT on the marketplace's fees",
            Self::Purchase => "Lines of the dropship model",
            Self::Unknown => "Types that the connector does not know",
            Self::Reserve => "Reserve: kept back, or given after that",
            Self::CarriedIn => "Carried over from the cycle before",
            Self::CarriedOut => "Carried over to the next cycle",
            Self::Unexplained => "Not explained by any line",
        }
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is about.
    pub kind: StepKind,
    /// What it adds; below zero what it takes.
    pub amount: Amount,
    /// How many lines are in it.
    pub lines: u64,
    /// Where it is booked, in words: nothing of a step that has no lines.
    pub booked: Vec<&'static str>,
}

/// All steps, from nothing to the transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// In their order: only those that come to something.
    pub steps: Vec<Step>,
    /// What they come to: the transfer.
    pub transfer: Amount,
    /// What of them belongs to our journals; none without a chart.
    pub for_journals: Option<Amount>,
    /// What the journals come to, with that sign: what they take is below zero.
    pub in_journals: Amount,
}

impl Bridge {
    /// The bridge of a cycle.
    #[must_use]
    pub fn of(report: &Report<'_>) -> Self {
        let tie = report.row.tie.as_ref();
        let transfer = tie.map_or_else(
            || report.row.cycle.transferred_to_seller.max(Amount::ZERO),
            |tie| tie.transfer,
        );
        let mut steps = of_lines(report);
        let mut carry = |kind, amount: Amount| {
            steps.push(Step { kind, amount, lines: 0, booked: Vec::new() });
        };
        if let Some(tie) = tie {
            carry(StepKind::CarriedIn, tie.carried_in);
            carry(StepKind::CarriedOut, Amount(-tie.carried_out.0));
        }
        let so_far: rust_decimal::Decimal = steps.iter().map(|step| step.amount.0).sum();
        steps.push(Step {
            kind: StepKind::Unexplained,
            amount: Amount(transfer.0 - so_far),
            lines: 0,
            booked: Vec::new(),
        });
        steps.retain(|step| step.amount != Amount::ZERO);
        Self {
            steps,
            transfer,
            for_journals: report.books.map(|books| for_journals(report, books)),
            in_journals: Amount(report.journals.iter().map(|journal| journal.clearing().0).sum()),
        }
    }

    /// The journals hold exactly what belongs into them.
    #[must_use]
    pub fn is_booked_whole(&self) -> bool {
        self.for_journals == Some(self.in_journals)
    }
}

fn for_journals(report: &Report<'_>, books: &Books<'_>) -> Amount {
    let ours = report.figures.counted.0.iter().filter(|((kind, document), _)| {
        matches!(books.place(kind, document.as_ref()), Place::Journal(_) | Place::Suspense(_))
    });
    Amount(ours.map(|(_, sum)| sum.net.0).sum())
}

fn of_lines(report: &Report<'_>) -> Vec<Step> {
    let all = <StepKind as strum::VariantArray>::VARIANTS.iter();
    all.map(|&kind| {
        let mut step = Step { kind, amount: Amount::ZERO, lines: 0, booked: Vec::new() };
        let mut booked = BTreeSet::new();
        for ((of, document), sum) in &report.figures.counted.0 {
            if StepKind::of(of) == kind {
                step.amount.0 += sum.net.0;
                step.lines += sum.lines;
                booked.extend(report.books.map(|books| place(&books.place(of, document.as_ref()))));
            }
        }
        step.booked = booked.into_iter().collect();
        step
    })
    .collect()
}

/// Where something is booked, in words.
fn place(place: &Place) -> &'static str {
    match place {
        Place::Journal(_) => "the connector's journal",
        Place::Suspense(_) => "the connector's journal, in suspense",
        Place::Prima => "Prima's invoices and credit notes",
        Place::Cash => "the bank reconciliation",
        Place::NotInTransfer => "not part of the transfer",
        Place::Held => "held back",
    }
}
