//! Working off messages: answering an SQS batch record by record, reading a message, sending it
//! again.

use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{self, StreamExt};

use crate::domain::queue::{OrderMessage, OrderQueue};

/// The longest that SQS delays a message.
const LONGEST_DELAY: Duration = Duration::from_secs(900);

/// What becomes of a message. `D`: how a function may be done with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition<D> {
    /// Done with, whatever came of the order: the row knows.
    Done(D),
    /// Back to the queue, and after a few receives, whole, to the dead-letter queue.
    Return(Returned),
}

/// Why a message goes back to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// It cannot be read, or is for another queue.
    Unreadable,
    /// The table gives no answer.
    StoreUnavailable,
    /// The documents cannot be read.
    DocumentsUnavailable,
    /// The queue takes no copy that comes later.
    QueueUnavailable,
    /// Other runs were quicker with the row, time and again.
    ChangedByAnotherRun,
}

/// Reads a message's body. What cannot be read is logged without its content, which may be a
/// customer's, and to be returned.
///
/// # Errors
/// Why it is returned: it is no order message, or names no order or no channel.
pub fn read(message_id: &str, body: &str) -> Result<OrderMessage, Returned> {
    let message: OrderMessage = serde_json::from_str(body).map_err(|problem| {
        tracing::error!(
            message_id,
            line = problem.line(),
            column = problem.column(),
            category = ?problem.classify(),
            "a message cannot be read as an order message; it goes, whole, to the dead-letter queue"
        );
        Returned::Unreadable
    })?;
    if message.order_id.is_empty() || message.channel.is_empty() {
        tracing::error!(
            message_id,
            "a message names no order or no channel; it goes, whole, to the dead-letter queue"
        );
        return Err(Returned::Unreadable);
    }
    Ok(message)
}

/// A message that stands in a queue whose function has no such task.
#[must_use]
pub fn misplaced(message_id: &str) -> Returned {
    tracing::error!(
        message_id,
        "a message is for another queue; it goes, whole, to the dead-letter queue"
    );
    Returned::Unreadable
}

/// Sends a copy of the message, to come back after `delay`: unlike a return it costs no receive.
///
/// # Errors
/// [`Returned::QueueUnavailable`].
pub async fn again(
    queue: &impl OrderQueue,
    message: &OrderMessage,
    delay: Duration,
) -> Result<(), Returned> {
    queue
        .send(std::slice::from_ref(message), delay.min(LONGEST_DELAY))
        .await
        .map_err(|_| Returned::QueueUnavailable)
}

/// As [`answer`], for work that says what became of a message; `count` counts each in `metrics`.
///
/// # Errors
/// As [`answer`].
pub async fn answer_counting<W, F, D, M>(
    event: SqsEvent,
    concurrent: usize,
    metrics: M,
    count: fn(&mut M, Disposition<D>),
    work: W,
) -> Result<(SqsBatchResponse, M), NamelessRecord>
where
    W: Fn(String, String) -> F,
    F: Future<Output = Disposition<D>>,
    D: Copy,
{
    let counted = Mutex::new(metrics);
    let (work, counting) = (&work, &counted);
    let response = answer(event, concurrent, |id, body| async move {
        // Its type is put away here: what a message is worked off by is nested too deep for the
        // compiler to look through from the handler.
        let worked_off: LocalBoxFuture<'_, Disposition<D>> = Box::pin(work(id, body));
        let disposition = worked_off.await;
        count(&mut counting.lock().unwrap_or_else(PoisonError::into_inner), disposition);
        matches!(disposition, Disposition::Done(_))
    })
    .await?;
    Ok((response, counted.into_inner().unwrap_or_else(PoisonError::into_inner)))
}

/// A batch that cannot be answered record by record: all of it comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a record of the batch has no message id: the whole batch is returned, since no answer could name that record"
)]
pub struct NamelessRecord;

