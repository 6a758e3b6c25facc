//! The warehouse: parcels that leave, in part or whole, and lines that never will. How
//! `OrderStatus` tells of them is assumed.

use jiff::Timestamp;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::model::Installation;
use super::order::{Refusal, Stage};
use super::parcel::Parcel;

/// A parcel to be booked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Booking {
    /// Prima's description of the carrier.
    pub carrier: String,
    /// Of the service.
    pub service: String,
    /// The tracking number; made up where it is left out, none where it is empty.
    pub consignment: Option<String>,
    /// What is in it; everything that is left where it is left out.
    pub lines: Option<Vec<(u32, u32)>>,
    /// Nothing more will leave, whatever is left.
    pub last: bool,
}

/// How a day's dispatches fall out. Shares are from 0 (none) to 1 (all).
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Round {
    /// Seed of the dice.
    pub seed: u64,
    /// At most so many orders; 0 for all.
    pub orders: usize,
    /// Orders of which a part leaves now, and the rest with the next round.
    pub part_share: f64,
    /// Orders in two parcels at once.
    pub several_share: f64,
    /// Parcels with a carrier text that nobody has seen before.
    pub odd_carrier_share: f64,
    /// Orders of which a line is cancelled for want of stock.
    pub short_share: f64,
    /// Orders that are cancelled whole for want of stock.
    pub cancel_share: f64,
}

/// What a round did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RoundDone {
    /// Parcels booked, by order number.
    pub parcels: Vec<(String, Parcel)>,
    /// Orders that are finished: nothing more will leave.
    pub finished: Vec<String>,
    /// Orders sent short, or cancelled whole.
    pub short: Vec<String>,
}

/// Carriers as a warehouse calls them, one of each spelt in two ways.
const CARRIERS: [(&str, &str); 6] = [
    ("DPD NEXT DAY", ""),
    ("Dpd Next-Day", ""),
    ("ROYAL MAIL", "TRACKED 24"),
    ("EVRI", "STANDARD"),
    ("DHL", "EXPRESS WORLDWIDE"),
    ("DHL", "ECONOMY"),
];
/// Texts that turn up one day.
const ODD_CARRIERS: [(&str, &str); 3] =
    [("DPD SAT BY 12", ""), ("Yodel", "XPECT 48"), ("Own lorry (Pete)", "")];

impl Installation {
    /// A parcel leaves.
    ///
    /// # Errors
    /// Prima does not know the order; it is on hold, cancelled or gone; has not so many pieces
    /// left; or they are not in stock.
    pub fn book(
        &mut self,
        number: &str,
        booking: Booking,
        now: Timestamp,
    ) -> Result<Parcel, Refusal> {
        self.land(now);
        let count = self.parcels_booked();
        let order = self.first(number)?;
        if order.hold.is_some() || matches!(order.stage, Stage::Cancelled | Stage::Dispatched) {
            return Err(Refusal::new(format!(
                "Order {number} cannot be dispatched: it is {}",
                order.status()
            )));
        }
        let left: Vec<(u32, u32)> = order.left();
        let lines = booking.lines.unwrap_or_else(|| left.clone());
        let fits = |line: &(u32, u32)| {
            line.1 > 0 && left.iter().any(|(known, pieces)| *known == line.0 && *pieces >= line.1)
        };
        if lines.is_empty() || !lines.iter().all(fits) {
            return Err(Refusal::new(format!("Order {number} has not these pieces left")));
        }
        if !self.shelves.holds(order, &lines) {
            return Err(Refusal::new(format!(
                "Order {number} waits: these pieces are not in stock"
            )));
        }
        let parcel = Parcel {
            dispatch_number: format!("D{:07}", count + 1),
            carrier: booking.carrier,
            service: booking.service,
            consignment: booking.consignment.unwrap_or_else(|| format!("1550{:010}", count + 1)),
            lines,
            at: now,
        };
        let id = order.id;
        if let Some(order) = self.orders.get_mut(&id) {
            self.shelves.leave(order, &parcel.lines);
            order.parcels.push(parcel.clone());
            order.changed_at = now;
            let rest = order.left();
            order.stage = if booking.last || rest.is_empty() {
                Stage::Dispatched
            } else {
                Stage::PartDispatched
            };
            if booking.last {
                self.shelves.release(order, &rest);
            }
        }
        self.invoice(id, now);
        self.count_parcel();
        Ok(parcel)
    }

