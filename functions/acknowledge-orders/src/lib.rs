//! `acknowledge-orders`: every minute, every channel's new orders are accepted, and what is firm
//! goes to the `orders` queue.
//!
//! Guarantee: an order that Mirakl lists is accepted in the run that listed it, whatever state
//! Prima, DynamoDB or a mapping is in. Between reading an order and accepting it there is no other
//! call. After that, at least once: each row is a compare-and-swap, and what one run leaves undone
//! the next listing shows again.
//!
//! On a crash: before accepting, the next run accepts. After accepting and before the row is
//! written, the next listing shows the order past acceptance and the row follows. After the row and
//! before the message, the row is found stuck. After references were written and before that was
//! recorded, they are written again, which is harmless.

mod ages;
mod daily_look;
pub mod handler;
mod listing;
pub mod metrics;
mod record;
mod references;
mod report;
mod rights;
mod sweep;

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use shared::domain::channel::MiraklDirectory;
use shared::domain::channel::{Channel, Mode};
use shared::domain::events::{Event, EventBus, EventKind, Severity};
use shared::domain::notify::{Rule, Told, tell, tell_due};
use shared::domain::order::row::Lease;
use shared::domain::queue::OrderQueue;
use shared::domain::state::{
    BreakerStore, ListingKind, OrderStore, PollState, PollStore, StoreError, UnfinishedListing,
};
use shared::kit::clock::{Clock, after, before};
use shared::mirakl::rights::shows_right;
use shared::mirakl::{MiraklError, MiraklOrders};

pub use ages::Ages;
use listing::{Listing, Patience};
pub use report::{ChannelReport, Skipped};

/// What is left of a run when no further page is asked for: what was listed by then is to be
/// accepted.
const TIME_TO_ACCEPT: Duration = Duration::from_secs(25);
/// A channel that was not listed and recorded for so long beyond its interval is told of: the
/// minute's listing, and that of everything that is open, beyond its own.
const UNLISTED_IS_TOLD: Duration = Duration::from_secs(10 * 60);
/// How far back refusals are looked for that happened before the channel was first listed.
const FIRST_LOOK_BACK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long the poller waits for what it remembers before it goes on without.
const PATIENCE_WITH_MEMORY: Duration = Duration::from_secs(3);
/// Mirakl's operation by which an order is accepted.
const ACCEPT: &str = "OR21";
/// Listings by window between two by state alone.
const WINDOWS_BETWEEN_FULL: u32 = 4;
/// Values that are told of in a channel's life, at the most.
const UNKNOWN_VALUES: usize = 100;
/// How far a window reaches back beyond the watermark.
pub const OVERLAP: Duration = Duration::from_secs(120);

/// The types of the ports: the real ones, or the fault simulation's.
pub trait PortTypes {
    /// See [`Ports::directory`].
    type Directory: MiraklDirectory<Client: MiraklOrders>;
    /// See [`Ports::store`].
    type Store: OrderStore + PollStore + BreakerStore;
    /// See [`Ports::queue`].
    type Queue: OrderQueue;
    /// See [`Ports::events`].
    type Events: EventBus;
    /// See [`Ports::clock`].
    type Clock: Clock;
}

/// What the poller works with.
#[derive(Debug)]
pub struct Ports<T: PortTypes> {
    /// Hands out each channel's Mirakl client.
    pub directory: T::Directory,
    /// Rows, poll state, Prima's breakers.
    pub store: T::Store,
    /// The `orders` queue and its dead-letter queue.
    pub queue: T::Queue,
    /// The event bus.
    pub events: T::Events,
    /// Time.
    pub clock: T::Clock,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Unique: the owner of this run's leases.
    pub id: String,
    /// When Lambda ends the function, whatever it does.
    pub hard_deadline: Timestamp,
}

impl<T: PortTypes> Ports<T> {
    /// Polls all channels at once; none can hold up, or fail, another.
    pub async fn poll_all(&self, channels: &[Channel], run: &Run) -> Vec<ChannelReport> {
        stream::iter(channels)
            .map(|channel| self.poll_isolated(channel, run))
            .buffer_unordered(channels.len().max(1))
            .collect()
            .await
    }

