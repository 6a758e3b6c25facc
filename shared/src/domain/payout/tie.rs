//! The tie-out of a billing cycle: whether its lines come to exactly what is transferred. There is
//! no tolerance.
//!
//! `lines + carried in = transfer + carried out`. The transfer is SBC11
//! `amount_transferred_to_seller`, and, where present, the same as IV01
//! `summary.amount_transferred` of the automatic invoices and as the sum of the PAYMENT lines. So of
//! 13 of 13 recorded groups.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::kit::amount::Amount;
use crate::mirakl::finance::{
    AccountingDocument, BillingCycle, DocumentType, PayOutState, PaymentState, TransactionLine,
};

/// Which lines a transfer pays, besides the usual ones: a rule of the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TieRule {
    /// Lines in the state RESERVE.
    pub reserve_state: bool,
    /// Lines of the types `RESERVE_FUNDING` and `RESERVE_SETTLEMENT`.
    pub reserve_types: bool,
    /// Lines in the state `NOT_APPLICABLE`: what the seller collected itself.
    pub not_applicable: bool,
}

impl Default for TieRule {
    fn default() -> Self {
        Self { reserve_state: true, reserve_types: true, not_applicable: false }
    }
}

impl TieRule {
    /// Every rule that there could be, the default first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let default = Self::default();
        let mut all = vec![default];
        for bits in 0..8_u8 {
            let rule = Self {
                reserve_state: bits & 1 == 0,
                reserve_types: bits & 2 == 0,
                not_applicable: bits & 4 != 0,
            };
            all.extend((rule != default).then_some(rule));
        }
        all
    }

    /// Whether a line is part of the transfer. The PAYMENT is the transfer itself.
    #[must_use]
    pub fn counts(&self, line: &TransactionLine) -> bool {
        !line.kind.is_payment()
            && (self.reserve_types || !line.kind.is_reserve())
            && match line.state {
                Some(PaymentState::Reserve) => self.reserve_state,
                Some(PaymentState::NotApplicable) => self.not_applicable,
                _ => true,
            }
    }

    /// What the lines come to that count.
    #[must_use]
    pub fn sum<'l>(&self, lines: impl IntoIterator<Item = &'l TransactionLine>) -> Amount {
        let counted = lines.into_iter().filter(|line| self.counts(line));
        Amount(counted.map(|line| line.net().0).sum())
    }
}

/// What the tie-out of a cycle rests on.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'e> {
    /// The cycle as the marketplace lists it.
    pub cycle: &'e BillingCycle,
    /// Its lines, each id once.
    pub lines: &'e [&'e TransactionLine],
    /// The documents that name the cycle, of every type.
    pub documents: &'e [&'e AccountingDocument],
    /// What the cycle before left to be carried: zero or negative.
    pub carried_in: Amount,
    /// The running balance shows no gap, and every line of the cycle has one; or each total of the
    /// marketplace's summary is met, and all lines are in one. Without either, a sum that is
    /// carried out cannot be believed: whatever is missing would hide in it.
    pub is_proved_whole: bool,
}

/// What does not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", content = "amount", rename_all = "kebab-case")]
pub enum Difference {
    /// Lines and what was carried in, less transfer and what is carried out.
    Lines(Amount),
    /// The automatic invoices' `amount_transferred`, less the transfer.
    Invoices(Amount),
    /// What the PAYMENT lines paid, less the transfer.
    Payments(Amount),
    /// Nothing is transferred, the lines come to this sum, and nothing proves that they
    /// are all of them.
    CarriedOutUnproved(Amount),
}

