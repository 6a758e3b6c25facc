//! What may not be, judged by what the marketplaces and Prima hold.

use std::collections::{BTreeMap, BTreeSet};

use shared::despatch::rules::ShortLines;
use shared::order::row::{ExceptionKind, OrderKey, OrderRow, Stage};
use simulators::mirakl::{Order, State};
use simulators::prima::{Installation, StoredOrder};

use super::run::{Achieved, told_by};
use super::world::World;

/// Questions for one order without an answer before a person is asked.
const UNANSWERED: u32 = 6;

/// Rows that are neither finished nor an exception that was told.
pub(super) fn open_ends(world: &World) -> Vec<String> {
    let numbers = world.numbers.borrow();
    let office = world.office.borrow();
    let is_done = |number: &str| office.orders_by_number(number).iter().all(|order| matches!(order.status(), "Despatched" | "Cancelled"));
    let rows: BTreeMap<OrderKey, OrderRow> = world.store.rows().into_iter().map(|row| (row.key.clone(), row)).collect();
    let mut open = Vec::new();
    for (number, key) in numbers.iter() {
        let Some(row) = rows.get(key) else { continue };
        let fine = match row.stage {
            Stage::Shipped | Stage::Cancelled | Stage::Cancelling => true,
            Stage::Exception => row.exception.as_ref().is_some_and(|exception| exception.announced_at.is_some()),
            // The customer cancelled before the warehouse came to it.
            _ => !is_done(number),
        };
        if !fine {
            open.push(format!("{number} {key} is {} although Prima is through with it", row.index_state()));
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
            line.refunds.iter().map(|refund| refund.quantity).sum::<u32>()
                + line.cancelations.iter().filter(|one| one.reason_code == "OOS").map(|one| one.quantity).sum::<u32>()
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
        let Some(sold) = shops.get(index).and_then(|shop| shop.order(&key.order_id)) else { continue };
        if !matches!(made.status(), "Despatched" | "Cancelled") {
            continue;
        }
        achieved.orders += 1;
        achieved.settled_orders += usize::from(sold.lines.iter().any(|line| !line.refunds.is_empty() || !line.cancelations.is_empty()));
        // Two parcels of one moment are noticed by one question.
        let moments: BTreeSet<_> = made.parcels.iter().map(|parcel| parcel.at.as_second()).chain([made.changed_at.as_second()]).collect();
        achieved.happenings += moments.len();
        achieved.open_hours += made.changed_at.duration_since(made.entered_at).as_secs_f64() / 3600.0;
        if index == 0 {
            achieved.shipped_whole += usize::from(sold.shipped_date.is_some());
            let last = made.parcels.iter().map(|parcel| parcel.at).max();
            // Short orders are settled first: from when Prima had no more to send.
            achieved
                .seconds_to_tell
                .extend(sold.shipped_date.zip(last.max(Some(made.changed_at))).map(|(told, left)| told.duration_since(left).as_secs_f64()));
        } else {
            achieved.shipments += sold.shipments.len();
            for shipment in &sold.shipments {
                let parcel = made.parcels.iter().find(|parcel| shipment.invoice_reference.as_ref() == Some(&parcel.despatch_number));
                achieved.seconds_to_tell.extend(parcel.map(|parcel| shipment.created.duration_since(parcel.at).as_secs_f64()));
            }
        }
    }
    achieved
}

/// What can be said at the end.
pub(super) fn close(world: &World) {
    let mut wrong = Vec::new();
    let rows: BTreeMap<OrderKey, OrderRow> = world.store.rows().into_iter().map(|row| (row.key.clone(), row)).collect();
    {
        let (office, numbers, shops) = (world.office.borrow(), world.numbers.borrow(), world.shops.borrow());
        for (number, key) in numbers.iter() {
            let index = world.index(&key.channel);
            let Some(made) = office.orders_by_number(number).first().copied() else { continue };
            let Some(sold) = shops.get(index).and_then(|shop| shop.order(&key.order_id)) else { continue };
            let Some(row) = rows.get(key) else { continue };
            let case = Case { world, number, index, made, sold, row, meddled: world.meddled.borrow().contains(number) };
            case.judge(&mut wrong);
        }
    }
    for what in wrong {
        world.violate(what);
    }
}

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
        let mut say = |what: String| wrong.push(format!("{} ({}): {what}", self.number, self.row.index_state()));
        self.never(&mut say);
        if self.meddled {
            return;
        }
        let is_exception = self.row.stage == Stage::Exception;
        if is_exception {
            self.exception(&mut say);
            return;
        }
        if self.made.stage.is_open() || self.made.status() == "Part Despatched" {
            return;
        }
        self.told(&mut say);
        self.settled(&mut say);
    }

    /// What may never have happened, whatever went on.
    fn never(&self, say: &mut impl FnMut(String)) {
        if self.sold.shipped_without_tracking && !self.meddled {
            say("OR24 came before OR23".to_owned());
        }
        let known = |number: Option<&String>| {
            let number = number.map(String::as_str).unwrap_or_default();
            // A number that came later replaces none.
            self.made
                .parcels
                .iter()
                .any(|parcel| parcel.consignment == number || (number.is_empty() && parcel.consignment.starts_with("LATE")))
        };
        if let Some(tracking) = &self.sold.tracking
            && !known(tracking.tracking_number.as_ref())
        {
            say(format!("its number {:?} is none of Prima's", tracking.tracking_number));
        }
        for shipment in &self.sold.shipments {
            let of_parcel = self.made.parcels.iter().any(|parcel| Some(&parcel.despatch_number) == shipment.invoice_reference.as_ref());
            if !of_parcel || !known(shipment.tracking.tracking_number.as_ref()) {
                say(format!("a shipment that Prima never booked: {shipment:?}"));
            }
        }
        for parcel in &self.made.parcels {
            let told = self.sold.shipments.iter().filter(|shipment| shipment.invoice_reference.as_ref() == Some(&parcel.despatch_number));
            let told = told.count();
            if told > 1 {
                say(format!("parcel {} was told {told} times", parcel.despatch_number));
            }
        }
        for line in &self.sold.lines {
            let gone: u32 = self.gone(&line.order_line_id);
            let settled = line.refunds.iter().map(|refund| refund.quantity).sum::<u32>()
                + line.cancelations.iter().filter(|one| one.reason_code == "OOS").map(|one| one.quantity).sum::<u32>();
            let ordered = line.ordered_quantity();
            if settled > ordered.saturating_sub(gone) {
                say(format!("{settled} pieces of {} were settled, {gone} of {ordered} had left", line.order_line_id));
            }
        }
    }

    /// Pieces of a line that have left.
    fn gone(&self, order_line_id: &str) -> u32 {
        let number = self.made.order.lines.iter().find(|line| line.reference == order_line_id).map(|line| line.number);
        let lines = self.made.parcels.iter().flat_map(|parcel| &parcel.lines);
        lines.filter(|(line, _)| Some(*line) == number).map(|(_, pieces)| pieces).sum()
    }

    /// An exception has a cause, and was told.
    fn exception(&self, say: &mut impl FnMut(String)) {
        let Some(exception) = &self.row.exception else { return };
        let short = self.made.order.lines.iter().any(|line| self.gone(&line.reference) < line.quantity);
        let by_rule = self.world.rules[self.index].short_lines != ShortLines::Exception;
        let justified = match exception.kind {
            ExceptionKind::ShortShipment => short && !by_rule && !self.made.parcels.is_empty(),
            // It came about that so many of its questions went wrong.
            ExceptionKind::DespatchUnclear => self.world.unanswered.borrow().get(self.number).is_some_and(|count| *count >= UNANSWERED),
            ExceptionKind::CancelledInPrima => self.made.parcels.is_empty() && !by_rule,
            _ => false,
        };
        if !justified {
            say(format!("is an exception without cause: {}: {}", exception.kind.name(), exception.reason));
        }
        let shown = self.world.shown.borrow();
        let of_order = shown.values().filter(|shown| shown.channel == self.row.key.channel && shown.order == self.row.key.order_id).count();
        let events = self.world.events.borrow();
        let told = events.iter().filter(|event| event.order.as_deref() == Some(self.row.key.order_id.as_str())).count();
        if exception.first_seen < told_by(self.world.now()) && (of_order == 0 || told == 0) {
            say(format!("is an exception that nobody was told of ({of_order} messages, {told} events)"));
        }
    }

    /// Everything that left is told.
    fn told(&self, say: &mut impl FnMut(String)) {
        if self.made.parcels.is_empty() {
            return;
        }
        let is_shipped = matches!(self.sold.state, State::Shipped | State::ToCollect | State::Received | State::Closed);
        if self.index == 0 {
            if !is_shipped {
                say(format!("left Prima and is {} in Mirakl", self.sold.state.code()));
            }
            return;
        }
        for parcel in &self.made.parcels {
            if !self.sold.shipments.iter().any(|shipment| shipment.invoice_reference.as_ref() == Some(&parcel.despatch_number)) {
                say(format!("parcel {} was never told", parcel.despatch_number));
            }
        }
    }

    /// What will not leave is settled.
    fn settled(&self, say: &mut impl FnMut(String)) {
        for line in &self.sold.lines {
            let gone = self.gone(&line.order_line_id);
            let settled = line.ordered_quantity() - line.quantity + line.refunds.iter().map(|refund| refund.quantity).sum::<u32>();
            if gone + settled < line.ordered_quantity() {
                say(format!("{} pieces of {} neither left nor were settled", line.ordered_quantity() - gone - settled, line.order_line_id));
            }
        }
    }
}
