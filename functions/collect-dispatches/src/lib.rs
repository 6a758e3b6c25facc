//! `collect-dispatches`: asks Prima about every order that is there and not fully confirmed in
//! Mirakl, records each parcel once, and queues what Mirakl has to be told.
//!
//! Guarantee: at least once. Each row says when it is due; a row that could not be asked for, saved
//! or queued stays due and is taken up by the next run. Orders with the nearest deadline come
//! first; how many questions a minute Prima bears is a setting.
//!
//! On a crash: before a row is saved, nothing was recorded and it is asked for again. After the row
//! and before the message, the row says that something waits, and its message is sent again when it
//! is due. After an exception's row and before its message, it is found unannounced.
#![expect(async_fn_in_trait, reason = "handlers run on one thread; no future here has to be Send")]

mod answer;
mod deadline;
mod exceptions;
mod files;
pub mod handler;
pub mod metrics;
mod report;
mod unknown;

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use shared::domain::channel::{Channel, Mode};
use shared::domain::channel_documents::{ChannelDocuments, Freshness};
use shared::domain::dispatch::documents::DispatchDocuments;
use shared::domain::dispatch::rules::DispatchRules;
use shared::domain::dispatch::schedule::DispatchSettings;
use shared::domain::documents::UnusableDocument;
use shared::domain::events::EventBus;
use shared::domain::notify::tell;
use shared::domain::order::row::{
    DISPATCH_EXCEPTION, DISPATCH_UNANNOUNCED, ExceptionKind, OrderRow, REFERENCE_PENDING, Stage,
};
use shared::domain::prima_breaker::{Admission, Call, ORDER_STATUS, admit};
use shared::domain::prima_calls::{PrimaCaller, PrimaCalls};
use shared::domain::prima_slots::{Slot, SlotStore, give_slots_back, lease_for_schedule};
use shared::domain::queue::{OrderQueue, ShownExceptions};
use shared::domain::rights::RefusedRight;
use shared::domain::state::{BreakerStore, CollectionStore, NumberStore, OrderStore, StoreError};
use shared::kit::clock::{Clock, after};
use shared::prima::connection::PrimaBehaviour;
use shared::prima::{Outcome, PrimaDispatches, PrimaError};

pub use files::{Inbox, InboxError, Unread, Verdict};
pub use report::{Oddity, Report};

/// The function, as Prima's calls are given out.
const CALLER: PrimaCaller = PrimaCaller::CollectDispatches;
/// Keys read of orders whose reference is owed, which stand in the index by another moment.
/// References go out a hundred a minute.
const PENDING: usize = 1000;
/// Tries to note that people were told.
const TRIES_TO_NOTE: usize = 3;
/// Due orders of one stage looked at in one run, at least.
const LISTED: usize = 1000;
/// How long a run waits for one answer at most, whatever the installation allows: several fit into
/// a run, and what an answer says is recorded before it ends.
const LONGEST_ANSWER: Duration = Duration::from_secs(20);
/// Answers in a row that cannot be understood before a person is asked.
const UNCLEAR_ANSWERS: u32 = 3;
/// Questions in a row that Prima did not answer for one order, and answered for others, before a
/// person is asked.
const UNANSWERED_QUESTIONS: u32 = 6;
/// Before a question that Prima did not answer is asked again.
const UNANSWERED: Duration = Duration::from_secs(300);

/// The types of the ports: the real ones, or the fault simulation's.
pub trait PortTypes {
    /// See [`Ports::prima`].
    type Prima: PrimaDispatches;
    /// See [`Ports::store`].
    type Store: OrderStore + NumberStore + CollectionStore + BreakerStore + SlotStore;
    /// See [`Ports::queue`].
    type Queue: OrderQueue + ShownExceptions;
    /// See [`Ports::events`].
    type Events: EventBus;
    /// See [`Ports::clock`].
    type Clock: Clock;
    /// See [`Ports::documents`].
    type Documents: ChannelDocuments;
    /// See [`Ports::inbox`].
    type Inbox: Inbox;
}

