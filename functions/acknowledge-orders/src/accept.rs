//! Accepting what waits, and saying which acceptance windows are about to end.

use futures_util::stream::{self, StreamExt};
use shared::domain::channel::{Channel, MiraklDirectory, Mode};
use shared::domain::events::{Event, EventKind, Severity};
use shared::domain::notify::tell;
use shared::domain::state::{ListingKind, PollState};
use shared::kit::clock::{Clock as _, after};
use shared::mirakl::MiraklOrders as _;
use shared::mirakl::rights::shows_right;

use crate::listing::Listing;
use crate::report::ChannelReport;
use crate::rights;
use crate::{PortTypes, Ports};

/// Mirakl's operation by which an order is accepted.
const ACCEPT: &str = "OR21";

impl<T: PortTypes> Ports<T> {
    /// Accepts every waiting order, oldest first, a few at a time. While the right to accept is
    /// known to be missing, one order a run tries it, and the others follow at once where it is
    /// there: a window does not wait for a back-off.
    pub(crate) async fn accept_waiting(
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
    pub(crate) async fn warn_of_windows(
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
}
