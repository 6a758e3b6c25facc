//! The states of orders and lines.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `order_state`. New values may appear at any time: they are kept as [`OrderState::Other`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OrderState {
    /// Held by the operator before the seller may accept it.
    Staging,
    /// Waits for the seller's decision, within the acceptance window.
    WaitingAcceptance,
    /// Accepted; the customer is to be debited.
    WaitingDebit,
    /// Accepted; the debit was asked for.
    WaitingDebitPayment,
    /// Paid, addresses known: firm.
    Shipping,
    /// Shipped.
    Shipped,
    /// Waits at a pick-up point.
    ToCollect,
    /// Received by the customer.
    Received,
    /// Closed.
    Closed,
    /// Refused, by the seller or because the window passed.
    Refused,
    /// Cancelled.
    Canceled,
    /// A state this version does not know.
    Other(String),
    /// Of a line; of an order on old platforms: a refund of all of it was asked for.
    WaitingRefund,
    /// The same, and its payment is under way.
    WaitingRefundPayment,
    /// The same, and it is paid back.
    Refunded,
}

impl OrderState {
    /// Mirakl's code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Staging => "STAGING",
            Self::WaitingAcceptance => "WAITING_ACCEPTANCE",
            Self::WaitingDebit => "WAITING_DEBIT",
            Self::WaitingDebitPayment => "WAITING_DEBIT_PAYMENT",
            Self::Shipping => "SHIPPING",
            Self::Shipped => "SHIPPED",
            Self::ToCollect => "TO_COLLECT",
            Self::Received => "RECEIVED",
            Self::Closed => "CLOSED",
            Self::Refused => "REFUSED",
            Self::Canceled => "CANCELED",
            Self::Other(code) => code,
            Self::WaitingRefund => "WAITING_REFUND",
            Self::WaitingRefundPayment => "WAITING_REFUND_PAYMENT",
            Self::Refunded => "REFUNDED",
        }
    }

    /// Reads Mirakl's code; never fails.
    #[must_use]
    pub fn from_code(code: &str) -> Self {
        match code {
            "STAGING" => Self::Staging,
            "WAITING_ACCEPTANCE" => Self::WaitingAcceptance,
            "WAITING_DEBIT" => Self::WaitingDebit,
            "WAITING_DEBIT_PAYMENT" => Self::WaitingDebitPayment,
            "SHIPPING" => Self::Shipping,
            "SHIPPED" => Self::Shipped,
            "TO_COLLECT" => Self::ToCollect,
            "RECEIVED" => Self::Received,
            "CLOSED" => Self::Closed,
            "REFUSED" => Self::Refused,
            "CANCELED" => Self::Canceled,
            "WAITING_REFUND" => Self::WaitingRefund,
            "WAITING_REFUND_PAYMENT" => Self::WaitingRefundPayment,
            "REFUNDED" => Self::Refunded,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Refunded as a whole, whether it had left or not: a state of lines, and of orders on old
    /// platforms.
    #[must_use]
    pub fn is_refund(&self) -> bool {
        matches!(self, Self::WaitingRefund | Self::WaitingRefundPayment | Self::Refunded)
    }

    /// The order has left, or was closed: after it had left, or because it was refunded before
    /// ([`crate::domain::order::remaining::has_left`] tells them apart).
    #[must_use]
    pub fn is_shipped_or_later(&self) -> bool {
        matches!(self, Self::Shipped | Self::ToCollect | Self::Received | Self::Closed)
    }
}

impl fmt::Display for OrderState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl Serialize for OrderState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for OrderState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_code(&std::borrow::Cow::<'de, str>::deserialize(deserializer)?))
    }
}
