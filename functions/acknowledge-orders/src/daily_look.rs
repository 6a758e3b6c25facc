//! The daily look at both sides: what Mirakl has done with and no listing ever showed, and orders
//! of ours that Mirakl does not know any more. Both are for a person; nothing else would ever tell.
//!
//! A minute's run looks at a few pages once it has accepted, recorded and handed over, and the next
//! one goes on where it stopped. It gives up where Mirakl lets it wait for its limit: the next
//! minute's listing comes first.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::channel::Channel;
use shared::domain::channel::MiraklDirectory;
use shared::domain::events::{Event, EventKind, Severity};
use shared::domain::notify::{Rule, Told, tell_due};
use shared::domain::order::life::{Circumstances, on_look};
use shared::domain::order::remedy::{self, SettledAs};
use shared::domain::order::row::{ExceptionKind, OpenState, OrderKey, OrderRow, Stage};
use shared::domain::state::{Look, OrderStore};
use shared::kit::clock::{Clock, after, before};
use shared::mirakl::{MiraklOrders, Order, OrderQuery, OrderState};

use crate::listing::list_by_id;
use crate::report::ChannelReport;
use crate::{OVERLAP, PortTypes, Ports, Run};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// An order that came longer before the latest look is history: its row may have been deleted for
/// its age.
const LOOKS_BACK: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// What is left of a run when it looks no further: rows are still to be saved, and the next run
/// must not wait.
const TIME_TO_RECORD: Duration = Duration::from_secs(15);
/// A call that takes longer waits for a limit.
const PATIENCE: Duration = Duration::from_secs(8);
/// Pages of a run.
const PAGES: usize = 5;
/// OR11's largest page, and its limit of `order_ids`.
const PAGE: usize = 100;
/// Orders that a page shows again of the one before.
const SHOWN_AGAIN: usize = 10;
/// Keys read of one stage.
const KEYS: usize = 2000;
/// So many orders of which Mirakl knows none say something of the channel, and nothing of the
/// orders.
const ALL_UNKNOWN: usize = 10;

impl<T: PortTypes> Ports<T> {
    /// Goes on with the look that is due. Not while the run is busy: its listing did not come to
    /// its end, or looked up orders itself.
    pub(crate) async fn look_around(
        &self,
        client: &<T::Directory as MiraklDirectory>::Client,
        channel: &Channel,
        look: &mut Look,
        busy: bool,
        run: &Run,
        report: &mut ChannelReport,
    ) {
        let now = self.clock.now();
        // The first one: since the take-over, as if nobody had looked at anything since.
        let done =
            *look.done.get_or_insert_with(|| channel.take_over_from.max(before(now, LOOKS_BACK)));
        if busy || (look.began.is_none() && now < after(done, EVERY)) {
            return;
        }
        let began = *look.began.get_or_insert(now);
        let stop_at = before(run.hard_deadline, TIME_TO_RECORD);
        if look.asked_to.is_none() {
            let from = before(done, OVERLAP).max(before(began, LOOKS_BACK));
            for _page in 0..PAGES {
                match self.look_at_page(client, channel, look, from, stop_at, report).await {
                    Some(true) => break,
                    Some(false) => {}
                    None => return,
                }
            }
            return;
        }
        if self.look_for_unknown(client, channel, look, stop_at, report).await {
            let told =
                if look.none_was_known { look.told_that_none_is_known } else { Told::default() };
            *look = Look { done: Some(began), told_that_none_is_known: told, ..Look::default() };
        }
    }

