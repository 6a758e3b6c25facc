//! `create-prima-orders`: each firm order becomes one sales order in Prima, or one exception for a
//! person.
//!
//! Guarantee: exactly once in effect. Messages may come twice, late or out of order; the row
//! decides. Prima has no idempotency keys, so `NewOrder` is preceded by an order number reserved
//! for this order, a lease that outlasts the function, a note in the row that it is about to be
//! sent, and the question whether Prima knows the number already.
//!
//! On a crash: before that note, nothing was sent, and the next holder of the lease starts anew.
//! After it, the order is in doubt: the next holder waits longer than Prima's longest execution,
//! asks twice, and only then sends again. After `NewOrder` was answered and before that was
//! recorded, the question finds the order. The lease is what keeps two deliveries of one message
//! from sending at once: for `NewOrder` correctness does rest on it.

mod cancel;
mod create;
mod for_a_person;
mod giving_back;
pub mod handler;
pub mod metrics;
mod sending;

use std::time::Duration;

use jiff::Timestamp;
use shared::aws::batch;
pub use shared::aws::batch::Returned;
use shared::domain::channel_documents::ChannelDocuments;
use shared::domain::events::EventBus;
use shared::domain::exceptions::announce;
use shared::domain::order::row::{ExceptionKind, ExpectedMessage, OrderKey, OrderRow};
use shared::domain::prima_breaker::Call;
use shared::domain::prima_calls::{PrimaCaller, PrimaCalls};
use shared::domain::prima_slots::{self, PUT_OFF, Slot, SlotRequest, SlotStore};
use shared::domain::queue::{OrderMessage, OrderQueue, OrderTask};
use shared::domain::state::{BreakerStore, NumberStore, OrderStore, StoreError};
use shared::kit::clock::{Clock, after};
use shared::prima::connection::PrimaBehaviour;
use shared::prima::{PrimaError, PrimaOrders};

/// Answers in a row that cannot be understood, or never come, before a person is asked.
const UNCLEAR_ANSWERS: u32 = 5;
/// Sendings of one call about one order whose outcome was unknown, before a person is asked.
const MOST_SENDINGS: u32 = 3;

/// The types of the ports: the real ones, or the fault simulation's.
pub trait PortTypes {
    /// See [`Ports::prima`].
    type Prima: PrimaOrders;
    /// See [`Ports::store`].
    type Store: OrderStore + NumberStore + BreakerStore + SlotStore;
    /// See [`Ports::queue`].
    type Queue: OrderQueue;
    /// See [`Ports::events`].
    type Events: EventBus;
    /// See [`Ports::clock`].
    type Clock: Clock;
    /// See [`Ports::documents`].
    type Documents: ChannelDocuments;
}

/// What the function works with.
#[derive(Debug)]
pub struct Ports<T: PortTypes> {
    /// Prima.
    pub prima: T::Prima,
    /// Rows and Prima's breakers.
    pub store: T::Store,
    /// The `orders` queue and its dead-letter queue.
    pub queue: T::Queue,
    /// The event bus.
    pub events: T::Events,
    /// Time.
    pub clock: T::Clock,
    /// Each channel's documents.
    pub documents: T::Documents,
    /// How patient to be with Prima, and what it can do.
    pub behaviour: PrimaBehaviour,
    /// How many calls Prima takes at once.
    pub calls: PrimaCalls,
}

/// What becomes of a message.
pub type Disposition = batch::Disposition<Done>;

/// How a message is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The order is in Prima.
    Created,
    /// The order is in Prima, and its row does not say so yet: the lease ends by itself, and the
    /// question then finds the order.
    CreatedUnrecorded,
    /// The order became an exception.
    Exception,
    /// The order is cancelled.
    Cancelled,
    /// The order was refunded before it was sent.
    Refunded,
    /// None of its pieces is left.
    NothingLeftToCreate,
    /// A copy of the message comes later.
    AgainLater,
    /// Prima does not answer: the order waits as a row.
    WaitsForPrima,
    /// The message is out of date: the poller's next run sends another one.
    WaitsForThePoller,
    /// The message is older than its row.
    OlderThanItsRow,
    /// The message that counts comes later.
    OlderCopy,
    /// No row knows the order.
    UnknownOrder,
    /// Another message has the lease.
    InOtherHands,
    /// The order has been created, or ended, before.
    AlreadySettled,
    /// Another run was quicker with the row.
    MovedByAnotherRun,
    /// The order is not to be cancelled, or is cancelled already.
    NothingToCancel,
}

/// One invocation.
#[derive(Clone, Debug)]
pub struct Run {
    /// Unique.
    pub id: String,
    /// When Lambda ends the function, whatever it does.
    pub hard_deadline: Timestamp,
    /// How much the clocks of two functions may differ, and then some.
    pub clock_skew: Duration,
    /// Its slot of Prima's calls: see [`Ports::lease_slot`].
    pub slot: Slot,
}

impl Run {
    /// Prima may not be called: all slots are given out.
    fn has_no_slot(&self) -> bool {
        matches!(self.slot, Slot::Refused { .. })
    }
}

impl<T: PortTypes> Ports<T> {
    /// Leases the slot of an invocation. One without puts its messages off; one that cannot know
    /// goes on, since the queue's concurrency bounds it too.
    pub async fn lease_slot(&self, run: &Run) -> Slot {
        let until = after(run.hard_deadline, run.clock_skew);
        let request = SlotRequest { caller: PrimaCaller::CreatePrimaOrders, owner: &run.id, until };
        prima_slots::lease_slots(&self.store, &self.clock, &self.calls, request, Duration::ZERO)
            .await
    }

