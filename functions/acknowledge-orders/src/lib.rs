//! `acknowledge-orders`: every minute, every channel's new orders are accepted, and what is firm goes to the `orders` queue.
//!
//! Guarantee: an order that Mirakl lists is accepted in the run that listed it, whatever state Prima, DynamoDB or a mapping
//! is in. Between reading an order and accepting it there is no other call. After that, at least once: each row is a
//! compare-and-swap, and what one run leaves undone the next listing shows again.
//!
//! On a crash: before accepting, the next run accepts. After accepting and before the row is written, the next listing
//! shows the order past acceptance and the row follows. After the row and before the message, the row is found stuck.
//! After references were written and before that was recorded, they are written again, which is harmless.

mod ages;
pub mod handler;
mod listing;
mod look;
mod record;
mod references;
mod report;
mod rights;
mod sweep;

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use shared::channel::{Channel, Mode};
use shared::clock::{Clock, after, before};
use shared::events::{Event, EventBus, EventKind, Severity};
use shared::mirakl::{MiraklDirectory, MiraklError, MiraklOrders};
use shared::order::row::Lease;
use shared::queue::OrderQueue;
use shared::rights::shows_right;
use shared::state::{PollState, Store, StoreError};

pub use ages::Ages;
use listing::Listing;
pub use report::ChannelReport;

/// What is left of a run when no further page is asked for: what was listed by then is to be accepted.
const TIME_TO_ACCEPT: Duration = Duration::from_secs(25);
/// A channel that was not listed and recorded for so long beyond its interval is told of.
const UNLISTED_IS_TOLD: Duration = Duration::from_secs(10 * 60);
/// How long the poller waits for what it remembers before it goes on without.
const PATIENCE_WITH_MEMORY: Duration = Duration::from_secs(3);
/// Mirakl's operation by which an order is accepted.
const ACCEPT: &str = "OR21";
/// Why nothing is listed this minute.
const NOT_DUE: &str = "not due";
/// Listings by window between two by state alone.
const WINDOWS_BETWEEN_FULL: u32 = 4;
/// How far a window reaches back beyond the watermark.
pub const OVERLAP: Duration = Duration::from_secs(120);

/// What the poller works with.
#[derive(Debug)]
pub struct Ports<D, S, Q, E, C> {
    /// Hands out each channel's Mirakl client.
    pub directory: D,
    /// Rows, poll state, Prima's intake.
    pub store: S,
    /// The `orders` queue and its dead-letter queue.
    pub queue: Q,
    /// The event bus.
    pub events: E,
    /// Time.
    pub clock: C,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Unique: the owner of this run's leases.
    pub id: String,
    /// When Lambda ends the function, whatever it does.
    pub hard_deadline: Timestamp,
}

