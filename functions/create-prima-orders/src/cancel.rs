//! Cancelling in Prima what Mirakl cancelled after we had created it.

use std::time::Duration;

use shared::domain::order::remedy::{self, SettledAs};
use shared::domain::order::row::{ExceptionKind, OrderKey, OrderRow, Stage};
use shared::domain::prima_breaker::{Admission, Call, ORDER_STATUS, admit};
use shared::domain::prima_slots::PUT_OFF;
use shared::domain::queue::OrderMessage;
use shared::domain::state::{OrderStore, StoreError};
use shared::kit::clock::{Clock, after};
use shared::mirakl::OrderState;
use shared::prima::{Outcome, PrimaError, PrimaOrderStatus, PrimaOrders};

use crate::create::is_in_doubt;
use crate::{
    Disposition, Done, MOST_SENDINGS, PortTypes, Ports, Returned, Run, UNCLEAR_ANSWERS, unsaved,
};

/// Between two looks at an order that is to be cancelled.
const AGAIN: Duration = Duration::from_secs(60);

impl<T: PortTypes> Ports<T> {
    /// Asks first: the order's own state says whether there is anything left to do.
    pub(crate) async fn cancel(
        &self,
        key: &OrderKey,
        message: &OrderMessage,
        run: &Run,
    ) -> Disposition {
        if !self.has_time_for(3, run) {
            return self.again(message, Duration::ZERO).await;
        }
        let mut row = match self.store.load_order(key).await {
            Ok(Some(row)) if row.stage == Stage::Cancelling => row,
            Ok(_) => return Disposition::Done(Done::NothingToCancel),
            Err(_) => return Disposition::Return(Returned::StoreUnavailable),
        };
        if run.has_no_slot() {
            return match self.without_slot(&mut row, message, run).await {
                Some(disposition) => disposition,
                // It may be no more than a note of the poller's.
                None => self.again(message, PUT_OFF).await,
            };
        }
        let asked_at = self.clock.now();
        // Sent once, and nobody knows what came of it: a question tells nothing before.
        if is_in_doubt(&row)
            && let Some(wait) = self.too_early_to_ask(&row, asked_at, run.clock_skew)
        {
            return self.put_off(row, message, wait).await;
        }
        let question = Call::about(ORDER_STATUS, key);
        if admit(&self.store, &self.behaviour, question, asked_at).await == Admission::Refused {
            return self.put_off(row, message, self.behaviour.probe_interval()).await;
        }
        let Some(number) = row.creation.order_number.clone() else {
            return self.cancelled(row, "cancelled; it had no Prima order").await;
        };
        let answer = self.prima.order_status(&number).await;
        let silent_to_all = self.note_answer(question, &answer).await;
        if let Ok(Some(_)) = answer {
            row.creation.created_at = row.creation.created_at.or(Some(asked_at));
        }
        match answer {
            Ok(Some(PrimaOrderStatus::Open(_))) if self.behaviour.cancel_order => self.cancel_in_prima(row, number, message).await,
            Ok(Some(PrimaOrderStatus::Open(_))) => {
                self.by_hand(row, &number, "this Prima cannot be told to cancel an order (the installation's cancel_order is off)").await
            }
            Ok(None) if is_in_doubt(&row) => {
                if let Some(attempt) = &mut row.creation.attempt {
                    attempt.absences += 1;
                    attempt.asked_at = Some(asked_at);
                }
                if is_in_doubt(&row) {
                    return self.once_more(row, message, self.behaviour.second_question()).await;
                }
                self.cancelled(row, "cancelled in Mirakl; Prima never got it").await
            }
            Ok(status) => self.as_prima_says(row, &number, status).await,
            Err(problem) if problem.outcome == Outcome::Refused => {
                self.by_hand(row, &number, &format!("Prima answers the question for it with: {}", problem.message)).await
            }
            // Prima's matter, and not the order's.
            Err(problem) if silent_to_all || problem.outcome == Outcome::NotSent => self.put_off(row, message, AGAIN).await,
            Err(problem) => self.not_answered(row, &number, &problem, message).await,
        }
    }

