//! What became of the orders, computed from the two simulated systems' own state and the
//! dead-letter queue: never from what the connector remembers.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An order as the simulated Mirakl has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MiraklFact {
    /// The channel's id.
    pub channel: String,
    /// Mirakl's order id.
    pub order_id: String,
    /// `order_state`.
    pub state: String,
    /// When the customer's order arrived.
    pub created_at: Timestamp,
    /// When it was accepted, by whomever.
    pub accepted_at: Option<Timestamp>,
}

/// An order as the simulated Prima has it, led back to the Mirakl order it was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrimaFact {
    /// Prima's `OrderNumber`.
    pub order_number: String,
    /// The channel and Mirakl order that it belongs to; none if to none that exists.
    pub made_for: Option<(String, String)>,
    /// Whether it was cancelled since.
    pub cancelled: bool,
}

/// Seconds from an order's arrival to its acceptance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seconds {
    /// Half of the orders were not slower.
    pub p50: f64,
    /// 99 of 100 orders were not slower.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

impl Seconds {
    /// Nearest-rank percentiles; none of no values.
    #[must_use]
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let rank = |percent| nearest_rank(&values, percent);
        Some(Self { p50: rank(50)?, p99: rank(99)?, max: rank(100)? })
    }
}

/// The smallest of the sorted values that so many percent of them do not exceed; none of no values.
pub(crate) fn nearest_rank(sorted: &[f64], percent: usize) -> Option<f64> {
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
}

/// What became of one channel's orders.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChannelSummary {
    /// Orders that Mirakl has.
    pub orders_seen: usize,
    /// Of these, accepted.
    pub acknowledged: usize,
    /// Of these, in Prima (once or more often).
    pub created: usize,
    /// In the dead-letter queue, with a reason and a remedy.
    pub exceptions: usize,
    /// Cancelled or refused in Mirakl and rightly not in Prima.
    pub cancelled: usize,
    /// Accepted and still on their way: unpaid, or firm and not yet in Prima when the run ended
    /// early.
    pub under_way: usize,
    /// Firm in Mirakl, and neither in Prima nor an exception.
    pub lost: Vec<String>,
    /// In Prima more than once.
    pub duplicated: Vec<String>,
    /// From arrival to acceptance.
    pub seconds_to_acknowledge: Option<Seconds>,
}

/// What became of all orders.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// By channel id.
    pub channels: BTreeMap<String, ChannelSummary>,
    /// Prima orders that belong to no Mirakl order.
    pub strangers: Vec<String>,
}

impl Summary {
    /// Nothing is lost, doubled or of unknown origin.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.strangers.is_empty()
            && self
                .channels
                .values()
                .all(|channel| channel.lost.is_empty() && channel.duplicated.is_empty())
    }
}

/// Compares the two systems. `exceptions` are the orders (channel, order id) in the dead-letter
/// queue.
#[must_use]
pub fn judge(
    mirakl: &[MiraklFact],
    prima: &[PrimaFact],
    exceptions: &BTreeSet<(String, String)>,
) -> Summary {
    let mut summary = Summary::default();
    let mut made: BTreeMap<&(String, String), usize> = BTreeMap::new();
    for order in prima {
        match &order.made_for {
            Some(origin) => *made.entry(origin).or_default() += 1,
            None => summary.strangers.push(order.order_number.clone()),
        }
    }
    let mut waits: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for order in mirakl {
        let key = (order.channel.clone(), order.order_id.clone());
        let channel = summary.channels.entry(order.channel.clone()).or_default();
        channel.orders_seen += 1;
        if let Some(accepted_at) = order.accepted_at {
            channel.acknowledged += 1;
            let waited = accepted_at.duration_since(order.created_at).as_secs_f64();
            waits.entry(&order.channel).or_default().push(waited);
        }
        let copies = made.get(&key).copied().unwrap_or(0);
        channel.created += usize::from(copies > 0);
        if copies > 1 {
            channel.duplicated.push(order.order_id.clone());
        }
        let excepted = exceptions.contains(&key);
        channel.exceptions += usize::from(excepted);
        if copies > 0 || excepted {
            continue;
        }
        match order.state.as_str() {
            "CANCELED" | "REFUSED" => channel.cancelled += 1,
            state if is_firm(state) => channel.lost.push(order.order_id.clone()),
            _ => channel.under_way += 1,
        }
    }
    for (channel, values) in waits {
        if let Some(channel) = summary.channels.get_mut(channel) {
            channel.seconds_to_acknowledge = Seconds::of(values);
        }
    }
    summary
}

/// Paid and complete: it has to be in Prima, or an exception.
#[must_use]
pub fn is_firm(state: &str) -> bool {
    matches!(state, "SHIPPING" | "SHIPPED" | "TO_COLLECT" | "RECEIVED" | "CLOSED")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn mirakl(order_id: &str, state: &str, waited: Option<u64>) -> MiraklFact {
        let created_at: Timestamp = "2026-11-01T10:00:00Z".parse().unwrap();
        let accepted_at =
            waited.map(|seconds| created_at + std::time::Duration::from_secs(seconds));
        MiraklFact {
            channel: "uk".into(),
            order_id: order_id.into(),
            state: state.into(),
            created_at,
            accepted_at,
        }
    }

    fn prima(number: &str, order_id: Option<&str>) -> PrimaFact {
        let made_for = order_id.map(|id| ("uk".to_owned(), id.to_owned()));
        PrimaFact { order_number: number.into(), made_for, cancelled: false }
    }

    #[test]
    fn a_firm_order_is_in_prima_or_an_exception_or_lost() {
        let orders = [
            mirakl("created", "SHIPPING", Some(2)),
            mirakl("excepted", "SHIPPING", Some(4)),
            mirakl("lost", "SHIPPING", Some(6)),
            mirakl("unpaid", "WAITING_DEBIT_PAYMENT", Some(8)),
            mirakl("gone", "CANCELED", None),
        ];
        let exceptions = BTreeSet::from([("uk".to_owned(), "excepted".to_owned())]);
        let summary = judge(&orders, &[prima("N1", Some("created"))], &exceptions);
        let channel = &summary.channels["uk"];
        assert_eq!((channel.orders_seen, channel.acknowledged, channel.created), (5, 4, 1));
        assert_eq!((channel.exceptions, channel.cancelled, channel.under_way), (1, 1, 1));
        assert_eq!(channel.lost, ["lost"]);
        assert_eq!(channel.seconds_to_acknowledge, Some(Seconds { p50: 4.0, p99: 8.0, max: 8.0 }));
        assert!(!summary.is_sound());
    }

    #[test]
    fn an_order_twice_in_prima_or_of_unknown_origin_is_not_sound() {
        let order = [mirakl("one", "SHIPPING", Some(1))];
        let once = judge(&order, &[prima("N1", Some("one"))], &BTreeSet::new());
        assert!(once.is_sound());
        let twice =
            judge(&order, &[prima("N1", Some("one")), prima("N1", Some("one"))], &BTreeSet::new());
        assert_eq!(twice.channels["uk"].duplicated, ["one"]);
        assert!(!twice.is_sound());
        let stranger =
            judge(&order, &[prima("N1", Some("one")), prima("N2", None)], &BTreeSet::new());
        assert_eq!(stranger.strangers, ["N2"]);
        assert!(!stranger.is_sound());
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let seconds = Seconds::of((1..=200).map(f64::from).collect()).unwrap();
        assert_eq!(seconds, Seconds { p50: 100.0, p99: 198.0, max: 200.0 });
        assert_eq!(Seconds::of(Vec::new()), None);
    }
}