impl<D, S, Q, E, C> Ports<D, S, Q, E, C>
where
    D: MiraklDirectory,
    S: Store,
    Q: OrderQueue,
    E: EventBus,
    C: Clock,
{
    /// Polls all channels at once; none can hold up, or fail, another.
    pub async fn poll_all(&self, channels: &[Channel], run: &Run) -> Vec<ChannelReport> {
        stream::iter(channels).map(|channel| self.poll_isolated(channel, run)).buffer_unordered(channels.len().max(1)).collect().await
    }

    async fn poll_isolated(&self, channel: &Channel, run: &Run) -> ChannelReport {
        use futures_util::FutureExt as _;
        let budget = run.hard_deadline.duration_since(self.clock.now()).unsigned_abs().saturating_sub(Duration::from_secs(2));
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
            report.skipped = Some("off");
            return report;
        }
        let started = self.clock.now();
        let mut poll = match self.take_turn(channel, run, started).await {
            Turn::Ours(poll) => *poll,
            Turn::Skip(why) => {
                report.skipped = Some(why);
                if why == NOT_DUE && channel.orders == Mode::Live {
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
                self.end_turn(channel, poll, &report).await;
                return report;
            }
        };
        let full = poll.full_is_due();
        let paging_ends = before(run.hard_deadline, TIME_TO_ACCEPT);
        let has_time = || self.clock.now() < paging_ends;
        let listing = listing::list(&client, full, poll.state.watermark.map(|mark| before(mark, OVERLAP)), has_time).await;
        report.note_listing(&listing);
        let accepted = self.accept_waiting(&client, channel, &listing, &mut poll.state, &mut report).await;

        // The sales are safe; now remember, hand over, and tell.
        match &listing.problem {
            Some(problem) => self.note_failure(channel, &mut poll.state, &mut report, problem, started),
            None => rights::note(&mut poll.state.refused, channel, "OR11", true, None, started),
        }
        self.warn_of_windows(channel, &listing, &accepted, &mut poll.state, &mut report).await;
        let recorded = self.record(&client, channel, &listing, &accepted, full, run, &mut report).await;
        if channel.orders == Mode::Live {
            self.write_references(&client, channel, &mut poll.state, full, &mut report).await;
            let busy = !listing.complete || report.listed_by_id > 0;
            self.look_around(&client, channel, &mut poll.state.look, busy, run, &mut report).await;
            self.announce_exceptions(channel, &mut report).await;
            report.ages = self.ages(channel).await;
        }
        self.tell_of_refused(channel, &mut poll.state.refused, started).await;
        poll.advance(&listing, &accepted, full, recorded);
        report.completed = listing.complete && recorded;
        self.end_turn(channel, poll, &report).await;
        report
    }

    /// Accepts every waiting order, oldest first, a few at a time. While the right to accept is known to be missing, one order a run
    /// tries it, and the others follow at once where it is there: a window does not wait for a back-off.
    async fn accept_waiting(
        &self,
        client: &D::Client,
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
                .map(|order| async move { (order, client.accept_order(&order.order_id, &order.line_ids).await, self.clock.now()) })
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
                    // Accepted before, by us with a lost answer or by a person, or too late: the next listing tells.
                    Err(problem) if problem.is_invalid_state() => report.count("accept_already_decided"),
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
        rights::note(&mut poll.refused, channel, ACCEPT, worked, refusal.as_ref(), self.clock.now());
        accepted
    }

    /// An order that still waits although its window is nearly over is said so: once as a warning, once as critical.
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
            for (mark, severity, threshold) in
                [("", Severity::Warning, channel.warn_when_left()), ("!", Severity::Critical, channel.warn_when_left() / 2)]
            {
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
        if !events.is_empty() && self.events.publish(&events).await.is_err() {
            tracing::error!(channel = %channel.id, orders = events.len(), "acceptance windows are nearly over, and that could not be said on the bus");
            return;
        }
        if listing.complete {
            poll.warned_orders = still_waiting;
        } else {
            poll.warned_orders.extend(still_waiting);
            poll.warned_orders.sort_unstable();
            poll.warned_orders.dedup();
        }
    }

    fn note_failure(&self, channel: &Channel, poll: &mut PollState, report: &mut ChannelReport, problem: &MiraklError, now: Timestamp) {
        tracing::warn!(channel = %channel.id, %problem, "the listing is incomplete");
        report.note_failure(problem);
        rights::note(&mut poll.refused, channel, "OR11", false, Some(problem), now);
    }

    /// Takes the channel's turn. The lease only saves calls: without a working store the poll goes on, by state alone.
    async fn take_turn(&self, channel: &Channel, run: &Run, now: Timestamp) -> Turn {
        let loaded = tokio::time::timeout(PATIENCE_WITH_MEMORY, self.store.load_poll(&channel.id)).await;
        let Ok(Ok(mut state)) = loaded else {
            tracing::warn!(channel = %channel.id, "the poll state cannot be read; polling without it");
            // Without memory the wall clock alone keeps to a marketplace's slower rhythm.
            let interval = i64::from(channel.listing_interval_minutes);
            return if (now.as_second() / 60) % interval == 0 { Turn::Ours(Box::new(Turned::blind())) } else { Turn::Skip(NOT_DUE) };
        };
        let interval = Duration::from_secs(60 * u64::from(channel.listing_interval_minutes));
        // Schedules start a little early or late: a quarter of a minute is no overrun.
        let due = state.listed_at.is_none_or(|at| now >= before(after(at, interval), Duration::from_secs(15)));
        if !due && channel.listing_interval_minutes > 1 {
            return Turn::Skip(NOT_DUE);
        }
        if state.lease.as_ref().is_some_and(|lease| lease.owner != run.id && lease.until > now) {
            return Turn::Skip("another run is at it");
        }
        self.tell_of_unlisted(channel, &mut state, now).await;
        state.lease = Some(Lease { owner: run.id.clone(), until: run.hard_deadline });
        state.listed_at = Some(now);
        let waiting_for_prima = self.firm_orders_can_go(channel, now).await;
        match tokio::time::timeout(PATIENCE_WITH_MEMORY, self.store.save_poll(&channel.id, &mut state)).await {
            Ok(Ok(())) => Turn::Ours(Box::new(Turned { state, remembered: true, waiting_for_prima })),
            Ok(Err(StoreError::Conflict(_))) => Turn::Skip("another run is at it"),
            Ok(Err(_)) | Err(_) => Turn::Ours(Box::new(Turned { remembered: false, state, waiting_for_prima })),
        }
    }

    /// A channel whose polls have failed for a while, however they fail, is told of once until one succeeds. Asked at the
    /// beginning of a turn, since some do not come to an end.
    async fn tell_of_unlisted(&self, channel: &Channel, poll: &mut PollState, now: Timestamp) {
        let since = *poll.completed_at.get_or_insert(now);
        let interval = Duration::from_secs(60 * u64::from(channel.listing_interval_minutes));
        if poll.unlisted_told || now < after(since, UNLISTED_IS_TOLD + interval) {
            return;
        }
        let event = Event {
            kind: EventKind::ChannelNotListed,
            channel: Some(channel.id.clone()),
            order: None,
            needs_person: true,
            severity: Severity::Critical,
            reason: format!("the orders of channel {} have not been listed and recorded completely since {since}", channel.id),
            remedy: format!(
                "Look at the failures of channel {} in the log of acknowledge-orders: its API key's secret, its base URL, Mirakl itself, DynamoDB. Until it is mended, accept waiting orders in Mirakl's back office.",
                channel.id
            ),
        };
        match tokio::time::timeout(PATIENCE_WITH_MEMORY, self.events.publish(&[event])).await {
            Ok(Ok(())) => poll.unlisted_told = true,
            Ok(Err(_)) | Err(_) => {
                tracing::error!(channel = %channel.id, %since, "a channel has not been listed, and that could not be said on the bus")
            }
        }
    }

    async fn end_turn(&self, channel: &Channel, mut poll: Turned, report: &ChannelReport) {
        if !poll.remembered {
            return;
        }
        let ours = poll.state.lease.take();
        poll.state.full_wanted |= !report.completed;
        if report.completed {
            poll.state.completed_at = Some(self.clock.now());
            poll.state.unlisted_told = false;
        }
        for _try in 0..3 {
            let problem = match self.store.save_poll(&channel.id, &mut poll.state).await {
                Ok(()) => return,
                Err(problem) => problem,
            };
            // An operator's command asked for a full listing beside us. What we did not save would be listed again, and our lease would
            // hold the next run up until it ends.
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

enum Turn {
    Ours(Box<Turned>),
    Skip(&'static str),
}

/// A channel's turn.
struct Turned {
    state: PollState,
    /// The store holds our lease: what the run learns can be saved.
    remembered: bool,
    /// Firm orders wait as rows, and Prima takes orders, or a probe: only a listing by state shows them again.
    waiting_for_prima: bool,
}

impl Turned {
    fn blind() -> Self {
        Self { state: PollState::default(), remembered: false, waiting_for_prima: false }
    }

    fn full_is_due(&self) -> bool {
        !self.remembered
            || self.state.watermark.is_none()
            // One that could not be finished is not begun again at once: a window is short, and shows what is new.
            || (!self.state.full_unfinished
                && (self.waiting_for_prima || self.state.full_wanted || self.state.windows_since_full >= WINDOWS_BETWEEN_FULL))
    }

    /// Moves the watermark and counts the listing.
    fn advance(&mut self, listing: &Listing, accepted: &[String], full: bool, recorded: bool) {
        let clean = listing.complete && recorded;
        self.state.full_unfinished = full && !listing.complete;
        if full && clean {
            self.state.windows_since_full = 0;
            self.state.full_wanted = false;
        } else {
            self.state.windows_since_full += 1;
        }
        // A listing by state shows nothing that ended, so it sets a first mark but moves none.
        if clean && (!full || self.state.watermark.is_none()) {
            self.state.watermark = listing.watermark(accepted).max(self.state.watermark);
        }
    }
}
