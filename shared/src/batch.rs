//! Answering an SQS batch record by record.

use std::panic::AssertUnwindSafe;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt};

/// A batch that cannot be answered record by record: all of it comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record of the batch has no message id: the whole batch is returned, since no answer could name that record")]
pub struct NamelessRecord;

/// Works off each record by itself, `concurrent` at a time, and answers the ids of those that are to come again.
///
/// `work` gets the message id and the body, and says whether the record is done with. A record whose work panics comes
/// again, as one that is not done; the others are not affected.
///
/// # Errors
/// A record has no message id. Nothing is worked off then.
pub async fn answer<W, F>(event: SqsEvent, concurrent: usize, work: W) -> Result<SqsBatchResponse, NamelessRecord>
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
            let done = AssertUnwindSafe(async { work(id.clone(), body).await }).catch_unwind().await;
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
        let mut text: Vec<String> = response.batch_item_failures.iter().map(|failure| failure.item_identifier.clone()).collect();
        text.sort();
        assert_eq!(text, ["bad", "no-body", "panics"]);
        // The very field names that Lambda reads: a wrong one returns nothing, and loses all.
        let json = serde_json::to_string(&response).unwrap();
        assert!(json.starts_with(r#"{"batchItemFailures":[{"itemIdentifier":""#), "{json}");
    }

    #[tokio::test]
    async fn nothing_failed_is_an_empty_list() {
        let response = answer(event(r#"{"Records":[{"messageId":"a","body":""}]}"#), 1, |_, _| async { true }).await.unwrap();
        assert_eq!(serde_json::to_string(&response).unwrap(), r#"{"batchItemFailures":[]}"#);
    }

    #[tokio::test]
    async fn a_record_without_an_id_returns_the_whole_batch_untouched() {
        let batch = event(r#"{"Records":[{"messageId":"good","body":"1"},{"body":"2"}]}"#);
        let answered = answer(batch, 1, |_, _| async { panic!("nothing is worked off") }).await;
        assert_eq!(answered, Err(NamelessRecord));
    }
}
