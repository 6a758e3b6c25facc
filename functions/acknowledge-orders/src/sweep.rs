//! What our own rows say is to be done, whatever the listings show: orders that wait with us,
//! orders of ours that Mirakl no longer lists as open, messages that were lost, exceptions that
//! nobody was told of.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::channel::Channel;
use shared::domain::channel::MiraklDirectory;
use shared::domain::events::EventKind;
use shared::domain::exceptions::announce;
use shared::domain::notify::{Rule, deliver};
use shared::domain::order::life::LEASE_IS_DEAD;
use shared::domain::order::row::{EXCEPTION_UNANNOUNCED, OpenState, OrderRow, Stage};
use shared::domain::queue::{OrderMessage, OrderTask};
use shared::domain::state::{BreakerStore, ListingKind, OrderStore, PollState};
use shared::kit::clock::{Clock, before};

use crate::listing::{Listing, list_by_id};
use crate::report::ChannelReport;
use crate::{PortTypes, Ports, Run, TIME_TO_ACCEPT};

/// OR11's limit of `order_ids`.
const IDS_PER_CALL: usize = 100;
/// Of these, for orders that are absent from the open ones, whatever else waits.
const ABSENT_PER_CALL: usize = 25;
/// Keys read of one stage, and absent orders noted.
const KEYS: usize = 2000;
/// Rows read of one stage.
const ROWS: usize = 200;
/// Firm orders looked up while a breaker of Prima's is open and a probe is due.
const PROBES: usize = 5;
/// What is left of a run when no order is looked up by its id any more.
const TIME_TO_LOOK_UP: Duration = Duration::from_secs(15);
/// A younger exception of `create-prima-orders` is being announced by that function itself.
const GRACE: Duration = Duration::from_secs(120);

/// What came of driving orders on.
pub(crate) struct Driven {
    /// Nothing was left behind.
    pub(crate) clean: bool,
    /// Mirakl's limit left no call for it.
    pub(crate) met_the_limit: bool,
}

/// Whose turn it is: the first of those that wait, but for those that had their turn and wait
/// still. Once all had it, it begins anew; so that none that cannot be helped keeps others from
/// their turn.
fn turns(had: &mut Vec<String>, waiting: &[String], most: usize) -> Vec<String> {
    let known: HashSet<&String> = waiting.iter().collect();
    had.retain(|order_id| known.contains(order_id));
    let had_it: HashSet<String> = had.iter().cloned().collect();
    let mut turns: Vec<String> =
        waiting.iter().filter(|order_id| !had_it.contains(*order_id)).take(most).cloned().collect();
    if turns.len() < most {
        // Those that had it first come first again.
        let again: Vec<String> = had.iter().take(most - turns.len()).cloned().collect();
        had.drain(..again.len());
        turns.extend(again);
    }
    had.extend(turns.iter().cloned());
    turns
}

impl<T: PortTypes> Ports<T> {
    /// Drives on what waits with us, from our own rows: a listing may show it late, or never.
    /// Orders are read from Mirakl by their ids, a hundred in one call, since a message needs the
    /// whole order.
    #[expect(clippy::too_many_arguments, reason = "one run's facts, each used once")]
    pub(crate) async fn drive_on(
        &self,
        client: &<T::Directory as MiraklDirectory>::Client,
        channel: &Channel,
        poll: &mut PollState,
        listing: &Listing,
        recorded: bool,
        run: &Run,
        report: &mut ChannelReport,
    ) -> Driven {
        let mut driven =
            Driven { clean: self.resend_stuck_cancellations(channel).await, met_the_limit: false };
        if recorded
            && let Some(full) = listing.part(ListingKind::Full).filter(|full| full.is_complete())
        {
            self.note_absent(channel, poll, full.shown()).await;
        }
        let waiting = self.waiting_with_us(channel, listing).await;
        let most =
            if poll.absent.is_empty() { IDS_PER_CALL } else { IDS_PER_CALL - ABSENT_PER_CALL };
        let waiting = turns(&mut poll.had_their_turn, &waiting, most);
        let absent: Vec<String> = poll
            .absent
            .iter()
            .filter(|order_id| !waiting.contains(order_id))
            .take(IDS_PER_CALL - waiting.len())
            .cloned()
            .collect();
        let ids: Vec<String> = waiting.iter().chain(&absent).cloned().collect();
        if ids.is_empty() || self.clock.now() > before(run.hard_deadline, TIME_TO_LOOK_UP) {
            return driven;
        }
        // A run that lists nothing else has time to wait for a limit.
        let has_the_turn = poll.turns_owed.first() == Some(&ListingKind::ById);
        let limit_waited_until =
            if has_the_turn { before(run.hard_deadline, TIME_TO_ACCEPT) } else { self.clock.now() };
        let found = match list_by_id(client, ids, limit_waited_until).await {
            Ok(found) => found,
            Err(problem) => {
                tracing::warn!(channel = %channel.id, %problem, "orders that wait with us could not be read; the next run reads them");
                report.note_failure(&problem);
                // A limit is nobody's fault, and leaves nothing behind: these are the first of the
                // next run.
                driven.met_the_limit = problem.status == Some(429);
                driven.clean &= driven.met_the_limit;
                poll.had_their_turn.retain(|order_id| !waiting.contains(order_id));
                return driven;
            }
        };
        report.listed_by_id = found.orders.len() + found.unreadable.len();
        poll.absent.retain(|order_id| !absent.contains(order_id));
        driven.clean &= self.record(channel, &found, &[], run, report).await;
        driven
    }

