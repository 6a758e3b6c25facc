//! `NewOrder` itself, and what its answer means.

use std::time::Duration;

use jiff::Timestamp;
use shared::domain::order::remedy;
use shared::domain::order::row::{ExceptionKind, OrderRow, Stage};
use shared::domain::prima_breaker::{Call, NEW_ORDER, ORDER_STATUS};
use shared::domain::queue::{OrderMessage, OrderTask};
use shared::domain::state::{OrderStore as _, StoreError};
use shared::kit::clock::{Clock as _, after};
use shared::prima::{Outcome, PrimaError, PrimaOrder, PrimaOrderStatus, PrimaOrders as _};

use crate::create::{SENT_WITHIN, Work};
use crate::{Disposition, Done, PortTypes, Ports, unsaved};

impl<T: PortTypes> Ports<T> {
    pub(crate) async fn send(
        &self,
        row: OrderRow,
        before_attempt: OrderRow,
        document: PrimaOrder,
        work: &Work<'_>,
    ) -> Disposition {
        let noted_at = row.creation.attempt.as_ref().map_or(Timestamp::MIN, |attempt| attempt.at);
        let (answer, silent_to_all) = if self.clock.now() > after(noted_at, SENT_WITHIN) {
            (Err(PrimaError::not_sent(NEW_ORDER, "recording the attempt took too long")), false)
        } else {
            let answer = self.prima.new_order(&document).await;
            let silent_to_all = self.note_answer(Call::about(NEW_ORDER, &row.key), &answer).await;
            (answer, silent_to_all)
        };
        match answer {
            Ok(()) => self.created(row, PrimaOrderStatus::Open("new".to_owned()), work).await,
            Err(problem) if problem.outcome == Outcome::Refused => {
                self.refused(row, &document.order_number, &problem, work).await
            }
            Err(problem) if problem.outcome == Outcome::NotSent => {
                let mut row = row;
                row.creation.attempt = before_attempt.creation.attempt;
                self.later(row, work, Duration::from_secs(30)).await
            }
            Err(problem) => {
                tracing::warn!(channel = %row.key.channel, order = %row.key.order_id, %problem, "the outcome of NewOrder is unknown: the order is in doubt");
                let mut row = row;
                note_unanswered(&mut row, &problem, silent_to_all);
                let wait = self.behaviour.longest_execution();
                self.later(row, work, wait).await
            }
        }
    }

    /// Prima refused the order; or says so although an earlier sending of ours is there.
    async fn refused(
        &self,
        mut row: OrderRow,
        number: &str,
        problem: &PrimaError,
        work: &Work<'_>,
    ) -> Disposition {
        let answer = self.prima.order_status(number).await;
        self.note_answer(Call::about(ORDER_STATUS, &row.key), &answer).await;
        match answer {
            Ok(Some(status)) => self.created(row, status, work).await,
            Ok(None) => {
                row.creation.attempt = None;
                let reason = format!("Prima refused the order: {}", problem.message);
                let remedy = format!(
                    "Mend what Prima names, in Prima or in the channel's order rules, then: {}",
                    remedy::retry(&row.key)
                );
                self.fail(row, ExceptionKind::RejectedByPrima, reason, remedy).await
            }
            Err(_) => {
                note_unanswered(&mut row, problem, false);
                let wait = self.behaviour.longest_execution();
                self.later(row, work, wait).await
            }
        }
    }

    /// The order is in Prima.
    pub(crate) async fn created(
        &self,
        ours: OrderRow,
        status: PrimaOrderStatus,
        work: &Work<'_>,
    ) -> Disposition {
        let mut row = ours.clone();
        for _try in 0..5 {
            let now = self.clock.now();
            row.creation.created_at = Some(now);
            row.creation.said_to_be_in_prima = false;
            row.creation.unclear_answers = 0;
            let cancelled_meanwhile = row.listing.cancel_requested.is_some();
            if cancelled_meanwhile {
                row.enter(Stage::Cancelling, now, "in Prima, and cancelled in Mirakl meanwhile");
            } else {
                row.enter(Stage::Created, now, in_prima(&status));
            }
            match self.store.save_order(&mut row).await {
                Ok(()) if cancelled_meanwhile => {
                    let message = OrderMessage { task: OrderTask::Cancel, ..work.message.clone() };
                    return self.again(&message, Duration::ZERO).await;
                }
                Ok(()) => return Disposition::Done(Done::Created),
                Err(StoreError::Conflict(_)) => match self.store.load_order(&ours.key).await {
                    // The poller noted something, a cancellation perhaps; the lease is still ours,
                    // and so is the move.
                    Ok(Some(current))
                        if current.stage == Stage::Creating
                            && current.creation.lease == ours.creation.lease =>
                    {
                        row = current.with_creation_of(&row);
                    }
                    Ok(Some(current))
                        if current.stage.is_over() && current.creation.created_at.is_none() =>
                    {
                        let what = "it is in Prima now, perhaps besides what was keyed by hand";
                        return self.settled_meanwhile(current, &row, what).await;
                    }
                    Ok(_) => return Disposition::Done(Done::MovedByAnotherRun),
                    Err(problem) => return unsaved(&row, &problem),
                },
                Err(problem) => return unsaved(&row, &problem),
            }
        }
        // The lease ends by itself; the question then finds the order.
        Disposition::Done(Done::CreatedUnrecorded)
    }
}

/// The latest sending had no answer. That counts against the order only where Prima answers others.
fn note_unanswered(row: &mut OrderRow, problem: &PrimaError, silent_to_all: bool) {
    if let Some(attempt) = &mut row.creation.attempt {
        attempt.unanswered.problem = problem.to_string();
        if silent_to_all {
            attempt.unanswered.count = attempt.unanswered.count.saturating_sub(1);
            attempt.unanswered.probes += 1;
        }
    }
}

fn in_prima(status: &PrimaOrderStatus) -> String {
    match status {
        PrimaOrderStatus::Open(word) => format!("in Prima ({word})"),
        PrimaOrderStatus::PartDispatched => "in Prima (part dispatched)".to_owned(),
        PrimaOrderStatus::Dispatched => "in Prima (dispatched)".to_owned(),
        PrimaOrderStatus::Cancelled => "in Prima (cancelled there)".to_owned(),
    }
}
