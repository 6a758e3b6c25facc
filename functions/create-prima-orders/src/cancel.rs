//! Cancelling in Prima what Mirakl cancelled after we had created it.

use std::time::Duration;

use shared::clock::{Clock, after};
use shared::events::EventBus;
use shared::intake::{Admission, admit};
use shared::order::row::{ExceptionKind, OrderKey, OrderRow, Stage};
use shared::prima::{Outcome, PrimaOrderStatus, PrimaOrders};
use shared::queue::{OrderMessage, OrderQueue};
use shared::state::Store;

use crate::{Disposition, Ports, Rulebook, Run, unsaved};

impl<P, S, Q, E, C, R> Ports<P, S, Q, E, C, R>
where
    P: PrimaOrders,
    S: Store,
    Q: OrderQueue,
    E: EventBus,
    C: Clock,
    R: Rulebook,
{
    /// Asks first: the order's own state says whether there is anything left to do.
    pub(crate) async fn cancel(&self, key: &OrderKey, message: &OrderMessage, run: &Run) -> Disposition {
        if !self.has_time_for(3, run) {
            return self.again(message, Duration::ZERO).await;
        }
        let row = match self.store.load_order(key).await {
            Ok(Some(row)) if row.stage == Stage::Cancelling => row,
            Ok(_) => return Disposition::Done("nothing to cancel"),
            Err(_) => return Disposition::Return("store unavailable"),
        };
        if admit(&self.store, &self.manners, self.clock.now()).await == Admission::Closed {
            return self.put_off(row, message, self.manners.probe_interval()).await;
        }
        let Some(number) = row.order_number.clone() else {
            return self.cancelled(row, "cancelled; it had no Prima order").await;
        };
        let answer = self.prima.order_status(&number).await;
        self.note_answer(&answer).await;
        match answer {
            Ok(Some(PrimaOrderStatus::Open(_))) if self.manners.cancel_order => self.cancel_in_prima(row, number, message).await,
            Ok(Some(PrimaOrderStatus::Open(_))) => {
                self.by_hand(row, &number, "this Prima cannot be told to cancel an order (the installation's cancel_order is off)").await
            }
            Ok(status) => self.as_prima_says(row, &number, status).await,
            Err(problem) if problem.outcome == Outcome::Refused => {
                self.by_hand(row, &number, &format!("Prima answers the question for it with: {}", problem.message)).await
            }
            Err(_) => self.put_off(row, message, Duration::from_secs(60)).await,
        }
    }

    async fn cancel_in_prima(&self, row: OrderRow, number: String, message: &OrderMessage) -> Disposition {
        let answer = self.prima.cancel_order(&number, "Cancelled by the customer on the marketplace").await;
        self.note_answer(&answer).await;
        match answer {
            Ok(()) => self.cancelled(row, "cancelled in Prima").await,
            Err(problem) if problem.outcome == Outcome::Refused => match self.prima.order_status(&number).await {
                Ok(Some(PrimaOrderStatus::Open(_))) => {
                    self.by_hand(row, &number, &format!("Prima refused to cancel it: {}", problem.message)).await
                }
                Ok(status) => self.as_prima_says(row, &number, status).await,
                Err(_) => self.put_off(row, message, Duration::from_secs(60)).await,
            },
            // The next question tells whether it had its effect.
            Err(_) => self.put_off(row, message, Duration::from_secs(60)).await,
        }
    }

    /// Lets the message come again, and notes when: until then nobody takes it for lost and sends another.
    async fn put_off(&self, mut row: OrderRow, message: &OrderMessage, wait: Duration) -> Disposition {
        row.expect_message(after(self.clock.now(), wait));
        let _unsaved = self.store.save_order(&mut row).await;
        self.again(message, wait).await
    }

    async fn as_prima_says(&self, row: OrderRow, number: &str, status: Option<PrimaOrderStatus>) -> Disposition {
        match status {
            Some(PrimaOrderStatus::Cancelled) => self.cancelled(row, "cancelled in Prima").await,
            Some(PrimaOrderStatus::Despatched | PrimaOrderStatus::PartDespatched) => {
                let reason = format!("Mirakl cancelled the order, and its goods have left Prima already (order {number})");
                let remedy = "Stop the parcel at the carrier if that is still possible, and agree with the marketplace on its return.";
                self.fail(row, ExceptionKind::CancelledAfterDespatch, reason, remedy).await
            }
            Some(PrimaOrderStatus::Open(_)) => self.by_hand(row, number, "it is still open in Prima").await,
            None => self.by_hand(row, number, "Prima does not know its number any more").await,
        }
    }

    async fn by_hand(&self, row: OrderRow, number: &str, why: &str) -> Disposition {
        let reason = format!("Mirakl cancelled the order after it was created in Prima as {number}; {why}");
        let remedy = format!(
            "Cancel order {number} in Prima by hand before it is picked, then settle the exception: prima-mirakl exceptions settle CHANNEL ORDER."
        );
        self.fail(row, ExceptionKind::CancelledAfterCreation, reason, remedy).await
    }

    async fn cancelled(&self, mut row: OrderRow, note: &str) -> Disposition {
        row.enter(Stage::Cancelled, self.clock.now(), note);
        match self.store.save_order(&mut row).await {
            Ok(()) => Disposition::Done("cancelled"),
            Err(problem) => unsaved(&row, &problem),
        }
    }
}
