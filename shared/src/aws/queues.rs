//! The queues on SQS.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};

use crate::aws::config::code_of;
use crate::domain::payout::store::{JournalMessage, JournalQueue};
use crate::domain::queue::{
    ExceptionMessage, ExceptionQueue, ImportMessage, ImportQueue, LARGEST_MESSAGE, OrderMessage,
    OrderQueue, QueueError, ShownException, ShownExceptions,
};

/// Entries in one `SendMessageBatch`: SQS's limit.
const BATCH: usize = 10;
/// The longest delay that SQS knows.
const LONGEST_DELAY: Duration = Duration::from_secs(900);
/// Characters of an attribute: what a person reads at a glance in the console. The body has all of
/// it.
const ATTRIBUTE_LENGTH: usize = 500;

/// A function's queue and its dead-letter queue.
#[derive(Clone, Debug)]
pub struct SqsQueue {
    client: Client,
    queue_url: String,
    dead_letter_url: String,
}

impl SqsQueue {
    /// The queues at these URLs.
    pub fn new(
        client: Client,
        queue_url: impl Into<String>,
        dead_letter_url: impl Into<String>,
    ) -> Self {
        Self { client, queue_url: queue_url.into(), dead_letter_url: dead_letter_url.into() }
    }

    async fn send_all(
        &self,
        url: &str,
        outgoing: Vec<Outgoing>,
        delay: Duration,
    ) -> Result<(), QueueError> {
        let mut problems = Problems::default();
        let mut fitting = Vec::with_capacity(outgoing.len());
        for message in outgoing {
            if message.size() > LARGEST_MESSAGE {
                let order = &message.order;
                problems.add(
                    format!(
                        "the message of order {order} has {} bytes, {LARGEST_MESSAGE} fit",
                        message.size()
                    ),
                    [message.index],
                );
            } else {
                fitting.push(message);
            }
        }
        let delay = i32::try_from(delay.min(LONGEST_DELAY).as_secs()).unwrap_or(0);
        for batch in batches(fitting) {
            let indexes: Vec<usize> = batch.iter().map(|message| message.index).collect();
            let entries: Result<Vec<_>, _> =
                batch.into_iter().map(|message| message.entry(delay)).collect();
            let entries = match entries {
                Ok(entries) => entries,
                Err(problem) => {
                    problems.add(problem.to_string(), indexes);
                    continue;
                }
            };
            match self
                .client
                .send_message_batch()
                .queue_url(url)
                .set_entries(Some(entries))
                .send()
                .await
            {
                Err(error) => problems
                    .add(format!("the queue did not take a batch: {}", code_of(&error)), indexes),
                Ok(answer) => {
                    for refused in answer.failed() {
                        let index = refused.id().parse().ok();
                        problems
                            .add(format!("the queue refused a message: {}", refused.code()), index);
                    }
                }
            }
        }
        problems.into_result()
    }
}

impl OrderQueue for SqsQueue {
    async fn send(&self, messages: &[OrderMessage], delay: Duration) -> Result<(), QueueError> {
        let outgoing: Result<Vec<_>, _> = messages
            .iter()
            .enumerate()
            .map(|(index, message)| {
                let body = body_of(message)
                    .map_err(|problem| unwritable(&message.order_id, &problem, messages.len()))?;
                let order = format!("{}#{}", message.channel, message.order_id);
                Ok(Outgoing { index, order, body, attributes: Vec::new() })
            })
            .collect();
        self.send_all(&self.queue_url, outgoing?, delay).await
    }
}

impl ExceptionQueue for SqsQueue {
    async fn send_exceptions(&self, exceptions: &[ExceptionMessage]) -> Result<(), QueueError> {
        let outgoing: Result<Vec<_>, _> = exceptions
            .iter()
            .enumerate()
            .map(|(index, exception)| {
                let body = body_of(exception)
                    .map_err(|problem| unwritable(&exception.order, &problem, exceptions.len()))?;
                let order = format!("{}#{}", exception.channel, exception.order);
                Ok(Outgoing { index, order, body, attributes: attributes_of(exception) })
            })
            .collect();
        self.send_all(&self.dead_letter_url, outgoing?, Duration::ZERO).await
    }
}

impl ImportQueue for SqsQueue {
    async fn ask_later(&self, message: &ImportMessage, delay: Duration) -> Result<(), QueueError> {
        let body = body_of(message).map_err(|problem| unwritable(&message.mark, &problem, 1))?;
        let order = format!("import {} of {}", message.mark, message.channel);
        self.send_all(
            &self.queue_url,
            vec![Outgoing { index: 0, order, body, attributes: Vec::new() }],
            delay,
        )
        .await
    }
}

