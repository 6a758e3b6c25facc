//! Approved journals go into the queue of `post-journals`.

use std::time::Duration;

use jiff::Timestamp;
use shared::domain::payout::key::JournalName;
use shared::domain::payout::posting::Stage;
use shared::domain::payout::row::{CycleRow, CycleStage};
use shared::domain::payout::store::{JournalMessage, JournalQueue, PayoutStore};
use shared::domain::state::StoreError;

use crate::shop::ShopRun;
use crate::{PortTypes, Ports, ReconcileError, findings};

/// The message of a journal that is queued for so long may be lost: it is sent again, and once more
/// after each such time.
const LONG_QUEUED: i64 = 60;
/// Minutes between two runs.
const BETWEEN_RUNS: i64 = 15;

impl<T: PortTypes> Ports<T> {
    /// Queues what is approved. It is noted as queued first: after a crash the message is sent by a
    /// later run.
    pub(crate) async fn queue_approved(
        &self,
        shop: &mut ShopRun<'_>,
    ) -> Result<(), ReconcileError> {
        if !shop.is_live() {
            return Ok(());
        }
        let now = shop.now;
        for row in &mut shop.cycles {
            let mut due: Vec<JournalName> = long_queued(row, now);
            let approved: Vec<JournalName> = row
                .journals
                .iter()
                .filter(|one| one.row.stage == Stage::Approved)
                .map(|one| one.row.name)
                .collect();
            // A person who settled a journal as not posted lets it go out again, whatever the stage.
            let may_post = row.stage == CycleStage::Tied && !findings::hold(&row.findings);
            if may_post && !approved.is_empty() {
                let mut queued = row.clone();
                for name in &approved {
                    if let Some(one) = queued.journal_mut(name) {
                        one.row = one.row.clone().queued(now);
                    }
                }
                match self.store.save_cycle(&mut queued).await {
                    Ok(()) => *row = queued,
                    Err(StoreError::Conflict(_)) => continue,
                    Err(problem) => return Err(problem.into()),
                }
                shop.report.queued += approved.len();
                due.extend(approved);
            }
            for name in due {
                let message = JournalMessage { cycle: row.key.clone(), name };
                if let Err(problem) = self.queue.send_journal(&message, Duration::ZERO).await {
                    tracing::warn!(cycle = %row.key, %problem, "a journal's message could not be sent; a later run sends it");
                }
            }
        }
        Ok(())
    }
}

/// Journals whose message may be lost.
fn long_queued(row: &CycleRow, now: Timestamp) -> Vec<JournalName> {
    let is_due = |since: Timestamp| {
        let minutes = now.duration_since(since).as_mins();
        minutes >= LONG_QUEUED && minutes % LONG_QUEUED < BETWEEN_RUNS
    };
    row.journals
        .iter()
        .filter(|one| matches!(one.row.stage, Stage::Queued | Stage::Posting | Stage::InDoubt))
        .filter(|one| is_due(one.row.since))
        .map(|one| one.row.name)
        .collect()
}
