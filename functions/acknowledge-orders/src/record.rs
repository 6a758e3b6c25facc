//! After acceptance: rows follow the listing, and firm orders go to the queue.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use shared::domain::channel::{Channel, Mode};
use shared::domain::events::{Event, EventKind, Severity};
use shared::domain::notify::tell;
use shared::domain::order::life::{
    Circumstances, Next, is_left_alone, on_cancellation, on_listing,
};
use shared::domain::order::remedy::{self, SettledAs};
use shared::domain::order::row::{ExceptionKind, OrderKey, OrderRow, Stage};
use shared::domain::queue::{OrderMessage, OrderQueue, OrderTask};
use shared::domain::state::{BreakerStore, OrderStore, PrimaBreakers, StoreError};
use shared::kit::clock::{Clock, before};
use shared::mirakl::{Order, OrderState, UnreadableOrder};

use crate::listing::Listing;
use crate::report::ChannelReport;
use crate::{PortTypes, Ports, Run};

/// What is left of a run when no further row is saved.
const TIME_TO_END: Duration = Duration::from_secs(8);
/// Rows saved at once.
const CONCURRENT_SAVES: usize = 16;

/// A saved row's follow-up.
pub(crate) enum Saved {
    Quiet,
    Create(OrderMessage),
    Cancel(OrderMessage),
    WindowMissed,
    Failed,
}

impl<T: PortTypes> Ports<T> {
    /// Brings rows up to what was listed; true when nothing was left behind.
    pub(crate) async fn record(
        &self,
        channel: &Channel,
        listing: &Listing,
        accepted: &[String],
        run: &Run,
        report: &mut ChannelReport,
    ) -> bool {
        let stop_at = before(run.hard_deadline, TIME_TO_END);
        let clean = self.record_orders(channel, &listing.orders, accepted, stop_at, report).await;
        clean & self.record_unreadable(channel, listing, report).await
    }

    async fn record_orders(
        &self,
        channel: &Channel,
        orders: &[Order],
        accepted: &[String],
        stop_at: Timestamp,
        report: &mut ChannelReport,
    ) -> bool {
        if orders.is_empty() {
            return true;
        }
        for order in orders {
            report.note_unknown_values(order);
        }
        let keys: Vec<_> =
            orders.iter().map(|order| OrderKey::new(&channel.id, &order.order_id)).collect();
        let rows = match self.store.load_orders(&keys).await {
            Ok(rows) => rows,
            Err(problem) => {
                tracing::warn!(channel = %channel.id, %problem, "rows cannot be read; the orders are safe, and the next listing repeats them");
                report.count("store_failures");
                return false;
            }
        };
        if channel.orders == Mode::Observe {
            return self.observe(channel, orders, &rows).await;
        }
        let breakers = self.store.load_breakers().await.unwrap_or_default();
        let plans = self.plan(channel, orders, accepted, &rows, &breakers);
        let saved: Vec<Saved> = stream::iter(plans)
            .map(|(row, order, next, at)| async move {
                if self.clock.now() > stop_at {
                    Saved::Failed
                } else {
                    self.save(channel, row, order, next, at).await
                }
            })
            .buffer_unordered(CONCURRENT_SAVES)
            .collect()
            .await;
        self.follow_up(channel, saved, report).await
    }

