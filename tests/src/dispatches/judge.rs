//! What may not be, judged by what the marketplaces and Prima hold.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;
use shared::domain::dispatch::rules::ShortLines;
use shared::domain::events::{Event, EventKind};
use shared::domain::order::row::{ExceptionKind, OrderKey, OrderRow, Stage};
use shared::kit::clock::{after, before};
use simulators::mirakl::{Order, OrderLine, Refund, State, Tax};
use simulators::prima::{Installation, StoredOrder};

use super::run::{Achieved, told_by};
use super::world::{CHANNELS, World};
use crate::world::scene::Scene as _;

/// Questions for one order without an answer before a person is asked.
const UNANSWERED: u32 = 6;

/// Rows that are neither finished nor an exception that was told.
pub(super) fn open_ends(world: &World) -> Vec<String> {
    let numbers = world.numbers.borrow();
    let office = world.office.borrow();
    let is_done = |number: &str| {
        office
            .orders_by_number(number)
            .iter()
            .all(|order| matches!(order.status(), "Despatched" | "Cancelled"))
    };
    let rows: BTreeMap<OrderKey, OrderRow> =
        world.store.rows().into_iter().map(|row| (row.key.clone(), row)).collect();
    let mut open = Vec::new();
    for (number, key) in numbers.iter() {
        let Some(row) = rows.get(key) else { continue };
        // What becomes of an order whose goods somebody refunded is judged by the simulation of
        // orders.
        let is_refunded = world.refunded.borrow().get(number).copied().unwrap_or_default();
        let fine = match row.stage {
            _ if is_refunded => true,
            Stage::Shipped | Stage::Cancelled | Stage::Cancelling => true,
            Stage::Exception => {
                row.exception.as_ref().is_some_and(|exception| exception.told.is_told())
            }
            // The customer cancelled before the warehouse came to it.
            _ => !is_done(number),
        };
        if !fine {
            open.push(format!(
                "{number} {key} is {} although Prima is through with it",
                row.index_state()
            ));
        }
    }
    open
}

/// Pieces that the connector cancelled or refunded.
pub(super) fn settled_pieces(world: &World) -> u32 {
    let shops = world.shops.borrow();
    let lines = shops.iter().flat_map(|shop| shop.orders()).flat_map(|order| &order.lines);
    lines
        .map(|line| {
            line.refunds
                .iter()
                .filter(|refund| refund.reason_code == "OOS")
                .map(|refund| refund.quantity)
                .sum::<u32>()
                + line
                    .cancelations
                    .iter()
                    .filter(|one| one.reason_code == "OOS")
                    .map(|one| one.quantity)
                    .sum::<u32>()
        })
        .sum()
}

/// What the connector brought about, as both systems hold it.
pub(super) fn achieved(world: &World, office: &Installation) -> Achieved {
    let (numbers, shops) = (world.numbers.borrow(), world.shops.borrow());
    let mut achieved = Achieved::default();
    for (number, key) in numbers.iter() {
        let index = world.index(&key.channel);
        let Some(made) = office.orders_by_number(number).first().copied() else { continue };
        let Some(sold) = shops.get(index).and_then(|shop| shop.order(&key.order_id)) else {
            continue;
        };
        if !matches!(made.status(), "Despatched" | "Cancelled") {
            continue;
        }
        achieved.orders += 1;
        achieved.settled_orders += usize::from(
            sold.lines.iter().any(|line| !line.refunds.is_empty() || !line.cancelations.is_empty()),
        );
        // Two parcels of one moment are noticed by one question.
        let moments: BTreeSet<_> = made
            .parcels
            .iter()
            .map(|parcel| parcel.at.as_second())
            .chain([made.changed_at.as_second()])
            .collect();
        achieved.happenings += moments.len();
        achieved.open_hours +=
            made.changed_at.duration_since(made.entered_at).as_secs_f64() / 3600.0;
        if index == 0 {
            achieved.shipped_whole += usize::from(sold.shipped_date.is_some());
            let last = made.parcels.iter().map(|parcel| parcel.at).max();
            // Short orders are settled first: from when Prima had no more to send.
            achieved.seconds_to_tell.extend(
                sold.shipped_date
                    .zip(last.max(Some(made.changed_at)))
                    .map(|(told, left)| told.duration_since(left).as_secs_f64()),
            );
        } else {
            achieved.shipments += sold.shipments.len();
            for shipment in &sold.shipments {
                let parcel = made.parcels.iter().find(|parcel| {
                    shipment.invoice_reference.as_ref() == Some(&parcel.dispatch_number)
                });
                achieved.seconds_to_tell.extend(
                    parcel.map(|parcel| shipment.created.duration_since(parcel.at).as_secs_f64()),
                );
            }
        }
    }
    achieved
}