impl JournalQueue for SqsQueue {
    async fn send_journal(
        &self,
        message: &JournalMessage,
        delay: Duration,
    ) -> Result<(), QueueError> {
        let order = format!("journal {} of cycle {}", message.name, message.cycle);
        let body = body_of(message).map_err(|problem| unwritable(&order, &problem, 1))?;
        self.send_all(
            &self.queue_url,
            vec![Outgoing { index: 0, order, body, attributes: Vec::new() }],
            delay,
        )
        .await
    }
}

/// Receives while the dead-letter queue is kept tidy: at most so many messages, ten at a time.
const LOOKED_AT: usize = 50;
/// Seconds for which a message that is looked at is out of others' sight.
const OUT_OF_SIGHT: i32 = 5;

impl ShownExceptions for SqsQueue {
    async fn shown(&self) -> Result<Vec<ShownException>, QueueError> {
        let mut found = Vec::new();
        let mut looked_at = 0;
        while looked_at < LOOKED_AT {
            let request = self
                .client
                .receive_message()
                .queue_url(&self.dead_letter_url)
                .max_number_of_messages(10);
            let answer =
                request.visibility_timeout(OUT_OF_SIGHT).send().await.map_err(|error| {
                    QueueError {
                        message: format!(
                            "the dead-letter queue cannot be read: {}",
                            code_of(&error)
                        ),
                        failed: Vec::new(),
                    }
                })?;
            if answer.messages().is_empty() {
                break;
            }
            looked_at += answer.messages().len();
            for message in answer.messages() {
                let handle = message.receipt_handle().unwrap_or_default().to_owned();
                match message.body().and_then(|body| serde_json::from_str(body).ok()) {
                    Some(exception) => found.push(ShownException { exception, handle }),
                    // Messages that no function could work off stand there too: those are none of
                    // ours to take away.
                    None => self.show_again(&handle).await,
                }
            }
        }
        Ok(found)
    }

    async fn withdraw(&self, shown: &ShownException) -> Result<(), QueueError> {
        let request = self
            .client
            .delete_message()
            .queue_url(&self.dead_letter_url)
            .receipt_handle(&shown.handle);
        request.send().await.map(drop).map_err(|error| QueueError {
            message: format!(
                "a message of the dead-letter queue cannot be deleted: {}",
                code_of(&error)
            ),
            failed: Vec::new(),
        })
    }

    async fn put_back(&self, shown: &ShownException) {
        self.show_again(&shown.handle).await;
    }
}

impl SqsQueue {
    /// Where this fails the message comes back by itself.
    async fn show_again(&self, handle: &str) {
        let request = self
            .client
            .change_message_visibility()
            .queue_url(&self.dead_letter_url)
            .receipt_handle(handle);
        let _ = request.visibility_timeout(0).send().await;
    }
}

/// A message on its way: its index in the caller's list, and what is sent.
struct Outgoing {
    index: usize,
    order: String,
    body: String,
    attributes: Vec<(&'static str, String)>,
}

impl Outgoing {
    /// As SQS counts: body, and name, type and value of each attribute.
    fn size(&self) -> usize {
        self.body.len()
            + self
                .attributes
                .iter()
                .map(|(name, value)| name.len() + "String".len() + value.len())
                .sum::<usize>()
    }

    fn entry(self, delay: i32) -> Result<SendMessageBatchRequestEntry, BuildError> {
        let mut attributes = HashMap::new();
        for (name, value) in self.attributes {
            let value =
                MessageAttributeValue::builder().data_type("String").string_value(value).build();
            attributes.insert(name.to_owned(), value?);
        }
        SendMessageBatchRequestEntry::builder()
            .id(self.index.to_string())
            .message_body(self.body)
            .delay_seconds(delay)
            .set_message_attributes(Some(attributes).filter(|attributes| !attributes.is_empty()))
            .build()
    }
}

/// What went wrong in a call, in the end as one error.
#[derive(Default)]
struct Problems {
    messages: Vec<String>,
    failed: Vec<usize>,
}

impl Problems {
    fn add(&mut self, message: String, failed: impl IntoIterator<Item = usize>) {
        self.failed.extend(failed);
        if !self.messages.contains(&message) {
            self.messages.push(message);
        }
    }

