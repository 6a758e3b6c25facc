//! Creating one order, exactly once.

use std::time::Duration;

use jiff::Timestamp;
use shared::domain::documents::UnusableDocument;
use shared::domain::order::documents::OrderDocuments;
use shared::domain::order::mapping::{MappedOrder, MappingChannel, map_order, order_number};
use shared::domain::order::remaining::{is_refunded, remaining};
use shared::domain::order::remedy::{self, SettledAs};
use shared::domain::order::row::{
    Attempt, ExceptionKind, Lease, MoneyFacts, OrderKey, OrderRow, Stage, Unanswered,
};
use shared::domain::prima_breaker::{Admission, Call, NEW_ORDER, ORDER_STATUS, admit};
use shared::domain::queue::OrderMessage;
use shared::domain::state::{NumberStore as _, OrderStore as _, Reservation, StoreError};
use shared::kit::clock::{Clock as _, after};
use shared::mirakl::{Order, OrderState};
use shared::prima::{Outcome, PrimaOrders as _};

use crate::for_a_person::{NOBODY_KNOWS, is_sent_often_enough};
use crate::{Disposition, Done, PortTypes, Ports, Returned, Run, UNCLEAR_ANSWERS, unsaved};

/// `NewOrder` goes out this soon after the row said so, or not at all: what makes "longer than
/// Prima's longest execution" countable from the row.
pub(crate) const SENT_WITHIN: Duration = Duration::from_secs(10);

/// Until an order in doubt looks again whether Prima takes orders: each look is a question.
const UNTIL_PRIMA_TAKES: Duration = Duration::from_secs(300);

/// An order that Mirakl says is shipped is looked for in Prima, never sent there.
const SHIPPED_ELSEWHERE: &str = "the order is shipped in Mirakl, but was never created in Prima";

/// Everything about the order at hand.
pub(crate) struct Work<'w> {
    pub(crate) message_id: &'w str,
    pub(crate) message: &'w OrderMessage,
    pub(crate) order: &'w Order,
    pub(crate) run: &'w Run,
}

impl<T: PortTypes> Ports<T> {
    pub(crate) async fn create(
        &self,
        message_id: &str,
        key: &OrderKey,
        order: &Order,
        message: &OrderMessage,
        run: &Run,
    ) -> Disposition {
        let work = Work { message_id, message, order, run };
        if !self.has_time_for(3, run) {
            return self.again(message, Duration::ZERO).await;
        }
        let row = match self.claim(key, &work).await {
            Claim::Ours(row) => *row,
            Claim::Settled(disposition) => return disposition,
        };
        let question = Call::about(ORDER_STATUS, key);
        if admit(&self.store, &self.behaviour, question, self.clock.now()).await
            == Admission::Refused
        {
            return self.back_to_its_row(row, self.behaviour.probe_interval(), &work).await;
        }
        self.create_claimed(row, &work).await
    }

