//! The cycle's row: saved only in the version that was read, and what of it needs a person.

use std::time::Duration;

use jiff::Timestamp;
use shared::domain::conditions::announce;
use shared::domain::payout::exceptions::PayoutException;
use shared::domain::payout::journal_exceptions::{OF_JOURNALS, follow_journals};
use shared::domain::payout::posting::{JournalRow, Stage};
use shared::domain::payout::row::CycleRow;
use shared::domain::payout::store::PayoutStore as _;
use shared::domain::state::StoreError;
use shared::kit::clock::{Clock as _, after};

use crate::{Disposition, Done, PortTypes, Ports, Returned, Step};

/// Tries of a write that another run has been quicker with: `reconcile-payouts` notes other things
/// in the same row.
const TRIES: usize = 8;
/// After so long whoever made an exception has told of it, or has died.
const TOLD_BY_NOW: Duration = Duration::from_secs(600);

/// It is as it was read: only its message may be another.
fn is_unmoved(stored: &JournalRow, read: &JournalRow) -> bool {
    JournalRow { message_due: read.message_due, ..stored.clone() } == *read
}

/// What Prima answered to an attempt still counts: nothing else was sent since.
fn is_same_attempt(stored: &JournalRow, sent: &JournalRow) -> bool {
    matches!(stored.stage, Stage::Posting | Stage::InDoubt | Stage::NeedsPerson)
        && (stored.attempts, stored.attempted_at) == (sent.attempts, sent.attempted_at)
}

impl<T: PortTypes> Ports<T> {
    /// Moves a journal on, where nobody else has moved it since it was read as `before`.
    ///
    /// # Errors
    /// What becomes of the message.
    pub(crate) async fn update(
        &self,
        cycle: CycleRow,
        before: &JournalRow,
        moved: JournalRow,
    ) -> Result<CycleRow, Disposition> {
        self.change(cycle, moved, |stored| is_unmoved(stored, before)).await
    }

    /// Notes what Prima answered to an attempt.
    pub(crate) async fn conclude(
        &self,
        cycle: CycleRow,
        sent: &JournalRow,
        moved: JournalRow,
    ) -> Result<CycleRow, Disposition> {
        // That Prima has it is true whatever anybody has noted meanwhile.
        let is_posted = matches!(moved.stage, Stage::Posted { .. });
        self.change(cycle, moved, |stored| {
            is_same_attempt(stored, sent)
                || (is_posted && !matches!(stored.stage, Stage::Posted { .. }))
        })
        .await
    }

    async fn change(
        &self,
        mut cycle: CycleRow,
        moved: JournalRow,
        may: impl Fn(&JournalRow) -> bool,
    ) -> Result<CycleRow, Disposition> {
        for _try in 0..TRIES {
            match cycle.journal_mut(&moved.name) {
                Some(journal) if may(&journal.row) => journal.row = moved.clone(),
                _ => return Err(Disposition::Done(Done::MovedByAnotherRun)),
            }
            follow_journals(&mut cycle, self.clock.now());
            match self.payouts.save_cycle(&mut cycle).await {
                Ok(()) => return Ok(cycle),
                Err(StoreError::Conflict(_)) => match self.payouts.load_cycle(&cycle.key).await {
                    Ok(Some(current)) => cycle = current,
                    Ok(None) => return Err(Disposition::Done(Done::Unknown)),
                    Err(_) => return Err(Disposition::Return(Returned::StoreUnavailable)),
                },
                Err(problem) => {
                    tracing::warn!(cycle = %cycle.key, %problem, "the row could not be saved");
                    return Err(Disposition::Return(Returned::StoreUnavailable));
                }
            }
        }
        Err(Disposition::Return(Returned::ChangedByAnotherRun))
    }

    /// Moves a journal on; the next step follows, unless a person has to take it.
    pub(crate) async fn goes_on(
        &self,
        cycle: Box<CycleRow>,
        before: &JournalRow,
        moved: JournalRow,
    ) -> Step {
        if moved.stage == Stage::NeedsPerson {
            return self.ends(cycle, before, moved, Done::Exception).await;
        }
        match self.update(*cycle, before, moved).await {
            Ok(cycle) => Step::Next(Box::new(cycle)),
            Err(disposition) => Step::End(disposition),
        }
    }

    /// Moves a journal on; the message is done with, and a person is told where one is needed.
    pub(crate) async fn ends(
        &self,
        cycle: Box<CycleRow>,
        before: &JournalRow,
        moved: JournalRow,
        done: Done,
    ) -> Step {
        Step::End(match self.update(*cycle, before, moved).await {
            Ok(cycle) => {
                self.announce(cycle, |_| true).await;
                Disposition::Done(done)
            }
            Err(disposition) => disposition,
        })
    }

    /// Tells of what somebody died over.
    pub(crate) async fn announce_late(&self, cycle: CycleRow, now: Timestamp) {
        self.announce(cycle, |one| after(one.first_seen, TOLD_BY_NOW) <= now).await;
    }

    /// Tells a person of this cycle's journals. What cannot be told or noted now is told by
    /// `reconcile-payouts`.
    pub(crate) async fn announce(
        &self,
        mut cycle: CycleRow,
        which: impl Fn(&PayoutException) -> bool,
    ) {
        let is_ours = |one: &&PayoutException| OF_JOURNALS.contains(&one.kind) && which(one);
        let mut told: Vec<_> = cycle.exceptions.iter().filter(is_ours).cloned().collect();
        let before = told.clone();
        let now = self.clock.now();
        announce(&self.queue, &self.events, &cycle.channel, &mut told, now).await;
        if told == before {
            return;
        }
        for _try in 0..TRIES {
            for one in &told {
                let is_it = |other: &&mut PayoutException| {
                    (other.kind, &other.subject, other.first_seen)
                        == (one.kind, &one.subject, one.first_seen)
                };
                if let Some(known) = cycle.exceptions.iter_mut().find(is_it) {
                    known.told = one.told;
                }
            }
            match self.payouts.save_cycle(&mut cycle).await {
                Err(StoreError::Conflict(_)) => match self.payouts.load_cycle(&cycle.key).await {
                    Ok(Some(current)) => cycle = current,
                    _ => return,
                },
                _ => return,
            }
        }
    }
}
