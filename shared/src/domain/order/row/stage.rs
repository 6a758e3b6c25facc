//! The stages of an order, and the steps by which it came there.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where an order stands.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::VariantArray,
)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Listed by Mirakl; not accepted yet.
    Seen,
    /// Accepted: by us, or by the marketplace itself.
    Acknowledged,
    /// Accepted; the customer is being debited.
    AwaitingPayment,
    /// Paid and complete; waits as a row until Prima takes orders.
    Firm,
    /// In the `orders` queue.
    Queued,
    /// A holder of the lease is creating it in Prima.
    Creating,
    /// `NewOrder` was sent and nobody knows whether it had its effect.
    InDoubt,
    /// In Prima, exactly once.
    Created,
    /// Something has left Prima, or will not leave, that Mirakl is still to be told of.
    Dispatched,
    /// A part has left, and Mirakl knows all that it can know of it.
    PartDispatched,
    /// Shipped in Mirakl, by whomever.
    Shipped,
    /// Cancelled in Mirakl after creation; being cancelled in Prima.
    Cancelling,
    /// Cancelled, before creation or in Prima too.
    Cancelled,
    /// Refused.
    Refused,
    /// Needs a person: [`super::OrderRow::exception`] says why and what to do.
    Exception,
    /// Older than the channel's take-over and accepted by somebody else: keyed by hand.
    KeyedByHand,
    /// The marketplace ships it itself, or from a centre that is not the shop's: nothing to do,
    /// until Mirakl ends it.
    OperatorFulfilled,
}

impl Stage {
    /// All stages, in the order of an order's life.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name in the index, metrics and commands.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Acknowledged => "acknowledged",
            Self::AwaitingPayment => "awaiting-payment",
            Self::Firm => "firm",
            Self::Queued => "queued",
            Self::Creating => "creating",
            Self::InDoubt => "in-doubt",
            Self::Created => "created",
            Self::Dispatched => "dispatched",
            Self::PartDispatched => "part-dispatched",
            Self::Shipped => "shipped",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
            Self::Exception => "exception",
            Self::KeyedByHand => "keyed-by-hand",
            Self::OperatorFulfilled => "operator-fulfilled",
        }
    }

    /// Nothing further happens to the order before it is in Prima, or ever.
    #[must_use]
    pub fn is_settled(self) -> bool {
        self.is_in_prima()
            || matches!(
                self,
                Self::Shipped
                    | Self::Cancelled
                    | Self::Refused
                    | Self::Exception
                    | Self::KeyedByHand
            )
            || self == Self::OperatorFulfilled
    }

    /// Over as far as a person, or Mirakl, says: nothing is asked of Prima any more.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Shipped | Self::Cancelled | Self::Refused | Self::KeyedByHand)
    }

    /// In Prima, and neither shipped nor cancelled yet.
    #[must_use]
    pub fn is_in_prima(self) -> bool {
        matches!(self, Self::Created | Self::Dispatched | Self::PartDispatched)
    }
}

/// One step of an order's life, for "where is order X?".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When it happened.
    pub at: Timestamp,
    /// Into which stage.
    pub stage: Stage,
    /// Why, in a few words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}