    async fn poll_isolated(&self, channel: &Channel, run: &Run) -> ChannelReport {
        use futures_util::FutureExt as _;
        let budget = run
            .hard_deadline
            .duration_since(self.clock.now())
            .unsigned_abs()
            .saturating_sub(Duration::from_secs(2));
        let poll = std::panic::AssertUnwindSafe(self.poll_channel(channel, run)).catch_unwind();
        match tokio::time::timeout(budget, poll).await {
            Ok(Ok(report)) => report,
            Ok(Err(_panic)) => {
                tracing::error!(channel = %channel.id, "the poll panicked; other channels are unaffected");
                ChannelReport::failed(&channel.id, "panic")
            }
            Err(_elapsed) => {
                tracing::error!(channel = %channel.id, "the poll ran out of time; the next one goes on");
                ChannelReport::failed(&channel.id, "time")
            }
        }
    }

    /// One channel's minute.
    pub async fn poll_channel(&self, channel: &Channel, run: &Run) -> ChannelReport {
        let mut report = ChannelReport::new(&channel.id);
        if channel.orders == Mode::Off {
            report.skipped = Some(Skipped::Off);
            return report;
        }
        let started = self.clock.now();
        let mut poll = match self.take_lease(channel, run, started).await {
            LeaseAttempt::Taken(poll) => *poll,
            LeaseAttempt::Skipped(why) => {
                report.skipped = Some(why);
                if why == Skipped::NotDue && channel.orders == Mode::Live {
                    report.ages = self.ages(channel).await;
                }
                return report;
            }
        };

        // From here to the end of accepting, nothing but Mirakl is called.
        let soft_deadline = before(run.hard_deadline, Duration::from_secs(5));
        let client = match self.directory.client(channel, soft_deadline).await {
            Ok(client) => client,
            Err(problem) => {
                self.note_failure(channel, &mut poll.state, &mut report, &problem, started);
                poll.state.full_wanted = true;
                self.release_lease(channel, poll, &report).await;
                return report;
            }
        };
        let patience =
            Patience { clock: &self.clock, paging_ends: before(run.hard_deadline, TIME_TO_ACCEPT) };
        let kinds = poll.kinds();
        let mut listing = Listing::default();
        for &kind in &kinds {
            if listing.problem.is_some() || !patience.has_time() {
                break;
            }
            listing.read(&client, kind, poll.place_of(kind), &patience).await;
        }
        report.note_listing(&listing);
        let accepted =
            self.accept_waiting(&client, channel, &listing, &mut poll.state, &mut report).await;

        // The sales are safe; now remember, hand over, and tell.
        match &listing.problem {
            Some(problem) => {
                self.note_failure(channel, &mut poll.state, &mut report, problem, started)
            }
            None if listing.pages > 0 => {
                rights::note(&mut poll.state.refused, channel, "OR11", true, None, started)
            }
            None => {}
        }
        self.warn_of_windows(channel, &listing, &accepted, &mut poll.state, &mut report).await;
        let mut recorded = self.record(channel, &listing, &accepted, run, &mut report).await;
        let mut by_id_is_owed = false;
        if channel.orders == Mode::Live {
            let driven = self
                .drive_on(&client, channel, &mut poll.state, &listing, recorded, run, &mut report)
                .await;
            recorded &= driven.clean;
            by_id_is_owed = driven.met_the_limit;
            self.write_references(
                &client,
                channel,
                &mut poll.state,
                listing.problem.is_none(),
                &mut report,
            )
            .await;
            let busy = !listing.shows_all_news() || report.listed_by_id > 0;
            self.look_around(&client, channel, &mut poll.state.look, busy, run, &mut report).await;
            self.announce_exceptions(channel, &mut report).await;
            report.ages = self.ages(channel).await;
        }
        self.tell_of_refused(channel, &mut poll.state.refused, started).await;
        self.tell_of_unknown_values(channel, &mut poll.state, &report).await;
        poll.advance(&listing, &accepted, recorded, channel, self.clock.now());
        poll.note_turns(&kinds, &listing, by_id_is_owed);
        report.completed = listing.shows_all_news() && recorded;
        // What was not listed for a limit's sake alone is still where it was.
        poll.state.full_wanted |=
            !recorded || (listing.problem.is_some() && !listing.met_the_limit());
        if listing.pages == 0
            && (listing.met_the_limit() || kinds.is_empty())
            && channel.listing_interval_minutes > 1
        {
            // Nothing was listed: a slow channel is listed with the next minute, since new orders
            // wait.
            poll.state.listed_at = poll.listed_before;
        }
        self.release_lease(channel, poll, &report).await;
        report
    }

