//! `update-dispatches`: tells Mirakl what has left Prima: OR23 and OR24 for a whole order, ST01 for
//! a parcel where the marketplace ships in parts, OR30 or OR28 for what will not leave.
//!
//! Guarantee: each parcel is told exactly once in effect. OR23 and OR24 converge. ST01, OR28 and
//! OR30 do not: before one is sent the row says so, by a write that only one holder can make; after
//! a lost answer the order's shipments, cancelations or refunds are asked for, and nothing is sent
//! again before nobody can be sending any more.
//!
//! On a crash: before that note, nothing was sent. After it, the next message asks. After the
//! effect and before it was recorded, the question finds it. A message may be lost, late or
//! doubled: the row decides, and `collect-dispatches` queues it again.

mod attempts;
mod effects;
pub mod handler;
pub mod metrics;
mod requirements;
mod rights;
mod unanswered;

use std::time::Duration;

use jiff::Timestamp;
use shared::aws::batch;
pub use shared::aws::batch::Returned;
use shared::domain::channel::MiraklDirectory;
use shared::domain::channel::{Channel, Mode};
use shared::domain::channel_documents::{ChannelDocuments, Freshness};
use shared::domain::dispatch::MENDED_IN_PRIMA;
use shared::domain::dispatch::documents::DispatchDocuments;
use shared::domain::dispatch::plan::{Facts, Failure, Step, next_step};
use shared::domain::dispatch::unanswered::Unanswered;
use shared::domain::documents::UnusableDocument;
use shared::domain::events::EventBus;
use shared::domain::exceptions::announce;
use shared::domain::order::remedy;
use shared::domain::order::row::{ExceptionKind, OrderKey, OrderRow, Stage};
use shared::domain::queue::{OrderMessage, OrderQueue, OrderTask};
use shared::domain::state::{CollectionStore, OrderStore, StoreError};
use shared::kit::clock::{Clock, after, before};
use shared::mirakl::shipping::How;
use shared::mirakl::shipping::MiraklShipping;
use shared::mirakl::{MiraklError, Outcome};

use crate::requirements::{REQUIREMENTS_DOUBTED, REQUIREMENTS_KEPT};
use effects::in_passing;
use rights::Permitted;

/// Steps of one order in one message.
const STEPS: usize = 60;
/// A message is not begun with less time left than this.
const LEAST_TIME: Duration = Duration::from_secs(10);
/// Tries of a write that another run has been quicker with.
const TRIES: usize = 4;
/// Before what failed in passing is tried again.
const AGAIN: Duration = Duration::from_secs(60);

/// The types of the ports: the real ones, or the fault simulation's.
pub trait PortTypes {
    /// See [`Ports::directory`].
    type Directory: MiraklDirectory<Client: MiraklShipping>;
    /// See [`Ports::store`].
    type Store: OrderStore + CollectionStore;
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
    /// Hands out each channel's Mirakl client.
    pub directory: T::Directory,
    /// Rows.
    pub store: T::Store,
    /// The `dispatches` queue and its dead-letter queue.
    pub queue: T::Queue,
    /// The event bus.
    pub events: T::Events,
    /// Time.
    pub clock: T::Clock,
    /// Each channel's documents.
    pub documents: T::Documents,
}

/// What becomes of a message.
pub type Disposition = batch::Disposition<Done>;

/// How a message is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The order is shipped in Mirakl.
    Shipped,
    /// Mirakl knows what has left; more is to come.
    PartShipped,
    /// Prima cancelled the order, and now it is cancelled in Mirakl too.
    Cancelled,
    /// The order became an exception.
    Exception,
    /// A copy of the message comes later.
    AgainLater,
    /// The channel observes: nothing was written.
    Observed,
    /// The order has nothing that Mirakl is to know.
    NothingToTell,
    /// The row expects another message, later.
    OlderCopy,
    /// The channel has no dispatches.
    DispatchesOff,
    /// The order was refunded before it left.
    RefundedBeforeItLeft,
    /// Mirakl does not expect its goods any more.
    NoLongerToBeShipped,
    /// Another run was quicker with the row.
    MovedByAnotherRun,
    /// Another run has begun what this one was about to send.
    TakenUpByAnotherRun,
    /// The row is gone.
    RowGone,
}