/// What can be said at the end.
pub(super) fn close(world: &World) {
    let mut wrong = Vec::new();
    let rows: BTreeMap<OrderKey, OrderRow> =
        world.store.rows().into_iter().map(|row| (row.key.clone(), row)).collect();
    {
        let (office, numbers, shops) =
            (world.office.borrow(), world.numbers.borrow(), world.shops.borrow());
        for (number, key) in numbers.iter() {
            let index = world.index(&key.channel);
            let Some(made) = office.orders_by_number(number).first().copied() else { continue };
            let Some(sold) = shops.get(index).and_then(|shop| shop.order(&key.order_id)) else {
                continue;
            };
            let Some(row) = rows.get(key) else { continue };
            let case = Case {
                world,
                number,
                index,
                made,
                sold,
                row,
                meddled: world.meddled.borrow().contains(number),
            };
            case.judge(&mut wrong);
        }
    }
    wrong.extend(unsaid_refusals(world));
    let most = world.dispatches.borrow().most_of_one;
    if most > MOST_OF_ONE {
        wrong.push(format!("{most} messages of one order were in the queue at once"));
    }
    let mut told = BTreeSet::new();
    for (_, event) in world.events.borrow().iter() {
        // What the bus gave no answer to may have been lost: it is told once more.
        let may_be_lost = world.unanswered_events.borrow().contains(&event.reason);
        if event.kind == EventKind::UnknownValue
            && !told.insert(event.reason.clone())
            && !may_be_lost
        {
            wrong.push(format!("told again: {}", event.reason));
        }
        if event.kind == EventKind::PrimaUnavailable && event.reason.contains("response document") {
            wrong.push(format!("an answer counts as silence: {}", event.reason));
        }
    }
    for what in wrong {
        world.violate(what);
    }
}

/// Rights that were refused for long, and of which nobody was told; or again and again.
fn unsaid_refusals(world: &World) -> Vec<String> {
    let events = world.events.borrow();
    let refusals = world.refusals.borrow();
    let mut wrong = Vec::new();
    for refusal in refusals.iter() {
        let (Some(first), until) = (refusal.first, refusal.until.unwrap_or(Timestamp::MAX)) else {
            continue;
        };
        let (channel, operation) = (CHANNELS[refusal.channel], refusal.operation);
        let is_of_it = |event: &Event| {
            event.kind == EventKind::KeyRefused
                && event.channel.as_deref() == Some(channel)
                && event.reason.contains(operation)
        };
        let told: Vec<Timestamp> =
            events.iter().filter(|(_, event)| is_of_it(event)).map(|(at, _)| *at).collect();
        let within =
            told.iter().filter(|at| (first..=after(until, TOLD_WITHIN)).contains(*at)).count();
        if until.duration_since(first) > TOLD_WITHIN.try_into().unwrap_or_default()
            && !told.iter().any(|at| *at <= after(first, TOLD_WITHIN))
        {
            wrong.push(format!("{operation} was refused to {channel} from {first} until {until}, and nobody was told in time: {told:?}"));
        }
        // A run that dies, or loses the bus's answer, may say it once more: of 402 seeds one sees
        // five. Who tells with every try says it dozens of times.
        if within > 6 {
            wrong.push(format!("that {operation} is refused to {channel} was told {within} times"));
        }
    }
    wrong
}