    /// Gives it back.
    pub async fn give_slot_back(&self, run: &Run) {
        if !run.has_no_slot() {
            prima_slots::give_slots_back(&self.store, PrimaCaller::CreatePrimaOrders, &run.id)
                .await;
        }
    }
}

impl<T: PortTypes> Ports<T> {
    /// Works off one message. `message_id` makes the lease's owner unique within the run.
    pub async fn handle(&self, message_id: &str, body: &str, run: &Run) -> Disposition {
        match batch::read(message_id, body) {
            Ok(message) => self.work(message_id, message, run).await,
            Err(unreadable) => Disposition::Return(unreadable),
        }
    }

    /// Works off one message that could be read.
    pub async fn work(&self, message_id: &str, message: OrderMessage, run: &Run) -> Disposition {
        let key = OrderKey::new(&message.channel, &message.order_id);
        let disposition = match &message.task {
            OrderTask::Create { order } => {
                self.create(message_id, &key, order, &message, run).await
            }
            OrderTask::Cancel => self.cancel(&key, &message, run).await,
            OrderTask::Dispatch => Disposition::Return(batch::misplaced(message_id)),
        };
        tracing::info!(channel = %key.channel, order = %key.order_id, outcome = ?disposition, "worked off");
        disposition
    }

    /// Makes the order an exception, and tells a person.
    async fn fail(
        &self,
        mut row: OrderRow,
        kind: ExceptionKind,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Disposition {
        let now = self.clock.now();
        row.fail(kind, reason, remedy, now);
        match self.store.save_order(&mut row).await {
            Ok(()) => {
                announce(&self.store, &self.queue, &self.events, &mut row, now).await;
                Disposition::Done(Done::Exception)
            }
            Err(problem) => unsaved(&row, &problem),
        }
    }

    async fn again(&self, message: &OrderMessage, delay: Duration) -> Disposition {
        match batch::again(&self.queue, message, delay).await {
            Ok(()) => Disposition::Done(Done::AgainLater),
            Err(returned) => Disposition::Return(returned),
        }
    }

    /// Notes whether Prima answered at all: the breaker listens to the transport, not to what was
    /// said. True where Prima does not answer such calls now, whatever the order.
    async fn note_answer<A>(&self, call: Call<'_>, answer: &Result<A, PrimaError>) -> bool {
        shared::domain::prima_breaker::note(
            &self.store,
            &self.events,
            &self.behaviour,
            call,
            answer,
            self.clock.now(),
        )
        .await
    }

    fn has_time_for(&self, calls: u32, run: &Run) -> bool {
        would_end_in_time(calls, &self.behaviour, self.clock.now(), run.hard_deadline)
    }
}

impl<T: PortTypes> Ports<T> {
    /// What becomes of a message whose run has no slot: it comes again, without a receive, and the
    /// row says when. A copy that comes before that moment ends here, so that copies do not
    /// multiply. None where the row moved meanwhile.
    async fn without_slot(
        &self,
        row: &mut OrderRow,
        message: &OrderMessage,
        run: &Run,
    ) -> Option<Disposition> {
        let now = self.clock.now();
        // Whoever noted the moment may have had a clock that was ahead of ours.
        let early = after(now, run.clock_skew);
        if row.message.as_ref().is_some_and(|expected| expected.due > early) {
            return Some(Disposition::Done(Done::OlderCopy));
        }
        row.message.get_or_insert(ExpectedMessage { due: now, copies: 0 });
        row.expect_message(after(now, PUT_OFF));
        match self.store.save_order(row).await {
            Ok(()) => Some(self.again(message, PUT_OFF).await),
            Err(StoreError::Conflict(_)) => None,
            Err(problem) => Some(unsaved(row, &problem)),
        }
    }
}

/// Whether so many calls of Prima, each waiting as long as it may for its answer, and what is noted
/// of them end before `deadline`.
fn would_end_in_time(
    calls: u32,
    behaviour: &PrimaBehaviour,
    now: Timestamp,
    deadline: Timestamp,
) -> bool {
    after(now, behaviour.answer_timeout() * calls + Duration::from_secs(10)) <= deadline
}

/// A row that could not be saved is left to the next delivery, or to the poller's sweep.
fn unsaved(row: &OrderRow, problem: &StoreError) -> Disposition {
    tracing::warn!(channel = %row.key.channel, order = %row.key.order_id, %problem, "the row could not be saved; the sweep takes the order up again");
    match problem {
        StoreError::Conflict(_) => Disposition::Done(Done::MovedByAnotherRun),
        StoreError::Unavailable(_) | StoreError::Unreadable { .. } => {
            Disposition::Return(Returned::StoreUnavailable)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing is begun with Prima whose answer could come after the function's end.
    #[test]
    fn no_prima_call_starts_that_could_outlive_the_function() {
        let behaviour = PrimaBehaviour { answer_timeout_seconds: 60, ..PrimaBehaviour::default() };
        let ends_in_time = |calls, seconds| {
            would_end_in_time(
                calls,
                &behaviour,
                Timestamp::UNIX_EPOCH,
                after(Timestamp::UNIX_EPOCH, Duration::from_secs(seconds)),
            )
        };
        assert!(ends_in_time(3, 190) && !ends_in_time(3, 189));
        assert!(ends_in_time(2, 130) && !ends_in_time(2, 129));
    }
}
