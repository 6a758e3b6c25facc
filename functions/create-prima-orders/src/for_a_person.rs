//! What a creation comes to that only a person can settle.

use shared::domain::order::remedy::{self, SettledAs};
use shared::domain::order::row::{Attempt, ExceptionKind, OrderRow, Unanswered};
use shared::domain::state::OrderStore as _;

use crate::{Disposition, Done, MOST_SENDINGS, PortTypes, Ports, Returned};

/// Sendings of one order, those included that were probes while Prima answered nobody.
const MOST_PROBES: u32 = 10;
/// Of an order that was settled meanwhile.
pub(crate) const NOBODY_KNOWS: &str = "it was sent, and nobody knows whether it arrived";

impl<T: PortTypes> Ports<T> {
    /// Sent a few times, and each time found absent by two questions, while Prima took others: a
    /// person decides whether it is sent again.
    pub(crate) async fn never_taken(&self, row: OrderRow, attempt: &Attempt) -> Disposition {
        let number = row.creation.order_number.as_deref().unwrap_or_default();
        let latest = if attempt.unanswered.problem.is_empty() {
            "no answer"
        } else {
            &attempt.unanswered.problem
        };
        let reason = format!(
            "Prima was sent the order {} times as {number}, never said that it took it, and does not have it; the latest answer: {latest}",
            attempt.unanswered.count + attempt.unanswered.probes
        );
        let remedy = format!(
            "Give this text to Prima's operator: with the request's id the call is found in the log of the web service. Once it is mended: {}. Or key it into Prima by hand, and then: {}",
            remedy::retry(&row.key),
            remedy::settle(&row.key, SettledAs::KeyedByHand)
        );
        self.fail(row, ExceptionKind::PrimaFault, reason, remedy).await
    }

    /// A person settled the order while it was being sent: an order that nobody knows of must not
    /// stand in Prima.
    pub(crate) async fn settled_meanwhile(
        &self,
        mut current: OrderRow,
        ours: &OrderRow,
        what: &str,
    ) -> Disposition {
        for _try in 0..5 {
            let (settled, as_before) =
                (current.stage.name(), SettledAs::that_led_to(current.stage));
            let number = ours.creation.order_number.as_deref().unwrap_or_default();
            let row = current.with_creation_of(ours);
            let reason = format!(
                "the order was settled as {settled} while the connector was creating it in Prima as {number}: {what}"
            );
            let remedy = format!(
                "Look for {number} in Prima. If it is there, and is to be delivered: {}, and cancel what was keyed by hand for the same order. If it is there and not wanted, cancel it there, and settle the exception as before: {}",
                remedy::settle(&row.key, SettledAs::Created),
                remedy::settle(&row.key, as_before)
            );
            let key = row.key.clone();
            let disposition = self.fail(row, ExceptionKind::SettledMeanwhile, reason, remedy).await;
            if disposition == Disposition::Done(Done::Exception) {
                return disposition;
            }
            match self.store.load_order(&key).await {
                Ok(Some(moved)) if moved.stage.is_over() => current = moved,
                _ => return disposition,
            }
        }
        Disposition::Return(Returned::ChangedByAnotherRun)
    }

    /// A person said that Prima holds it, and it does not: the exception is theirs again.
    pub(crate) async fn not_in_prima(&self, mut row: OrderRow) -> Disposition {
        row.creation.said_to_be_in_prima = false;
        let number = row.creation.order_number.clone().unwrap_or_default();
        let reason =
            format!("a person settled the order as created, and Prima does not know {number}");
        let remedy = format!(
            "Look for it in Prima. Under another number: {}. Not there: {}",
            remedy::settle(&row.key, SettledAs::KeyedByHand),
            remedy::retry(&row.key)
        );
        let kind = row
            .settled
            .take()
            .map_or(ExceptionKind::PrimaUnclear, |settled| settled.exception.kind);
        self.fail(row, kind, reason, remedy).await
    }
}

pub(crate) fn is_sent_often_enough(unanswered: &Unanswered) -> bool {
    unanswered.count >= MOST_SENDINGS || unanswered.count + unanswered.probes >= MOST_PROBES
}
