//! The clearing account at the end of a period, item by item.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::cycle::ClosedCycle;
use super::entries::{Entry, receipts};
use super::reserve::{Reserve, reserve};
use crate::kit::amount::Amount;
use crate::mirakl::finance::TransactionLine;

/// All that a statement is made from: one channel, one currency, up to one day.
#[derive(Clone, Copy)]
pub struct Clearing<'c> {
    /// The currency.
    pub currency: &'c str,
    /// The last day.
    pub through: Date,
    /// What Prima booked on the clearing account up to then; none where that was not read.
    pub entries: Option<&'c [Entry]>,
    /// The cycles that had closed.
    pub cycles: &'c [ClosedCycle<'c>],
    /// The lines that were in no closed cycle, and that a transfer will pay.
    pub open: &'c [&'c TransactionLine],
    /// Prima's order number of each Mirakl order.
    pub numbers: &'c BTreeMap<String, String>,
    /// Whether Prima's invoices and credit notes book a line; else our journal does.
    pub is_by_prima: &'c dyn Fn(&TransactionLine) -> bool,
    /// What the marketplace says that it owes, reserve apart, where that is known.
    pub marketplace_balance: Option<Amount>,
}

/// What an item is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, strum::IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum ItemKind {
    /// Invoiced in Prima, less what is refunded, and in no closed cycle yet.
    InvoicedUnpaid,
    /// Transferred by the marketplace, and not at the bank.
    PaidNotBanked,
    /// Refunded, and no credit note in Prima takes it off the account.
    RefundWithoutCreditNote,
    /// Credited in Prima, and not refunded.
    CreditNoteWithoutRefund,
    /// Deducted by the marketplace, and in no journal in Prima.
    FeesNotJournalled,
    /// Settled, and not invoiced in Prima.
    SettledNotInvoiced,
    /// Invoiced with another amount than was settled.
    InvoiceDiffers,
    /// Left to the next cycle.
    Carried,
    /// The lines of a cycle do not come to what it transfers.
    Untied,
    /// On the account in Prima, and neither order, journal nor receipt.
    Unknown,
}

impl ItemKind {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// One item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// The order, cycle or entry.
    pub about: String,
    /// What of the clearing account it explains: a debit; below zero a credit.
    pub amount: Amount,
}

/// The clearing account, explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// The currency.
    pub currency: String,
    /// The last day.
    pub through: Date,
    /// What stands on the account in Prima: none where that was not read, and then nothing is
    /// checked.
    pub clearing: Option<Amount>,
    /// Its items; empty where nothing is checked.
    pub items: Vec<Item>,
    /// What no item explains.
    pub remainder: Option<Amount>,
    /// What the marketplace says that it owes.
    pub marketplace_balance: Option<Amount>,
    /// What it keeps back.
    pub reserve: Reserve,
}

impl Statement {
    /// What the items of a kind come to.
    #[must_use]
    pub fn sum(&self, kind: ItemKind) -> Amount {
        let items = self.items.iter().filter(|item| item.kind == kind);
        Amount(items.map(|item| item.amount.0).sum())
    }

    /// The verdict in words: never "explained" where nothing was checked.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match self.remainder {
            None => "not checked",
            Some(remainder) if remainder == Amount::ZERO => "explained",
            Some(_) => "not explained",
        }
    }
}

/// What there is of one order on both sides.
#[derive(Default)]
struct OfOrder {
    invoiced: Decimal,
    credited: Decimal,
    sale: Decimal,
    refunds: Decimal,
    open: Decimal,
}

