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

mod accept;
mod ages;
mod daily_look;
pub mod handler;
mod lease;
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
use shared::domain::notify::{Rule, tell, tell_due};
use shared::domain::queue::OrderQueue;
use shared::domain::state::{BreakerStore, OrderStore, PollState, PollStore};
use shared::kit::clock::{Clock, after, before};
use shared::mirakl::{MiraklError, MiraklOrders};

use crate::lease::{LeaseAttempt, PATIENCE_WITH_MEMORY, WINDOWS_BETWEEN_FULL};
pub use ages::Ages;
use listing::{Listing, Patience};
pub use report::{ChannelReport, Skipped};

/// What is left of a run when no further page is asked for: what was listed by then is to be
/// accepted.
const TIME_TO_ACCEPT: Duration = Duration::from_secs(25);
/// A channel that was not listed and recorded for so long beyond its interval is told of: the
/// minute's listing, and that of everything that is open, beyond its own.
const UNLISTED_IS_TOLD: Duration = Duration::from_secs(10 * 60);
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
}
