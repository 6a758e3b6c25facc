//! Telling a person of an exception: once in the dead-letter queue, once on the bus. The row is the exception; these are
//! its views.

use jiff::Timestamp;

use crate::domain::events::{Event, EventBus, EventKind};
use crate::domain::order::row::{ExceptionRecord, OrderKey, OrderRow};
use crate::domain::queue::{ExceptionMessage, OrderQueue};
use crate::domain::state::{OrderStore, StoreError};

/// Sends the message and the event of a row's exception, then records that they were sent. While the bus takes nothing, the
/// message is sent once all the same.
///
/// At least once: after a crash between sending and recording, the next sweep of the poller sends them again. A row whose
/// exception was announced or resolved meanwhile is left alone. Failures are logged and left to that sweep.
pub async fn announce(store: &impl OrderStore, queue: &impl OrderQueue, events: &impl EventBus, row: &mut OrderRow, now: Timestamp) {
    let Some(exception) = row.exception.clone().filter(|exception| exception.announced_at.is_none()) else { return };
    if exception.shown_at.is_none()
        && let Err(problem) = queue.send_exceptions(&[message(&row.key, &exception)]).await
    {
        tracing::warn!(order = %row.key.order_id, channel = %row.key.channel, %problem, "the exception's message could not be sent; the next poll sends it");
        return;
    }
    let event = Event {
        kind: if exception.kind.is_of_dispatch() { EventKind::DispatchException } else { EventKind::OrderException },
        channel: Some(row.key.channel.clone()),
        order: Some(row.key.order_id.clone()),
        needs_person: true,
        severity: exception.kind.severity(),
        reason: format!("{}: {}", exception.kind.name(), exception.reason),
        remedy: exception.remedy.clone(),
    };
    if let Err(problem) = events.publish(&[event]).await {
        tracing::warn!(order = %row.key.order_id, channel = %row.key.channel, %problem, "the exception's event could not be sent; the next poll sends it");
        // The message is there: it is not to be sent again each minute while the bus is down.
        if exception.shown_at.is_none() {
            if let Some(exception) = &mut row.exception {
                exception.shown_at = Some(now);
            }
            let _moved_meanwhile = store.save_order(row).await;
        }
        return;
    }
    let announced = |row: &mut OrderRow| {
        if let Some(exception) = &mut row.exception {
            exception.announced_at = Some(now);
        }
    };
    announced(row);
    let mut saved = store.save_order(row).await;
    // Moved meanwhile: what is still the same exception is told of all the same.
    if let Err(StoreError::Conflict(_)) = saved
        && let Ok(Some(current)) = store.load_order(&row.key).await
        && current.exception.as_ref() == Some(&exception)
    {
        *row = current;
        announced(row);
        saved = store.save_order(row).await;
    }
    match saved {
        Ok(()) | Err(StoreError::Conflict(_)) => {}
        Err(problem) => {
            tracing::warn!(order = %row.key.order_id, channel = %row.key.channel, %problem, "the exception was announced, but that could not be recorded")
        }
    }
}

/// The message of an exception.
#[must_use]
pub fn message(key: &OrderKey, exception: &ExceptionRecord) -> ExceptionMessage {
    ExceptionMessage {
        channel: key.channel.clone(),
        order: key.order_id.clone(),
        kind: exception.kind.name().to_owned(),
        reason: exception.reason.clone(),
        remedy: exception.remedy.clone(),
        first_seen: exception.first_seen.to_string(),
    }
}
