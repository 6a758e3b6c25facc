//! What `create-prima-orders` measures.

use shared::aws::metrics::Count;

use crate::{Disposition, Done};

shared::metrics! {
    CreatePrimaOrders with PrimaSlots

    /// Of a batch of messages: each counts once.
    #[derive(Default)]
    struct BatchMetrics per Function {
        created: Option<Count> = "OrdersCreated",
        exceptions: Option<Count> = "OrderExceptions",
        cancelled: Option<Count> = "OrdersCancelled",
        delayed: Option<Count> = "MessagesDelayed",
        without_effect: Option<Count> = "MessagesWithoutEffect",
        returned: Option<Count> = "MessagesReturned",
    }
}

impl BatchMetrics {
    pub(crate) fn count(&mut self, disposition: Disposition) {
        let counted = match disposition {
            Disposition::Done(Done::Created) => &mut self.created,
            Disposition::Done(Done::Exception) => &mut self.exceptions,
            Disposition::Done(Done::Cancelled) => &mut self.cancelled,
            Disposition::Done(Done::AgainLater) => &mut self.delayed,
            Disposition::Done(
                Done::CreatedUnrecorded
                | Done::Refunded
                | Done::NothingLeftToCreate
                | Done::WaitsForPrima
                | Done::WaitsForThePoller
                | Done::OlderThanItsRow
                | Done::OlderCopy
                | Done::UnknownOrder
                | Done::InOtherHands
                | Done::AlreadySettled
                | Done::MovedByAnotherRun
                | Done::NothingToCancel,
            ) => &mut self.without_effect,
            Disposition::Return(_) => &mut self.returned,
        };
        *counted.get_or_insert_default() += 1;
    }
}