    /// Takes the order's lease, where the message is not out of date and the order is to be created
    /// at all.
    async fn claim(&self, key: &OrderKey, work: &Work<'_>) -> Claim {
        for _try in 0..3 {
            let now = self.clock.now();
            let mut row = match self.store.load_order(key).await {
                Ok(Some(row)) => row,
                // A wiped table: the poller writes the row anew, and sends the order again.
                Ok(None) => return Claim::Settled(Disposition::Done(Done::UnknownOrder)),
                Err(_) => return Claim::Settled(Disposition::Return(Returned::StoreUnavailable)),
            };
            if row.is_newer_than(work.order) {
                return Claim::Settled(Disposition::Done(Done::OlderThanItsRow));
            }
            match row.stage {
                Stage::Firm | Stage::Queued | Stage::InDoubt => {}
                Stage::Creating
                    if row
                        .creation
                        .lease
                        .as_ref()
                        .is_none_or(|lease| after(lease.until, work.run.clock_skew) < now) => {}
                Stage::Creating => return Claim::Settled(Disposition::Done(Done::InOtherHands)),
                stage if stage.is_over() && is_in_doubt(&row) => {
                    return Claim::Settled(
                        self.settled_meanwhile(row.clone(), &row, NOBODY_KNOWS).await,
                    );
                }
                _ => return Claim::Settled(Disposition::Done(Done::AlreadySettled)),
            }
            if row.listing.cancel_requested.is_some() && never_sent(&row, work.order) {
                row.enter(Stage::Cancelled, now, "cancelled in Mirakl before it was sent to Prima");
                return Claim::Settled(self.settle(row, Done::Cancelled).await);
            }
            if let Some(wait) = self.too_early_to_ask(&row, now, work.run.clock_skew) {
                // Until then the message is not missed. Who moved the row meanwhile knows better.
                row.expect_message(after(now, wait));
                let _unsaved = self.store.save_order(&mut row).await;
                return Claim::Settled(self.again(work.message, wait).await);
            }
            if work.run.has_no_slot() {
                match self.without_slot(&mut row, work.message, work.run).await {
                    Some(disposition) => return Claim::Settled(disposition),
                    None => continue,
                }
            }
            row.enter(Stage::Creating, now, "");
            row.creation.lease = Some(Lease {
                owner: format!("{}/{}", work.run.id, work.message_id),
                until: after(work.run.hard_deadline, work.run.clock_skew),
            });
            match self.store.save_order(&mut row).await {
                Ok(()) => return Claim::Ours(Box::new(row)),
                Err(StoreError::Conflict(_)) => {}
                Err(problem) => return Claim::Settled(unsaved(&row, &problem)),
            }
        }
        Claim::Settled(self.again(work.message, Duration::from_secs(30)).await)
    }

    /// How long to wait before a question can tell anything of a `NewOrder` whose outcome is
    /// unknown: until Prima can no longer be executing it, however late it was sent and whosever
    /// clock noted that; and between two questions.
    pub(crate) fn too_early_to_ask(
        &self,
        row: &OrderRow,
        now: Timestamp,
        clock_skew: Duration,
    ) -> Option<Duration> {
        let attempt = row.creation.attempt.as_ref()?;
        let from_attempt =
            after(attempt.at, self.behaviour.longest_execution() + SENT_WITHIN + clock_skew);
        let from_question =
            attempt.asked_at.map(|asked| after(asked, self.behaviour.second_question()));
        let not_before = from_question.map_or(from_attempt, |question| question.max(from_attempt));
        (now < not_before).then(|| not_before.duration_since(now).unsigned_abs())
    }

    async fn create_claimed(&self, mut row: OrderRow, work: &Work<'_>) -> Disposition {
        let remaining = remaining(work.order, None);
        let skus: Vec<&str> =
            remaining.live_lines().filter_map(|line| line.offer_sku.as_deref()).collect();
        let documents = OrderDocuments::read(&self.documents, &row.key.channel, &skus).await;
        let documents = match documents {
            Ok(documents) => documents,
            Err(UnusableDocument::Unavailable(_)) => {
                return self.later(row, work, Duration::from_secs(30)).await;
            }
            Err(UnusableDocument::Wrong(problem)) if row.creation.attempt.is_none() => {
                let remedy = format!(
                    "Mend them: prima-mirakl rules put {} FILE. Then retry the order.",
                    row.key.channel
                );
                return self.fail(row, ExceptionKind::RulesMissing, problem, remedy).await;
            }
            Err(UnusableDocument::Wrong(_)) => {
                return self.later(row, work, Duration::from_secs(300)).await;
            }
        };
        let number = match &row.creation.order_number {
            Some(number) => number.clone(),
            None => match order_number(
                &work.order.order_id,
                work.order.commercial_id.as_deref(),
                &documents.rules,
            ) {
                Ok(number) => number,
                Err(failure) => {
                    return self.fail(row, failure.kind, failure.reason, failure.remedy).await;
                }
            },
        };
        if remaining.live_lines().next().is_none() && never_sent(&row, work.order) {
            row.enter(Stage::Cancelled, self.clock.now(), "no line is left to deliver");
            return self.settle(row, Done::NothingLeftToCreate).await;
        }
        match self.store.reserve_number(&number, &row.key).await {
            Ok(Reservation::Ours) => row.creation.order_number = Some(number.clone()),
            Ok(Reservation::HeldBy(other)) => {
                let reason = format!(
                    "Prima's order number {number} is already reserved for order {} of channel {}",
                    other.order_id, other.channel
                );
                let remedy = "Make the channel's order_number template unique (a prefix per channel). Then retry the order.";
                return self.fail(row, ExceptionKind::NumberTaken, reason, remedy).await;
            }
            Err(_) => return self.later(row, work, Duration::from_secs(30)).await,
        }
        self.ask_then_send(row, number, &documents, work).await
    }

