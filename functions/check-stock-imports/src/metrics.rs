//! What `check-stock-imports` measures.

use shared::aws::metrics::Count;

use crate::{Disposition, Done};

shared::metrics! {
    CheckStockImports

    /// Of a batch of messages: each counts once.
    #[derive(Default)]
    struct BatchMetrics per Function {
        complete: Option<Count> = "ImportsComplete",
        failed: Option<Count> = "ImportsFailed",
        delayed: Option<Count> = "MessagesDelayed",
        without_effect: Option<Count> = "MessagesWithoutEffect",
        returned: Option<Count> = "MessagesReturned",
    }
}

impl BatchMetrics {
    pub(crate) fn count(&mut self, disposition: Disposition) {
        let counted = match disposition {
            Disposition::Done(Done::Complete) => &mut self.complete,
            Disposition::Done(Done::Failed) => &mut self.failed,
            Disposition::Done(Done::AgainLater) => &mut self.delayed,
            Disposition::Done(
                Done::Gone
                | Done::StrayEnded
                | Done::NothingToAsk
                | Done::OlderCopy
                | Done::NoSuchChannel
                | Done::NoLongerWaitedFor
                | Done::NoLongerRemembered,
            ) => &mut self.without_effect,
            Disposition::Return(_) => &mut self.returned,
        };
        *counted.get_or_insert_default() += 1;
    }
}