/// One invocation.
#[derive(Clone, Debug)]
pub struct Run {
    /// When Lambda ends the function, whatever it does.
    pub hard_deadline: Timestamp,
    /// How much the clocks of two functions may differ, and then some.
    pub clock_skew: Duration,
}

/// Why a step ends the work on an order.
enum End {
    /// The message is done with.
    Done(Done),
    /// The message comes again after a while.
    Again(Duration),
    /// It could not do its work now, and comes again: after as long as was asked for, or as its
    /// failures so far say.
    Failed(Option<Duration>),
    /// Mirakl gave no usable answer to a call about this order. It comes again as after
    /// [`End::Failed`].
    Unanswered(Box<MiraklError>, Option<Duration>),
    /// A person has to act.
    Fail(Failure),
}

/// An order in work.
struct Work<'w, M> {
    client: M,
    channel: &'w Channel,
    run: &'w Run,
    began: Timestamp,
}

impl<T: PortTypes> Ports<T> {
    /// Works off one message.
    pub async fn handle(&self, message_id: &str, body: &str, run: &Run) -> Disposition {
        match batch::read(message_id, body) {
            Ok(message) if message.task == OrderTask::Dispatch => self.work(message, run).await,
            Ok(_) => Disposition::Return(batch::misplaced(message_id)),
            Err(unreadable) => Disposition::Return(unreadable),
        }
    }

    /// Works off one message that could be read.
    pub async fn work(&self, message: OrderMessage, run: &Run) -> Disposition {
        let key = OrderKey::new(&message.channel, &message.order_id);
        let disposition = self.tell(&key, &message, run).await;
        tracing::info!(channel = %key.channel, order = %key.order_id, outcome = ?disposition, "worked off");
        disposition
    }

    async fn tell(&self, key: &OrderKey, message: &OrderMessage, run: &Run) -> Disposition {
        if after(self.clock.now(), LEAST_TIME) > run.hard_deadline {
            return self.again(message, Duration::ZERO).await;
        }
        let row = match self.store.load_order(key).await {
            Ok(Some(row)) if row.stage == Stage::Dispatched => row,
            Ok(_) => return Disposition::Done(Done::NothingToTell),
            Err(_) => return Disposition::Return(Returned::StoreUnavailable),
        };
        if row
            .dispatch
            .as_ref()
            .is_some_and(|dispatch| dispatch.is_ahead_of_message(self.clock.now()))
        {
            return Disposition::Done(Done::OlderCopy);
        }
        let channel = match self.documents.channels().await {
            Ok(list) => list.channels.into_iter().find(|channel| channel.id == key.channel),
            Err(_) => return Disposition::Return(Returned::DocumentsUnavailable),
        };
        let Some(channel) = channel.filter(|channel| channel.dispatches != Mode::Off) else {
            return Disposition::Done(Done::DispatchesOff);
        };
        let deadline = before(run.hard_deadline, Duration::from_secs(3));
        let client = match self.directory.client(&channel, deadline).await {
            Ok(client) => client,
            Err(problem) => {
                tracing::warn!(channel = %key.channel, order = %key.order_id, %problem, "Mirakl cannot be told now; tried again");
                return self.put_off(row, message, problem.retry_after, None).await;
            }
        };
        let client = Permitted::new(self, client, key).await;
        if let Some(wait) = unanswered::gives_way(&row, &client) {
            return self.put_off(row, message, Some(wait), None).await;
        }
        let work = Work { client, channel: &channel, run, began: self.clock.now() };
        let mut row = row;
        match self.tell_all(&mut row, &work, |operations| work.client.held(operations)).await {
            End::Done(what) => Disposition::Done(what),
            End::Again(wait) => self.put_off(row, message, Some(wait), None).await,
            End::Failed(asked) => self.put_off(row, message, asked, None).await,
            End::Unanswered(problem, asked) => {
                self.after_no_answer(row, message, &work.client, &problem, asked).await
            }
            End::Fail(failure) => self.fail(row, failure).await,
        }
    }

