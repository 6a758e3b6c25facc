//! How a run leaves an order that it did not create: its lease is given back, and its message comes
//! again.

use std::time::Duration;

use shared::domain::order::row::{OrderRow, Stage};
use shared::domain::state::{OrderStore as _, StoreError};
use shared::kit::clock::{Clock as _, after};

use crate::create::{Work, is_in_doubt, never_sent};
use crate::for_a_person::NOBODY_KNOWS;
use crate::{Disposition, Done, PortTypes, Ports, Returned, unsaved};

impl<T: PortTypes> Ports<T> {
    /// The row moved under us before anything was sent: give the lease back and let the message
    /// come again.
    pub(crate) async fn changed_before_sending(
        &self,
        ours: OrderRow,
        work: &Work<'_>,
    ) -> Disposition {
        match self.store.load_order(&ours.key).await {
            Ok(Some(mut current))
                if current.creation.lease == ours.creation.lease
                    && current.stage == Stage::Creating =>
            {
                current = current.with_creation_of(&ours);
                if current.listing.cancel_requested.is_some() && never_sent(&current, work.order) {
                    current.enter(
                        Stage::Cancelled,
                        self.clock.now(),
                        "cancelled in Mirakl before it was sent to Prima",
                    );
                    return self.settle(current, Done::Cancelled).await;
                }
                self.later(current, work, Duration::ZERO).await
            }
            Ok(_) => Disposition::Done(Done::MovedByAnotherRun),
            Err(_) => Disposition::Return(Returned::StoreUnavailable),
        }
    }

    /// A breaker of Prima's is open: the order waits as a row, and the poller queues it again. One
    /// in doubt keeps its message.
    pub(crate) async fn back_to_its_row(
        &self,
        mut row: OrderRow,
        wait: Duration,
        work: &Work<'_>,
    ) -> Disposition {
        if row.creation.attempt.is_some() {
            return self.later(row, work, wait).await;
        }
        row.enter(Stage::Firm, self.clock.now(), "Prima does not answer; waits");
        self.settle(row, Done::WaitsForPrima).await
    }

    /// Gives the lease back, and lets the message come again after `wait`; or the next listing,
    /// where the message is out of date by now: it would be turned away.
    pub(crate) async fn later(
        &self,
        mut row: OrderRow,
        work: &Work<'_>,
        wait: Duration,
    ) -> Disposition {
        let is_out_of_date = |row: &OrderRow| row.is_newer_than(work.order);
        let gives_back = |row: &mut OrderRow| {
            let (now, in_doubt) = (self.clock.now(), row.creation.attempt.is_some());
            if is_out_of_date(row) {
                row.enter(
                    if in_doubt { Stage::InDoubt } else { Stage::Firm },
                    now,
                    "changed in Mirakl meanwhile",
                );
                // No message of it is under way: the poller's next run drives it on.
                row.miss_message(now);
            } else {
                row.enter(
                    if in_doubt { Stage::InDoubt } else { Stage::Queued },
                    now,
                    format!("again in {} s", wait.as_secs()),
                );
                row.expect_message(after(now, wait));
            }
        };
        let goes_on = async |row: &OrderRow| {
            if is_out_of_date(row) {
                Disposition::Done(Done::WaitsForThePoller)
            } else {
                self.again(work.message, wait).await
            }
        };
        gives_back(&mut row);
        match self.store.save_order(&mut row).await {
            Ok(()) => goes_on(&row).await,
            Err(StoreError::Conflict(_)) => match self.store.load_order(&row.key).await {
                // Noted by the poller meanwhile: once more on top of that.
                Ok(Some(current)) if current.stage == Stage::Creating => {
                    let mut merged = current.with_creation_of(&row);
                    gives_back(&mut merged);
                    match self.store.save_order(&mut merged).await {
                        Ok(()) => goes_on(&merged).await,
                        Err(problem) => unsaved(&merged, &problem),
                    }
                }
                Ok(Some(current)) if current.stage.is_over() && is_in_doubt(&row) => {
                    self.settled_meanwhile(current, &row, NOBODY_KNOWS).await
                }
                Ok(_) => Disposition::Done(Done::MovedByAnotherRun),
                Err(problem) => unsaved(&row, &problem),
            },
            Err(problem) => unsaved(&row, &problem),
        }
    }

    pub(crate) async fn settle(&self, mut row: OrderRow, outcome: Done) -> Disposition {
        match self.store.save_order(&mut row).await {
            Ok(()) => Disposition::Done(outcome),
            Err(problem) => unsaved(&row, &problem),
        }
    }
}