/// What the function works with.
#[derive(Debug)]
pub struct Ports<T: PortTypes> {
    /// Prima.
    pub prima: T::Prima,
    /// Rows, Prima's breakers.
    pub store: T::Store,
    /// The `dispatches` queue and its dead-letter queue.
    pub queue: T::Queue,
    /// The event bus.
    pub events: T::Events,
    /// Time.
    pub clock: T::Clock,
    /// Each channel's documents.
    pub documents: T::Documents,
    /// Dispatch files; `None` where parcels come with `OrderStatus`.
    pub inbox: Option<T::Inbox>,
    /// How Prima is asked.
    pub settings: DispatchSettings,
    /// How patient to be with Prima.
    pub behaviour: PrimaBehaviour,
    /// How many calls Prima takes at once.
    pub calls: PrimaCalls,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Run {
    /// When Lambda ends the function, whatever it does.
    pub hard_deadline: Timestamp,
}

/// A row that is due, with its channel and rules.
struct Due<'c> {
    row: OrderRow,
    channel: &'c Channel,
    rules: DispatchRules,
}

impl<T: PortTypes> Ports<T> {
    /// One minute of all channels.
    ///
    /// # Errors
    /// The channels cannot be read.
    pub async fn collect(&self, run: &Run) -> Result<Report, UnusableDocument> {
        let channels = self.documents.channels().await?.channels;
        let mut report = Report::default();
        self.take_in_files(&channels, &mut report).await;
        let now = self.clock.now();
        let mut due = Vec::new();
        for channel in channels.iter().filter(|channel| channel.dispatches != Mode::Off) {
            let mut exceptions = self.exceptions_in(channel, DISPATCH_EXCEPTION).await;
            let rules = match DispatchDocuments::read(
                &self.documents,
                &channel.id,
                Freshness::Cached,
            )
            .await
            {
                Ok(documents) => {
                    exceptions = self
                        .look_after_exceptions(exceptions, channel, &documents, &mut report)
                        .await;
                    documents.rules
                }
                Err(problem) => {
                    // Wrong documents stop no collecting; what they are needed for becomes an
                    // exception where it is told.
                    tracing::error!(channel = %channel.id, %problem, "going on with default dispatch rules");
                    report.count(Oddity::DocumentsUnusable);
                    DispatchRules::default()
                }
            };
            let rows = self.due_rows(channel, now, &mut report).await;
            self.look_through_dispatched(channel, &rules, &rows, now, &mut report).await;
            let (asked, waiting): (Vec<_>, Vec<_>) =
                rows.into_iter().chain(exceptions).partition(|row| is_due(row, now));
            for row in waiting {
                self.warn_of_waiting(row, channel, &rules, &mut report).await;
            }
            due.extend(asked.into_iter().map(|row| Due { row, channel, rules: rules.clone() }));
        }
        // The nearest deadline first; orders without one last.
        due.sort_by_key(|one| {
            (one.row.listing.shipping_deadline.unwrap_or(Timestamp::MAX), one.row.key.clone())
        });
        report.due = due.len();
        let limit = usize::try_from(self.settings.questions_per_minute).unwrap_or(usize::MAX);
        if due.len() > limit {
            report.postponed = due.len() - limit;
            // That Prima cannot be asked about them hides no deadline.
            for Due { row, channel, rules } in due.split_off(limit) {
                self.warn_of_waiting(row, channel, &rules, &mut report).await;
            }
        }
        if !due.is_empty() {
            // Without slots nothing is asked, and what is due stays due.
            let slot = lease_for_schedule(
                &self.store,
                &self.clock,
                &self.calls,
                CALLER,
                run.hard_deadline,
            )
            .await;
            let looks = stream::iter(due).map(|one| self.look_at(one, slot, run));
            let reports: Vec<Report> =
                looks.buffer_unordered(self.calls.dispatches).collect().await;
            for one in reports {
                report.add(one);
            }
            if !matches!(slot, Slot::Refused { .. }) {
                give_slots_back(&self.store, CALLER, CALLER.function()).await;
            }
            report.slot = Some(slot);
        }
        self.tell_of_refused_rights().await;
        self.tidy().await;
        Ok(report)
    }