    /// Accepts every waiting order, oldest first, a few at a time. While the right to accept is
    /// known to be missing, one order a run tries it, and the others follow at once where it is
    /// there: a window does not wait for a back-off.
    async fn accept_waiting(
        &self,
        client: &<T::Directory as MiraklDirectory>::Client,
        channel: &Channel,
        listing: &Listing,
        poll: &mut PollState,
        report: &mut ChannelReport,
    ) -> Vec<String> {
        let mut waiting = listing.waiting();
        report.waiting = waiting.len();
        if channel.orders == Mode::Observe {
            for order in &waiting {
                tracing::info!(channel = %channel.id, order = %order.order_id, lines = order.line_ids.len(), "observing: would accept");
            }
            return Vec::new();
        }
        let refused = poll.refused.of(&channel.id, ACCEPT).map(|right| right.refusals);
        if let (Some(refusals), false) = (refused, waiting.is_empty()) {
            // Another one each time: what is refused may be one order alone.
            let next = usize::try_from(refusals).unwrap_or(0) % waiting.len();
            waiting.rotate_left(next);
        }
        let (first, others) = waiting.split_at(usize::from(refused.is_some()).min(waiting.len()));
        let mut accepted = Vec::new();
        let (mut worked, mut refusal) = (false, None);
        for part in [first, others] {
            if refusal.is_some() {
                break;
            }
            let answers: Vec<_> = stream::iter(part)
                .map(|order| async move {
                    (
                        order,
                        client.accept_order(&order.order_id, &order.line_ids).await,
                        self.clock.now(),
                    )
                })
                .buffer_unordered(channel.concurrent_accepts)
                .collect()
                .await;
            for (order, answer, at) in answers {
                worked |= shows_right(&answer);
                match answer {
                    Ok(()) => {
                        report.accepted_after(order.created, at);
                        accepted.push(order.order_id.clone());
                    }
                    // Accepted before, by us with a lost answer or by a person, or too late: the
                    // next listing tells.
                    Err(problem) if problem.is_invalid_state() => {
                        report.count("accept_already_decided")
                    }
                    Err(problem) => {
                        tracing::warn!(channel = %channel.id, order = %order.order_id, %problem, "an order could not be accepted; the next listing shows it again");
                        report.note_failure(&problem);
                        if problem.is_key_refused() {
                            refusal = Some(problem);
                        }
                    }
                }
            }
        }
        rights::note(
            &mut poll.refused,
            channel,
            ACCEPT,
            worked,
            refusal.as_ref(),
            self.clock.now(),
        );
        accepted
    }

    /// An order that still waits although its window is nearly over is said so: once as a warning,
    /// once as critical.
    async fn warn_of_windows(
        &self,
        channel: &Channel,
        listing: &Listing,
        accepted: &[String],
        poll: &mut PollState,
        report: &mut ChannelReport,
    ) {
        let now = self.clock.now();
        let mut events = Vec::new();
        let mut still_waiting = Vec::new();
        for order in listing.waiting().iter().filter(|order| !accepted.contains(&order.order_id)) {
            let Some(created) = order.created else { continue };
            let left = after(created, channel.acceptance_window()).duration_since(now);
            report.note_unacknowledged(now.duration_since(created).unsigned_abs());
            for (mark, severity, threshold) in [
                ("", Severity::Warning, channel.warn_when_left()),
                ("!", Severity::Critical, channel.warn_when_left() / 2),
            ] {
                let marked = format!("{}{mark}", order.order_id);
                if left.is_positive() && left.unsigned_abs() > threshold {
                    continue;
                }
                if !poll.warned_orders.contains(&marked) {
                    events.push(Event {
                        kind: EventKind::AcceptanceWindowNearlyOver,
                        channel: Some(channel.id.clone()),
                        order: Some(order.order_id.clone()),
                        needs_person: true,
                        severity,
                        reason: format!("the order is not accepted and its window ends in {} minutes", left.as_secs() / 60),
                        remedy:
                            "Accept it by hand in Mirakl's back office now, then look at the connector's latest failures for this channel."
                                .to_owned(),
                    });
                }
                still_waiting.push(marked);
            }
        }
        if !events.is_empty() && !tell(&self.events, &events).await {
            return;
        }
        if listing.shows_all_news() || listing.completes(ListingKind::Waiting) {
            poll.warned_orders = still_waiting;
        } else {
            poll.warned_orders.extend(still_waiting);
            poll.warned_orders.sort_unstable();
            poll.warned_orders.dedup();
        }
    }