    /// Orders that wait with us and that this run's listings do not show, the oldest first: firm
    /// ones once Prima takes them, or one as a probe; those whose message is lost; those whose
    /// creator is gone.
    async fn waiting_with_us(&self, channel: &Channel, listing: &Listing) -> Vec<String> {
        let now = self.clock.now();
        let mut waiting = Vec::new();
        // Where the store does not answer, nothing is known to wait.
        if let Ok(breakers) = self.store.load_breakers().await
            && breakers.admits(now)
        {
            let firm = self
                .store
                .orders_in(&channel.id, Stage::Firm.name(), KEYS)
                .await
                .unwrap_or_default();
            // While a breaker of Prima's is open, a few are enough: one of them is the probe.
            let most = if breakers.stops_creation() { PROBES } else { KEYS };
            waiting.extend(
                firm.into_iter()
                    .filter(|key| breakers.admits_order(key, now))
                    .map(|key| key.order_id)
                    .take(most),
            );
        }
        for stage in [Stage::InDoubt, Stage::Creating, Stage::Queued] {
            let rows = self.rows_in(channel, stage.name(), ROWS).await;
            let lost = rows.into_iter().filter(|row| match row.stage {
                Stage::Creating => row
                    .creation
                    .lease
                    .as_ref()
                    .is_none_or(|lease| lease.until < before(now, LEASE_IS_DEAD)),
                Stage::Queued | Stage::InDoubt => row.message_is_lost(now),
                _ => false,
            });
            waiting.extend(lost.map(|row| row.key.order_id));
        }
        let listed: HashSet<&str> =
            listing.orders.iter().map(|order| order.order_id.as_str()).collect();
        waiting.retain(|order_id| !listed.contains(order_id.as_str()));
        waiting
    }

    /// Notes which orders of ours are open and absent from a complete listing of the open states.
    /// They are looked up by their ids in the order in which they are noted: those that had no turn
    /// yet come first.
    async fn note_absent(&self, channel: &Channel, poll: &mut PollState, shown: &HashSet<String>) {
        let mut absent = Vec::new();
        for state in OpenState::ALL
            .iter()
            .filter(|state| state.is_looked_up_when_absent)
            .map(|state| state.name)
        {
            let keys = self.store.orders_in(&channel.id, state, KEYS).await.unwrap_or_default();
            absent.extend(
                keys.into_iter()
                    .map(|key| key.order_id)
                    .filter(|order_id| !shown.contains(order_id)),
            );
        }
        let still_absent: HashSet<String> = absent.iter().cloned().collect();
        poll.absent.retain(|order_id| still_absent.contains(order_id));
        let noted: HashSet<String> = poll.absent.iter().cloned().collect();
        poll.absent.extend(absent.into_iter().filter(|order_id| !noted.contains(order_id)));
        poll.absent.truncate(KEYS);
    }

