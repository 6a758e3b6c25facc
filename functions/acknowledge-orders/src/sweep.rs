//! What the sweep finds: orders of ours that Mirakl no longer lists as open, messages that were lost, exceptions that
//! nobody was told of.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use shared::channel::Channel;
use shared::clock::{Clock, before};
use shared::events::EventBus;
use shared::exceptions::{announce, message};
use shared::mirakl::MiraklDirectory;
use shared::order::life::QUEUED_IS_STUCK;
use shared::order::row::{DESPATCH_EXCEPTION, EXCEPTION_UNANNOUNCED, OrderRow, REFERENCE_PENDING, Stage};
use shared::queue::{OrderMessage, OrderQueue, OrderTask};
use shared::state::Store;

use crate::Ports;
use crate::listing::Listing;
use crate::report::ChannelReport;

/// OR11's limit of `order_ids`.
const IDS_PER_CALL: usize = 100;
/// Keys read of one stage.
const KEYS: usize = 2000;
/// A younger exception of `create-prima-orders` is being announced by that function itself.
const GRACE: Duration = Duration::from_secs(120);
/// The dead-letter queue keeps messages for 14 days: an unresolved exception is shown again before that.
const SHOWN_FOR: Duration = Duration::from_secs(13 * 24 * 60 * 60);

impl<D, S, Q, E, C> Ports<D, S, Q, E, C>
where
    D: MiraklDirectory,
    S: Store,
    Q: OrderQueue,
    E: EventBus,
    C: Clock,
{
    /// Firm orders wait as rows, and Prima takes orders again, or a probe. A store that does not answer has nothing to say.
    pub(crate) async fn firm_orders_can_go(&self, channel: &Channel, now: Timestamp) -> bool {
        let admits = self.store.load_intake().await.is_ok_and(|intake| intake.admits(now));
        admits && self.store.orders_in(&channel.id, Stage::Firm.name(), 1).await.is_ok_and(|firm| !firm.is_empty())
    }

    /// Orders of ours that are open, and absent from a complete listing of the open states: the oldest hundred.
    pub(crate) async fn absent_orders(&self, channel: &Channel, listing: &Listing) -> Vec<String> {
        let listed: HashSet<&str> = listing
            .orders
            .iter()
            .map(|order| order.order_id.as_str())
            .chain(listing.unreadable.iter().filter_map(|order| order.order_id.as_deref()))
            .collect();
        let open = [
            Stage::Seen.name(),
            Stage::Acknowledged.name(),
            Stage::AwaitingPayment.name(),
            Stage::Firm.name(),
            Stage::Queued.name(),
            Stage::Creating.name(),
            Stage::InDoubt.name(),
            REFERENCE_PENDING,
            Stage::Created.name(),
            Stage::Despatched.name(),
            Stage::PartDespatched.name(),
            // A person may have shipped it in Mirakl's back office.
            DESPATCH_EXCEPTION,
        ];
        let mut absent = Vec::new();
        for state in open {
            let Ok(keys) = self.store.orders_in(&channel.id, state, KEYS).await else { continue };
            absent.extend(keys.into_iter().map(|key| key.order_id).filter(|order_id| !listed.contains(order_id.as_str())));
            if absent.len() >= IDS_PER_CALL {
                break;
            }
        }
        absent.truncate(IDS_PER_CALL);
        absent
    }

    /// Cancellations in Prima whose message was lost. They need no listing: the row says all.
    pub(crate) async fn resend_stuck_cancellations(&self, channel: &Channel) -> bool {
        let now = self.clock.now();
        let rows = self.rows_in(channel, Stage::Cancelling.name(), IDS_PER_CALL).await;
        let mut messages = Vec::new();
        for mut row in rows {
            if row.stage == Stage::Cancelling && row.since < before(now, QUEUED_IS_STUCK) {
                row.since = now;
                if self.store.save_order(&mut row).await.is_ok() {
                    messages.push(OrderMessage { channel: row.key.channel, order_id: row.key.order_id, task: OrderTask::Cancel });
                }
            }
        }
        self.send(channel, &messages).await
    }

    /// Exceptions whose message or event was lost to a crash, and those whose message is about to expire.
    pub(crate) async fn announce_exceptions(&self, channel: &Channel, report: &mut ChannelReport) {
        let now = self.clock.now();
        for mut row in self.rows_in(channel, EXCEPTION_UNANNOUNCED, IDS_PER_CALL).await {
            let is_due = row
                .exception
                .as_ref()
                .is_some_and(|exception| exception.kind.is_found_by_poller() || exception.first_seen < before(now, GRACE));
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
        let Some(exception) = row.exception.as_mut() else { return };
        let announced_at = exception.announced_at;
        if announced_at.is_none_or(|at| at > before(now, SHOWN_FOR)) {
            return;
        }
        exception.announced_at = Some(now);
        let shown = message(&row.key, exception);
        // To the end of the line of the oldest, and recorded first: shown twice is worse than shown a minute later.
        row.since = now;
        if self.store.save_order(&mut row).await.is_err() || self.queue.send_exceptions(&[shown]).await.is_ok() {
            return;
        }
        tracing::warn!(channel = %row.key.channel, order = %row.key.order_id, "an unresolved exception could not be shown again; the next minute tries once more");
        if let Some(exception) = row.exception.as_mut() {
            exception.announced_at = announced_at;
        }
        let _moved_meanwhile = self.store.save_order(&mut row).await;
    }

    async fn rows_in(&self, channel: &Channel, index_state: &str, limit: usize) -> Vec<OrderRow> {
        let Ok(keys) = self.store.orders_in(&channel.id, index_state, limit).await else { return Vec::new() };
        if keys.is_empty() {
            return Vec::new();
        }
        let mut rows: Vec<_> = self.store.load_orders(&keys).await.map(|rows| rows.into_values().collect()).unwrap_or_default();
        rows.sort_by(|one: &OrderRow, other| (one.since, &one.key).cmp(&(other.since, &other.key)));
        rows
    }
}