    fn note_failure(
        &self,
        channel: &Channel,
        poll: &mut PollState,
        report: &mut ChannelReport,
        problem: &MiraklError,
        now: Timestamp,
    ) {
        tracing::warn!(channel = %channel.id, %problem, "the listing is incomplete");
        report.note_failure(problem);
        rights::note(&mut poll.refused, channel, "OR11", false, Some(problem), now);
    }

    /// States and codes that this version does not know: each is told once.
    async fn tell_of_unknown_values(
        &self,
        channel: &Channel,
        poll: &mut PollState,
        report: &ChannelReport,
    ) {
        for (value, order_id) in &report.unknown_values {
            if poll.unknown_values.contains(value) || poll.unknown_values.len() >= UNKNOWN_VALUES {
                continue;
            }
            let event = Event {
                kind: EventKind::UnknownValue,
                channel: Some(channel.id.clone()),
                order: Some(order_id.clone()),
                needs_person: true,
                severity: Severity::Warning,
                reason: format!("Mirakl sends a value that this version does not know: {value}"),
                remedy: "Ask the marketplace what it means, and tell the connector's engineer. Orders in an unknown state stay where they are, and are asked for again and again."
                    .to_owned(),
            };
            if tell(&self.events, &[event]).await {
                poll.unknown_values.push(value.clone());
            }
        }
    }

    /// Takes the channel's lease, where a listing is due. The lease only saves calls: without a
    /// working store the poll goes on without it.
    async fn take_lease(&self, channel: &Channel, run: &Run, now: Timestamp) -> LeaseAttempt {
        let loaded =
            tokio::time::timeout(PATIENCE_WITH_MEMORY, self.store.load_poll(&channel.id)).await;
        let Ok(Ok(mut state)) = loaded else {
            tracing::warn!(channel = %channel.id, "the poll state cannot be read; polling without it");
            // Without memory the wall clock alone keeps to a marketplace's slower rhythm.
            let interval = i64::from(channel.listing_interval_minutes);
            return if (now.as_second() / 60) % interval == 0 {
                LeaseAttempt::Taken(Box::new(LeasedPoll::blind()))
            } else {
                LeaseAttempt::Skipped(Skipped::NotDue)
            };
        };
        let interval = Duration::from_secs(60 * u64::from(channel.listing_interval_minutes));
        // Schedules start a little early or late: a quarter of a minute is no overrun.
        let due = state
            .listed_at
            .is_none_or(|at| now >= before(after(at, interval), Duration::from_secs(15)));
        if !due && channel.listing_interval_minutes > 1 {
            return LeaseAttempt::Skipped(Skipped::NotDue);
        }
        if state.lease.as_ref().is_some_and(|lease| lease.owner != run.id && lease.until > now) {
            return LeaseAttempt::Skipped(Skipped::OtherRun);
        }
        self.tell_of_unlisted(channel, &mut state, now).await;
        state.lease = Some(Lease { owner: run.id.clone(), until: run.hard_deadline });
        let listed_before = state.listed_at.replace(now);
        match tokio::time::timeout(
            PATIENCE_WITH_MEMORY,
            self.store.save_poll(&channel.id, &mut state),
        )
        .await
        {
            Ok(Ok(())) => {
                LeaseAttempt::Taken(Box::new(LeasedPoll { state, remembered: true, listed_before }))
            }
            Ok(Err(StoreError::Conflict(_))) => LeaseAttempt::Skipped(Skipped::OtherRun),
            Ok(Err(_)) | Err(_) => LeaseAttempt::Taken(Box::new(LeasedPoll {
                remembered: false,
                state,
                listed_before,
            })),
        }
    }