    /// What is to be saved, oldest order first. While a breaker is open one order at most is
    /// queued, as a probe.
    fn plan<'o>(
        &self,
        channel: &Channel,
        orders: &'o [Order],
        accepted: &[String],
        rows: &HashMap<OrderKey, OrderRow>,
        breakers: &PrimaBreakers,
    ) -> Vec<(OrderRow, &'o Order, Next, Circumstances)> {
        let now = self.clock.now();
        let mut may_queue = if breakers.stops_creation() {
            usize::from(breakers.probe_due(now))
        } else {
            usize::MAX
        };
        let mut plans = Vec::new();
        for order in orders {
            let key = OrderKey::new(&channel.id, &order.order_id);
            let prima_takes_orders = may_queue > 0 && breakers.admits_order(&key, now);
            let at = Circumstances {
                accepted: accepted.contains(&order.order_id),
                prima_takes_orders,
                now,
            };
            let known = rows.get(&key);
            if let Some((row, next)) = on_listing(known, order, channel, at) {
                if next == Next::Create {
                    // What is sent again because it is stuck goes out even while a breaker is open:
                    // its row stays where it is.
                    may_queue = may_queue.saturating_sub(1);
                }
                plans.push((row, order, next, at));
            }
        }
        plans
    }

    pub(crate) async fn save(
        &self,
        channel: &Channel,
        mut row: OrderRow,
        order: &Order,
        mut next: Next,
        at: Circumstances,
    ) -> Saved {
        // Told first: once the row is saved, nothing brings the order back to be told of.
        if next == Next::WindowMissed && !self.tell_of_missed_window(channel, order).await {
            return Saved::Failed;
        }
        for _try in 0..3 {
            match self.store.save_order(&mut row).await {
                Ok(()) => return follow_up_of(&row, order, next),
                Err(StoreError::Conflict(_)) => {
                    // Somebody moved it meanwhile: decide again from what it is now.
                    let Ok(current) = self.store.load_order(&row.key).await else {
                        return Saved::Failed;
                    };
                    match on_listing(current.as_ref(), order, channel, at) {
                        None => return Saved::Quiet,
                        Some(plan) => (row, next) = plan,
                    }
                }
                Err(problem) => {
                    tracing::warn!(channel = %channel.id, order = %order.order_id, %problem, "a row could not be saved; the next listing repeats it");
                    return Saved::Failed;
                }
            }
        }
        Saved::Failed
    }

    pub(crate) async fn follow_up(
        &self,
        channel: &Channel,
        saved: Vec<Saved>,
        report: &mut ChannelReport,
    ) -> bool {
        let mut clean = true;
        let mut messages = Vec::new();
        for one in saved {
            match one {
                Saved::Quiet => report.recorded += 1,
                Saved::Create(message) | Saved::Cancel(message) => {
                    report.recorded += 1;
                    messages.push(message);
                }
                Saved::WindowMissed => {
                    report.recorded += 1;
                    report.count("windows_missed");
                }
                Saved::Failed => {
                    report.count("store_failures");
                    clean = false;
                }
            }
        }
        report.queued += messages.len();
        clean & self.send(channel, &messages).await
    }

    /// Sends messages; the rows of those that may not have been sent wait for the next listing
    /// instead of being taken for stuck much later.
    pub(crate) async fn send(&self, channel: &Channel, messages: &[OrderMessage]) -> bool {
        if messages.is_empty() {
            return true;
        }
        let Err(problem) = self.queue.send(messages, Duration::ZERO).await else { return true };
        tracing::warn!(channel = %channel.id, %problem, failed = problem.failed.len(), "orders could not be queued; the next listing queues them");
        for message in problem.failed.iter().filter_map(|&index| messages.get(index)) {
            let key = OrderKey::new(&message.channel, &message.order_id);
            if let Ok(Some(mut row)) = self.store.load_order(&key).await
                && row.stage == Stage::Queued
            {
                if message.is_too_large() {
                    let remedy = format!(
                        "Key it into Prima by hand, then: {}",
                        remedy::settle(&row.key, SettledAs::KeyedByHand)
                    );
                    let reason = format!(
                        "the order is too long for a message of the queue ({} lines)",
                        row.lines.len()
                    );
                    row.fail(ExceptionKind::TooLarge, reason, remedy, self.clock.now());
                } else {
                    row.enter(Stage::Firm, self.clock.now(), "could not be queued");
                }
                // A conflict means that the message did arrive and is being worked off.
                let _unsaved = self.store.save_order(&mut row).await;
            }
        }
        false
    }

    /// True once people are told.
    async fn tell_of_missed_window(&self, channel: &Channel, order: &Order) -> bool {
        let reason = order.order_state_reason_code.as_deref().unwrap_or_default();
        let event = Event {
            kind: EventKind::AcceptanceWindowMissed,
            channel: Some(channel.id.clone()),
            order: Some(order.order_id.clone()),
            needs_person: true,
            severity: Severity::Critical,
            reason: format!("Mirakl refused the order because its acceptance window passed ({reason})"),
            remedy: "An incident: look at this channel's failures before the deadline, and tell the marketplace why.".to_owned(),
        };
        tell(&self.events, &[event]).await
    }

    /// Shows what would be done. Only orders whose Prima number Mirakl holds get a row: so memory
    /// is rebuilt after a loss.
    async fn observe(
        &self,
        channel: &Channel,
        orders: &[Order],
        rows: &HashMap<OrderKey, OrderRow>,
    ) -> bool {
        let now = self.clock.now();
        let mut clean = true;
        for order in orders {
            let known = rows.contains_key(&OrderKey::new(&channel.id, &order.order_id));
            if known {
                continue;
            }
            if let Some(number) = order.seller_reference() {
                let mut row = OrderRow::first_seen(&channel.id, order, now);
                row.creation.order_number = Some(number.to_owned());
                row.creation.created_at = Some(now);
                row.creation.referenced_at = Some(now);
                row.enter(Stage::Created, now, "rebuilt from the reference that Mirakl holds");
                clean &= self.store.save_order(&mut row).await.is_ok();
            } else if order.order_state == OrderState::Shipping
                && order.created_date.is_none_or(|created| created >= channel.take_over_from)
            {
                tracing::info!(channel = %channel.id, order = %order.order_id, lines = order.order_lines.len(), "observing: would queue for Prima");
            }
        }
        clean
    }

    /// An order that cannot be read cannot be created: once it is past acceptance, it is an
    /// exception.
    async fn record_unreadable(
        &self,
        channel: &Channel,
        listing: &Listing,
        report: &mut ChannelReport,
    ) -> bool {
        let mut clean = true;
        for order in &listing.unreadable {
            report.count("unreadable_orders");
            tracing::error!(
                channel = %channel.id,
                order = order.order_id.as_deref().unwrap_or("unknown"),
                problem = %order.problem,
                "Mirakl lists an order that cannot be read; it is accepted where possible, and not created in Prima"
            );
            if channel.orders == Mode::Live {
                clean &= self.record_unreadable_order(channel, order).await;
            }
        }
        clean
    }

    async fn record_unreadable_order(&self, channel: &Channel, order: &UnreadableOrder) -> bool {
        let (Some(order_id), Some(acceptable)) = (&order.order_id, &order.acceptable) else {
            return true;
        };
        let key = OrderKey::new(&channel.id, order_id);
        match acceptable.state {
            OrderState::Canceled | OrderState::Refused => {
                return self.cancel_unreadable(channel, key).await;
            }
            OrderState::Shipping => {}
            // Not firm yet, or over: nothing is to be created of it now.
            _ => return true,
        }
        let now = self.clock.now();
        let mut row = match self.store.load_order(&key).await {
            Ok(Some(row))
                if matches!(
                    row.stage,
                    Stage::Seen | Stage::Acknowledged | Stage::AwaitingPayment | Stage::Firm
                ) =>
            {
                row
            }
            // Whoever has its message can work it off; without one nobody can.
            Ok(Some(row)) if is_left_alone(&row, now) => row,
            Ok(Some(_)) => return true,
            Ok(None) => OrderRow::unread(key.clone(), acceptable.state.clone(), now),
            Err(_) => return false,
        };
        let sent = match (&row.creation.attempt, &row.creation.order_number) {
            (Some(_), Some(number)) => {
                format!("; it was sent to Prima as {number}: look for it there first")
            }
            _ => String::new(),
        };
        row.fail(
            ExceptionKind::Unreadable,
            format!("Mirakl lists the order in a way that cannot be read: {}{sent}", order.problem),
            format!(
                "Have the marketplace correct the order: once it can be read, it goes on by itself. Or key it into Prima by hand, and then at once: {}",
                remedy::settle(&key, SettledAs::KeyedByHand)
            ),
            now,
        );
        self.store.save_order(&mut row).await.is_ok()
    }

    /// To cancel an order, no more of it has to be understood than that it is cancelled.
    async fn cancel_unreadable(&self, channel: &Channel, key: OrderKey) -> bool {
        let mut row = match self.store.load_order(&key).await {
            Ok(Some(row)) => row,
            Ok(None) => return true,
            Err(_) => return false,
        };
        let before = row.clone();
        let at = Circumstances { accepted: false, prima_takes_orders: true, now: self.clock.now() };
        let mut next = on_cancellation(&mut row, None, false, at);
        // Nobody drives it on any more, and no message can be written that would have it created.
        // To cancel it, its number is enough.
        if next == Next::Create {
            if row.creation.attempt.is_some() {
                row.enter(
                    Stage::Cancelling,
                    at.now,
                    "cancelled in Mirakl after it was sent to Prima",
                );
                next = Next::Cancel;
            } else {
                row.enter(
                    Stage::Cancelled,
                    at.now,
                    "cancelled in Mirakl before it was sent to Prima",
                );
                next = Next::Nothing;
            }
        }
        if row == before {
            return true;
        }
        if self.store.save_order(&mut row).await.is_err() {
            return false;
        }
        // What is being created is driven on by its own message.
        next != Next::Cancel
            || self
                .send(
                    channel,
                    &[OrderMessage {
                        channel: row.key.channel,
                        order_id: row.key.order_id,
                        task: OrderTask::Cancel,
                    }],
                )
                .await
    }
}

fn follow_up_of(row: &OrderRow, order: &Order, next: Next) -> Saved {
    let message = |task| OrderMessage {
        channel: row.key.channel.clone(),
        order_id: row.key.order_id.clone(),
        task,
    };
    match next {
        Next::Nothing => Saved::Quiet,
        Next::Create => {
            Saved::Create(message(OrderTask::Create { order: Box::new(order.clone()) }))
        }
        Next::Cancel => Saved::Cancel(message(OrderTask::Cancel)),
        Next::WindowMissed => Saved::WindowMissed,
    }
}
