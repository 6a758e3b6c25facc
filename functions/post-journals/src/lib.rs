//! `post-journals`: each approved journal is in Prima's books once, or is one exception for a
//! person.
//!
//! Guarantee: once in effect. Messages may come twice, late or out of order; the cycle's row
//! decides. What is sent is the file of the hash that was approved, and nothing else. An attempt is
//! noted in the row before it is sent, and every row is saved only in the version that was read.
//! Prima is asked first where it can tell; where an answer was lost, its longest execution is
//! waited for, and then it is asked twice, or sent again where it refuses a repeat, or a person
//! looks ([`shared::domain::payout::posting`]).
//!
//! On a crash: before the note, nothing was sent. After it the journal is in doubt, and the doubt is
//! settled as above. Two copies of a message: the second finds the note, or its row moved. A lost
//! table: the row comes back from the marketplace; the evidence in the bucket tells that its journal
//! was sent before, and it is in doubt again.

mod content;
mod file_way;
pub mod handler;
pub mod metrics;
mod sending;
mod updating;

use std::time::Duration;

use jiff::Timestamp;
use shared::aws::batch;
pub use shared::aws::batch::Returned;
use shared::domain::channel::Mode;
use shared::domain::channel_documents::{ChannelDocuments, Freshness};
use shared::domain::documents::UnusableDocument;
use shared::domain::events::EventBus;
use shared::domain::payout::key::CycleKey;
use shared::domain::payout::posting::{Answers, JournalRow, Next, Stage, Waits};
use shared::domain::payout::row::{CycleRow, ShopKey};
use shared::domain::payout::rules::{JournalWay, PayoutRules};
use shared::domain::payout::settings::FinanceSettings;
use shared::domain::payout::store::{JournalMessage, JournalQueue, PayoutFiles, PayoutStore};
use shared::domain::prima_calls::{PrimaCaller, PrimaCalls};
use shared::domain::prima_slots::{self, PUT_OFF, Slot, SlotRequest, SlotStore};
use shared::domain::queue::ExceptionQueue;
use shared::domain::state::BreakerStore;
use shared::kit::clock::{Clock, after};
use shared::prima::connection::PrimaBehaviour;
use shared::prima::finance::PrimaFinance;

/// The longest that SQS delays a message.
const LONGEST_DELAY: Duration = Duration::from_secs(900);
/// `NewJournal` goes out this soon after the row said so, or not at all: what makes "longer than
/// Prima's longest execution" countable from the row.
const SENT_WITHIN: Duration = Duration::from_secs(10);
/// Steps of one journal in one run: asked, noted, sent, and a few more.
const MOST_STEPS: usize = 12;
/// Until a call that did not get through is tried again.
const TRIED_AGAIN: Duration = Duration::from_secs(60);

/// The types of the ports: the real ones, or the fault simulation's.
pub trait PortTypes {
    /// See [`Ports::prima`].
    type Prima: PrimaFinance;
    /// See [`Ports::state`].
    type State: BreakerStore + SlotStore;
    /// See [`Ports::payouts`].
    type Payouts: PayoutStore;
    /// See [`Ports::files`].
    type Files: PayoutFiles;
    /// See [`Ports::queue`].
    type Queue: JournalQueue + ExceptionQueue;
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
    /// Prima's nominal ledger.
    pub prima: T::Prima,
    /// Prima's breakers and slots.
    pub state: T::State,
    /// The cycles' rows.
    pub payouts: T::Payouts,
    /// Journals, imports and evidence.
    pub files: T::Files,
    /// The `journals` queue, and its dead-letter queue for exceptions.
    pub queue: T::Queue,
    /// The event bus.
    pub events: T::Events,
    /// Time.
    pub clock: T::Clock,
    /// The channels and their payout rules.
    pub documents: T::Documents,
    /// How patient to be with Prima.
    pub behaviour: PrimaBehaviour,
    /// How many calls Prima takes at once.
    pub calls: PrimaCalls,
    /// What Prima's ledger can do, and what its import takes.
    pub finance: FinanceSettings,
}

/// What becomes of a message.
pub type Disposition = batch::Disposition<Done>;

