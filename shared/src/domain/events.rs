//! Business events, on the one EventBridge bus. Those that need a person reach the alerts topic at
//! once.

use serde::Serialize;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// The detail type: `OrderException`, `AcceptanceWindowNearlyOver`, `KeyRefused`.
    #[serde(skip)]
    pub kind: EventKind,
    /// The channel's id, where there is one.
    pub channel: Option<String>,
    /// Mirakl's order id, where there is one.
    pub order: Option<String>,
    /// Somebody has to act: a rule sends it to the alerts topic.
    pub needs_person: bool,
    /// `warning` or `critical`.
    pub severity: Severity,
    /// What is the matter, without any of a customer's data.
    pub reason: String,
    /// What the person who reads it is to do.
    pub remedy: String,
}

/// The kinds of event.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
pub enum EventKind {
    /// An order became an exception: exactly one per order that fails.
    OrderException,
    /// An order still waits for acceptance and its window is nearly over.
    AcceptanceWindowNearlyOver,
    /// Mirakl refused or cancelled an order because its window passed.
    AcceptanceWindowMissed,
    /// Mirakl refused the channel's API key.
    KeyRefused,
    /// A channel's orders have not been listed for a while, for whatever reason.
    ChannelNotListed,
    /// Prima does not answer an operation, and its breaker is open: firm orders wait.
    PrimaUnavailable,
    /// Prima answers that operation again: orders flow.
    PrimaAvailableAgain,
    /// A state, type or code that this version does not know.
    UnknownValue,
    /// A dispatch cannot be told to Mirakl, or not as it is.
    DispatchException,
    /// Nobody has resolved a dispatch exception: told again with its age.
    DispatchReminder,
    /// An order's ship-by deadline is near and it is not confirmed.
    ShipByDeadlineNear,
    /// A dispatch file, or lines of it, could not be used.
    DispatchFileRefused,
    /// Something of stock needs a person.
    StockException,
    /// Something of payouts needs a person: what does not tie, cannot be booked, or was not paid.
    PayoutException,
    /// A cycle ties, and its report is there: to be approved, or to be known.
    PayoutReady,
    /// Mirakl keeps refusing Prima's number of an order as its reference.
    ReferenceRefused,
    /// Mirakl knows none of a channel's open orders.
    OrdersNotInMirakl,
    /// An operation of Mirakl's keeps failing for a channel, and it is not for the key's rights.
    OperationFails,
}

impl EventKind {
    /// All kinds.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The detail type on the bus.
    #[must_use]
    pub fn detail_type(self) -> &'static str {
        self.into()
    }
}

/// How urgent an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For information.
    Info,
    /// Within the working day.
    Warning,
    /// Now.
    Critical,
}

/// Publishing failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event bus did not take the events: {0}")]
pub struct EventError(pub String);

/// The bus.
pub trait EventBus {
    /// Publishes events, all or an error.
    async fn publish(&self, events: &[Event]) -> Result<(), EventError>;
}

impl<T: EventBus> EventBus for &T {
    async fn publish(&self, events: &[Event]) -> Result<(), EventError> {
        (**self).publish(events).await
    }
}
