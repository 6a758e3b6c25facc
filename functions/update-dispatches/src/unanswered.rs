//! What becomes of an order to whose calls Mirakl gives no usable answer.

use std::time::Duration;

use shared::domain::dispatch::plan::Failure;
use shared::domain::dispatch::unanswered::Unanswered;
use shared::domain::order::remedy;
use shared::domain::order::row::{ExceptionKind, OrderRow};
use shared::domain::queue::OrderMessage;
use shared::kit::clock::Clock;
use shared::mirakl::MiraklError;
use shared::mirakl::rights::is_unreadable;

use crate::rights::Permitted;
use crate::{Disposition, PortTypes, Ports};

/// So much later than the others it tries again.
const OTHERS_FIRST: Duration = Duration::from_secs(60);

impl<T: PortTypes> Ports<T> {
    /// Counts the failure in the row, notes it for the channel where it is not this order's alone,
    /// and asks a person where it is.
    pub(crate) async fn after_no_answer(
        &self,
        row: OrderRow,
        message: &OrderMessage,
        client: &Permitted<'_, T>,
        problem: &MiraklError,
        asked: Option<Duration>,
    ) -> Disposition {
        let now = self.clock.now();
        let mut all = row.dispatch.as_ref().map(|one| one.unanswered.clone()).unwrap_or_default();
        let known = all.iter().position(|one| one.operation == problem.operation);
        let mut unanswered = known.map(|place| all.remove(place)).unwrap_or_default();
        let note = client.note_of(problem.operation);
        unanswered.count(problem, note, now);
        if unanswered.is_for_a_person(now) {
            let is_alone = note.is_some_and(|note| note.of_this_order_alone);
            let failure = failure(&row, &unanswered, problem, is_alone);
            return self.fail(row, failure).await;
        }
        if unanswered.is_to_be_noted()
            && (unanswered.own > 0
                || is_unreadable(problem)
                || client.answers_otherwise(&row.key.order_id, problem.operation).await)
            && (note.is_some() || client.note_no_answer(problem).await)
        {
            unanswered.noted_at = Some(self.clock.now());
        }
        all.push(unanswered);
        self.put_off(row, message, asked, Some(all)).await
    }
}

/// How long an order after whose failures an operation was noted lets the others go first, who show
/// whether it works for them.
pub(crate) fn gives_way<T: PortTypes>(
    row: &OrderRow,
    client: &Permitted<'_, T>,
) -> Option<Duration> {
    let noted =
        row.dispatch.as_ref()?.unanswered.iter().filter(|unanswered| unanswered.noted_at.is_some());
    noted
        .filter_map(|unanswered| client.wait_after_others(&unanswered.operation, OTHERS_FIRST))
        .max()
}

fn failure(
    row: &OrderRow,
    unanswered: &Unanswered,
    problem: &MiraklError,
    is_alone: bool,
) -> Failure {
    let dispatch = row.dispatch.as_deref();
    let open = dispatch
        .is_some_and(|dispatch| dispatch.attempt.is_some() || dispatch.open_settlement().is_some());
    let effect = if open { "; nobody knows whether what was sent had its effect" } else { "" };
    let parcels: Vec<String> = dispatch
        .iter()
        .flat_map(|dispatch| dispatch.unconfirmed())
        .map(|parcel| parcel.description())
        .collect();
    let parcels = if parcels.is_empty() {
        String::new()
    } else {
        format!(" (dispatched by {})", parcels.join(", "))
    };
    let others = if is_alone { "" } else { ", and answers others" };
    Failure {
        kind: ExceptionKind::DispatchUnanswered,
        reason: format!(
            "Mirakl gives no usable answer to {} for this order{parcels}, {} times since {:.0}{others}; the latest: {problem}{effect}",
            unanswered.operation, unanswered.count, unanswered.since
        ),
        remedy: format!(
            "Look at the order in Mirakl's back office, and do there what is not done yet, ship it or settle what will not leave: the connector notices. Or try again, which first asks what became of it: {}",
            remedy::retry(&row.key)
        ),
    }
}
