//! What the marketplace owes its shops: a transaction log a shop, with its billing cycles, its
//! accounting documents and its payouts (Mirakl seller API, TL02, SBC11, IV01).
//!
//! A shop without [`Billing`] has no log, so that a simulation of orders alone pays nothing for it.

mod billing;
mod booking;
mod closing;
mod cycle;
mod entry;
mod followed;
mod kind;
mod log;
mod spoiling;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

pub use billing::{AtOrBelowZero, Billing, PayableWhen, PaymentLines};
pub use cycle::{Cycle, Document, DocumentKind, PayOut};
pub use entry::{Entry, EntryOrder, PaymentState, Spoilt};
pub use kind::{Total, TransactionType};
pub use log::{Ledger, ManualItem};
pub use spoiling::Spoiling;

use super::order::Order;

/// The logs of all shops.
#[derive(Debug, Default)]
pub struct Finance {
    ledgers: BTreeMap<i64, Ledger>,
    /// What happens by itself, and when.
    due: BTreeSet<(Timestamp, i64, Due)>,
    /// How many documents were made: all shops are counted together.
    documents: i64,
}

/// What happens by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// The lines of a cycle get its id.
    Ids(usize),
    /// A document is issued.
    Issue(usize),
    /// A cycle is paid out.
    PayOut(usize),
    /// The next cycle is closed.
    Close,
}

impl Finance {
    /// Bills a shop so from now on.
    pub(super) fn bill(&mut self, shop_id: i64, billing: Billing, now: Timestamp) {
        self.due.retain(|(_, shop, due)| *shop != shop_id || *due != Due::Close);
        if let Some(at) = billing.next_close(now) {
            self.due.insert((at, shop_id, Due::Close));
        }
        self.ledgers
            .entry(shop_id)
            .or_insert_with(|| Ledger::new(shop_id, now))
            .set_billing(billing);
    }

    /// A shop's log.
    #[must_use]
    pub fn ledger(&self, shop_id: i64) -> Option<&Ledger> {
        self.ledgers.get(&shop_id)
    }

    /// A shop's log, for meddling.
    pub fn ledger_mut(&mut self, shop_id: i64) -> Option<&mut Ledger> {
        self.ledgers.get_mut(&shop_id)
    }

    /// When the next thing happens by itself.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _, _)| *at)
    }

    /// Does the next thing that happens by itself.
    pub(super) fn run_next(&mut self) {
        let Some((at, shop_id, due)) = self.due.pop_first() else { return };
        let Some(ledger) = self.ledgers.get_mut(&shop_id) else { return };
        match due {
            Due::Ids(cycle) => ledger.assign_ids(cycle, at),
            Due::Issue(document) => ledger.issue(document, at),
            Due::PayOut(cycle) => {
                ledger.pay(cycle, at);
            }
            Due::Close => {
                if let Some(next) = ledger.billing().next_close(at) {
                    self.due.insert((next, shop_id, Due::Close));
                }
                self.close(shop_id, at);
            }
        }
    }

    /// Closes the shop's cycles, one a currency and payment service; answers how many there were.
    pub fn close(&mut self, shop_id: i64, at: Timestamp) -> usize {
        let Some(ledger) = self.ledgers.get_mut(&shop_id) else { return 0 };
        let closed = ledger.close(&mut self.documents, at);
        let billing = ledger.billing().clone();
        for (cycle, document) in &closed {
            let mut later = |wait: Option<u64>, due: Due| {
                if let Some(wait) = wait {
                    self.due.insert((at + super::settings::seconds(wait), shop_id, due));
                }
            };
            later(Some(billing.ids_late_seconds), Due::Ids(*cycle));
            later(Some(billing.documents_late_seconds), Due::Issue(*document));
            later(billing.payout_seconds, Due::PayOut(*cycle));
        }
        closed.len()
    }

    /// Books something that is not tied to an order, with its tax and, if it is a manual one, a
    /// document of its own. False where the shop has no log.
    pub fn book(&mut self, shop_id: i64, item: &ManualItem, at: Timestamp) -> bool {
        let Some(ledger) = self.ledgers.get_mut(&shop_id) else { return false };
        ledger.book(item, &mut self.documents, at);
        true
    }

    /// Books what an order's change means in money.
    pub(super) fn follow(&mut self, order: &Order, at: Timestamp) {
        if let Some(ledger) = self.ledgers.get_mut(&order.shop_id) {
            ledger.follow(order, at);
        }
    }
}
