//! What the connector relies on of its bus.

use std::collections::BTreeSet;
use std::time::Duration;

use shared::domain::events::{Event, EventBus, EventKind, Severity};
use tokio::time::{Instant, sleep};

use crate::Verdict;

/// How long anything that is to come may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A bus of its own, and what those get who listen to it: detail type and reason of each event.
pub(crate) trait Bus {
    fn publisher(&self) -> &impl EventBus;
    /// All events of ours that arrived since the last call.
    async fn heard(&self) -> Vec<(String, String)>;
    /// Those among them that a rule sent on because they need a person, since the last call.
    async fn alerts(&self) -> Vec<(String, String)>;
}

pub(crate) const PROMISES: [&str; 2] = [
    "every event of three batches arrives, and none is no error",
    "what needs a person is told apart by a rule",
];

pub(crate) async fn check<B: Bus>(fresh: impl AsyncFn() -> B) -> Vec<Verdict> {
    let (one, two) = (fresh().await, fresh().await);
    let (arrived, told) = futures_util::future::join(arrive(&one), alert(&two)).await;
    PROMISES.into_iter().zip([arrived, told]).collect()
}

async fn arrive(bus: &impl Bus) -> Result<(), String> {
    publish(bus, &[]).await?;
    let events: Vec<_> = (0..23)
        .map(|index| event(&format!("reason {index}: \u{201C}ünï\u{201D} <&>"), index % 2 == 0))
        .collect();
    publish(bus, &events).await?;
    let expected: BTreeSet<_> =
        events.iter().map(|event| ("KeyRefused".to_owned(), event.reason.clone())).collect();
    let began = Instant::now();
    let mut found = BTreeSet::new();
    while found.len() < expected.len() && began.elapsed() < PATIENCE {
        found.extend(bus.heard().await);
        sleep(Duration::from_millis(20)).await;
    }
    if found == expected {
        Ok(())
    } else {
        Err(format!("{} of {} arrived: {found:?}", found.len(), expected.len()))
    }
}

async fn alert(bus: &impl Bus) -> Result<(), String> {
    publish(bus, &[event("for information", false), event("for a person", true)]).await?;
    let began = Instant::now();
    let (mut heard, mut alerts) = (Vec::new(), Vec::new());
    while (heard.len() < 2 || alerts.is_empty()) && began.elapsed() < PATIENCE {
        heard.extend(bus.heard().await);
        alerts.extend(bus.alerts().await);
        sleep(Duration::from_millis(20)).await;
    }
    let reasons: Vec<_> = alerts.iter().map(|(_, reason)| reason.as_str()).collect();
    if reasons == ["for a person"] { Ok(()) } else { Err(format!("alerted are {reasons:?}")) }
}

async fn publish(bus: &impl Bus, events: &[Event]) -> Result<(), String> {
    bus.publisher().publish(events).await.map_err(|problem| problem.to_string())
}

fn event(reason: &str, needs_person: bool) -> Event {
    Event {
        kind: EventKind::KeyRefused,
        channel: Some("c".to_owned()),
        order: None,
        needs_person,
        severity: Severity::Critical,
        reason: reason.to_owned(),
        remedy: "store a new one".to_owned(),
    }
}
