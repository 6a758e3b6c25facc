//! The `orders` queue and its dead-letter queue.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::mirakl::Order;

/// Bytes of one message with its attributes, and of all messages of one batch together. SQS takes
/// more since 2025; queues whose own limit was never raised do not.
pub const LARGEST_MESSAGE: usize = 256 * 1024;

/// What a message of the `orders` queue, or of the `dispatches` queue, asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderTask {
    /// Create the sales order in Prima. Carries the order, customer included, because reading it
    /// again would cost one of Mirakl's listings: this message and its dead-letter copy are the
    /// only places that hold a customer's data.
    Create {
        /// The firm order.
        order: Box<Order>,
    },
    /// Cancel the sales order in Prima: the whole Mirakl order was cancelled after we had created
    /// it.
    Cancel,
    /// Of the `dispatches` queue: tell Mirakl what has left.
    Dispatch,
}

/// The body of a message of the `orders` queue, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderMessage {
    /// The channel's id.
    pub channel: String,
    /// Mirakl's order id.
    pub order_id: String,
    /// What is to be done.
    pub task: OrderTask,
}

impl OrderMessage {
    /// No queue takes it, now or later.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        serde_json::to_vec(self).is_ok_and(|body| body.len() > LARGEST_MESSAGE)
    }
}

/// An exception as it is shown in the dead-letter queue; its row says the same and is the truth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionMessage {
    /// The channel's id.
    pub channel: String,
    /// Mirakl's order id; empty where it is about no order.
    pub order: String,
    /// What kind of exception: `unknown-sku`, `rejected-by-prima`.
    pub kind: String,
    /// Why, without any of the customer's data.
    pub reason: String,
    /// What the person who reads this is to do.
    pub remedy: String,
    /// When it was first seen, ISO 8601.
    pub first_seen: String,
}

/// Sending failed, for these messages; the others were sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct QueueError {
    /// What went wrong, without any content of a message.
    pub message: String,
    /// The indexes, in the call's list, of the messages that may not have been sent.
    pub failed: Vec<usize>,
}

/// Where a flow's exceptions are shown to a person.
pub trait ExceptionQueue {
    /// Puts exceptions where a person looks: the dead-letter queue, with readable attributes.
    async fn send_exceptions(&self, exceptions: &[ExceptionMessage]) -> Result<(), QueueError>;
}

/// The queues, as handlers write them.
pub trait OrderQueue: ExceptionQueue {
    /// Sends messages to the `orders` queue, each visible after `delay` (at most 15 minutes).
    async fn send(&self, messages: &[OrderMessage], delay: Duration) -> Result<(), QueueError>;
}

impl<T: OrderQueue> OrderQueue for &T {
    async fn send(&self, messages: &[OrderMessage], delay: Duration) -> Result<(), QueueError> {
        (**self).send(messages, delay).await
    }
}

impl<T: ExceptionQueue> ExceptionQueue for &T {
    async fn send_exceptions(&self, exceptions: &[ExceptionMessage]) -> Result<(), QueueError> {
        (**self).send_exceptions(exceptions).await
    }
}

/// A message of the queue of stock imports: one is to be asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportMessage {
    /// The channel's id.
    pub channel: String,
    /// Ours of the import.
    pub mark: String,
}

/// The queue of stock imports.
pub trait ImportQueue {
    /// Has an import asked about after `delay` (at most 15 minutes).
    async fn ask_later(&self, message: &ImportMessage, delay: Duration) -> Result<(), QueueError>;
}

impl<T: ImportQueue> ImportQueue for &T {
    async fn ask_later(&self, message: &ImportMessage, delay: Duration) -> Result<(), QueueError> {
        (**self).ask_later(message, delay).await
    }
}

/// An exception's message as it stands in the dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownException {
    /// What it says.
    pub exception: ExceptionMessage,
    /// What names it when it is taken away.
    pub handle: String,
}

/// The dead-letter queue, as whoever keeps it tidy sees it: the row is the exception, and a message
/// whose row has moved on only misleads.
pub trait ShownExceptions {
    /// Some of the exceptions that are shown. They are out of others' sight until each is withdrawn
    /// or put back; for a few seconds at most.
    async fn shown(&self) -> Result<Vec<ShownException>, QueueError>;

    /// Takes one away.
    async fn withdraw(&self, shown: &ShownException) -> Result<(), QueueError>;

    /// Lets others see one again.
    async fn put_back(&self, shown: &ShownException);
}

impl<T: ShownExceptions> ShownExceptions for &T {
    async fn shown(&self) -> Result<Vec<ShownException>, QueueError> {
        (**self).shown().await
    }

    async fn withdraw(&self, shown: &ShownException) -> Result<(), QueueError> {
        (**self).withdraw(shown).await
    }

    async fn put_back(&self, shown: &ShownException) {
        (**self).put_back(shown).await;
    }
}