    /// The carrier's number of a parcel that left without one.
    ///
    /// # Errors
    /// Prima does not know the order or the dispatch.
    pub fn give_consignment(
        &mut self,
        number: &str,
        dispatch: &str,
        consignment: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.land(now);
        let order = self.first_mut(number)?;
        let parcel = order.parcels.iter_mut().find(|parcel| parcel.dispatch_number == dispatch);
        let parcel = parcel
            .ok_or_else(|| Refusal::new(format!("Order {number} has no dispatch {dispatch}")))?;
        parcel.consignment = consignment.to_owned();
        Ok(())
    }

    /// Nothing more will leave: the rest is cancelled for want of stock.
    ///
    /// # Errors
    /// Prima does not know the order.
    pub fn close_short(&mut self, number: &str, now: Timestamp) -> Result<(), Refusal> {
        self.land(now);
        let id = self.first(number)?.id;
        let Some(order) = self.orders.get_mut(&id) else { return Ok(()) };
        if !matches!(order.stage, Stage::Dispatched | Stage::Cancelled) {
            self.shelves.release(order, &order.left());
        }
        order.stage = if order.parcels.is_empty() { Stage::Cancelled } else { Stage::Dispatched };
        order.changed_at = now;
        Ok(())
    }

    /// The warehouse works through what may leave.
    pub fn work_round(&mut self, round: Round, now: Timestamp) -> RoundDone {
        self.land(now);
        let mut rng = ChaCha8Rng::seed_from_u64(round.seed);
        let open: Vec<String> = self
            .orders()
            .filter(|order| {
                order.hold.is_none() && !matches!(order.stage, Stage::Cancelled | Stage::Dispatched)
            })
            .map(|order| order.order.order_number.clone())
            .collect();
        let limit = if round.orders == 0 { usize::MAX } else { round.orders };
        let mut done = RoundDone::default();
        for number in open.into_iter().take(limit) {
            self.work_order(&number, round, &mut rng, now, &mut done);
        }
        done
    }

    fn work_order(
        &mut self,
        number: &str,
        round: Round,
        rng: &mut ChaCha8Rng,
        now: Timestamp,
        done: &mut RoundDone,
    ) {
        let mut falls =
            |share: f64| rng.random_bool(if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) });
        let (cancelled, short, part, several, odd) = (
            falls(round.cancel_share),
            falls(round.short_share),
            falls(round.part_share),
            falls(round.several_share),
            falls(round.odd_carrier_share),
        );
        let carriers: &[(&str, &str)] = if odd { &ODD_CARRIERS } else { &CARRIERS };
        let (carrier, service) = carriers.choose(rng).copied().unwrap_or(("DPD NEXT DAY", ""));
        let Ok(order) = self.first_mut(number) else { return };
        let left = order.left();
        let has_begun = !order.parcels.is_empty();
        let pieces: u32 = left.iter().map(|(_, pieces)| pieces).sum();
        if cancelled && !has_begun {
            if self.close_short(number, now).is_ok() {
                done.short.push(number.to_owned());
                done.finished.push(number.to_owned());
            }
            return;
        }
        let booking = |lines: Option<Vec<(u32, u32)>>, last: bool| Booking {
            carrier: carrier.to_owned(),
            service: service.to_owned(),
            consignment: None,
            lines,
            last,
        };
        // One piece of the first line alone, so that there is a rest.
        let first_piece = || left.first().map(|(line, _)| vec![(*line, 1)]);
        let bookings = match (pieces > 1, short, part && !has_begun, several) {
            (true, true, _, _) => vec![booking(first_piece(), true)],
            (true, false, true, _) => vec![booking(first_piece(), false)],
            (true, false, false, true) => vec![booking(first_piece(), false), booking(None, false)],
            _ => vec![booking(None, false)],
        };
        for booking in bookings {
            if let Ok(parcel) = self.book(number, booking, now) {
                done.parcels.push((number.to_owned(), parcel));
            }
        }
        if self.first(number).is_ok_and(|order| order.stage == Stage::Dispatched) {
            done.finished.push(number.to_owned());
            if self.first(number).is_ok_and(|order| !order.left().is_empty()) {
                done.short.push(number.to_owned());
            }
        }
    }
}