    /// Step by step, until nothing is left to tell.
    async fn tell_all(
        &self,
        row: &mut OrderRow,
        work: &Work<'_, impl MiraklShipping>,
        held: impl Fn(&[&'static str]) -> Option<MiraklError>,
    ) -> End {
        let mut documents = self.read_documents(row, Freshness::Cached).await;
        if let Err(UnusableDocument::Wrong(_)) = documents {
            // It may have been mended within the minute for which it is cached.
            documents = self.read_documents(row, Freshness::Now).await;
        }
        let mut documents = match documents {
            Ok(documents) => documents,
            Err(problem) => return documents_end(row, &problem),
        };
        let mut read_anew = false;
        if let Err(end) = self
            .need_requirements(&mut documents, work, before(self.clock.now(), REQUIREMENTS_KEPT))
            .await
        {
            return end;
        }
        for _step in 0..STEPS {
            if after(self.clock.now(), LEAST_TIME) > work.run.hard_deadline {
                return End::Again(Duration::ZERO);
            }
            if let Err(end) = self.resolve_attempts(row, &documents, work).await {
                return end;
            }
            let Some(requirements) = &documents.requirements else { return End::Again(AGAIN) };
            let facts = Facts {
                rules: &documents.rules,
                requirements,
                carriers: &documents.carriers,
                now: self.clock.now(),
            };
            let step = next_step(row, &facts);
            if work.channel.dispatches == Mode::Observe {
                tracing::info!(channel = %row.key.channel, order = %row.key.order_id, ?step, "observing: would do this");
                return End::Done(Done::Observed);
            }
            if let Some(problem) = held(operations_of(&step)) {
                return in_passing(row, &problem);
            }
            let ended = match step {
                Step::Rest(stage) => Err(self.rest(row, stage, None).await),
                Step::Wait(until) => Err(self
                    .rest(row, Stage::PartDispatched, Some(until.unwrap_or(Timestamp::MAX)))
                    .await),
                Step::Ship(tracking) => self.ship(row, &tracking, &mut documents, work).await,
                Step::ShipParcel { parcel, shipment } => {
                    self.ship_parcel(row, parcel, &shipment, &mut documents, work).await
                }
                Step::Settle { how, reason_code, lines } => {
                    self.settle(row, how, &reason_code, &lines, work).await
                }
                // The map may have been mended within the minute for which it is cached.
                Step::Fail(_) if !read_anew => {
                    read_anew = true;
                    match self.read_documents(row, Freshness::Now).await {
                        Ok(anew) => {
                            documents = DispatchDocuments {
                                requirements: anew.requirements.or(documents.requirements),
                                ..anew
                            };
                            Ok(())
                        }
                        Err(problem) => Err(documents_end(row, &problem)),
                    }
                }
                Step::Fail(failure)
                    if failure.kind == ExceptionKind::CarrierNotListed
                        && self.is_doubted(&documents) =>
                {
                    self.need_requirements(
                        &mut documents,
                        work,
                        before(self.clock.now(), REQUIREMENTS_DOUBTED),
                    )
                    .await
                }
                Step::Fail(failure) => Err(End::Fail(failure)),
            };
            if let Err(end) = ended {
                return end;
            }
        }
        End::Again(AGAIN)
    }

    /// Nothing is left to tell for now.
    async fn rest(&self, row: &mut OrderRow, stage: Stage, until: Option<Timestamp>) -> End {
        let now = self.clock.now();
        let note = match stage {
            Stage::Shipped => "shipped in Mirakl",
            Stage::Cancelled => "cancelled in Prima, and so in Mirakl",
            Stage::PartDispatched if until.is_some() => {
                "a part has left; the marketplace ships whole orders: the rest is waited for"
            }
            Stage::PartDispatched => "what has left is told to Mirakl; more is to come",
            _ => "nothing to tell",
        };
        let mut next = row.clone();
        next.enter(stage, now, note);
        // The collector has set when it is looked at again.
        next.dispatch.get_or_insert_default().rest_until = until;
        match self.store.save_order(&mut next).await {
            Ok(()) => {
                *row = next;
                End::Done(match stage {
                    Stage::PartDispatched => Done::PartShipped,
                    Stage::Shipped => Done::Shipped,
                    Stage::Cancelled => Done::Cancelled,
                    _ => Done::NothingToTell,
                })
            }
            // The poller noted something: said of the row as it stands now.
            Err(StoreError::Conflict(_)) => End::Again(Duration::ZERO),
            Err(_) => End::Again(AGAIN),
        }
    }

    /// Makes it an exception, and tells a person.
    async fn fail(&self, row: OrderRow, failure: Failure) -> Disposition {
        let now = self.clock.now();
        let mut row = row;
        row.fail(failure.kind, failure.reason, failure.remedy, now);
        let dispatch = row.dispatch.get_or_insert_default();
        dispatch.due_at = after(now, MENDED_IN_PRIMA);
        // Tried again, it is counted anew.
        dispatch.unanswered.clear();
        match self.store.save_order(&mut row).await {
            Ok(()) => {
                announce(&self.store, &self.queue, &self.events, &mut row, now).await;
                Disposition::Done(Done::Exception)
            }
            Err(StoreError::Conflict(_)) => Disposition::Return(Returned::ChangedByAnotherRun),
            Err(_) => Disposition::Return(Returned::StoreUnavailable),
        }
    }

    async fn again(&self, message: &OrderMessage, wait: Duration) -> Disposition {
        match batch::again(&self.queue, message, wait).await {
            Ok(()) => Disposition::Done(Done::AgainLater),
            Err(returned) => Disposition::Return(returned),
        }
    }

    /// The message comes again by one way alone: the row says when, and a copy is sent for that
    /// moment. Where either fails, this very message comes again, or the collector finds the row
    /// overdue. `unanswered`: what is to be noted with it.
    async fn put_off(
        &self,
        row: OrderRow,
        message: &OrderMessage,
        asked: Option<Duration>,
        unanswered: Option<Vec<Unanswered>>,
    ) -> Disposition {
        let message_of =
            |row: &OrderRow| row.dispatch.as_ref().and_then(|dispatch| dispatch.message);
        let (mut row, known) = (row.clone(), message_of(&row));
        for _try in 0..TRIES {
            let now = self.clock.now();
            let dispatch = row.dispatch.get_or_insert_default();
            let delay = dispatch.put_off_message(asked, now);
            if let Some(unanswered) = &unanswered {
                dispatch.unanswered.clone_from(unanswered);
            }
            if dispatch.ended_at.is_some() {
                dispatch.due_at = dispatch.message_lost_at(now);
            }
            match self.store.save_order(&mut row).await {
                Ok(()) => return self.again(message, delay).await,
                Err(StoreError::Conflict(_)) => match self.store.load_order(&row.key).await {
                    // The poller or the collector noted something: what this message found is so
                    // all the same.
                    Ok(Some(current))
                        if current.stage == Stage::Dispatched && message_of(&current) == known =>
                    {
                        row = current
                    }
                    Ok(_) => return Disposition::Done(Done::MovedByAnotherRun),
                    Err(_) => return Disposition::Return(Returned::StoreUnavailable),
                },
                Err(_) => return Disposition::Return(Returned::StoreUnavailable),
            }
        }
        Disposition::Return(Returned::ChangedByAnotherRun)
    }
}

/// What a step calls: where a right is known to be missing, nothing of the step is begun.
fn operations_of(step: &Step) -> &'static [&'static str] {
    match step {
        Step::Ship(_) => &["OR23", "OR24"],
        Step::ShipParcel { .. } => &["ST01"],
        Step::Settle { how: How::Cancel, .. } => &["OR30"],
        Step::Settle { how: How::Refund, .. } => &["OR28"],
        _ => &[],
    }
}

/// Wrong documents are a person's; unavailable ones come back.
fn documents_end(row: &OrderRow, problem: &UnusableDocument) -> End {
    match problem {
        UnusableDocument::Wrong(problem) => End::Fail(Failure {
            kind: ExceptionKind::DocumentsUnusable,
            reason: problem.clone(),
            remedy: format!(
                "Mend the document (prima-mirakl dispatch-rules put {0} FILE, prima-mirakl carriers import {0} FILE). Then: {1}",
                row.key.channel,
                remedy::retry(&row.key)
            ),
        }),
        UnusableDocument::Unavailable(_) => End::Again(AGAIN),
    }
}

/// Whether Mirakl read the call and refused it for what it says; not for its key, its rate or its
/// own trouble.
fn is_refusal(problem: &MiraklError) -> bool {
    problem.outcome == Outcome::Refused && !problem.is_key_refused() && problem.status != Some(429)
}