    /// Prima is told, a few times at most: goods must not leave while it is tried for hours.
    async fn cancel_in_prima(
        &self,
        mut row: OrderRow,
        number: String,
        message: &OrderMessage,
    ) -> Disposition {
        if let Some(unanswered) =
            row.creation.cancellation.clone().filter(|unanswered| unanswered.count >= MOST_SENDINGS)
        {
            let why = format!(
                "Prima was told {} times to cancel it, and it is still open there; the latest answer: {}",
                unanswered.count, unanswered.problem
            );
            return self.by_hand(row, &number, &why).await;
        }
        match self.prima.cancel_order(&number, "Cancelled by the customer on the marketplace").await
        {
            Ok(()) => self.cancelled(row, "cancelled in Prima").await,
            Err(problem) if problem.outcome == Outcome::Refused => {
                let question = Call::about(ORDER_STATUS, &row.key);
                let answer = self.prima.order_status(&number).await;
                let silent_to_all = self.note_answer(question, &answer).await;
                match answer {
                    Ok(Some(PrimaOrderStatus::Open(_))) => {
                        self.by_hand(
                            row,
                            &number,
                            &format!("Prima refused to cancel it: {}", problem.message),
                        )
                        .await
                    }
                    Ok(status) => self.as_prima_says(row, &number, status).await,
                    Err(_) if silent_to_all => self.put_off(row, message, AGAIN).await,
                    Err(unanswered) => self.not_answered(row, &number, &unanswered, message).await,
                }
            }
            // The next question tells whether it had its effect: the last one when it can have none
            // any more.
            Err(problem) => {
                tracing::warn!(channel = %row.key.channel, order = %row.key.order_id, %problem, "the outcome of CancelOrder is unknown");
                let unanswered = row.creation.cancellation.get_or_insert_default();
                unanswered.count += 1;
                unanswered.problem = problem.to_string();
                let wait = if unanswered.count < MOST_SENDINGS {
                    AGAIN
                } else {
                    self.behaviour.longest_execution()
                };
                row.creation.unclear_answers = 0;
                self.once_more(row, message, wait).await
            }
        }
    }

    /// The question for this order was not answered, and those for others are.
    async fn not_answered(
        &self,
        mut row: OrderRow,
        number: &str,
        problem: &PrimaError,
        message: &OrderMessage,
    ) -> Disposition {
        row.creation.unclear_answers += 1;
        if row.creation.unclear_answers < UNCLEAR_ANSWERS {
            return self.once_more(row, message, AGAIN).await;
        }
        self.by_hand(
            row,
            number,
            &format!("Prima gives no answer to the question for it; the latest: {problem}"),
        )
        .await
    }

    /// Records what was learned, and lets the message come again.
    async fn once_more(
        &self,
        mut row: OrderRow,
        message: &OrderMessage,
        wait: Duration,
    ) -> Disposition {
        row.since = self.clock.now();
        row.expect_message(after(row.since, wait));
        match self.store.save_order(&mut row).await {
            // Changed meanwhile: the message comes again, and finds it as it is then.
            Ok(()) | Err(StoreError::Conflict(_)) => self.again(message, wait).await,
            Err(problem) => unsaved(&row, &problem),
        }
    }

    /// Lets the message come again, and notes when: until then nobody takes it for lost and sends
    /// another.
    async fn put_off(
        &self,
        mut row: OrderRow,
        message: &OrderMessage,
        wait: Duration,
    ) -> Disposition {
        row.expect_message(after(self.clock.now(), wait));
        let _unsaved = self.store.save_order(&mut row).await;
        self.again(message, wait).await
    }

    async fn as_prima_says(
        &self,
        row: OrderRow,
        number: &str,
        status: Option<PrimaOrderStatus>,
    ) -> Disposition {
        match status {
            Some(PrimaOrderStatus::Cancelled) => self.cancelled(row, "cancelled in Prima").await,
            Some(PrimaOrderStatus::Dispatched | PrimaOrderStatus::PartDispatched) => {
                let reason = format!(
                    "Mirakl {} the order, and its goods have left Prima already (order {number})",
                    how_it_ended(&row)
                );
                let remedy = format!(
                    "Stop the parcel at the carrier if that is still possible, and agree with the marketplace on its return. Then settle the exception: {}",
                    remedy::settle(&row.key, SettledAs::Cancelled)
                );
                self.fail(row, ExceptionKind::CancelledAfterDispatch, reason, remedy).await
            }
            Some(PrimaOrderStatus::Open(_)) => {
                self.by_hand(row, number, "it is still open in Prima").await
            }
            None => self.by_hand(row, number, "Prima does not know its number any more").await,
        }
    }

    async fn by_hand(&self, row: OrderRow, number: &str, why: &str) -> Disposition {
        let reason = format!(
            "Mirakl {} the order after it was created in Prima as {number}; {why}",
            how_it_ended(&row)
        );
        let remedy = format!(
            "Cancel order {number} in Prima by hand before it is picked, then settle the exception: {}",
            remedy::settle(&row.key, SettledAs::Cancelled)
        );
        self.fail(row, ExceptionKind::CancelledAfterCreation, reason, remedy).await
    }

    async fn cancelled(&self, mut row: OrderRow, note: &str) -> Disposition {
        row.enter(Stage::Cancelled, self.clock.now(), note);
        match self.store.save_order(&mut row).await {
            Ok(()) => Disposition::Done(Done::Cancelled),
            Err(problem) => unsaved(&row, &problem),
        }
    }
}

fn how_it_ended(row: &OrderRow) -> &'static str {
    // What cannot be read any more says only that it is cancelled; its row keeps the state before.
    let is_refunded = row.listing.state.is_refund()
        || (row.listing.refunds > 0 && !matches!(row.listing.state, OrderState::Canceled));
    if is_refunded { "refunded" } else { "cancelled" }
}