    /// Cancellations in Prima whose message was lost. They need no listing: the row says all.
    async fn resend_stuck_cancellations(&self, channel: &Channel) -> bool {
        let now = self.clock.now();
        let rows = self.rows_in(channel, Stage::Cancelling.name(), ROWS).await;
        let mut messages = Vec::new();
        for mut row in rows {
            if row.stage == Stage::Cancelling && row.message_is_lost(now) {
                row.send_again(now, "not worked off: sent again");
                if self.store.save_order(&mut row).await.is_ok() {
                    messages.push(OrderMessage {
                        channel: row.key.channel,
                        order_id: row.key.order_id,
                        task: OrderTask::Cancel,
                    });
                }
            }
        }
        self.send(channel, &messages).await
    }

    /// Exceptions whose message or event was lost to a crash, and those whose message is about to
    /// expire.
    pub(crate) async fn announce_exceptions(&self, channel: &Channel, report: &mut ChannelReport) {
        let now = self.clock.now();
        for mut row in self.rows_in(channel, EXCEPTION_UNANNOUNCED, IDS_PER_CALL).await {
            let is_due = row.exception.as_ref().is_some_and(|exception| {
                exception.kind.is_found_by_poller() || exception.first_seen < before(now, GRACE)
            });
            if is_due {
                announce(&self.store, &self.queue, &self.events, &mut row, now).await;
                report.count("exceptions_announced");
            }
        }
        for row in self.rows_in(channel, Stage::Exception.name(), 20).await {
            self.show_again(row, now).await;
        }
    }

    async fn show_again(&self, mut row: OrderRow, now: Timestamp) {
        let Some(exception) = row.exception.as_mut().filter(|exception| exception.told.is_told())
        else {
            return;
        };
        let (told, Some(due)) = (exception.told, exception.told.due(Rule::EXCEPTION, now)) else {
            return;
        };
        exception.told.note(due.into(), now);
        let told_of = exception.view(&row.key.channel, &row.key.order_id);
        let (message, event) =
            (told_of.message(), told_of.event(EventKind::OrderException, due.is_again, now));
        // To the end of the line of the oldest, and recorded first: shown twice is worse than shown
        // a minute later.
        row.since = now;
        if self.store.save_order(&mut row).await.is_err()
            || deliver(&self.queue, &self.events, due, message, event).await == due.into()
        {
            return;
        }
        if let Some(exception) = row.exception.as_mut() {
            exception.told = told;
        }
        let _moved_meanwhile = self.store.save_order(&mut row).await;
    }

    async fn rows_in(&self, channel: &Channel, index_state: &str, limit: usize) -> Vec<OrderRow> {
        let Ok(keys) = self.store.orders_in(&channel.id, index_state, limit).await else {
            return Vec::new();
        };
        if keys.is_empty() {
            return Vec::new();
        }
        let mut rows: Vec<_> = self
            .store
            .load_orders(&keys)
            .await
            .map(|rows| rows.into_values().collect())
            .unwrap_or_default();
        rows.sort_by(|one: &OrderRow, other| (one.since, &one.key).cmp(&(other.since, &other.key)));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everybody that waits has a turn, the oldest first, and nobody has two before another had
    /// one.
    #[test]
    fn turns_go_oldest_first_and_none_repeats_before_all_had_one() {
        let ids = |numbers: std::ops::Range<u32>| {
            numbers.map(|number| number.to_string()).collect::<Vec<_>>()
        };
        let mut had = Vec::new();
        assert_eq!(turns(&mut had, &ids(0..250), 100), ids(0..100));
        assert_eq!(turns(&mut had, &ids(0..250), 100), ids(100..200));
        // The rest, and then those again that had theirs first.
        assert_eq!(turns(&mut had, &ids(0..250), 100), [ids(200..250), ids(0..50)].concat());
        // What was helped is gone; what is new comes before those that had a turn.
        let waiting = [ids(0..30), ids(300..310)].concat();
        assert_eq!(turns(&mut had, &waiting, 20), [ids(300..310), ids(0..10)].concat());
        assert_eq!(turns(&mut had, &waiting, 20), ids(10..30));
        assert_eq!(turns(&mut had, &[], 20), Vec::<String>::new());
        assert!(had.is_empty());
    }
}
