//! For which sales of a channel its ledger is corrected.
//!
//! When an offer sells, Mirakl lowers its quantity; when an order is cancelled, Mirakl may raise it
//! again. The ledger is corrected once for each such change. So that each is found once, a *mark*
//! of every order is kept: a digest of what was sold, as it stood when the ledger was corrected for
//! it. An order without a mark, or with another one, is news.
//!
//! Marks are stored in the form of a ledger (see [`super::ledger`]) of their own,
//! [`SeenSales::ledger_of`] the channel. In it an order id's hash stands where a ledger has that of
//! a SKU, and the mark where it has the quantity.

use std::collections::HashSet;

use super::flight::Flight;
use super::ledger::{Change, sku_hash};
use super::offer::Shown;
use crate::domain::state::ledger::StoredLedger;

/// The marks of a channel's orders.
#[derive(Clone, Debug)]
pub struct SeenSales {
    marks: StoredLedger,
}

/// What of an order the ledger is not corrected for yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing.
    Nothing,
    /// The whole order: it has no mark.
    Order,
    /// Something was sold, cancelled or refunded of it since it was marked.
    Change,
}

impl SeenSales {
    /// The name of the ledger that holds the marks of a channel.
    #[must_use]
    pub fn ledger_of(channel: &str) -> String {
        format!("sold#{channel}")
    }

    /// The marks that are stored in the ledger of that name.
    #[must_use]
    pub fn stored_in(marks: StoredLedger) -> Self {
        Self { marks }
    }

    /// No order is marked: the channel has just begun, or the marks are lost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.marks.ledger().is_empty()
    }

    /// What is new of an order.
    #[must_use]
    pub fn news_of(&self, flight: &Flight) -> News {
        match self.marks.ledger().shown(key(flight)) {
            Shown::Never => News::Order,
            marked if marked == mark(flight) => News::Nothing,
            _ => News::Change,
        }
    }

    /// What is to be stored so that nothing of `flights` is new any more. They are all orders of
    /// the channel: marks of others go.
    #[must_use]
    pub fn marks_of(&self, flights: &[Flight]) -> Vec<Change> {
        let present: HashSet<u64> = flights.iter().map(key).collect();
        let new = flights.iter().filter(|flight| self.news_of(flight) != News::Nothing);
        let gone = self.marks.ledger().entries().filter(|entry| !present.contains(&entry.sku_hash));
        new.map(|flight| Change { sku_hash: key(flight), value: mark(flight) })
            .chain(gone.map(|entry| Change { value: Shown::Never, ..entry }))
            .collect()
    }

    /// Where the marks are stored.
    pub fn stored(&mut self) -> &mut StoredLedger {
        &mut self.marks
    }
}

fn key(flight: &Flight) -> u64 {
    sku_hash(&flight.key.order_id)
}

#[expect(clippy::cast_possible_truncation, reason = "a mark: any 32 bits of it")]
fn mark(flight: &Flight) -> Shown {
    Shown::Known(flight.sold_digest() as u32)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use jiff::Timestamp;

    use super::*;
    use crate::domain::order::row::OrderKey;
    use crate::domain::state::ledger::LedgerStore as _;
    use crate::domain::state::ledger::in_memory::MemoryLedger;
    use crate::domain::stock::flight::FlightLine;

    fn flight(order_id: &str, units: u32) -> Flight {
        Flight {
            key: OrderKey { channel: "uk".into(), order_id: order_id.into() },
            seen_at: Timestamp::UNIX_EPOCH,
            created_at: None,
            words: Vec::new(),
            ended_at: None,
            is_cancelled: false,
            taken_back: Default::default(),
            refunds: 0,
            lines: vec![FlightLine { offer_sku: "A-N-1".into(), units, left: Vec::new() }],
        }
    }

    #[tokio::test]
    async fn what_is_marked_is_no_news_and_what_is_gone_is_forgotten() {
        let store = MemoryLedger::default();
        let load =
            async || SeenSales::stored_in(store.load(&SeenSales::ledger_of("uk")).await.unwrap());
        let mut seen = load().await;
        let orders = [flight("1", 2), flight("2", 1)];
        assert!(seen.is_empty() && orders.iter().all(|order| seen.news_of(order) == News::Order));
        let marks = seen.marks_of(&orders);
        store.append(seen.stored(), &marks).await.unwrap();
        let mut seen = load().await;
        assert!(
            !seen.is_empty() && orders.iter().all(|order| seen.news_of(order) == News::Nothing)
        );
        assert_eq!(seen.marks_of(&orders), []);
        assert_eq!(seen.news_of(&flight("1", 1)), News::Change, "a piece was cancelled");
        let left = [flight("1", 1)];
        let marks = seen.marks_of(&left);
        assert_eq!(marks.len(), 2, "one changes, one goes");
        store.append(seen.stored(), &marks).await.unwrap();
        let seen = load().await;
        assert_eq!(
            (seen.news_of(&left[0]), seen.news_of(&orders[1])),
            (News::Nothing, News::Order)
        );
    }
}