    /// One page of what Mirakl has done with since the latest look; true for the last one, none
    /// where the next run has to go on.
    async fn look_at_page(
        &self,
        client: &<T::Directory as MiraklDirectory>::Client,
        channel: &Channel,
        look: &mut Look,
        from: Timestamp,
        stop_at: Timestamp,
        report: &mut ChannelReport,
    ) -> Option<bool> {
        if after(self.clock.now(), PATIENCE) > stop_at {
            return None;
        }
        let states = vec![
            OrderState::Shipped,
            OrderState::ToCollect,
            OrderState::Received,
            OrderState::Closed,
        ];
        let query = OrderQuery { states, updated_from: Some(from), ..OrderQuery::default() };
        let page = match tokio::time::timeout(PATIENCE, client.list_orders(&query, look.offset))
            .await
        {
            Ok(Ok(page)) => page,
            Ok(Err(problem)) => {
                tracing::warn!(channel = %channel.id, %problem, "the daily look got no page; the next run asks again");
                report.count("look_failures");
                return None;
            }
            Err(_waits) => return None,
        };
        if !self.record_looked_at(channel, &page.orders, from, report).await {
            return None;
        }
        let seen = look.offset + page.length;
        let is_last = page.length == 0
            || page.total_count.map_or(page.length < PAGE, |total| {
                u64::try_from(seen).is_ok_and(|seen| seen >= total)
            });
        if is_last {
            look.asked_to = Some(String::new());
        } else {
            // Nothing leaves this listing while it is paged: what it shows once is over for good.
            look.offset = seen.saturating_sub(SHOWN_AGAIN);
        }
        Some(is_last)
    }

    async fn record_looked_at(
        &self,
        channel: &Channel,
        orders: &[Order],
        from: Timestamp,
        report: &mut ChannelReport,
    ) -> bool {
        let keys: Vec<_> =
            orders.iter().map(|order| OrderKey::new(&channel.id, &order.order_id)).collect();
        let Ok(rows) = self.store.load_orders(&keys).await else { return false };
        let at =
            Circumstances { accepted: false, prima_takes_orders: false, now: self.clock.now() };
        let mut saved = Vec::new();
        for order in orders {
            let known = rows.get(&OrderKey::new(&channel.id, &order.order_id));
            let is_history = known.is_none()
                && order.created_date.is_none_or(|created| created < before(from, LOOKS_BACK));
            if is_history {
                continue;
            }
            if let Some((row, next)) = on_look(known, order, channel, at) {
                if known.is_none() {
                    report.count("orders_over_unseen");
                    tracing::warn!(channel = %channel.id, order = %order.order_id, stage = row.stage.name(), "Mirakl has done with an order that no listing ever showed");
                }
                saved.push(self.save(channel, row, order, next, at).await);
            }
        }
        self.follow_up(channel, saved, report).await
    }

    /// The next hundred of our open orders: those that Mirakl does not know any more are told. True
    /// when there are no more.
    async fn look_for_unknown(
        &self,
        client: &<T::Directory as MiraklDirectory>::Client,
        channel: &Channel,
        look: &mut Look,
        stop_at: Timestamp,
        report: &mut ChannelReport,
    ) -> bool {
        let asked_to = look.asked_to.clone().unwrap_or_default();
        let mut ours: Vec<String> = Vec::new();
        for state in
            OpenState::ALL.iter().filter(|state| state.is_asked_for_daily).map(|state| state.name)
        {
            let Ok(keys) = self.store.orders_in(&channel.id, state, KEYS).await else {
                return false;
            };
            ours.extend(
                keys.into_iter().map(|key| key.order_id).filter(|order_id| *order_id > asked_to),
            );
        }
        ours.sort_unstable();
        ours.dedup();
        ours.truncate(PAGE);
        let Some(last) = ours.last().cloned() else { return true };
        let Some(unknown) = self.unknown_of(client, ours.clone(), stop_at).await else {
            return false;
        };
        // Once more: a listing that lacks an order by chance is no evidence.
        let again = if unknown.is_empty() {
            Some(unknown)
        } else {
            self.unknown_of(client, unknown, stop_at).await
        };
        let Some(unknown) = again else { return false };
        if unknown.len() >= ALL_UNKNOWN && unknown.len() == ours.len() {
            report.count("look_knows_nothing");
            tracing::error!(channel = %channel.id, orders = ours.len(), "Mirakl knows none of our open orders: is this the right shop? Nothing is said of the orders");
            // Where the bus does not take it, the next minute asks again, and tells.
            let (told, now) = (&mut look.told_that_none_is_known, self.clock.now());
            if tell_due(&self.events, told, Rule::EVENT, now, || none_is_known(channel, ours.len()))
                .await
            {
                look.none_was_known = true;
                look.asked_to = Some(last);
            }
            return false;
        }
        for order_id in unknown {
            self.tell_of_unknown(channel, &order_id, report).await;
        }
        look.asked_to = Some(last);
        false
    }

