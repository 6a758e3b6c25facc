//! What the transaction log says of each order, over all cycles.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::order::OrderMoney;
use crate::kit::amount::Amount;
use crate::mirakl::finance::{TransactionLine, TransactionType as Type};

/// Ids of lines that a finding names.
const MOST_IDS: usize = 4;

/// One line of an order; `None` of its id for what names no line.
pub(super) type ByLine<'l> = BTreeMap<Option<&'l str>, SettledLine<'l>>;

/// What is settled of one order.
#[derive(Clone, Debug, Default)]
pub(super) struct SettledOrder<'l> {
    pub(super) lines: ByLine<'l>,
    pub(super) reference: Option<&'l str>,
    pub(super) first: Option<Timestamp>,
    pub(super) last_refund: Option<Timestamp>,
    pub(super) ids: Vec<&'l str>,
}

/// What is settled of one line of an order.
#[derive(Clone, Debug, Default)]
pub(super) struct SettledLine<'l> {
    pub(super) money: OrderMoney,
    /// Commission without its VAT.
    pub(super) fee: Amount,
    pub(super) has_sale: bool,
    pub(super) has_commission: bool,
    pub(super) refunds: BTreeSet<&'l str>,
}

impl<'l> SettledLine<'l> {
    /// With another line's.
    pub(super) fn add_all(&mut self, other: &Self) {
        self.money.add_all(&other.money);
        self.fee.0 += other.fee.0;
        self.has_sale |= other.has_sale;
        self.has_commission |= other.has_commission;
        self.refunds.extend(&other.refunds);
    }
}

impl<'l> SettledOrder<'l> {
    /// All lines in one.
    pub(super) fn whole(&self) -> SettledLine<'l> {
        let mut whole = SettledLine::default();
        for line in self.lines.values() {
            whole.add_all(line);
        }
        whole
    }
}

/// What is settled of all orders.
#[derive(Clone, Debug, Default)]
pub struct Settled<'l>(pub(super) BTreeMap<&'l str, SettledOrder<'l>>);

impl<'l> Settled<'l> {
    /// Of these lines, each id once, in any order.
    #[must_use]
    pub fn of(lines: impl IntoIterator<Item = &'l TransactionLine>) -> Self {
        let mut settled = Self::default();
        for line in lines {
            settled.add(line);
        }
        settled
    }

    /// With one line more: one that names no order is nobody's.
    pub fn add(&mut self, line: &'l TransactionLine) {
        let Some(order) = line.order.as_deref() else { return };
        let of = self.0.entry(order).or_default();
        let net = line.net();
        let at = line.transacted.or(line.created);
        of.reference = of.reference.or(line.seller_reference.as_deref());
        of.first = of.first.into_iter().chain(at).min();
        if of.ids.len() < MOST_IDS {
            of.ids.push(&line.id);
        }
        if line.kind.is_refund() {
            of.last_refund = of.last_refund.max(at);
        }
        let of_line = of.lines.entry(line.order_line.as_deref()).or_default();
        of_line.money.add(&line.kind, net);
        of_line.has_sale |= line.kind.is_sale();
        match line.kind {
            Type::CommissionFee => {
                of_line.fee.0 += net.0;
                of_line.has_commission = true;
            }
            Type::CommissionVat => of_line.has_commission = true,
            _ => {}
        }
        of_line.refunds.extend(line.refund.as_deref());
    }
}
