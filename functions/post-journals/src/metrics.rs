//! What `post-journals` measures.

use shared::aws::metrics::Count;

use crate::{Disposition, Done};

shared::metrics! {
    PostJournals with PrimaSlots

    /// Of a batch of messages: each counts once.
    #[derive(Default)]
    struct BatchMetrics per Function {
        posted: Option<Count> = "JournalsPosted",
        written: Option<Count> = "JournalsWritten",
        exceptions: Option<Count> = "JournalExceptions",
        delayed: Option<Count> = "MessagesDelayed",
        without_effect: Option<Count> = "MessagesWithoutEffect",
        returned: Option<Count> = "MessagesReturned",
    }
}

impl BatchMetrics {
    pub(crate) fn count(&mut self, disposition: Disposition) {
        let counted = match disposition {
            Disposition::Done(Done::Posted) => &mut self.posted,
            Disposition::Done(Done::Written) => &mut self.written,
            Disposition::Done(Done::Exception) => &mut self.exceptions,
            Disposition::Done(Done::AgainLater) => &mut self.delayed,
            Disposition::Done(
                Done::OlderCopy
                | Done::Waits
                | Done::NotApproved
                | Done::AlreadySettled
                | Done::Unknown
                | Done::MovedByAnotherRun,
            ) => &mut self.without_effect,
            Disposition::Return(_) => &mut self.returned,
        };
        *counted.get_or_insert_default() += 1;
    }
}