/// How a message is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The journal is in Prima.
    Posted,
    /// The journal's file is there: a person imports it.
    Written,
    /// The journal needs a person.
    Exception,
    /// A copy of the message comes later.
    AgainLater,
    /// The message that counts comes later.
    OlderCopy,
    /// Its documents cannot be used, or its channel does not post: it waits as approved.
    Waits,
    /// Nobody has approved it, or somebody holds it back.
    NotApproved,
    /// It was settled before.
    AlreadySettled,
    /// No row knows the cycle or the journal: the table was lost, and the row comes back.
    Unknown,
    /// Another run was quicker with the row.
    MovedByAnotherRun,
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

/// A journal at work.
pub(crate) struct Work<'w> {
    message: &'w JournalMessage,
    run: &'w Run,
    answers: Answers,
    waits: Waits,
}

/// How one step ended: the next one follows, or the message is done with.
pub(crate) enum Step {
    Next(Box<CycleRow>),
    End(Disposition),
}

impl<T: PortTypes> Ports<T> {
    /// Leases the slot of an invocation. One without puts its message off, and so does one that
    /// cannot know: orders come first.
    pub async fn lease_slot(&self, run: &Run) -> Slot {
        let until = after(run.hard_deadline, run.clock_skew);
        let request = SlotRequest { caller: PrimaCaller::PostJournals, owner: &run.id, until };
        prima_slots::lease_slots(&self.state, &self.clock, &self.calls, request, Duration::ZERO)
            .await
    }

    /// Gives it back.
    pub async fn give_slot_back(&self, run: &Run) {
        if run.slot == Slot::Leased {
            prima_slots::give_slots_back(&self.state, PrimaCaller::PostJournals, &run.id).await;
        }
    }

    /// Works off one message.
    pub async fn handle(&self, message_id: &str, body: &str, run: &Run) -> Disposition {
        let message: JournalMessage = match serde_json::from_str(body) {
            Ok(message) => message,
            Err(problem) => {
                tracing::error!(message_id, %problem, "a message cannot be read as one of a journal; it goes, whole, to the dead-letter queue");
                return Disposition::Return(Returned::Unreadable);
            }
        };
        let disposition = self.work(&message, run).await;
        tracing::info!(cycle = %message.cycle, journal = %message.name, outcome = ?disposition, "worked off");
        disposition
    }

    async fn work(&self, message: &JournalMessage, run: &Run) -> Disposition {
        let capabilities = &self.finance.capabilities;
        let work = Work {
            message,
            run,
            answers: Answers {
                tells_status: capabilities.journal_status,
                refuses_duplicates: !capabilities.duplicate_texts.is_empty(),
            },
            // However late it was sent after its note, and whosever clock noted that.
            waits: Waits {
                longest_execution: self.behaviour.longest_execution()
                    + SENT_WITHIN
                    + run.clock_skew,
                second_question: self.behaviour.second_question(),
            },
        };
        let mut cycle = match self.payouts.load_cycle(&message.cycle).await {
            Ok(Some(cycle)) => Box::new(cycle),
            Ok(None) => return Disposition::Done(Done::Unknown),
            Err(_) => return Disposition::Return(Returned::StoreUnavailable),
        };
        let Some(journal) = cycle.journal(&message.name) else {
            return Disposition::Done(Done::Unknown);
        };
        // Whoever noted the moment may have had a clock that was ahead of ours.
        let early = after(self.clock.now(), run.clock_skew);
        if journal.row.message_due.is_some_and(|due| due > early) && is_under_way(&journal.row) {
            return Disposition::Done(Done::OlderCopy);
        }
        for _step in 0..MOST_STEPS {
            match self.step(cycle, &work).await {
                Step::Next(moved) => cycle = moved,
                Step::End(disposition) => return disposition,
            }
        }
        self.send_again(message, TRIED_AGAIN).await
    }