/// A tie-out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tie {
    /// What the lines come to.
    pub lines: Amount,
    /// What the cycle before left.
    pub carried_in: Amount,
    /// What is transferred: zero or positive.
    pub transfer: Amount,
    /// What is left to the next cycle: zero or negative.
    pub carried_out: Amount,
    /// What the automatic invoices say, where there is one.
    pub invoices: Option<Amount>,
    /// What the PAYMENT lines paid, where there is one.
    pub payments: Option<Amount>,
    /// Lines of the dropship model, which the connector does not book: with any, nothing is posted.
    pub purchase_lines: u64,
    /// What does not agree: the cycle is tied where there is nothing.
    pub differences: Vec<Difference>,
}

impl Tie {
    /// Ties a cycle out by the channel's rule.
    #[must_use]
    pub fn of(evidence: &Evidence<'_>, rule: TieRule) -> Self {
        let stated = evidence.cycle.transferred_to_seller;
        let lines = rule.sum(evidence.lines.iter().copied());
        let total = Amount(lines.0 + evidence.carried_in.0);
        let transfer = stated.max(Amount::ZERO);
        let mut differences = Vec::new();
        let carried_out = if stated == Amount::ZERO && total <= Amount::ZERO {
            if !evidence.is_proved_whole {
                differences.push(Difference::CarriedOutUnproved(total));
            }
            total
        } else {
            stated.min(Amount::ZERO)
        };
        let difference = Amount(total.0 - transfer.0 - carried_out.0);
        if difference != Amount::ZERO {
            differences.push(Difference::Lines(difference));
        }
        let invoices = invoices(evidence.documents);
        if let Some(said) = invoices.filter(|&said| said != stated) {
            differences.push(Difference::Invoices(Amount(said.0 - stated.0)));
        }
        let payments = payments(evidence.lines);
        if let Some(paid) = payments.filter(|&paid| paid != transfer) {
            // Paid and taken back, as where a transfer failed: then nothing is paid yet.
            let is_taken_back =
                paid == Amount::ZERO && evidence.cycle.pay_out.state != PayOutState::Paid;
            if !is_taken_back {
                differences.push(Difference::Payments(Amount(paid.0 - transfer.0)));
            }
        }
        let purchase = evidence.lines.iter().filter(|line| line.kind.is_purchase()).count();
        Self {
            lines,
            carried_in: evidence.carried_in,
            transfer,
            carried_out,
            invoices,
            payments,
            purchase_lines: purchase.try_into().unwrap_or(u64::MAX),
            differences,
        }
    }

    /// It ties exactly.
    #[must_use]
    pub fn is_tied(&self) -> bool {
        self.differences.is_empty()
    }

    /// Other rules by which the lines would come to the transfer. None is ever taken by itself.
    #[must_use]
    pub fn other_rules(evidence: &Evidence<'_>, rule: TieRule) -> Vec<TieRule> {
        let by_this = rule.sum(evidence.lines.iter().copied());
        TieRule::all()
            .into_iter()
            .filter(|other| {
                *other != rule
                    && other.sum(evidence.lines.iter().copied()) != by_this
                    && !Self::of(evidence, *other).differences.iter().any(|difference| {
                        !matches!(difference, Difference::Payments(_) | Difference::Invoices(_))
                    })
            })
            .collect()
    }
}

/// What the automatic invoices say. Manual documents are in the lines already: they are never
/// added. Documents are told apart by their ids.
fn invoices(documents: &[&AccountingDocument]) -> Option<Amount> {
    let said: BTreeMap<&str, Amount> = documents
        .iter()
        .filter(|document| document.kind == DocumentType::AutoInvoice)
        .filter_map(|document| Some((document.id.as_str(), document.amount_transferred()?)))
        .collect();
    (!said.is_empty()).then(|| Amount(said.values().map(|amount| amount.0).sum()))
}

/// What the PAYMENT lines paid. There may be none, one, or one for each document whose payment was
/// confirmed.
fn payments(lines: &[&TransactionLine]) -> Option<Amount> {
    let mut payments = lines.iter().filter(|line| line.kind.is_payment()).peekable();
    payments.peek()?;
    Some(Amount(payments.map(|line| -line.net().0).sum()))
}
