//! The accrual of a period: the fees of orders that have left, and whose cycle is still open. It is
//! reversed on the next period's first day.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::payout::calendar::BookedOn;
use crate::domain::payout::chart::{Account, Book, ChartVersion};
use crate::domain::payout::draft::{Draft, LineKey, LineSum, Role};
use crate::domain::payout::journal::{Heading, Journal, Limits, journals};
use crate::domain::payout::key::{CycleKey, JournalKind, JournalName, NO_PSP};
use crate::domain::payout::row::ShopKey;
use crate::kit::amount::Amount;
use crate::mirakl::finance::{Side, TransactionLine, TransactionType as Type};

/// What an accrual is made from.
#[derive(Clone, Copy, Debug)]
pub struct Accrual<'a> {
    /// The shop.
    pub shop: &'a ShopKey,
    /// The currency.
    pub currency: &'a str,
    /// The lines that are in no closed cycle.
    pub open: &'a [&'a TransactionLine],
    /// The orders that had left by the end of the period, with the commission that was told with
    /// each, without its VAT: below zero.
    pub despatched: &'a BTreeMap<String, Amount>,
    /// The orders whose commission stands in a closed cycle: nothing of it is accrued.
    pub settled: &'a BTreeSet<String>,
    /// The chart.
    pub chart: &'a ChartVersion,
    /// The account that holds what is accrued.
    pub accruals: &'a Account,
    /// The period's last day.
    pub on: &'a BookedOn,
    /// The next period's first day.
    pub reversed_on: &'a BookedOn,
    /// What Prima takes.
    pub limits: Limits,
}

/// The journals of an accrual, each with its reversal: none where nothing is to be accrued. VAT is
/// not accrued: it is due with the operator's invoice.
#[must_use]
pub fn accrual(of: &Accrual<'_>) -> Vec<(Journal, Journal)> {
    let mut draft = Draft::default();
    let mut add = |kind: &Type, net: Amount| {
        let booking = of.chart.types.get(kind.code());
        let account = match booking.filter(|booking| booking.book == Book::Nominal) {
            Some(booking) => Account {
                nominal: booking.nominal.clone().unwrap_or_default(),
                cost_centre: booking.cost_centre.clone(),
                tax_code: None,
            },
            None => Account { tax_code: None, ..of.chart.suspense.clone() },
        };
        let key = LineKey { kind: kind.clone(), role: Role::Type, account };
        let sum: &mut LineSum = draft.0.entry(key).or_default();
        sum.net.0 += net.0;
        sum.lines += 1;
        sum.narrative = Some("accrued {type}, {lines}".to_owned());
    };
    let mut told = BTreeSet::new();
    for line in of.open {
        let Some(order) = line.order.as_ref().filter(|order| of.despatched.contains_key(*order))
        else {
            continue;
        };
        if line.kind.side() == Some(Side::Operator)
            && line.kind.is_invoiced()
            && line.kind.tax_of().is_none()
        {
            add(&line.kind, line.net());
        }
        if line.kind == Type::CommissionFee {
            told.insert(order);
        }
    }
    // Of what the log does not have yet, the commission that was told with the order.
    for (order, commission) in of.despatched {
        if !told.contains(order) && !of.settled.contains(order) {
            add(&Type::CommissionFee, *commission);
        }
    }
    draft.0.retain(|_, sum| sum.net != Amount::ZERO);
    let key = CycleKey {
        host: of.shop.host.clone(),
        shop: of.shop.shop.clone(),
        cycle: format!("accrual {}", of.on.period),
        currency: of.currency.to_owned(),
        psp: NO_PSP.to_owned(),
    };
    let heading = Heading {
        key: &key,
        name: JournalName::default(),
        booked: of.on,
        clearing: of.accruals,
        input_vat: &of.chart.input_vat,
        limits: of.limits,
    };
    let reversal = JournalName { kind: JournalKind::Reversal(1), ..JournalName::default() };
    journals(&draft, &heading)
        .into_iter()
        .map(|journal| {
            let reversed = journal.reversed(reversal, of.reversed_on, of.limits);
            (journal, reversed)
        })
        .collect()
}