/// Explains the clearing account at the end of `clearing.through`.
#[must_use]
pub fn statement(clearing: &Clearing<'_>) -> Statement {
    let all = clearing.cycles.iter().flat_map(|cycle| &cycle.lines).chain(clearing.open);
    let mut statement = Statement {
        currency: clearing.currency.to_owned(),
        through: clearing.through,
        clearing: None,
        items: Vec::new(),
        remainder: None,
        marketplace_balance: clearing.marketplace_balance,
        reserve: reserve(all.copied(), clearing.through),
    };
    let Some(entries) = clearing.entries else { return statement };
    let on_account: Decimal = entries.iter().map(|entry| entry.amount.0).sum();
    let mut items = BTreeMap::new();
    let mut say = |kind: ItemKind, about: &str, amount: Decimal| {
        *items.entry((kind, about.to_owned())).or_insert(Decimal::ZERO) += amount;
    };
    let orders: BTreeSet<&str> = clearing.numbers.values().map(String::as_str).collect();
    let journals: BTreeSet<&str> =
        clearing.cycles.iter().flat_map(|cycle| &cycle.journals).copied().collect();
    let is_ours = |entry: &Entry| {
        orders.contains(entry.reference.as_str()) || journals.contains(entry.reference.as_str())
    };
    let receipts = receipts(entries, clearing.cycles, |entry| !is_ours(entry));
    let used = receipts.used();

    let mut by_order: BTreeMap<&str, OfOrder> = BTreeMap::new();
    let mut journalled: BTreeMap<&str, Decimal> = BTreeMap::new();
    for (place, entry) in entries.iter().enumerate() {
        let reference = entry.reference.as_str();
        if journals.contains(reference) {
            *journalled.entry(reference).or_default() += entry.amount.0;
        } else if orders.contains(reference) {
            let order = by_order.entry(reference).or_default();
            if entry.amount < Amount::ZERO {
                order.credited -= entry.amount.0;
            } else {
                order.invoiced += entry.amount.0;
            }
        } else if !used.contains(&place) {
            say(ItemKind::Unknown, reference, entry.amount.0);
        }
    }

    let mut of_lines: BTreeMap<String, OfOrder> = BTreeMap::new();
    let mut add = |line: &TransactionLine, is_open: bool| {
        let id = line.order.as_deref().unwrap_or("lines without an order");
        let number = clearing.numbers.get(id).map_or(id, String::as_str);
        let net = line.net().0;
        let order = of_lines.entry(number.to_owned()).or_default();
        if line.kind.is_refund() {
            order.refunds -= net;
        } else {
            order.sale += net;
        }
        if is_open {
            order.open += net;
        }
    };
    for (place, cycle) in clearing.cycles.iter().enumerate() {
        let mut deducted = Decimal::ZERO;
        let mut sum = Decimal::ZERO;
        for line in &cycle.lines {
            sum += line.net().0;
            if (clearing.is_by_prima)(line) {
                add(line, false);
            } else {
                deducted += line.net().0;
            }
        }
        let posted: Decimal =
            cycle.journals.iter().filter_map(|reference| journalled.get(reference)).sum();
        say(ItemKind::FeesNotJournalled, cycle.id, posted - deducted);
        let paid = receipts.of_cycles.get(place).into_iter().flatten();
        let banked: Decimal =
            paid.filter_map(|&index| entries.get(index)).map(|entry| -entry.amount.0).sum();
        say(ItemKind::PaidNotBanked, cycle.id, cycle.transfer.0 - banked);
        let carried = cycle.carried_out.0 - cycle.carried_in.0;
        say(ItemKind::Carried, cycle.id, carried);
        say(ItemKind::Untied, cycle.id, sum - cycle.transfer.0 - carried);
    }
    for line in clearing.open.iter().filter(|line| (clearing.is_by_prima)(line)) {
        add(line, true);
    }
    for (number, lines) in of_lines {
        let prima = by_order.remove(number.as_str()).unwrap_or_default();
        let about = number.as_str();
        if prima.invoiced.is_zero() && !lines.sale.is_zero() {
            // Nothing of it is on the account: neither what is open, nor what was paid.
            say(ItemKind::SettledNotInvoiced, about, -(lines.sale - lines.refunds - lines.open));
            say(ItemKind::CreditNoteWithoutRefund, about, -prima.credited);
            continue;
        }
        say(ItemKind::InvoicedUnpaid, about, lines.open);
        if lines.sale.is_zero() {
            say(ItemKind::InvoicedUnpaid, about, prima.invoiced);
        } else {
            say(ItemKind::InvoiceDiffers, about, prima.invoiced - lines.sale);
        }
        let without = lines.refunds - prima.credited;
        if without > Decimal::ZERO {
            say(ItemKind::RefundWithoutCreditNote, about, without);
        } else {
            say(ItemKind::CreditNoteWithoutRefund, about, without);
        }
    }
    // What the log does not name yet.
    for (number, prima) in by_order {
        say(ItemKind::InvoicedUnpaid, number, prima.invoiced);
        say(ItemKind::CreditNoteWithoutRefund, number, -prima.credited);
    }
    statement.items = items
        .into_iter()
        .filter(|(_, amount)| !amount.is_zero())
        .map(|((kind, about), amount)| Item { kind, about, amount: Amount(amount) })
        .collect();
    let explained: Decimal = statement.items.iter().map(|item| item.amount.0).sum();
    statement.clearing = Some(Amount(on_account));
    statement.remainder = Some(Amount(on_account - explained));
    statement
}
