//! The dead-letter queue: exceptions as they are shown there, and messages that no function could
//! work off.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use jiff::Timestamp;
use serde::Deserialize;
use shared::aws::config::code_of;

use crate::connector::Connector;
use crate::table::{moment_or_dash, table};

/// Messages looked at in one command.
const LOOKED_AT: usize = 1000;
/// Seconds for which a message that is looked at is out of others' sight, unless it is put back
/// before.
const OUT_OF_SIGHT: i32 = 60;

/// A dead-letter queue.
pub(crate) struct DeadLetters {
    client: Client,
    url: String,
}

/// What a message says of itself; its content stays out of sight, since it may hold a customer's
/// data.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Letter {
    channel: String,
    order: String,
    kind: String,
    reason: String,
    since: Option<Timestamp>,
    receipt: String,
}

/// The fields that both an exception's body and an order message's have, in their own names.
#[derive(Deserialize)]
struct Body {
    channel: String,
    #[serde(alias = "order_id")]
    order: String,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    reason: Option<String>,
}

impl Letter {
    fn is_of(&self, channel: &str, order: &str, there_at: Timestamp) -> bool {
        self.channel == channel
            && self.order == order
            && self.since.is_none_or(|sent| sent <= there_at)
    }
}

impl DeadLetters {
    /// The orders' queue that the command line names.
    pub(crate) fn of(connector: &Connector) -> Result<Self> {
        Ok(Self { client: Client::new(&connector.config), url: connector.dead_letter_queue_url()? })
    }

    /// The dispatches'.
    pub(crate) fn of_dispatches(connector: &Connector) -> Result<Self> {
        Ok(Self {
            client: Client::new(&connector.config),
            url: connector.dispatches_dead_letter_queue_url()?,
        })
    }

    /// Payouts'.
    fn of_payouts(connector: &Connector) -> Result<Self> {
        Ok(Self {
            client: Client::new(&connector.config),
            url: connector.journals_dead_letter_queue_url()?,
        })
    }

    /// Deletes the messages of an order that were there at a moment: one that came since tells of
    /// something new. Answers how many there were.
    pub(crate) async fn remove(
        &self,
        channel: &str,
        order: &str,
        there_at: Timestamp,
    ) -> Result<usize> {
        let letters = self.receive().await?;
        let (matching, others): (Vec<_>, Vec<_>) =
            letters.into_iter().partition(|letter| letter.is_of(channel, order, there_at));
        self.put_back(&others).await;
        for letter in &matching {
            let request =
                self.client.delete_message().queue_url(&self.url).receipt_handle(&letter.receipt);
            request
                .send()
                .await
                .map_err(|error| anyhow!("a message cannot be deleted: {}", code_of(&error)))?;
        }
        Ok(matching.len())
    }

    async fn peek(&self) -> Result<Vec<Letter>> {
        let letters = self.receive().await?;
        self.put_back(&letters).await;
        Ok(letters)
    }

    /// Receives what can be received; SQS shows a part of the queue at a time.
    async fn receive(&self) -> Result<Vec<Letter>> {
        let mut letters = Vec::new();
        let mut seen = BTreeSet::new();
        let mut empty = 0;
        while letters.len() < LOOKED_AT && empty < 2 {
            let answer = self
                .client
                .receive_message()
                .queue_url(&self.url)
                .max_number_of_messages(10)
                .visibility_timeout(OUT_OF_SIGHT)
                .message_attribute_names("All")
                .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
                .wait_time_seconds(1)
                .send()
                .await
                .map_err(|error| {
                    anyhow!(
                        "the dead-letter queue cannot be read ({}): check --dead-letter-queue-url",
                        code_of(&error)
                    )
                })?;
            if answer.messages().is_empty() {
                empty += 1;
            }
            for message in answer.messages() {
                if seen.insert(message.message_id().unwrap_or_default().to_owned()) {
                    letters.push(letter(message));
                }
            }
        }
        Ok(letters)
    }

    /// Shows messages to others again at once. Where that fails they come back by themselves.
    async fn put_back(&self, letters: &[Letter]) {
        for letter in letters {
            let request = self
                .client
                .change_message_visibility()
                .queue_url(&self.url)
                .receipt_handle(&letter.receipt);
            let _ = request.visibility_timeout(0).send().await;
        }
    }
}

