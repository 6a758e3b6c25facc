//! Reads what the simulated systems say of themselves into facts.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::deployment::{QueueDepths, QueuedMessage};
use crate::seed::SeedChannel;
use crate::verdict::{self, MiraklFact, PrimaFact, Summary, is_firm};

/// Both systems and the queues at one moment.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Mirakl's orders.
    pub mirakl: Vec<MiraklFact>,
    /// Prima's orders.
    pub prima: Vec<PrimaFact>,
    /// The dead-letter queue.
    pub exceptions: Vec<QueuedMessage>,
    /// The queues.
    pub depths: QueueDepths,
    excepted: BTreeSet<(String, String)>,
}

impl Observation {
    /// What became of the orders.
    #[must_use]
    pub fn summary(&self) -> Summary {
        verdict::judge(&self.mirakl, &self.prima, &self.excepted)
    }

    /// Orders that something has still to happen to: not accepted, unpaid, or firm and neither in
    /// Prima nor an exception.
    #[must_use]
    pub fn unfinished(&self) -> Vec<&MiraklFact> {
        let made: BTreeSet<_> =
            self.prima.iter().filter_map(|order| order.made_for.as_ref()).collect();
        self.mirakl
            .iter()
            .filter(|order| {
                let key = (order.channel.clone(), order.order_id.clone());
                let closed = matches!(order.state.as_str(), "CANCELED" | "REFUSED");
                let done = is_firm(&order.state) && made.contains(&key);
                !(closed || done || self.excepted.contains(&key))
            })
            .collect()
    }

    /// Whether an order (channel, order id) is in the dead-letter queue.
    #[must_use]
    pub fn is_exception(&self, order: &(String, String)) -> bool {
        self.excepted.contains(order)
    }

    /// Nothing moves any more.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.depths.is_idle() && self.unfinished().is_empty()
    }
}

#[derive(Deserialize)]
struct MiraklState {
    orders: Vec<MiraklOrder>,
}

#[derive(Deserialize)]
struct MiraklOrder {
    order_id: String,
    shop_id: i64,
    state: String,
    created_at: Timestamp,
    accepted_at: Option<Timestamp>,
    lines: Vec<MiraklLine>,
}

#[derive(Deserialize)]
struct MiraklLine {
    order_line_id: String,
}

#[derive(Deserialize)]
struct PrimaState {
    orders: Vec<PrimaOrder>,
}

#[derive(Deserialize)]
struct PrimaOrder {
    number: String,
    status: String,
    lines: Vec<PrimaLine>,
}

#[derive(Deserialize)]
struct PrimaLine {
    reference: String,
}

/// The facts in what both systems and the dead-letter queue show. A Prima order belongs to the
/// Mirakl order whose line ids its lines carry: that holds whatever template made its number.
pub(crate) fn of(
    channels: &[SeedChannel],
    mirakl: &Value,
    prima: &Value,
    exceptions: Vec<QueuedMessage>,
    depths: QueueDepths,
) -> Result<Observation> {
    let mirakl: MiraklState =
        serde_json::from_value(mirakl.clone()).context("the simulated Mirakl's state")?;
    let prima: PrimaState =
        serde_json::from_value(prima.clone()).context("the simulated Prima's state")?;
    let mut owners = BTreeMap::new();
    let mut facts = Vec::new();
    for order in mirakl.orders {
        let channel = channels.iter().find(|channel| channel.shop_id == order.shop_id);
        let channel =
            channel.map_or_else(|| order.shop_id.to_string(), |channel| channel.id.clone());
        for line in order.lines {
            owners.insert(line.order_line_id, (channel.clone(), order.order_id.clone()));
        }
        let MiraklOrder { order_id, state, created_at, accepted_at, .. } = order;
        facts.push(MiraklFact { channel, order_id, state, created_at, accepted_at });
    }
    let prima = prima.orders.into_iter().map(|order| PrimaFact {
        made_for: order.lines.iter().find_map(|line| owners.get(&line.reference).cloned()),
        cancelled: order.status == "Cancelled",
        order_number: order.number,
    });
    let excepted = exceptions.iter().filter_map(named).collect();
    Ok(Observation { mirakl: facts, prima: prima.collect(), exceptions, depths, excepted })
}

/// The order that a message of the dead-letter queue names: in its attributes, in an exception's
/// body, or in a body that was given up as it was.
pub(crate) fn named(message: &QueuedMessage) -> Option<(String, String)> {
    if let (Some(channel), Some(order)) =
        (message.attributes.get("channel"), message.attributes.get("order"))
    {
        return Some((channel.clone(), order.clone()));
    }
    let body: Value = serde_json::from_str(&message.body).ok()?;
    let order = body["order"].as_str().or_else(|| body["order_id"].as_str())?;
    Some((body["channel"].as_str()?.to_owned(), order.to_owned()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use serde_json::json;

    use super::*;

    fn message(body: &str, attributes: &[(&str, &str)]) -> QueuedMessage {
        let attributes = attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        QueuedMessage { body: body.to_owned(), attributes }
    }

    #[test]
    fn a_dead_letter_names_its_order_by_attributes_or_by_its_body() {
        let expected = Some(("uk".to_owned(), "A-1".to_owned()));
        assert_eq!(named(&message("", &[("channel", "uk"), ("order", "A-1")])), expected);
        assert_eq!(named(&message(r#"{"channel":"uk","order":"A-1"}"#, &[])), expected);
        assert_eq!(
            named(&message(r#"{"channel":"uk","order_id":"A-1","task":"cancel"}"#, &[])),
            expected
        );
        assert_eq!(named(&message("poison", &[])), None);
    }

    #[test]
    fn a_prima_order_belongs_to_the_order_whose_lines_it_carries() {
        let channels = crate::seed::channels();
        let mirakl = json!({"orders": [{"order_id": "A-1", "shop_id": 2001, "state": "SHIPPING",
            "created_at": "2026-11-01T10:00:00Z", "accepted_at": "2026-11-01T10:00:05Z", "lines": [{"order_line_id": "A-1-1"}]}]});
        let order = |number: &str, reference: &str| json!({"number": number, "status": "Entered", "lines": [{"reference": reference}]});
        let prima = json!({"orders": [order("N1", "A-1-1"), order("N2", "B-1")]});
        let seen = of(&channels, &mirakl, &prima, Vec::new(), QueueDepths::default()).unwrap();
        assert_eq!(seen.prima[0].made_for, Some(("outfitter-uk".to_owned(), "A-1".to_owned())));
        assert_eq!(seen.prima[1].made_for, None);
        assert!(seen.is_settled());
        let none =
            of(&channels, &mirakl, &json!({"orders": []}), Vec::new(), QueueDepths::default())
                .unwrap();
        assert_eq!(none.unfinished().len(), 1);
    }
}