    /// Asks Prima first, whatever we believe.
    async fn ask_then_send(
        &self,
        mut row: OrderRow,
        number: String,
        documents: &OrderDocuments,
        work: &Work<'_>,
    ) -> Disposition {
        let asked_at = self.clock.now();
        let answer = self.prima.order_status(&number).await;
        let silent_to_all = self.note_answer(Call::about(ORDER_STATUS, &row.key), &answer).await;
        match answer {
            Ok(Some(status))
                if row.creation.attempt.is_some() || row.creation.said_to_be_in_prima =>
            {
                self.created(row, status, work).await
            }
            Ok(Some(status)) if work.order.seller_reference() == Some(number.as_str()) => {
                row.creation.referenced_at = Some(asked_at);
                row.note_sent_lines(work.order);
                self.created(row, status, work).await
            }
            Ok(Some(_)) => {
                let reason = format!(
                    "Prima already holds an order {number}, and the connector never sent it"
                );
                let remedy = format!(
                    "Look at {number} in Prima. If it is this order, keyed by hand: {}. If not, change the channel's order_number template, then: {}",
                    remedy::settle(&row.key, SettledAs::Created),
                    remedy::retry(&row.key)
                );
                self.fail(row, ExceptionKind::FoundInPrima, reason, remedy).await
            }
            Ok(None) => self.absent(row, asked_at, documents, work).await,
            // Prima's matter, and not the order's.
            Err(problem) if silent_to_all || problem.outcome == Outcome::NotSent => {
                self.later(row, work, Duration::from_secs(30)).await
            }
            Err(problem) => {
                row.creation.unclear_answers += 1;
                if row.creation.unclear_answers < UNCLEAR_ANSWERS {
                    let wait = Duration::from_secs(60 * u64::from(row.creation.unclear_answers));
                    return self.later(row, work, wait).await;
                }
                row.creation.unclear_answers = 0;
                let (reason, remedy) = if problem.outcome == Outcome::Refused {
                    (
                        format!(
                            "Prima answers the question for order {number} with an error that is not its \"unknown order\": {}",
                            problem.message
                        ),
                        "If this text means that Prima does not know the order, add it to unknown_order_texts in the installation document. Then retry the order.",
                    )
                } else {
                    (
                        format!(
                            "Prima gives no answer to the question for order {number}, and answers those for others; the latest: {problem}"
                        ),
                        "Give this text to Prima's operator: with the request's id the call is found in the log of the web service. Once it is mended, retry the order.",
                    )
                };
                self.fail(row, ExceptionKind::PrimaUnclear, reason, remedy).await
            }
        }
    }