    /// A channel whose polls have failed for a while, however they fail, is told of once until one
    /// succeeds: those of the minute, or those of everything that is open. Asked at the beginning
    /// of a run, since some do not come to an end.
    async fn tell_of_unlisted(&self, channel: &Channel, poll: &mut PollState, now: Timestamp) {
        let since = *poll.completed_at.get_or_insert(now);
        let full_since = *poll.full_completed_at.get_or_insert(now);
        let interval = Duration::from_secs(60 * u64::from(channel.listing_interval_minutes));
        let is_due = now >= after(since, UNLISTED_IS_TOLD + interval);
        let full_is_due =
            now >= after(full_since, UNLISTED_IS_TOLD + interval * (WINDOWS_BETWEEN_FULL + 1));
        let look_at = format!(
            "Look at the failures of channel {} in the log of acknowledge-orders:",
            channel.id
        );
        let (told, reason, remedy) = if is_due {
            (
                &mut poll.unlisted,
                format!(
                    "the orders of channel {} have not been listed and recorded completely since {since}",
                    channel.id
                ),
                format!(
                    "{look_at} its API key's secret, its base URL, Mirakl itself, DynamoDB. Until it is mended, accept waiting orders in Mirakl's back office."
                ),
            )
        } else if full_is_due && !poll.unlisted.is_told() {
            (
                &mut poll.full_unlisted,
                format!(
                    "new orders of channel {} are listed, but there has been no complete listing of all its open orders since {full_since}",
                    channel.id
                ),
                format!(
                    "{look_at} Mirakl's limit (429: does another program use the same key?), slow answers, thousands of open orders. Until it is mended, what ended unseen in Mirakl is not noticed."
                ),
            )
        } else {
            return;
        };
        let event = || Event {
            kind: EventKind::ChannelNotListed,
            channel: Some(channel.id.clone()),
            order: None,
            needs_person: true,
            severity: Severity::Critical,
            reason,
            remedy,
        };
        let telling = tell_due(&self.events, told, Rule::EVENT, now, event);
        if tokio::time::timeout(PATIENCE_WITH_MEMORY, telling).await.is_err() {
            tracing::error!(channel = %channel.id, %since, %full_since, "a channel has not been listed, and the bus takes too long to be told");
        }
    }

    async fn release_lease(&self, channel: &Channel, mut poll: LeasedPoll, report: &ChannelReport) {
        if !poll.remembered {
            return;
        }
        let ours = poll.state.lease.take();
        if report.completed {
            let now = self.clock.now();
            poll.state.completed_at = Some(now);
            poll.state.seen_until = poll.state.listed_at;
            if std::mem::take(&mut poll.state.unlisted).is_told() {
                // What was told of is over: a listing of everything that is open has its time from
                // here on.
                poll.state.full_completed_at = Some(now);
            }
        }
        for _try in 0..3 {
            let problem = match self.store.save_poll(&channel.id, &mut poll.state).await {
                Ok(()) => return,
                Err(problem) => problem,
            };
            // An operator's command asked for a full listing beside us. What we did not save would
            // be listed again, and our lease would hold the next run up until it ends.
            if let StoreError::Conflict(_) = problem
                && let Ok(current) = self.store.load_poll(&channel.id).await
                && current.lease == ours
            {
                poll.state.version = current.version;
                poll.state.full_wanted |= current.full_wanted;
                continue;
            }
            tracing::warn!(channel = %channel.id, %problem, "the poll state could not be saved; the next listing repeats a little");
            return;
        }
    }
}

/// What came of asking for a channel's lease.
enum LeaseAttempt {
    Taken(Box<LeasedPoll>),
    Skipped(Skipped),
}

/// What a run knows of a channel whose lease it holds.
struct LeasedPoll {
    state: PollState,
    /// The store holds our lease: what the run learns can be saved.
    remembered: bool,
    /// When the run before this one began its listing.
    listed_before: Option<Timestamp>,
}

impl LeasedPoll {
    fn blind() -> Self {
        Self { state: PollState::default(), remembered: false, listed_before: None }
    }

    fn full_is_due(&self) -> bool {
        // One that orders slipped through, or that could not be begun, is not begun again at once:
        // a window is short, and shows what is new.
        !self.state.full_unfinished
            && (self.state.full_wanted || self.state.windows_since_full >= WINDOWS_BETWEEN_FULL)
    }