    fn into_result(mut self) -> Result<(), QueueError> {
        if self.messages.is_empty() {
            return Ok(());
        }
        self.failed.sort_unstable();
        Err(QueueError { message: self.messages.join("; "), failed: self.failed })
    }
}

fn unwritable(order: &str, problem: &serde_json::Error, messages: usize) -> QueueError {
    QueueError {
        message: format!("the message of order {order} cannot be written: {problem}"),
        failed: (0..messages).collect(),
    }
}

/// JSON in characters that SQS takes: XML's. JSON escapes control characters by itself; these two
/// are left, and stand inside strings if anywhere.
fn body_of<T: serde::Serialize>(message: &T) -> Result<String, serde_json::Error> {
    let json = serde_json::to_string(message)?;
    Ok(if json.contains(['\u{FFFE}', '\u{FFFF}']) {
        json.replace('\u{FFFE}', "\\ufffe").replace('\u{FFFF}', "\\uffff")
    } else {
        json
    })
}

/// In batches, in order, each within SQS's limits of entries and bytes.
fn batches(messages: Vec<Outgoing>) -> Vec<Vec<Outgoing>> {
    let mut batches: Vec<Vec<Outgoing>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        let size = message.size();
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH && bytes + size <= LARGEST_MESSAGE => {
                bytes += size;
                batch.push(message);
            }
            _ => {
                bytes = size;
                batches.push(vec![message]);
            }
        }
    }
    batches
}

fn attributes_of(exception: &ExceptionMessage) -> Vec<(&'static str, String)> {
    vec![
        ("channel", attribute(&exception.channel)),
        ("order", attribute(&exception.order)),
        ("kind", attribute(&exception.kind)),
        ("reason", attribute(&exception.reason)),
        ("remedy", attribute(&exception.remedy)),
        ("first_seen", attribute(&exception.first_seen)),
    ]
}

/// An attribute's value as SQS takes it: never empty, no control characters; and cut, visibly, to
/// what a person reads.
fn attribute(value: &str) -> String {
    let mut clean = value
        .chars()
        .map(|c| if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') { ' ' } else { c });
    let mut kept: String = clean.by_ref().take(ATTRIBUTE_LENGTH).collect();
    if clean.next().is_some() {
        kept.pop();
        kept.push('…');
    }
    if kept.trim().is_empty() { "-".to_owned() } else { kept }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn outgoing(index: usize, bytes: usize) -> Outgoing {
        Outgoing {
            index,
            order: format!("c#{index}"),
            body: "x".repeat(bytes),
            attributes: Vec::new(),
        }
    }

    #[test]
    fn batches_keep_order_and_both_limits() {
        let lengths = |sizes: &[usize]| -> Vec<usize> {
            let messages =
                sizes.iter().enumerate().map(|(index, size)| outgoing(index, *size)).collect();
            let batches = batches(messages);
            assert!(
                batches.iter().flatten().map(|message| message.index).eq(0..sizes.len()),
                "in order, none lost"
            );
            batches.iter().map(Vec::len).collect()
        };
        assert_eq!(lengths(&[1; 21]), [10, 10, 1]);
        assert_eq!(lengths(&[LARGEST_MESSAGE / 2, LARGEST_MESSAGE / 2, 1]), [2, 1]);
        assert_eq!(lengths(&[LARGEST_MESSAGE, 1, LARGEST_MESSAGE]), [1, 1, 1]);
        assert_eq!(lengths(&[]), [0_usize; 0]);
    }

    /// A message attribute is never empty, never too long and free of what SQS refuses.
    #[test]
    fn queue_attributes_always_suit_sqs() {
        assert_eq!(attribute(" "), "-");
        assert_eq!(attribute("a\u{0}b\nc\u{FFFF}"), "a b c ");
        let long = attribute(&"é".repeat(ATTRIBUTE_LENGTH + 1));
        assert_eq!(long.chars().count(), ATTRIBUTE_LENGTH);
        assert!(long.ends_with('…'));
        assert_eq!(attribute(&"é".repeat(ATTRIBUTE_LENGTH)), "é".repeat(ATTRIBUTE_LENGTH));
    }

    #[test]
    fn a_body_survives_characters_that_sqs_refuses() {
        let body = body_of(&"a\u{FFFF}\u{1}b").unwrap();
        assert!(body.chars().all(|c| c >= ' ' && c != '\u{FFFF}'), "{body:?}");
        assert_eq!(serde_json::from_str::<String>(&body).unwrap(), "a\u{FFFF}\u{1}b");
    }
}