    /// Rights whose refusal `update-dispatches` noted and could not tell of: its next refusal may
    /// be hours away.
    async fn tell_of_refused_rights(&self) {
        let Ok(mut state) = self.store.load_collection().await else { return };
        let now = self.clock.now();
        let left: Vec<RefusedRight> =
            state.refused.iter().filter(|right| right.is_left_untold(now)).cloned().collect();
        let mut told = Vec::new();
        for right in left {
            if tell(&self.events, &[right.event(now)]).await {
                told.push((right.channel, right.operation));
            }
        }
        if told.is_empty() {
            return;
        }
        for _try in 0..TRIES_TO_NOTE {
            for (channel, operation) in &told {
                state.refused.tell(channel, operation, now);
            }
            if self.store.save_collection(&mut state).await.is_ok() {
                return;
            }
            // Another run was quicker, or the table gave no answer.
            if let Ok(latest) = self.store.load_collection().await {
                state = latest;
            }
        }
        tracing::warn!(
            "that a refused right was told could not be noted; it is told once more a minute later"
        );
    }

    /// Rows of a channel that may be due, as they stand now; exceptions stand elsewhere in the
    /// index.
    async fn due_rows(
        &self,
        channel: &Channel,
        now: Timestamp,
        report: &mut Report,
    ) -> Vec<OrderRow> {
        // More than are asked for: the sort by deadline has something to choose from, and a near
        // deadline is told in any case.
        let limit = usize::try_from(self.settings.questions_per_minute)
            .unwrap_or(usize::MAX)
            .saturating_mul(2)
            .max(LISTED);
        let mut keys = Vec::new();
        for state in [Stage::Dispatched.name(), Stage::Created.name(), Stage::PartDispatched.name()]
        {
            match self.store.orders_due(&channel.id, state, now, limit).await {
                Ok(found) => keys.extend(found),
                Err(problem) => {
                    tracing::warn!(channel = %channel.id, %problem, "due orders cannot be listed; the next run tries again");
                    report.count(Oddity::StoreUnavailable);
                }
            }
        }
        keys.extend(
            self.store.orders_in(&channel.id, REFERENCE_PENDING, PENDING).await.unwrap_or_default(),
        );
        match self.store.load_orders(&keys).await {
            Ok(rows) => rows.into_values().filter(|row| row.exception.is_none()).collect(),
            Err(problem) => {
                tracing::warn!(channel = %channel.id, %problem, "due orders cannot be read; the next run tries again");
                report.count(Oddity::StoreUnavailable);
                Vec::new()
            }
        }
    }

    /// Measures how long the oldest dispatch has been untold, and the oldest exception of one
    /// unannounced; and says which deadlines are near. `rows`: those that are looked at anyway.
    async fn look_through_dispatched(
        &self,
        channel: &Channel,
        rules: &DispatchRules,
        rows: &[OrderRow],
        now: Timestamp,
        report: &mut Report,
    ) {
        if channel.dispatches != Mode::Live {
            return;
        }
        match self.rows_in(channel, Stage::Dispatched.name()).await {
            Ok(dispatched) => {
                // Those that owe a reference stand elsewhere in the index.
                let since = dispatched.iter().chain(rows).filter_map(OrderRow::untold_since).min();
                report.oldest_untold = report.oldest_untold.max(age(since, now));
                // One whose message is put off again and again never comes to be due here.
                for row in dispatched.into_iter().filter(|row| !is_due(row, now)) {
                    self.warn_of_waiting(row, channel, rules, report).await;
                }
            }
            Err(_) => report.count(Oddity::AgesUnknown),
        }
        match self.rows_in(channel, DISPATCH_UNANNOUNCED).await {
            Ok(exceptions) => {
                let unannounced = exceptions
                    .iter()
                    .filter_map(|row| row.exception.as_ref())
                    .filter(|one| !one.told.is_told());
                report.oldest_unannounced = report
                    .oldest_unannounced
                    .max(age(unannounced.map(|one| one.first_seen).min(), now));
            }
            Err(_) => report.count(Oddity::AgesUnknown),
        }
    }

