//! The bus of business events on EventBridge.

use std::time::Duration;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;

use crate::aws::config::code_of;
use crate::domain::events::{Event, EventBus, EventError};

/// Entries in one `PutEvents`: EventBridge's limit.
const BATCH: usize = 10;
/// Times that refused entries are sent.
const ATTEMPTS: u32 = 3;
/// The source that rules match.
pub const SOURCE: &str = "prima-mirakl";

/// A bus on EventBridge.
#[derive(Clone, Debug)]
pub struct EventBridgeBus {
    client: Client,
    bus: String,
}

impl EventBridgeBus {
    /// The bus of this name.
    pub fn new(client: Client, bus: impl Into<String>) -> Self {
        Self { client, bus: bus.into() }
    }

    /// Sends one batch; what EventBridge refused of it is sent again alone, since the rest went
    /// out.
    async fn put(&self, mut entries: Vec<PutEventsRequestEntry>) -> Result<(), EventError> {
        for attempt in 1.. {
            let sent = self.client.put_events().set_entries(Some(entries.clone())).send().await;
            let answer = sent.map_err(|error| EventError(code_of(&error)))?;
            if answer.failed_entry_count() == 0 {
                return Ok(());
            }
            let results = answer.entries();
            let code = results
                .iter()
                .find_map(|result| result.error_code())
                .unwrap_or("refused without a code")
                .to_owned();
            let outcomes = results
                .iter()
                .map(|result| result.error_code().is_some())
                .chain(std::iter::repeat(true));
            entries = entries
                .into_iter()
                .zip(outcomes)
                .filter_map(|(entry, refused)| refused.then_some(entry))
                .collect();
            if entries.is_empty() {
                return Ok(());
            }
            if attempt >= ATTEMPTS {
                return Err(EventError(format!("{} refused: {code}", entries.len())));
            }
            tokio::time::sleep(Duration::from_millis(50 << attempt)).await;
        }
        Ok(())
    }
}

impl EventBus for EventBridgeBus {
    async fn publish(&self, events: &[Event]) -> Result<(), EventError> {
        for batch in events.chunks(BATCH) {
            let entries: Result<Vec<_>, _> =
                batch.iter().map(|event| entry_of(event, &self.bus)).collect();
            self.put(entries?).await?;
        }
        Ok(())
    }
}

fn entry_of(event: &Event, bus: &str) -> Result<PutEventsRequestEntry, EventError> {
    let detail = serde_json::to_string(event).map_err(|problem| EventError(problem.to_string()))?;
    Ok(PutEventsRequestEntry::builder()
        .event_bus_name(bus)
        .source(SOURCE)
        .detail_type(event.kind.detail_type())
        .detail(detail)
        .build())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use crate::domain::events::{EventKind, Severity};

    #[test]
    fn an_entry_has_what_rules_match_and_people_read() {
        let event = Event {
            kind: EventKind::OrderException,
            channel: Some("outfitter-uk".to_owned()),
            order: Some("W-1-A".to_owned()),
            needs_person: true,
            severity: Severity::Warning,
            reason: "the SKU is unknown".to_owned(),
            remedy: "map it".to_owned(),
        };
        let entry = entry_of(&event, "bus").unwrap();
        assert_eq!(
            (entry.source(), entry.detail_type()),
            (Some("prima-mirakl"), Some("OrderException"))
        );
        let detail: serde_json::Value = serde_json::from_str(entry.detail().unwrap()).unwrap();
        let expected = serde_json::json!({"channel": "outfitter-uk", "order": "W-1-A", "needs_person": true,
            "severity": "warning", "reason": "the SKU is unknown", "remedy": "map it"});
        assert_eq!(detail, expected);
    }
}