    /// Those of `order_ids` that Mirakl does not list; none where it did not answer completely.
    async fn unknown_of(
        &self,
        client: &<T::Directory as MiraklDirectory>::Client,
        order_ids: Vec<String>,
        stop_at: Timestamp,
    ) -> Option<Vec<String>> {
        if after(self.clock.now(), PATIENCE) > stop_at {
            return None;
        }
        let found =
            tokio::time::timeout(PATIENCE, list_by_id(client, order_ids.clone(), self.clock.now()))
                .await
                .ok()?
                .ok()?;
        // An entry without an id may be any of them.
        if found.unreadable.iter().any(|order| order.order_id.is_none()) {
            return None;
        }
        let known: HashSet<&str> = found
            .orders
            .iter()
            .map(|order| order.order_id.as_str())
            .chain(found.unreadable.iter().filter_map(|order| order.order_id.as_deref()))
            .collect();
        Some(
            order_ids
                .iter()
                .filter(|order_id| !known.contains(order_id.as_str()))
                .cloned()
                .collect(),
        )
    }

    async fn tell_of_unknown(&self, channel: &Channel, order_id: &str, report: &mut ChannelReport) {
        let Ok(Some(mut row)) = self.store.load_order(&OrderKey::new(&channel.id, order_id)).await
        else {
            return;
        };
        if !is_open(&row) {
            return;
        }
        let in_prima = match (&row.creation.order_number, row.creation.created_at) {
            (Some(number), Some(_)) => format!("; in Prima it is {number}"),
            _ => "; the connector knows of no Prima order for it".to_owned(),
        };
        let remedy = format!(
            "Look for it in Mirakl's back office, and ask the marketplace what became of it. If it is not to be delivered, cancel it in Prima; then settle the exception: {}. If goods have left: {}",
            remedy::settle(&row.key, SettledAs::Cancelled),
            remedy::settle(&row.key, SettledAs::Shipped)
        );
        row.fail(
            ExceptionKind::NotInMirakl,
            format!("Mirakl does not know the order any more{in_prima}"),
            remedy,
            self.clock.now(),
        );
        if self.store.save_order(&mut row).await.is_ok() {
            report.count("orders_not_in_mirakl");
        }
    }
}

fn none_is_known(channel: &Channel, asked_for: usize) -> Event {
    Event {
        kind: EventKind::OrdersNotInMirakl,
        channel: Some(channel.id.clone()),
        order: None,
        needs_person: true,
        severity: Severity::Critical,
        reason: format!(
            "Mirakl knows none of the {asked_for} open orders of channel {0} that it was asked for, twice: the key of channel {0} may belong to another shop, or the marketplace's instance was set up anew",
            channel.id
        ),
        remedy: format!(
            "Look which shop the key opens: prima-mirakl check {0}. If it is another one, store the right key: prima-mirakl channels key {0}. If the instance is a new one, cancel in Prima what is not to be delivered, put the channel to \"orders\": \"off\", and go on under a new channel id. Nothing is said of each order; they are asked for again every day.",
            channel.id
        ),
    }
}

/// Nobody holds it, and nothing is settled of it. The index lags, so that the row is asked once
/// more.
fn is_open(row: &OrderRow) -> bool {
    let waits = matches!(
        row.stage,
        Stage::Seen | Stage::Acknowledged | Stage::AwaitingPayment | Stage::Firm | Stage::Queued
    );
    let of_dispatch =
        row.exception.as_ref().is_some_and(|exception| exception.kind.is_of_dispatch());
    (waits && row.creation.attempt.is_none())
        || row.stage.is_in_prima()
        || of_dispatch
        || row.stage == Stage::OperatorFulfilled
}