    async fn rows_in(&self, channel: &Channel, state: &str) -> Result<Vec<OrderRow>, StoreError> {
        let keys = self.store.orders_in(&channel.id, state, LISTED).await?;
        if keys.is_empty() {
            Ok(Vec::new())
        } else {
            Ok(self.store.load_orders(&keys).await?.into_values().collect())
        }
    }

    /// Asks about one order, and records and queues what follows.
    async fn look_at(&self, due: Due<'_>, slot: Slot, run: &Run) -> Report {
        let mut report = Report::default();
        let Due { row, channel, rules } = due;
        let ended = row.dispatch.as_ref().is_some_and(|dispatch| dispatch.ended_at.is_some());
        if row.stage == Stage::Dispatched && ended {
            // Nothing more comes from Prima; what waits was queued, and is not worked off.
            self.look_after_message(row, channel, &rules, &mut report).await;
            return report;
        }
        let Some(number) = row.creation.order_number.clone() else { return report };
        let patience = self.behaviour.answer_timeout().min(LONGEST_ANSWER);
        let needed = patience + Duration::from_secs(5);
        let has_time = after(self.clock.now(), needed) <= run.hard_deadline;
        let key = row.key.clone();
        let call = Call::about(ORDER_STATUS, &key);
        let may_ask = has_time && slot == Slot::Leased;
        if !may_ask
            || admit(&self.store, &self.behaviour, call, self.clock.now()).await
                == Admission::Refused
        {
            report.postponed += 1;
            self.warn_of_waiting(row, channel, &rules, &mut report).await;
            return report;
        }
        report.asked += 1;
        let answer = tokio::time::timeout(patience, self.prima.order_progress(&number)).await;
        let answer =
            answer.unwrap_or_else(|_| Err(PrimaError::unknown(ORDER_STATUS, "no answer in time")));
        let silent_to_all = self.note_answer(call, &answer).await;
        match answer {
            Ok(Some(progress)) => {
                self.take_over(row, &progress, channel, &rules, &mut report).await
            }
            Ok(None) => {
                let words = format!("Prima does not know order {number} any more");
                self.unclear(row, &words, UNCLEAR_ANSWERS, channel, &rules, &mut report).await;
            }
            Err(problem) if problem.outcome == Outcome::Refused || problem.answered => {
                let words = format!(
                    "Prima answers the question for order {number} with: {}",
                    problem.message
                );
                self.unclear(row, &words, UNCLEAR_ANSWERS, channel, &rules, &mut report).await;
            }
            // Prima's matter, and not the order's.
            Err(problem) if silent_to_all || problem.outcome == Outcome::NotSent => {
                tracing::warn!(channel = %channel.id, order = %row.key.order_id, %problem, "no answer; asked again later");
                report.count(Oddity::PrimaNoAnswer);
                self.postpone(row, UNANSWERED, channel, &rules, &mut report).await;
            }
            Err(problem) => {
                tracing::warn!(channel = %channel.id, order = %row.key.order_id, %problem, "no answer for this order; asked again later");
                report.count(Oddity::PrimaNoAnswer);
                let words = format!(
                    "Prima gives no answer to the question for order {number}, and answers those for others; the latest: {problem}"
                );
                self.unclear(row, &words, UNANSWERED_QUESTIONS, channel, &rules, &mut report).await;
            }
        }
        report
    }

    /// True where Prima does not answer such questions now, whatever the order.
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
}

fn age(since: Option<Timestamp>, now: Timestamp) -> Duration {
    since.map_or(Duration::ZERO, |since| {
        Duration::try_from(now.duration_since(since)).unwrap_or_default()
    })
}

/// Whether the collector has anything to do with a row.
fn looked_after(row: &OrderRow) -> bool {
    match &row.exception {
        // What is mended in Prima shows in its next answer.
        Some(exception) => {
            matches!(
                exception.kind,
                ExceptionKind::TrackingMissing
                    | ExceptionKind::DispatchUnclear
                    | ExceptionKind::ShortShipment
            ) || exception.kind.waits_for_documents()
        }
        None => row.stage.is_in_prima(),
    }
}

fn is_due(row: &OrderRow, now: Timestamp) -> bool {
    looked_after(row) && row.dispatch.as_ref().is_none_or(|dispatch| dispatch.due_at <= now)
}