/// Messages of one order in the queue at once: the one that counts, and what came of dying runs,
/// lost answers, a second parcel. Of 402 seeds three see six; a copy for every look makes dozens.
const MOST_OF_ONE: usize = 8;
/// A refusal is told within this, whatever else goes wrong.
const TOLD_WITHIN: Duration = Duration::from_secs(3600);
/// A near deadline is told within this.
const WARNED_WITHIN: Duration = Duration::from_secs(3600);

struct Case<'c> {
    world: &'c World,
    number: &'c str,
    index: usize,
    made: &'c StoredOrder,
    sold: &'c Order,
    row: &'c OrderRow,
    meddled: bool,
}

impl Case<'_> {
    fn judge(&self, wrong: &mut Vec<String>) {
        let mut say = |what: String| {
            wrong.push(format!("{} ({}): {what}", self.number, self.row.index_state()))
        };
        self.never(&mut say);
        if self.meddled {
            return;
        }
        self.warned(&mut say);
        let is_exception = self.row.stage == Stage::Exception;
        if is_exception {
            self.exception(&mut say);
            return;
        }
        let unclear = self.world.is_unclear(&self.row.key.order_id);
        // What becomes of an order whose goods somebody refunded is the life of orders' matter.
        let is_refunded = self.is_refunded();
        if unclear && !is_refunded && !self.made.parcels.is_empty() {
            say("is no exception, and nobody can say what has left".to_owned());
        }
        if unclear || (is_refunded && !matches!(self.row.stage, Stage::Shipped)) {
            return;
        }
        if self.made.stage.is_open() || self.made.status() == "Part Despatched" {
            return;
        }
        self.told(&mut say);
        self.settled(&mut say);
    }

    /// The operator's refunds took a piece or a line; or all refunds together, ours among them,
    /// gave back all that was paid for the goods.
    fn is_refunded(&self) -> bool {
        let paid = self.world.paid.borrow();
        let is_given_back = |line: &OrderLine| {
            paid.get(&line.order_line_id).is_some_and(|paid| Back::of(line).goods >= paid.goods)
        };
        self.world.refunded.borrow().get(self.number).copied().unwrap_or_default()
            || (self.world.refunded.borrow().contains_key(self.number)
                && self.sold.lines.iter().all(is_given_back))
    }

    /// What may never have happened, whatever went on.
    fn never(&self, say: &mut impl FnMut(String)) {
        if self.sold.shipped_without_tracking && !self.meddled {
            say("OR24 came before OR23".to_owned());
        }
        let known = |number: Option<&String>| {
            let number = number.map(String::as_str).unwrap_or_default();
            // A number that came later replaces none.
            self.made.parcels.iter().any(|parcel| {
                parcel.consignment == number
                    || (number.is_empty() && parcel.consignment.starts_with("LATE"))
            })
        };
        if let Some(tracking) = &self.sold.tracking
            && !known(tracking.tracking_number.as_ref())
        {
            say(format!("its number {:?} is none of Prima's", tracking.tracking_number));
        }
        for shipment in &self.sold.shipments {
            let of_parcel =
                self.made.parcels.iter().any(|parcel| {
                    Some(&parcel.dispatch_number) == shipment.invoice_reference.as_ref()
                });
            if !of_parcel || !known(shipment.tracking.tracking_number.as_ref()) {
                say(format!("a shipment that Prima never booked: {shipment:?}"));
            }
        }
        for parcel in &self.made.parcels {
            let told = self.sold.shipments.iter().filter(|shipment| {
                shipment.invoice_reference.as_ref() == Some(&parcel.dispatch_number)
            });
            let told = told.count();
            if told > 1 {
                say(format!("parcel {} was told {told} times", parcel.dispatch_number));
            }
        }
        for line in &self.sold.lines {
            let gone: u32 = self.gone(&line.order_line_id);
            let settled = line
                .refunds
                .iter()
                .filter(|refund| refund.reason_code == "OOS")
                .map(|refund| refund.quantity)
                .sum::<u32>()
                + line
                    .cancelations
                    .iter()
                    .filter(|one| one.reason_code == "OOS")
                    .map(|one| one.quantity)
                    .sum::<u32>();
            let ordered = line.ordered_quantity();
            if settled > ordered.saturating_sub(gone) {
                say(format!(
                    "{settled} pieces of {} were settled, {gone} of {ordered} had left",
                    line.order_line_id
                ));
            }
            self.money(line, say);
        }
    }

    /// Nothing is given back twice, or beyond what was paid.
    fn money(&self, line: &OrderLine, say: &mut impl FnMut(String)) {
        let Some(paid) = self.world.paid.borrow().get(&line.order_line_id).copied() else { return };
        let back = Back::of(line);
        if back.goods > paid.goods
            || back.shipping > paid.shipping
            || back.taxes > paid.taxes
            || back.shipping_taxes > paid.shipping_taxes
        {
            say(format!(
                "of {} more was given back than was paid: {back:?} of {paid:?}",
                line.order_line_id
            ));
        }
        // Pieces that the operator refunded are not refunded by us as well, unless both were under
        // way at once.
        let (ordered, missing) =
            (line.ordered_quantity(), line.ordered_quantity() - self.gone(&line.order_line_id));
        let ours = |refund: &&Refund| refund.reason_code == "OOS";
        for refund in line.refunds.iter().filter(ours) {
            let earlier = line
                .refunds
                .iter()
                .filter(|other| !ours(other) && other.created < before(refund.created, AT_ONCE));
            let by_others = earlier.map(|other| other.quantity).sum::<u32>().min(missing);
            let due =
                paid.goods * Decimal::from(missing - by_others) / Decimal::from(ordered.max(1));
            let by_us: Decimal = line.refunds.iter().filter(ours).map(|refund| refund.amount).sum();
            if by_us > due + Decimal::new(1, 2) * Decimal::from(ordered) {
                say(format!(
                    "{by_us} of {} was refunded, and {due} was due: others had refunded {by_others} of {missing} pieces",
                    line.order_line_id
                ));
            }
        }
    }

    /// The nearing deadline of an order that was not shipped then was told, whatever stood in the
    /// way.
    fn warned(&self, say: &mut impl FnMut(String)) {
        let warn_at =
            before(self.sold.shipping_deadline, self.world.rules[self.index].warn_before());
        let by = after(warn_at, WARNED_WITHIN);
        // What was settled whole stays as it is in Mirakl; that it was settled is judged elsewhere.
        if matches!(self.row.stage, Stage::Shipped | Stage::Cancelled | Stage::Cancelling)
            && self.row.since <= by
        {
            return;
        }
        // What became of an order whose goods somebody refunded is the orders' flow's.
        if self.is_refunded() {
            return;
        }
        let is_open_then =
            self.sold.shipped_date.is_none_or(|at| at > by) && self.sold.state == State::Shipping;
        if self.world.now() < by
            || !(is_open_then || self.sold.shipped_date.is_some_and(|at| at > by))
        {
            return;
        }
        let events = self.world.events.borrow();
        let order_id = Some(self.row.key.order_id.as_str());
        let mut warnings = events.iter().filter(|(_, event)| {
            event.kind == EventKind::ShipByDeadlineNear && event.order.as_deref() == order_id
        });
        if !warnings.any(|(at, _)| *at <= by) {
            say(format!(
                "its deadline {} was near, and nobody was told",
                self.sold.shipping_deadline
            ));
        }
    }

    /// Pieces of a line that have left.
    fn gone(&self, order_line_id: &str) -> u32 {
        let number = self
            .made
            .order
            .lines
            .iter()
            .find(|line| line.reference == order_line_id)
            .map(|line| line.number);
        let lines = self.made.parcels.iter().flat_map(|parcel| &parcel.lines);
        lines.filter(|(line, _)| Some(*line) == number).map(|(_, pieces)| pieces).sum()
    }

    /// An exception has a cause, and was told.
    fn exception(&self, say: &mut impl FnMut(String)) {
        let Some(exception) = &self.row.exception else { return };
        let short =
            self.made.order.lines.iter().any(|line| self.gone(&line.reference) < line.quantity);
        let by_rule = self.world.rules[self.index].short_lines != ShortLines::Exception;
        let justified = match exception.kind {
            ExceptionKind::ShortShipment => short && !by_rule && !self.made.parcels.is_empty(),
            // It came about that so many of its questions went wrong.
            ExceptionKind::DispatchUnclear => {
                let unanswered = self
                    .world
                    .unanswered
                    .borrow()
                    .get(self.number)
                    .is_some_and(|count| *count >= UNANSWERED);
                unanswered || self.world.is_unclear(&self.row.key.order_id)
            }
            ExceptionKind::DispatchUnanswered => {
                let order_id = &self.row.key.order_id;
                self.world.met_spoilt(order_id) || self.world.was_unlucky(order_id)
            }
            ExceptionKind::CancelledInPrima => self.made.parcels.is_empty() && !by_rule,
            _ => false,
        };
        let is_refunded = self.is_refunded();
        let justified =
            justified || (is_refunded && !exception.reason.contains("could not be refunded"));
        if !justified {
            say(format!(
                "is an exception without cause: {}: {}",
                exception.kind.name(),
                exception.reason
            ));
        }
        if is_refunded && !exception.kind.is_of_dispatch() {
            // Told by the flow of orders, which does not run here.
            return;
        }
        let queue = self.world.queue.borrow();
        let of_order = queue
            .exceptions
            .values()
            .filter(|shown| {
                shown.channel == self.row.key.channel && shown.order == self.row.key.order_id
            })
            .count();
        let events = self.world.events.borrow();
        let told = events
            .iter()
            .filter(|(_, event)| event.order.as_deref() == Some(self.row.key.order_id.as_str()))
            .count();
        if exception.first_seen < told_by(self.world.now()) && (of_order == 0 || told == 0) {
            say(format!(
                "is an exception that nobody was told of ({of_order} messages, {told} events)"
            ));
        }
    }

    /// Everything that left is told.
    fn told(&self, say: &mut impl FnMut(String)) {
        if self.made.parcels.is_empty() {
            return;
        }
        let is_shipped = matches!(
            self.sold.state,
            State::Shipped | State::ToCollect | State::Received | State::Closed
        );
        if self.index == 0 {
            if !is_shipped {
                say(format!("left Prima and is {} in Mirakl", self.sold.state.code()));
            }
            return;
        }
        for parcel in &self.made.parcels {
            if !self.sold.shipments.iter().any(|shipment| {
                shipment.invoice_reference.as_ref() == Some(&parcel.dispatch_number)
            }) {
                say(format!("parcel {} was never told", parcel.dispatch_number));
            }
        }
    }

    /// What will not leave is settled: its money was given back, whoever did.
    fn settled(&self, say: &mut impl FnMut(String)) {
        for line in &self.sold.lines {
            let Some(paid) = self.world.paid.borrow().get(&line.order_line_id).copied() else {
                continue;
            };
            let (ordered, gone) = (line.ordered_quantity(), self.gone(&line.order_line_id));
            let missing = Decimal::from(ordered.saturating_sub(gone));
            let due = paid.goods * missing / Decimal::from(ordered.max(1));
            let back = Back::of(line).goods;
            if back + Decimal::new(1, 2) * missing < due {
                say(format!(
                    "{missing} pieces of {} did not leave, and {back} of {due} was given back",
                    line.order_line_id
                ));
            }
        }
    }
}

/// Two refunds within so short a time may both be under way at once.
const AT_ONCE: Duration = Duration::from_secs(900);

/// What was given back of a line, by anybody.
#[derive(Debug, Default)]
struct Back {
    goods: Decimal,
    shipping: Decimal,
    taxes: Decimal,
    shipping_taxes: Decimal,
}

impl Back {
    fn of(line: &OrderLine) -> Self {
        let sum = |taxes: &[Tax]| taxes.iter().map(|tax| tax.amount).sum::<Decimal>();
        let mut back = Self::default();
        for refund in &line.refunds {
            back.goods += refund.amount;
            back.shipping += refund.shipping_amount;
            back.taxes += sum(&refund.taxes);
            back.shipping_taxes += sum(&refund.shipping_taxes);
        }
        for cancelation in &line.cancelations {
            back.goods += cancelation.amount;
            back.shipping += cancelation.shipping_amount;
            back.taxes += sum(&cancelation.taxes);
            back.shipping_taxes += sum(&cancelation.shipping_taxes);
        }
        back
    }
}