    /// What this run lists, in this order. A listing that goes on where it stopped comes to the
    /// newest orders last: those are listed by themselves then. Where Mirakl's limit leaves no call
    /// for one of them, that one comes first the next time.
    fn kinds(&self) -> Vec<ListingKind> {
        let state = &self.state;
        if self.remembered && state.turns_owed.first() == Some(&ListingKind::ById) {
            return Vec::new();
        }
        let has_mark = self.remembered && state.watermark.is_some();
        let goes_on = self.remembered && state.full_rest.is_some();
        let full = !has_mark || goes_on || self.full_is_due();
        let window = has_mark && (goes_on || !full);
        let shows_news = (window && state.window_rest.is_none()) || (full && !goes_on);
        let mut kinds = Vec::new();
        kinds.extend((!shows_news).then_some(ListingKind::Waiting));
        kinds.extend(window.then_some(ListingKind::Window));
        kinds.extend(full.then_some(ListingKind::Full));
        // Stable: what is owed no turn keeps its place behind what is.
        kinds.sort_by_key(|kind| {
            state.turns_owed.iter().position(|owed| owed == kind).unwrap_or(usize::MAX)
        });
        kinds
    }

    /// Where a listing begins, or goes on.
    fn place_of(&self, kind: ListingKind) -> UnfinishedListing {
        let rest = match kind {
            _ if !self.remembered => None,
            ListingKind::Full => self.state.full_rest.clone(),
            ListingKind::Window => self.state.window_rest.clone(),
            ListingKind::Waiting | ListingKind::ById => None,
        };
        let updated_from = self
            .state
            .watermark
            .filter(|_| kind == ListingKind::Window)
            .map(|mark| before(mark, OVERLAP));
        rest.unwrap_or_else(|| UnfinishedListing { updated_from, ..UnfinishedListing::default() })
    }

    /// Moves the watermark, counts the listings, and notes where the next run goes on. What was not
    /// recorded is listed once more.
    fn advance(
        &mut self,
        listing: &Listing,
        accepted: &[String],
        recorded: bool,
        channel: &Channel,
        now: Timestamp,
    ) {
        self.state.windows_since_full += 1;
        if !recorded {
            return;
        }
        if let Some(window) = listing.part(ListingKind::Window) {
            self.state.window_rest = listing.rest_of(window, accepted);
            if window.is_complete() {
                self.state.watermark =
                    listing.watermark(window, accepted).max(self.state.watermark);
            }
        }
        let Some(full) = listing.part(ListingKind::Full) else {
            self.state.full_unfinished = false;
            return;
        };
        self.state.full_rest = listing.rest_of(full, accepted);
        self.state.full_unfinished = !full.is_complete() && self.state.full_rest.is_none();
        if full.is_complete() {
            self.state.windows_since_full = 0;
            self.state.full_wanted = false;
            self.state.full_completed_at = Some(now);
            self.state.full_unlisted = Told::default();
            // A listing by state shows nothing that ended, so it sets a first mark but moves none.
            // What was refused since the take-over, before anybody listed, is shown by the first
            // window.
            if self.state.watermark.is_none() {
                let mark = listing.watermark(full, accepted);
                let look_back = channel.take_over_from.max(before(now, FIRST_LOOK_BACK));
                self.state.watermark = match mark {
                    Some(mark) => Some(mark.min(look_back)),
                    None if listing.pages > 0
                        && full.shown().is_empty()
                        && look_back < before(now, OVERLAP) =>
                    {
                        Some(look_back)
                    }
                    None => None,
                };
            }
        }
    }

    /// Notes what had no turn because Mirakl's limit or the run's time was used up before.
    fn note_turns(&mut self, kinds: &[ListingKind], listing: &Listing, by_id_is_owed: bool) {
        let has_none =
            |kind: &&ListingKind| listing.part(**kind).is_none_or(|part| part.pages == 0);
        let mut owed: Vec<ListingKind> = kinds.iter().filter(has_none).copied().collect();
        owed.extend(by_id_is_owed.then_some(ListingKind::ById));
        self.state.turns_owed = owed;
    }
}