    /// Prima does not know the number.
    async fn absent(
        &self,
        mut row: OrderRow,
        asked_at: Timestamp,
        documents: &OrderDocuments,
        work: &Work<'_>,
    ) -> Disposition {
        row.creation.unclear_answers = 0;
        if row.creation.said_to_be_in_prima {
            return self.not_in_prima(row).await;
        }
        if let Some(attempt) = &mut row.creation.attempt {
            attempt.absences += 1;
            attempt.asked_at = Some(asked_at);
            if !attempt.is_known_absent() {
                return self.later(row, work, self.behaviour.second_question()).await;
            }
        }
        if row.listing.cancel_requested.is_some() {
            row.enter(
                Stage::Cancelled,
                self.clock.now(),
                "cancelled in Mirakl; Prima never got it",
            );
            return self.settle(row, Done::Cancelled).await;
        }
        if is_refunded(work.order, None) {
            row.enter(Stage::Cancelled, self.clock.now(), "refunded in Mirakl; Prima never got it");
            return self.settle(row, Done::Refunded).await;
        }
        if work.order.order_state != OrderState::Shipping {
            let remedy =
                format!("Find out who shipped it. {}", remedy::key_in_and_settle(&row.key));
            return self
                .fail(row, ExceptionKind::ShippedOutsidePrima, SHIPPED_ELSEWHERE, remedy)
                .await;
        }
        if let Some(attempt) =
            row.creation.attempt.clone().filter(|attempt| is_sent_often_enough(&attempt.unanswered))
        {
            return self.never_taken(row, &attempt).await;
        }
        let channel = MappingChannel { id: &row.key.channel, name: &documents.channel_name };
        let mapped = map_order(
            work.order,
            &channel,
            &documents.rules,
            &documents.sku_overrides,
            &self.behaviour.characters,
        );
        let MappedOrder { document, traces } = match mapped {
            Ok(mapped) => mapped,
            Err(failure) => {
                return self.fail(row, failure.kind, failure.reason, failure.remedy).await;
            }
        };
        let unwritable = shared::prima::documents::unwritable(&document);
        if !unwritable.is_empty() {
            let problems: Vec<_> = unwritable.iter().map(ToString::to_string).collect();
            let remedy = "Have the marketplace correct the order, or cancel it there; then retry.";
            return self.fail(row, ExceptionKind::Unmappable, problems.join("; "), remedy).await;
        }
        if !self.has_time_for(2, work.run) {
            return self.later(row, work, Duration::ZERO).await;
        }
        if admit(&self.store, &self.behaviour, Call::about(NEW_ORDER, &row.key), self.clock.now())
            .await
            == Admission::Refused
        {
            return self.back_to_its_row(row, UNTIL_PRIMA_TAKES, work).await;
        }
        if !traces.is_empty() {
            let traces = traces.join("; ");
            tracing::info!(channel = %row.key.channel, order = %row.key.order_id, by_rule = traces, "changed on the way to Prima");
            row.enter(Stage::Creating, self.clock.now(), traces);
        }
        let before_attempt = row.clone();
        let mut attempt = row.creation.attempt.take().unwrap_or_default();
        attempt.count += 1;
        attempt.unanswered.count += 1;
        let unanswered = Unanswered { problem: String::new(), ..attempt.unanswered };
        row.note_sent_lines(work.order);
        let facts = MoneyFacts::of(work.order, &document, self.clock.now());
        row.creation.money = Some(Box::new(facts));
        row.creation.attempt = Some(Attempt {
            at: self.clock.now(),
            count: attempt.count,
            unanswered,
            ..Attempt::default()
        });
        // This save reads the row again right before NewOrder: whatever changed it meanwhile, above
        // all a cancellation, makes it fail.
        match self.store.save_order(&mut row).await {
            Ok(()) => self.send(row, before_attempt, document, work).await,
            Err(StoreError::Conflict(_)) => self.changed_before_sending(before_attempt, work).await,
            Err(problem) => unsaved(&row, &problem),
        }
    }
}

/// Neither the row nor Mirakl knows of a Prima order. A row alone may have been rebuilt after a
/// loss: where Mirakl holds a number of Prima's, Prima is asked.
pub(crate) fn never_sent(row: &OrderRow, order: &Order) -> bool {
    row.creation.attempt.is_none() && order.seller_reference().is_none()
}

/// It was sent, and neither an answer nor two questions have told what came of it.
pub(crate) fn is_in_doubt(row: &OrderRow) -> bool {
    row.creation.created_at.is_none()
        && row.creation.attempt.as_ref().is_some_and(|attempt| !attempt.is_known_absent())
}

enum Claim {
    Ours(Box<OrderRow>),
    Settled(Disposition),
}