/// `dead-letters list`
pub(crate) async fn list(connector: &Connector) -> Result<String> {
    let mut letters = DeadLetters::of(connector)?.peek().await?;
    letters.extend(DeadLetters::of_dispatches(connector)?.peek().await?);
    letters.extend(DeadLetters::of_payouts(connector)?.peek().await?);
    letters.sort_by_key(|letter| letter.since);
    Ok(render(&letters, connector.now))
}

fn render(letters: &[Letter], now: Timestamp) -> String {
    if letters.is_empty() {
        return "The dead-letter queues are empty.".to_owned();
    }
    let mut table = table(&["channel", "order", "kind", "sent", "reason"]);
    for letter in letters {
        let sent = moment_or_dash(letter.since, now);
        table.add_row([&letter.channel, &letter.order, &letter.kind, &sent, &letter.reason]);
    }
    table.to_string()
}

fn letter(message: &Message) -> Letter {
    let attribute = |name: &str| {
        let value = message.message_attributes().and_then(|attributes| attributes.get(name));
        value.and_then(|value| value.string_value()).map(str::to_owned)
    };
    // The body names the order in full; attributes are cut to what a person reads.
    let body: Option<Body> = message.body().and_then(|body| serde_json::from_str(body).ok());
    let body = body.map(|body| (Some(body.channel), Some(body.order), body.kind, body.reason));
    let (channel, order, kind, reason) = body.unwrap_or_default();
    let sent = message
        .attributes()
        .and_then(|attributes| attributes.get(&MessageSystemAttributeName::SentTimestamp));
    let known = channel.is_some();
    let fallback = |value: Option<String>| value.unwrap_or_else(|| "?".to_owned());
    Letter {
        channel: fallback(channel.or_else(|| attribute("channel"))),
        order: fallback(order.or_else(|| attribute("order"))),
        kind: attribute("kind")
            .or(kind)
            .unwrap_or_else(|| if known { "not-worked-off" } else { "unreadable" }.to_owned()),
        reason: attribute("reason")
            .or(reason)
            .unwrap_or_else(|| "no function could work it off: see the function's log".to_owned()),
        since: sent
            .and_then(|text| text.parse().ok())
            .and_then(|text| Timestamp::from_millisecond(text).ok()),
        receipt: message.receipt_handle().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use aws_sdk_sqs::types::MessageAttributeValue;

    use super::*;

    /// An exception, an order message and poison are told apart without their content.
    #[test]
    fn letter_kinds_are_recognised_without_showing_their_content() {
        let attribute = |value: &str| {
            MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value)
                .build()
                .unwrap()
        };
        let exception = Message::builder()
            .body(r#"{"channel":"c","order":"W-1-A","kind":"unknown-sku","reason":"r","remedy":"m","first_seen":"now"}"#)
            .message_attributes("kind", attribute("unknown-sku"))
            .message_attributes("reason", attribute("r"))
            .attributes(MessageSystemAttributeName::SentTimestamp, "1790000000123")
            .receipt_handle("receipt")
            .build();
        let read = letter(&exception);
        assert_eq!(
            (read.channel.as_str(), read.order.as_str(), read.kind.as_str()),
            ("c", "W-1-A", "unknown-sku")
        );
        let sent = read.since.unwrap();
        assert_eq!(sent.as_millisecond(), 1_790_000_000_123);
        assert!(
            read.is_of("c", "W-1-A", sent)
                && !read.is_of("c", "W-1-B", sent)
                && !read.is_of("d", "W-1-A", sent)
        );
        assert!(
            !read.is_of(
                "c",
                "W-1-A",
                shared::kit::clock::before(sent, std::time::Duration::from_millis(1))
            ),
            "it came since"
        );

        let order = letter(
            &Message::builder()
                .body(r#"{"channel":"c","order_id":"W-2-A","task":"cancel"}"#)
                .build(),
        );
        assert_eq!((order.order.as_str(), order.kind.as_str()), ("W-2-A", "not-worked-off"));

        let poison = letter(&Message::builder().body("Jane Doe, 1 High Street").build());
        assert_eq!((poison.channel.as_str(), poison.kind.as_str()), ("?", "unreadable"));
        let shown = render(&[read, order, poison], Timestamp::UNIX_EPOCH);
        assert!(shown.contains("W-2-A") && !shown.contains("Jane"), "{shown}");
    }
}
