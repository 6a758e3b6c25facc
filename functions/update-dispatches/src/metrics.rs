//! What `update-dispatches` measures.

use shared::aws::metrics::Count;

use crate::{Disposition, Done};

shared::metrics! {
    UpdateDispatches

    /// Of a batch of messages: each counts once.
    #[derive(Default)]
    struct BatchMetrics per Function {
        shipped: Option<Count> = "OrdersShipped",
        part_shipped: Option<Count> = "PartsShipped",
        exceptions: Option<Count> = "DispatchExceptions",
        delayed: Option<Count> = "MessagesDelayed",
        without_effect: Option<Count> = "MessagesWithoutEffect",
        returned: Option<Count> = "MessagesReturned",
    }
}

impl BatchMetrics {
    pub(crate) fn count(&mut self, disposition: Disposition) {
        let counted = match disposition {
            Disposition::Done(Done::Shipped) => &mut self.shipped,
            Disposition::Done(Done::PartShipped) => &mut self.part_shipped,
            Disposition::Done(Done::Exception) => &mut self.exceptions,
            Disposition::Done(Done::AgainLater) => &mut self.delayed,
            Disposition::Done(
                Done::Cancelled
                | Done::Observed
                | Done::NothingToTell
                | Done::OlderCopy
                | Done::DispatchesOff
                | Done::RefundedBeforeItLeft
                | Done::NoLongerToBeShipped
                | Done::MovedByAnotherRun
                | Done::TakenUpByAnotherRun
                | Done::RowGone,
            ) => &mut self.without_effect,
            Disposition::Return(_) => &mut self.returned,
        };
        *counted.get_or_insert_default() += 1;
    }
}
