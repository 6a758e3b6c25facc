//! Telling a person of an order's exception. The row is the exception; its message in the
//! dead-letter queue and its event are views of it. [`crate::domain::notify`] decides when each is
//! sent.

use jiff::Timestamp;

use crate::domain::events::EventBus;
use crate::domain::exception::KindOfException as _;
use crate::domain::notify::{Rule, Sent, deliver};
use crate::domain::order::row::OrderRow;
use crate::domain::queue::ExceptionQueue;
use crate::domain::state::{OrderStore, StoreError};

/// Sends the message and the event of a row's exception, then records that they were sent.
///
/// At least once: after a crash between sending and recording, the next sweep of the poller sends
/// them again. A row whose exception was told of or resolved meanwhile is left alone. Failures are
/// logged and left to that sweep.
pub async fn announce(
    store: &impl OrderStore,
    queue: &impl ExceptionQueue,
    events: &impl EventBus,
    row: &mut OrderRow,
    now: Timestamp,
) {
    let Some(exception) = row.exception.clone().filter(|exception| !exception.told.is_told())
    else {
        return;
    };
    let Some(due) = exception.told.due(Rule::EXCEPTION, now) else { return };
    let told_of = exception.view(&row.key.channel, &row.key.order_id);
    let event = told_of.event(exception.kind.event(), false, now);
    let sent = deliver(queue, events, due, told_of.message(), event).await;
    if sent == Sent::default() {
        return;
    }
    let note = |row: &mut OrderRow| {
        if let Some(exception) = &mut row.exception {
            exception.told.note(sent, now);
        }
    };
    note(row);
    let mut saved = store.save_order(row).await;
    // Moved meanwhile: what is still the same exception is told of all the same.
    if let Err(StoreError::Conflict(_)) = saved
        && let Ok(Some(current)) = store.load_order(&row.key).await
        && current.exception.as_ref() == Some(&exception)
    {
        *row = current;
        note(row);
        saved = store.save_order(row).await;
    }
    match saved {
        Ok(()) | Err(StoreError::Conflict(_)) => {}
        Err(problem) => {
            tracing::warn!(order = %row.key.order_id, channel = %row.key.channel, %problem, "people were told of an exception, but that could not be recorded")
        }
    }
}