/// Works off each record by itself, `concurrent` at a time, and answers the ids of those that are
/// to come again.
///
/// `work` gets the message id and the body, and says whether the record is done with. A record
/// whose work panics comes again, as one that is not done; the others are not affected.
///
/// # Errors
/// A record has no message id. Nothing is worked off then.
pub async fn answer<W, F>(
    event: SqsEvent,
    concurrent: usize,
    work: W,
) -> Result<SqsBatchResponse, NamelessRecord>
where
    W: Fn(String, String) -> F,
    F: Future<Output = bool>,
{
    let mut records = Vec::with_capacity(event.records.len());
    for record in event.records {
        let id = record.message_id.filter(|id| !id.is_empty()).ok_or(NamelessRecord)?;
        records.push((id, record.body.unwrap_or_default()));
    }
    let work = &work;
    let outcomes: Vec<(String, bool)> = stream::iter(records)
        .map(|(id, body)| async move {
            let done =
                AssertUnwindSafe(async { work(id.clone(), body).await }).catch_unwind().await;
            if done.is_err() {
                tracing::error!(message_id = %id, "working off a message panicked; it comes again");
            }
            (id, done.unwrap_or(false))
        })
        .buffer_unordered(concurrent.max(1))
        .collect()
        .await;
    let mut response = SqsBatchResponse::default();
    for (id, _) in outcomes.into_iter().filter(|(_, done)| !done) {
        response.add_failure(id);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn event(json: &str) -> SqsEvent {
        serde_json::from_str(json).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn exactly_the_bad_ones_come_again() {
        let batch = event(
            r#"{"Records":[{"messageId":"good","body":"1"},{"messageId":"panics","body":"2"},{"messageId":"no-body"},
                {"messageId":"slow","body":"3"},{"messageId":"bad","body":"not json"}]}"#,
        );
        let response = answer(batch, 2, |id, body| async move {
            assert!(id != "panics", "planted");
            if id == "slow" {
                tokio::time::sleep(std::time::Duration::from_secs(100)).await;
            }
            body.parse::<u32>().is_ok()
        })
        .await
        .unwrap();
        let mut text: Vec<String> = response
            .batch_item_failures
            .iter()
            .map(|failure| failure.item_identifier.clone())
            .collect();
        text.sort();
        assert_eq!(text, ["bad", "no-body", "panics"]);
        // The very field names that Lambda reads: a wrong one returns nothing, and loses all.
        let json = serde_json::to_string(&response).unwrap();
        assert!(json.starts_with(r#"{"batchItemFailures":[{"itemIdentifier":""#), "{json}");
    }

    #[test]
    fn what_names_no_order_or_channel_is_returned() {
        assert!(read("m", r#"{"channel":"uk","order_id":"C1-A","task":"dispatch"}"#).is_ok());
        for body in [
            "",
            "not json",
            r#"{"channel":"uk","order_id":"","task":"cancel"}"#,
            r#"{"channel":"","order_id":"A","task":"cancel"}"#,
        ] {
            assert_eq!(read("m", body), Err(Returned::Unreadable), "{body}");
        }
    }

    #[tokio::test]
    async fn each_outcome_is_counted() {
        let batch = event(
            r#"{"Records":[{"messageId":"a","body":"1"},{"messageId":"b","body":"2"},{"messageId":"c","body":"no"}]}"#,
        );
        let count =
            |(done, returned): &mut (u32, u32), disposition: Disposition<u32>| match disposition {
                Disposition::Done(number) => *done += number,
                Disposition::Return(_) => *returned += 1,
            };
        let work = |_, body: String| async move {
            body.parse().map_or(Disposition::Return(Returned::Unreadable), Disposition::Done)
        };
        let (response, counted) = answer_counting(batch, 2, (0, 0), count, work).await.unwrap();
        assert_eq!((response.batch_item_failures.len(), counted), (1, (3, 1)));
    }

    #[tokio::test]
    async fn nothing_failed_is_an_empty_list() {
        let response =
            answer(event(r#"{"Records":[{"messageId":"a","body":""}]}"#), 1, |_, _| async { true })
                .await
                .unwrap();
        assert_eq!(serde_json::to_string(&response).unwrap(), r#"{"batchItemFailures":[]}"#);
    }

    #[tokio::test]
    async fn a_record_without_an_id_returns_the_whole_batch_untouched() {
        let batch = event(r#"{"Records":[{"messageId":"good","body":"1"},{"body":"2"}]}"#);
        let answered = answer(batch, 1, |_, _| async { panic!("nothing is worked off") }).await;
        assert_eq!(answered, Err(NamelessRecord));
    }
}
