//! Exceptions: what needs a person, why, and how a person ended it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::stage::Stage;
use crate::domain::events::{EventKind, Severity};
use crate::domain::exception::{ExceptionRecord, KindOfException};

/// The kinds of exception, each with an owner in the operating handbook.
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
    strum::IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum ExceptionKind {
    /// A line's SKU is unknown or ambiguous.
    UnknownSku,
    /// The order cannot be written as a Prima order by the channel's rules.
    Unmappable,
    /// The order is too long for a message of the queue.
    TooLarge,
    /// The channel's order rules are missing or wrong.
    RulesMissing,
    /// Prima read the order and refused it.
    RejectedByPrima,
    /// The order number is already reserved for another order.
    NumberTaken,
    /// Prima holds the order number, and we never sent it.
    FoundInPrima,
    /// Cancelled in Mirakl after creation, and Prima could not cancel it.
    CancelledAfterCreation,
    /// Cancelled in Mirakl after the goods had left.
    CancelledAfterDispatch,
    /// A line was cancelled in Mirakl after creation.
    LineCancelledAfterCreation,
    /// Shipped in Mirakl by a person, and not in Prima.
    ShippedOutsidePrima,
    /// The marketplace's operator ships the order itself. No longer raised: such orders stand in
    /// [`Stage::OperatorFulfilled`].
    ShippedByOperator,
    /// Mirakl lists the order in a way that cannot be read.
    Unreadable,
    /// Prima keeps answering something that cannot be understood.
    PrimaUnclear,
    /// Prima's carrier description is in no entry of the carrier map, or in several.
    UnmappedCarrier,
    /// The carrier map leads to a carrier that the marketplace does not take.
    CarrierNotListed,
    /// The channel's dispatch rules or its carrier map are missing or wrong.
    DocumentsUnusable,
    /// A dispatch has no tracking number where one is demanded.
    TrackingMissing,
    /// Mirakl refused a dispatch.
    DispatchRejected,
    /// Mirakl gives no usable answer to a call about this one order, and answers those about
    /// others.
    DispatchUnanswered,
    /// Prima's dispatch cannot be understood.
    DispatchUnclear,
    /// Prima sent less than was ordered.
    ShortShipment,
    /// Prima cancelled the order, and Mirakl did not.
    CancelledInPrima,
    /// Prima was sent the order several times, never said what came of it, and does not have it.
    PrimaFault,
    /// A person settled the order while it was being created in Prima.
    SettledMeanwhile,
    /// Mirakl does not know the order any more.
    NotInMirakl,
}

impl ExceptionKind {
    /// All kinds.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name in attributes, metrics and the handbook.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// About a dispatch: shown in the dispatches' dead-letter queue, and looked after by
    /// `collect-dispatches`.
    #[must_use]
    pub fn is_of_dispatch(self) -> bool {
        matches!(
            self,
            Self::UnmappedCarrier
                | Self::CarrierNotListed
                | Self::DocumentsUnusable
                | Self::TrackingMissing
                | Self::DispatchRejected
                | Self::DispatchUnanswered
                | Self::DispatchUnclear
                | Self::ShortShipment
                | Self::CancelledInPrima
        )
    }

    /// Waits for the channel's documents: a change of the carrier map or of the dispatch rules may
    /// resolve it.
    #[must_use]
    pub fn waits_for_documents(self) -> bool {
        matches!(self, Self::UnmappedCarrier | Self::CarrierNotListed | Self::DocumentsUnusable)
    }

    /// Found by the poller in a listing; all others by the function that creates orders.
    #[must_use]
    pub fn is_found_by_poller(self) -> bool {
        matches!(
            self,
            Self::TooLarge
                | Self::LineCancelledAfterCreation
                | Self::ShippedOutsidePrima
                | Self::ShippedByOperator
                | Self::Unreadable
                | Self::NotInMirakl
        )
    }
}

impl KindOfException for ExceptionKind {
    fn event(self) -> EventKind {
        if self.is_of_dispatch() { EventKind::DispatchException } else { EventKind::OrderException }
    }

    fn severity(self) -> Severity {
        match self {
            // Goods may go out unpaid, or twice.
            Self::CancelledAfterDispatch | Self::SettledMeanwhile => Severity::Critical,
            _ => Severity::Warning,
        }
    }
}

/// Why an order needs a person.
pub type OrderException = ExceptionRecord<ExceptionKind>;

/// How a person ended an exception, kept so that it can be taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// When a person settled it.
    pub at: Timestamp,
    /// The stage that the order went to.
    pub into: Stage,
    /// The exception as it was.
    pub exception: OrderException,
}