    async fn step(&self, cycle: Box<CycleRow>, work: &Work<'_>) -> Step {
        let Some(row) = cycle.journal(&work.message.name).map(|journal| journal.row.clone()) else {
            return Step::End(Disposition::Done(Done::Unknown));
        };
        let now = self.clock.now();
        let way = match row.stage {
            Stage::Queued => match self.way(&cycle.key, &cycle.channel).await {
                Ok(Way::Goes(way)) => way,
                Ok(Way::Waits) => {
                    let waits = JournalRow { stage: Stage::Approved, ..row.clone() };
                    return self.ends(cycle, &row, waits, Done::Waits).await;
                }
                Ok(Way::Nobody(problem)) => {
                    let unusable = row.clone().unusable(problem, now);
                    return self.ends(cycle, &row, unusable, Done::Exception).await;
                }
                Err(returned) => return Step::End(Disposition::Return(returned)),
            },
            Stage::AwaitingApproval | Stage::Held(_) => {
                return Step::End(Disposition::Done(Done::NotApproved));
            }
            // A doubt is settled as it came about.
            _ => JournalWay::Service,
        };
        match row.next_by(way, work.answers, work.waits, now) {
            Next::Nothing => {
                self.announce_late(*cycle, now).await;
                Step::End(Disposition::Done(Done::AlreadySettled))
            }
            Next::Enqueue => {
                let queued = row.clone().queued(now);
                self.goes_on(cycle, &row, queued).await
            }
            Next::WaitUntil(at) => {
                let wait = at.duration_since(now).unsigned_abs();
                Step::End(self.later(cycle, &row, wait, work).await)
            }
            Next::AskPerson => {
                let text = "its answer was lost, and Prima cannot be asked for it".to_owned();
                let problem = row.problem.clone().unwrap_or(text);
                let asks = row.clone().needs_person_because(problem, now);
                self.ends(cycle, &row, asks, Done::Exception).await
            }
            Next::Ask => self.ask(cycle, row, work).await,
            Next::Send => self.send(cycle, row, work).await,
            Next::Write => self.write_file(cycle, row, work).await,
        }
    }

    /// By which way the journals of a shop go now.
    async fn way(&self, key: &CycleKey, last_channel: &str) -> Result<Way, Returned> {
        let Ok(list) = self.documents.channels().await else {
            return Err(Returned::DocumentsUnavailable);
        };
        let shop = key.shop_key();
        // A renamed channel is still the same shop.
        let of_shop = list.channels.iter().filter(|one| ShopKey::of(one).as_ref() == Some(&shop));
        let Some(channel) = of_shop.max_by_key(|channel| channel.payouts == Mode::Live) else {
            return Ok(if list.channel(last_channel).is_err() {
                Way::Waits
            } else {
                Way::Nobody(format!("no channel is of shop {shop} any more"))
            });
        };
        if channel.payouts != Mode::Live {
            return Ok(Way::Waits);
        }
        match self.documents.document::<PayoutRules>(&channel.id, Freshness::Cached).await {
            Ok(Some(rules)) => Ok(Way::Goes(rules.journal)),
            // `reconcile-payouts` tells of them, and queues the journal again.
            Ok(None) | Err(UnusableDocument::Wrong(_)) => Ok(Way::Waits),
            Err(UnusableDocument::Unavailable(_)) => Err(Returned::DocumentsUnavailable),
        }
    }

    /// Whether so many calls of Prima, and what is noted of them, end before the function does.
    pub(crate) fn has_time_for(&self, calls: u32, run: &Run) -> bool {
        let needed = self.behaviour.answer_timeout() * calls + 2 * SENT_WITHIN;
        after(self.clock.now(), needed) <= run.hard_deadline
    }

    /// Has the message come again, without a receive.
    pub(crate) async fn send_again(&self, message: &JournalMessage, wait: Duration) -> Disposition {
        match self.queue.send_journal(message, wait.min(LONGEST_DELAY)).await {
            Ok(()) => Disposition::Done(Done::AgainLater),
            Err(_) => Disposition::Return(Returned::QueueUnavailable),
        }
    }

    /// Has the message come again after `wait`, and notes when in the row, so that copies that come
    /// earlier end.
    pub(crate) async fn later(
        &self,
        cycle: Box<CycleRow>,
        row: &JournalRow,
        wait: Duration,
        work: &Work<'_>,
    ) -> Disposition {
        // Longer than clocks differ, or a copy would not be known for one.
        let wait = wait.clamp(PUT_OFF, LONGEST_DELAY);
        let sent = self.send_again(work.message, wait).await;
        if sent == Disposition::Done(Done::AgainLater) {
            let due =
                JournalRow { message_due: Some(after(self.clock.now(), wait)), ..row.clone() };
            // Where that fails a copy is taken for the message, and does no harm.
            let _unsaved = self.update(*cycle, row, due).await;
        }
        sent
    }
}

/// How a journal goes now.
enum Way {
    /// By this way.
    Goes(JournalWay),
    /// Not now.
    Waits,
    /// Never: why.
    Nobody(String),
}

/// It goes on by its message.
fn is_under_way(row: &JournalRow) -> bool {
    matches!(row.stage, Stage::Queued | Stage::Posting | Stage::InDoubt | Stage::Writing)
}
