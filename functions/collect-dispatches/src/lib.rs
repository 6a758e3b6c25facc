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

mod exceptions;
mod files;
pub mod handler;
pub mod metrics;
mod report;

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use shared::domain::channel::{Channel, Mode};
use shared::domain::channel_documents::{ChannelDocuments, Freshness};
use shared::domain::dispatch::MENDED_IN_PRIMA;
use shared::domain::dispatch::documents::DispatchDocuments;
use shared::domain::dispatch::prima_answer::{Found, on_progress};
use shared::domain::dispatch::rules::DispatchRules;
use shared::domain::dispatch::schedule::DispatchSettings;
use shared::domain::documents::UnusableDocument;
use shared::domain::events::{Event, EventBus, EventKind, Severity};
use shared::domain::exceptions::announce;
use shared::domain::notify::tell;
use shared::domain::order::remedy;
use shared::domain::order::row::{
    DISPATCH_EXCEPTION, DISPATCH_UNANNOUNCED, ExceptionKind, OrderKey, OrderRow, REFERENCE_PENDING,
    Stage,
};
use shared::domain::prima_breaker::{Admission, Call, ORDER_STATUS, admit};
use shared::domain::prima_calls::{PrimaCaller, PrimaCalls};
use shared::domain::prima_slots::{Slot, SlotStore, give_slots_back, lease_for_schedule};
use shared::domain::queue::{OrderMessage, OrderQueue, OrderTask, ShownExceptions};
use shared::domain::rights::RefusedRight;
use shared::domain::state::{BreakerStore, CollectionStore, NumberStore, OrderStore, StoreError};
use shared::domain::unknown_values::tell_once;
use shared::kit::clock::{Clock, after, before};
use shared::kit::odd_form::OddForm;
use shared::prima::connection::PrimaBehaviour;
use shared::prima::{Outcome, PrimaDispatches, PrimaError, PrimaOrderStatus, PrimaProgress};

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
/// Answers in a row that cannot be understood before a person is asked.
const UNCLEAR_ANSWERS: u32 = 3;
/// Questions in a row that Prima did not answer for one order, and answered for others, before a
/// person is asked.
const UNANSWERED_QUESTIONS: u32 = 6;
/// A near deadline of which the bus did not take the warning is said again after this.
const WARNED_AGAIN: Duration = Duration::from_secs(300);
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
        let needed = self.behaviour.answer_timeout() + Duration::from_secs(5);
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
        let answer = self.prima.order_progress(&number).await;
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

    /// Records what Prima said; a row that changed meanwhile is read again, and the same said of
    /// it.
    async fn take_over(
        &self,
        row: OrderRow,
        progress: &PrimaProgress,
        channel: &Channel,
        rules: &DispatchRules,
        report: &mut Report,
    ) {
        self.report_unknown_word(&progress.status, &row, report).await;
        self.report_odd_forms(&progress.odd, Some(&row.key), report).await;
        let key = row.key.clone();
        let mut before = row;
        for _try in 0..4 {
            let now = self.clock.now();
            if !looked_after(&before) {
                return;
            }
            let mut row = before.clone();
            let mut found = on_progress(&mut row, progress, self.settings.source, now);
            if before.stage == Stage::Exception && !has_news(&before, &row) {
                // Nothing was mended in Prima: the exception stands as it was.
                let asked_at = row.dispatch.take();
                row = before.clone();
                row.dispatch = asked_at;
                found = Found::Nothing;
            }
            let warning = self.warn_of_deadline(&mut row, rules, now);
            // One message a step: where it is under way, it tells of this answer as well.
            let sends =
                found == Found::Tell && row.dispatch.get_or_insert_default().begin_message(now);
            self.set_due(&mut row, rules, now);
            if channel.dispatches == Mode::Observe {
                if found != Found::Nothing {
                    tracing::info!(channel = %channel.id, order = %key.order_id, ?found, "observing: would record and queue");
                }
                self.postpone_observed(before, row.dispatch.map(|dispatch| dispatch.due_at), now)
                    .await;
                return;
            }
            self.publish_warning(&mut row, warning.as_ref()).await;
            match self.store.save_order(&mut row).await {
                Ok(()) => {
                    report.warned += usize::from(warning.is_some());
                    self.follow_up(row, found, sends, channel, report).await;
                    return;
                }
                Err(StoreError::Conflict(_)) => match self.store.load_order(&key).await {
                    Ok(Some(current)) => before = current,
                    Ok(None) | Err(_) => return,
                },
                Err(problem) => {
                    tracing::warn!(channel = %channel.id, order = %key.order_id, %problem, "what Prima said could not be recorded; it is asked again");
                    report.count(Oddity::StoreUnavailable);
                    return;
                }
            }
        }
    }

    async fn follow_up(
        &self,
        mut row: OrderRow,
        found: Found,
        sends: bool,
        channel: &Channel,
        report: &mut Report,
    ) {
        match found {
            Found::Nothing => {}
            Found::Tell if !sends => {}
            Found::Tell => {
                report.found +=
                    row.dispatch.as_ref().map_or(0, |dispatch| dispatch.unconfirmed().count());
                self.send(&row, channel, report).await;
            }
            Found::Exception => {
                report.exceptions += 1;
                let now = self.clock.now();
                announce(&self.store, &self.queue, &self.events, &mut row, now).await;
            }
        }
    }

    /// An answer that cannot be understood, or none: a few in a row are a person's, `most` of them.
    async fn unclear(
        &self,
        mut row: OrderRow,
        words: &str,
        most: u32,
        channel: &Channel,
        rules: &DispatchRules,
        report: &mut Report,
    ) {
        let now = self.clock.now();
        report.count(Oddity::PrimaUnclear);
        let dispatch = row.dispatch.get_or_insert_default();
        dispatch.unclear_answers += 1;
        dispatch.due_at = after(now, UNANSWERED);
        let is_for_a_person = dispatch.unclear_answers >= most && row.stage != Stage::Exception;
        if is_for_a_person {
            dispatch.unclear_answers = 0;
            let remedy = format!(
                "Look at the order in Prima. If goods have left, ship it by hand in Mirakl's back office; the connector notices. Else retry: {}",
                remedy::retry(&row.key)
            );
            row.fail(ExceptionKind::DispatchUnclear, words, remedy, now);
        }
        if channel.dispatches == Mode::Observe {
            return;
        }
        let warning = self.warn_of_deadline(&mut row, rules, now);
        self.publish_warning(&mut row, warning.as_ref()).await;
        let saved = self.store.save_order(&mut row).await.is_ok();
        report.warned += usize::from(saved && warning.is_some());
        if saved && is_for_a_person {
            report.exceptions += 1;
            announce(&self.store, &self.queue, &self.events, &mut row, now).await;
        }
    }

    async fn postpone(
        &self,
        mut row: OrderRow,
        wait: Duration,
        channel: &Channel,
        rules: &DispatchRules,
        report: &mut Report,
    ) {
        if channel.dispatches == Mode::Observe {
            return;
        }
        let now = self.clock.now();
        row.dispatch.get_or_insert_default().due_at = after(now, wait);
        let warning = self.warn_of_deadline(&mut row, rules, now);
        self.publish_warning(&mut row, warning.as_ref()).await;
        // Where another run was quicker, its word stands.
        let saved = self.store.save_order(&mut row).await.is_ok();
        report.warned += usize::from(saved && warning.is_some());
    }

    /// The deadline of an order that is not asked about now is near: that is said all the same.
    async fn warn_of_waiting(
        &self,
        mut row: OrderRow,
        channel: &Channel,
        rules: &DispatchRules,
        report: &mut Report,
    ) {
        if channel.dispatches != Mode::Live || !is_to_be_shipped(&row) {
            return;
        }
        let warning = self.warn_of_deadline(&mut row, rules, self.clock.now());
        if warning.is_none() {
            return;
        }
        self.publish_warning(&mut row, warning.as_ref()).await;
        report.warned += usize::from(self.store.save_order(&mut row).await.is_ok());
    }

    /// Says a warning; where the bus does not take it, it is said when the row is looked at next,
    /// which is soon.
    async fn publish_warning(&self, row: &mut OrderRow, warning: Option<&Event>) {
        if let Some(event) = warning
            && !tell(&self.events, std::slice::from_ref(event)).await
            && let Some(dispatch) = row.dispatch.as_mut()
        {
            dispatch.warned_at = None;
            dispatch.due_at = dispatch.due_at.min(after(self.clock.now(), WARNED_AGAIN));
        }
    }

    /// While observing, a row says nothing but when it is looked at again.
    async fn postpone_observed(
        &self,
        mut row: OrderRow,
        due_at: Option<Timestamp>,
        now: Timestamp,
    ) {
        row.dispatch.get_or_insert_default().due_at = due_at.unwrap_or(now);
        let _ = self.store.save_order(&mut row).await;
    }

    /// What waits for Mirakl has a message under way; one that is overdue by minutes was lost, or
    /// its holder died, and is sent again.
    async fn look_after_message(
        &self,
        mut row: OrderRow,
        channel: &Channel,
        rules: &DispatchRules,
        report: &mut Report,
    ) {
        if channel.dispatches != Mode::Live {
            return;
        }
        let now = self.clock.now();
        let sends = row.dispatch.get_or_insert_default().begin_message(now);
        let warning = self.warn_of_deadline(&mut row, rules, now);
        self.set_due(&mut row, rules, now);
        self.publish_warning(&mut row, warning.as_ref()).await;
        if self.store.save_order(&mut row).await.is_err() {
            return;
        }
        report.warned += usize::from(warning.is_some());
        if sends {
            report.count(Oddity::QueuedAgain);
            self.send(&row, channel, report).await;
        }
    }

    async fn send(&self, row: &OrderRow, channel: &Channel, report: &mut Report) {
        let message = OrderMessage {
            channel: channel.id.clone(),
            order_id: row.key.order_id.clone(),
            task: OrderTask::Dispatch,
        };
        match self.queue.send(&[message], Duration::ZERO).await {
            Ok(()) => report.queued += 1,
            Err(problem) => {
                tracing::warn!(channel = %channel.id, order = %row.key.order_id, %problem, "a dispatch could not be queued; it is when it is due again");
                report.count(Oddity::QueueUnavailable);
            }
        }
    }

    /// When the row is looked at next.
    fn set_due(&self, row: &mut OrderRow, rules: &DispatchRules, now: Timestamp) {
        let created_at = row.creation.created_at.unwrap_or(row.since);
        let (warn_at, stage) = (warn_at(row, rules), row.stage);
        let Some(dispatch) = row.dispatch.as_mut() else { return };
        let next_question = self.settings.next_question(
            now,
            created_at,
            warn_at.filter(|_| dispatch.warned_at.is_none()),
        );
        dispatch.due_at = match stage {
            // Prima has no more to say of it; if it is still not told by then, its message was
            // lost.
            Stage::Dispatched if dispatch.ended_at.is_some() => {
                match warn_at.filter(|at| *at > now && dispatch.warned_at.is_none()) {
                    Some(warn_at) => dispatch.message_lost_at(now).min(warn_at),
                    None => dispatch.message_lost_at(now),
                }
            }
            Stage::Exception => after(now, MENDED_IN_PRIMA),
            Stage::PartDispatched => next_question
                .min(dispatch.rest_until.filter(|until| *until > now).unwrap_or(next_question)),
            _ => next_question,
        };
    }

    /// The deadline is near and not everything is confirmed: said once.
    fn warn_of_deadline(
        &self,
        row: &mut OrderRow,
        rules: &DispatchRules,
        now: Timestamp,
    ) -> Option<Event> {
        let (deadline, warn_at) = (row.listing.shipping_deadline?, warn_at(row, rules)?);
        if now < warn_at {
            return None;
        }
        let dispatch = row.dispatch.get_or_insert_default();
        if dispatch.warned_at.is_some() {
            return None;
        }
        dispatch.warned_at = Some(now);
        let left = deadline.duration_since(now);
        let time = if left.is_positive() {
            format!("in {} minutes", left.as_secs() / 60)
        } else {
            format!("{} minutes ago", -left.as_secs() / 60)
        };
        let number = row.creation.order_number.as_deref().unwrap_or_default();
        Some(Event {
            kind: EventKind::ShipByDeadlineNear,
            channel: Some(row.key.channel.clone()),
            order: Some(row.key.order_id.clone()),
            needs_person: true,
            severity: if left.is_positive() { Severity::Warning } else { Severity::Critical },
            reason: format!("the ship-by deadline is {time}, Prima says {:?} of order {number}, and Mirakl is not told that it is shipped", dispatch.prima_status),
            remedy: "Have it sent, or agree with the customer: prima-mirakl dispatches list shows all such orders; prima-mirakl dispatches settle cancels or refunds what cannot be sent."
                .to_owned(),
        })
    }

    async fn report_unknown_word(
        &self,
        status: &PrimaOrderStatus,
        row: &OrderRow,
        report: &mut Report,
    ) {
        let PrimaOrderStatus::Open(word) = status else { return };
        if self.settings.knows_word(word) {
            return;
        }
        report.count(Oddity::UnknownStatusWord);
        let event = || {
            Event {
            kind: EventKind::UnknownValue,
            channel: Some(row.key.channel.clone()),
            order: Some(row.key.order_id.clone()),
            needs_person: true,
            severity: Severity::Info,
            reason: format!("Prima's order status {word:?} is not known; orders in it are taken for open"),
            remedy: "If it means that the order is still open, add it to dispatch.open_words in the installation document. If it means that goods have left or that the order is cancelled, say so to the connector's engineer: such orders are not told to Mirakl."
                .to_owned(),
        }
        };
        tell_once(&self.store, &self.events, |state| {
            if state.reported_words.iter().any(|known| known.eq_ignore_ascii_case(word)) {
                return Vec::new();
            }
            state.reported_words.push(word.clone());
            vec![event()]
        })
        .await;
    }

    /// Fields that were done without: each form is told once, whatever the order. `key`: an order
    /// that shows it.
    pub(crate) async fn report_odd_forms(
        &self,
        odd: &[OddForm],
        key: Option<&OrderKey>,
        report: &mut Report,
    ) {
        if odd.is_empty() {
            return;
        }
        report.count(Oddity::FieldsInOddForm);
        let event = |form: &OddForm| {
            Event {
            kind: EventKind::UnknownValue,
            channel: key.map(|key| key.channel.clone()),
            order: key.map(|key| key.order_id.clone()),
            needs_person: true,
            severity: Severity::Info,
            reason: format!("a dispatch has the field {form} (9: a digit, a: a letter), which is not understood"),
            remedy: "The dispatch is told to Mirakl without it: nothing is lost. Say the form to the connector's engineer. It is not told again."
                .to_owned(),
        }
        };
        tell_once(&self.store, &self.events, |state| {
            odd.iter().filter(|form| form.note(&mut state.reported_forms)).map(event).collect()
        })
        .await;
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

/// In Prima, not shipped in Mirakl, and not settled: its deadline runs.
fn is_to_be_shipped(row: &OrderRow) -> bool {
    row.stage.is_in_prima()
        || row.exception.as_ref().is_some_and(|exception| exception.kind.is_of_dispatch())
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

/// Prima says something else than before of what is waited for.
fn has_news(before: &OrderRow, after: &OrderRow) -> bool {
    let told = |row: &OrderRow| {
        row.dispatch
            .as_ref()
            .map(|dispatch| (dispatch.parcels.clone(), dispatch.ended_at.is_some()))
    };
    told(before) != told(after)
}

/// When it has to be said that the deadline is near.
fn warn_at(row: &OrderRow, rules: &DispatchRules) -> Option<Timestamp> {
    row.listing.shipping_deadline.map(|deadline| before(deadline, rules.warn_before()))
}
