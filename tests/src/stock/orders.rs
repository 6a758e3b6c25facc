//! The orders' flow, cut short: what is sold is listed a while later, created in Prima later still
//! or for long not, allocated, sent or cancelled; its row says so, written as the real functions
//! write it, some time after.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::SeedableRng as _;
use rust_decimal::Decimal;
use shared::domain::dispatch::{Dispatch, Parcel};
use shared::domain::order::life::{Circumstances, on_listing};
use shared::domain::order::row::{OrderKey, OrderRow, Stage};
use shared::domain::state::OrderStore as _;
use shared::mirakl::OrderState;
use shared::mirakl::shipping::ParcelLine;
use simulators::fashion::CatalogueSku;
use simulators::mirakl::{
    LineSettlement, Marketplace, OperatorRefund, OrderLine, OrderWish, ShopProfile, generate_order,
};
use simulators::prima::{Booking, NewOrder, NewOrderLine, Sku, Stage as PrimaStage};

use super::judge;
use super::world::{CHANNELS, LIVE, Restock, SHOPS, Shared, World};
use crate::world::dice::Dice;
use crate::world::models::Models as _;

/// Customers, on every marketplace.
pub(super) async fn customers(world: Shared) {
    let (mut number, dice) = (0, world.dice_of("customers"));
    while !world.quiet.get() {
        let wait = dice.between(1, 2 * world.plan.seconds_a_sale * 1000);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        if world.quiet.get() {
            return;
        }
        number += 1;
        buy(&world, number);
    }
}

/// Somebody buys; the marketplace may have nothing to sell. A basket may hold two SKUs, or one on
/// two lines.
fn buy(world: &Shared, number: u64) {
    let dice = &world.dice_of(("customer", number));
    let channel = if dice.chance(0.15) { LIVE } else { dice.index(LIVE) };
    let units = if dice.chance(0.8) { 1 } else { 2 };
    let lines = if dice.chance(0.25) { 2 } else { 1 };
    let of = |item: Sku| CatalogueSku {
        product: item.product.clone(),
        colour: item.matrix[0].clone(),
        size: item.matrix[1].clone(),
    };
    let skus: Vec<CatalogueSku> = (0..lines).map(|_| of(sought(world, dice))).collect();
    let profile = ShopProfile {
        shop_id: SHOPS[channel],
        currency: "GBP".to_owned(),
        tax_included: true,
        automatic_acceptance: world.whole.is_none().then_some(true),
        multi_shipment: world.whole.is_some() && channel == 1,
    };
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(number);
    let wish = OrderWish { lines: Some(lines), quantity: Some(units), ..OrderWish::default() };
    let order = generate_order(&mut rng, world.now(), &profile, number, &skus, wish);
    let order_id = order.order_id.clone();
    let mut wanted: BTreeMap<String, u32> = BTreeMap::new();
    for line in &order.lines {
        *wanted.entry(line.offer_sku.clone()).or_default() += line.quantity;
    }
    world.advance(world.now());
    let has = |(offer_sku, units): (&String, &u32)| {
        world.shops.borrow()[channel]
            .offer(SHOPS[channel], offer_sku)
            .is_some_and(|offer| offer.quantity >= *units)
    };
    if !wanted.iter().all(has) {
        return;
    }
    for (offer_sku, units) in &wanted {
        judge::sale(world, channel, offer_sku, *units);
    }
    if world.shop(channel, |shop, now| shop.place(order, now)) != Some(true) {
        return;
    }
    world.unlisted.borrow_mut().insert((channel, order_id.clone()), world.now());
    world.tell(|| format!("{order_id} is placed on {}: {wanted:?}", CHANNELS[channel]));
    for (offer_sku, units) in &wanted {
        world.sold.set(world.sold.get() + u64::from(*units));
        world.note_fall(offer_sku, *units, Some((channel, order_id.clone())));
    }
    world.at_work.set(world.at_work.get() + 1);
    let world = Shared::clone(world);
    tokio::task::spawn_local(async move {
        let dice = world.dice_of(("order", number));
        // The connector gives Prima's order Mirakl's id.
        let is_whole = world.whole.is_some();
        let number = if is_whole { order_id.clone() } else { format!("P{number:06}") };
        let life = Life { world: Shared::clone(&world), dice, channel, order_id, number };
        if is_whole {
            life.live_among_functions().await;
        } else {
            life.live().await;
        }
        world.at_work.set(world.at_work.get() - 1);
    });
}

fn sought(world: &World, dice: &Dice) -> Sku {
    let all: u64 = world.plan.items.iter().map(|item| item.sought).sum();
    let mut place = dice.between(1, all);
    for item in &world.plan.items {
        if place <= item.sought {
            return item.sku.clone();
        }
        place -= item.sought;
    }
    Sku::default()
}

/// One order's life.
pub(super) struct Life {
    pub(super) world: Shared,
    pub(super) dice: Dice,
    pub(super) channel: usize,
    pub(super) order_id: String,
    pub(super) number: String,
}

impl Life {
    async fn live(&self) {
        let dice = &self.dice;
        let cancelled = dice.chance(0.12);
        let before_creation = cancelled && dice.chance(0.5);
        let waits_long = !self.world.calm && dice.chance(0.06);
        // Seen by a poll.
        let slow_poll = !self.world.calm && dice.chance(0.05);
        self.wait(if slow_poll { (90, 600) } else { (20, 85) }).await;
        self.list().await;
        if before_creation {
            self.wait((1, 120)).await;
            self.cancel();
            self.wait((20, 85)).await;
            self.list().await;
            return;
        }
        if dice.chance(0.04) && self.cancel_a_piece() {
            self.wait((1, 85)).await;
            self.list().await;
        }
        if dice.chance(0.04) && self.refund_a_piece() {
            self.wait((1, 85)).await;
            self.list().await;
        }
        // Created, soon or late; its row says so once the answer is there.
        self.wait(if waits_long { (1800, 9000) } else { (1, 90) }).await;
        self.create().await;
        self.wait((60, 2400)).await;
        if cancelled {
            self.cancel();
            self.wait((20, 85)).await;
            self.list().await;
            // Prima cancels it a while later; a person does, where that takes long.
            self.wait(if dice.chance(0.3) { (600, 5400) } else { (1, 120) }).await;
            self.cancel_in_prima();
            self.wait((0, 10)).await;
            self.save(|row, now| row.enter(Stage::Cancelled, now, "cancelled in Prima")).await;
            return;
        }
        if dice.chance(0.04) {
            return self.begins_in_prima().await;
        }
        if dice.chance(0.04) {
            self.refund();
        }
        if dice.chance(0.04) {
            self.cancel_a_piece();
        }
        self.wait((20, 85)).await;
        self.list().await;
        let allocated = self.world.office.borrow_mut().move_to(
            &self.number,
            PrimaStage::Allocated,
            self.world.now(),
        );
        self.world.tell(|| format!("{} is allocated: {allocated:?}", self.order_id));
        self.wait((0, 900)).await;
        self.save(|row, now| {
            row.dispatch.get_or_insert_with(Box::default).note_word("Allocated", now)
        })
        .await;
        self.wait((60, 2400)).await;
        if dice.chance(0.15) {
            self.leaves(false).await;
            self.wait((60, 2400)).await;
        }
        self.leaves(true).await;
        self.wait((0, 120)).await;
        self.world.shop(self.channel, |shop, now| shop.ship(&self.order_id, now));
        self.wait((20, 85)).await;
        self.list().await;
    }

    /// Prima cancels it of its own accord, and Mirakl is told.
    async fn begins_in_prima(&self) {
        self.cancel_in_prima();
        self.wait((0, 900)).await;
        self.save(|row, now| {
            let dispatch = row.dispatch.get_or_insert_with(Box::default);
            dispatch.note_word("Cancelled", now);
            dispatch.ended_at = Some(now);
        })
        .await;
        self.wait((1, 1200)).await;
        self.cancel();
        self.wait((20, 85)).await;
        self.list().await;
        self.save(|row, now| {
            row.enter(Stage::Cancelled, now, "cancelled in Prima, and then in Mirakl")
        })
        .await;
    }

    pub(super) fn cancel_in_prima(&self) {
        let done = self.world.office.borrow_mut().cancel_order(
            &self.number,
            "cancelled",
            self.world.now(),
        );
        self.world.tell(|| format!("{} is cancelled in Prima: {done:?}", self.order_id));
    }

    /// A parcel leaves, the last or one before it, as soon as the goods are there; and its row says
    /// so a while later.
    async fn leaves(&self, is_last: bool) {
        let lines = loop {
            match self.dispatch(is_last) {
                Ok(Some(lines)) => break lines,
                Ok(None) => return,
                Err(refusal) => {
                    self.world.tell(|| format!("{} cannot leave: {refusal}", self.order_id))
                }
            }
            self.wait((300, 900)).await;
        };
        self.wait((0, 900)).await;
        self.save(|row, now| left(row, &lines, is_last, now)).await;
    }

    /// A while; a short one once the world is quiet.
    pub(super) async fn wait(&self, (low, high): (u64, u64)) {
        let whole = self.dice.seconds(low, high);
        let until = tokio::time::Instant::now() + whole;
        while tokio::time::Instant::now() < until {
            let left = until - tokio::time::Instant::now();
            if self.world.quiet.get() && left > Duration::from_secs(120) {
                tokio::time::sleep(Duration::from_secs(120)).await;
                return;
            }
            tokio::time::sleep(left.min(Duration::from_secs(60))).await;
        }
    }

    fn key(&self) -> OrderKey {
        OrderKey::new(CHANNELS[self.channel], &self.order_id)
    }

    /// A listing of the poller's.
    async fn list(&self) {
        let Some(listed) = self.world.listed(self.channel, &self.order_id) else { return };
        let known = self.world.store.load_order(&self.key()).await.ok().flatten();
        let at = Circumstances { accepted: false, prima_takes_orders: true, now: self.world.now() };
        if let Some((row, _)) =
            on_listing(known.as_ref(), &listed, &self.world.channels[self.channel], at)
        {
            let mut units: BTreeMap<String, u32> = BTreeMap::new();
            let taken_out = self.taken_out();
            for line in &listed.order_lines {
                let refunded = taken_out.get(&line.order_line_id).copied().unwrap_or_default();
                *units.entry(line.offer_sku.clone().unwrap_or_default()).or_default() +=
                    if line.is_live() { line.quantity.saturating_sub(refunded) } else { 0 };
            }
            let is_over = matches!(row.listing.state, OrderState::Canceled | OrderState::Refused);
            units.values_mut().filter(|_| is_over).for_each(|units| *units = 0);
            self.keep(row, Some(units)).await;
        }
        self.world.unlisted.borrow_mut().remove(&(self.channel, self.order_id.clone()));
    }

    async fn save(&self, change: impl FnOnce(&mut OrderRow, jiff::Timestamp)) {
        let Ok(Some(mut row)) = self.world.store.load_order(&self.key()).await else { return };
        change(&mut row, self.world.now());
        self.keep(row, None).await;
    }

    /// Writes the row. `listed`: what Mirakl says that is left of each offer; as before where
    /// nothing was listed.
    async fn keep(&self, mut row: OrderRow, listed: Option<BTreeMap<String, u32>>) {
        if self.world.store.save_order(&mut row).await.is_err() {
            self.world.violate(format!(
                "the plan is unsound: the row of {} cannot be saved",
                self.order_id
            ));
        }
        self.world.tell(|| format!("{} is {} in its row", self.order_id, row.stage.name()));
        let key = (self.channel, self.order_id.clone());
        let mut told = self.world.told.borrow_mut();
        let told = told.entry(key).or_default();
        let units = listed
            .or_else(|| told.known.last().map(|(_, units)| units.clone()))
            .unwrap_or_default();
        let now = self.world.now();
        told.note(&row, now, now, units);
    }

    /// What Mirakl still has of each of its lines: id, offer, pieces, less those that were refunded
    /// before they left.
    pub(super) fn standing(&self) -> Vec<(String, String, u32)> {
        let taken_out = self.taken_out();
        let lines = self.world.shop(self.channel, |shop, _| {
            let lines =
                shop.order(&self.order_id).map(|order| order.lines.clone()).unwrap_or_default();
            let left = |line: &OrderLine| {
                line.quantity
                    .saturating_sub(taken_out.get(&line.order_line_id).copied().unwrap_or_default())
            };
            lines
                .into_iter()
                .map(|line| (line.order_line_id.clone(), line.offer_sku.clone(), left(&line)))
                .collect()
        });
        lines.unwrap_or_default()
    }

    /// Pieces of its lines that were refunded before they left.
    fn taken_out(&self) -> BTreeMap<String, u32> {
        let lines = self
            .world
            .shop(self.channel, |shop, _| {
                shop.order(&self.order_id).map(|order| order.lines.clone())
            })
            .flatten();
        lines
            .unwrap_or_default()
            .iter()
            .map(|line| (line.order_line_id.clone(), super::judge::taken_out(line)))
            .collect()
    }

    /// Something is cancelled in Mirakl, and may be put back on offer there. False where nothing
    /// was.
    fn take_back(
        &self,
        what: &str,
        take_back: impl FnOnce(&mut Marketplace, jiff::Timestamp) -> bool,
    ) -> bool {
        let world = &self.world;
        let done = world
            .noting_restocks(self.channel, &self.order_id, || world.shop(self.channel, take_back));
        let done = done == Some(true);
        self.world.tell(|| format!("{what} {} is cancelled in Mirakl: {done}", self.order_id));
        done
    }

    pub(super) fn cancel(&self) {
        self.take_back("all of", |shop, now| shop.cancel(&self.order_id, now));
    }

    /// A customer wants a piece less, of an order that has another.
    pub(super) fn cancel_a_piece(&self) -> bool {
        let standing = self.standing();
        if standing.iter().map(|(_, _, pieces)| pieces).sum::<u32>() < 2 {
            return false;
        }
        let Some((line, _, _)) = standing.into_iter().find(|(_, _, pieces)| *pieces > 0) else {
            return false;
        };
        self.take_back("a piece of", |shop, now| shop.cancel_line(&self.order_id, &line, 1, now))
    }

    /// Customer care takes a piece out, by giving its price back.
    pub(super) fn refund_a_piece(&self) -> bool {
        let standing = self.standing();
        if standing.iter().map(|(_, _, pieces)| pieces).sum::<u32>() < 2 {
            return false;
        }
        let Some((order_line_id, _, _)) = standing.into_iter().find(|(_, _, pieces)| *pieces > 0)
        else {
            return false;
        };
        let done = self.world.shop(self.channel, |shop, now| {
            let order = shop.order(&self.order_id);
            let line = order.and_then(|order| {
                order.lines.iter().find(|line| line.order_line_id == order_line_id)
            });
            let Some(amount) = line.map(|line| line.price_unit) else { return false };
            let refund = OperatorRefund {
                order_line_id: order_line_id.clone(),
                quantity: 1,
                amount,
                shipping_amount: Decimal::ZERO,
            };
            shop.refund(&self.order_id, &[refund], now)
        });
        self.world.tell(|| {
            format!("a piece of {} is refunded before it leaves: {done:?}", self.order_id)
        });
        done == Some(true)
    }

    /// Customer care gives money back: Mirakl lists that, and whether it changes what is on offer
    /// nobody knows.
    pub(super) fn refund(&self) {
        let Some((order_line_id, _, _)) =
            self.standing().into_iter().find(|(_, _, pieces)| *pieces > 0)
        else {
            return;
        };
        let settlement = LineSettlement {
            order_line_id,
            quantity: 1,
            amount: Decimal::ONE,
            shipping_amount: Decimal::ZERO,
            taxes: Vec::new(),
            shipping_taxes: Vec::new(),
            reason_code: "GOODWILL".to_owned(),
            excluded_from_shipment: false,
        };
        let done = self.world.shop(self.channel, |shop, now| {
            shop.refund_by_seller(SHOPS[self.channel], &[settlement], now).is_ok()
        });
        self.world.tell(|| format!("a piece of {} is refunded: {done:?}", self.order_id));
    }

    fn sku(&self, offer_sku: Option<&str>) -> Sku {
        offer_sku
            .and_then(|offer_sku| self.world.item(offer_sku))
            .map(|item| item.sku.clone())
            .unwrap_or_default()
    }

    async fn create(&self) {
        let Some(listed) = self.world.listed(self.channel, &self.order_id) else { return };
        let left: BTreeMap<String, u32> =
            self.standing().into_iter().map(|(id, _, pieces)| (id, pieces)).collect();
        let pieces = |id: &str| left.get(id).copied().unwrap_or_default();
        let live = listed.live_lines().filter(|line| pieces(&line.order_line_id) > 0);
        let lines = live.enumerate().map(|(place, line)| NewOrderLine {
            number: u32::try_from(place + 1).unwrap_or(u32::MAX),
            product: self.sku(line.offer_sku.as_deref()).product,
            matrix: self.sku(line.offer_sku.as_deref()).matrix,
            quantity: pieces(&line.order_line_id),
            reference: line.order_line_id.clone(),
            ..NewOrderLine::default()
        });
        let order = NewOrder {
            order_number: self.number.clone(),
            third_party_id: self.order_id.clone(),
            lines: lines.collect(),
            ..NewOrder::default()
        };
        if let Err(refusal) = self.world.office.borrow_mut().new_order(order, self.world.now()) {
            self.world.violate(format!("the plan is unsound: {refusal}"));
        }
        self.world.tell(|| format!("{} is created in Prima", self.order_id));
        self.wait(if self.dice.chance(0.1) { (60, 900) } else { (0, 20) }).await;
        self.save(|row, now| {
            row.creation.order_number = Some(self.number.clone());
            row.creation.created_at = Some(now);
            row.creation.referenced_at = Some(now);
            row.note_sent_lines(&listed);
            row.enter(Stage::Created, now, "created");
        })
        .await;
    }

    /// Books a parcel: what Mirakl still wants of the order's lines; or one piece where it is not
    /// the last. Answers what has left; none where there is nothing to put into one.
    fn dispatch(&self, is_last: bool) -> Result<Option<Vec<ParcelLine>>, String> {
        let wanted: BTreeMap<String, u32> =
            self.standing().into_iter().map(|(id, _, pieces)| (id, pieces)).collect();
        let mut office = self.world.office.borrow_mut();
        let Some(order) =
            office.orders_by_number(&self.number).first().map(|order| (*order).clone())
        else {
            return Ok(None);
        };
        let gone = |number: u32| -> u32 {
            let lines = order.parcels.iter().flat_map(|parcel| &parcel.lines);
            lines.filter(|(line, _)| *line == number).map(|(_, pieces)| pieces).sum()
        };
        let mut lines: Vec<(u32, u32, String)> = order
            .order
            .lines
            .iter()
            .map(|line| {
                let wanted = wanted.get(&line.reference).copied().unwrap_or(0).min(line.quantity);
                (line.number, wanted.saturating_sub(gone(line.number)), line.reference.clone())
            })
            .filter(|(_, pieces, _)| *pieces > 0)
            .collect();
        if !is_last {
            if lines.iter().map(|(_, pieces, _)| pieces).sum::<u32>() < 2 {
                return Ok(None);
            }
            lines.truncate(1);
            lines.iter_mut().for_each(|(_, pieces, _)| *pieces = 1);
        }
        let booking = Booking {
            carrier: "DPD".to_owned(),
            lines: Some(lines.iter().map(|(number, pieces, _)| (*number, *pieces)).collect()),
            last: is_last,
            ..Booking::default()
        };
        let parcel = office
            .book(&self.number, booking, self.world.now())
            .map_err(|refusal| refusal.to_string())?;
        self.world.tell(|| format!("{} leaves, {:?}, last {is_last}", self.order_id, parcel.lines));
        Ok(Some(
            lines
                .into_iter()
                .map(|(_, quantity, order_line_id)| ParcelLine { order_line_id, quantity })
                .collect(),
        ))
    }
}

impl World {
    /// Notes what the marketplace puts back on offer while something is done with an order.
    pub(super) fn noting_restocks<T>(
        &self,
        channel: usize,
        order_id: &str,
        work: impl FnOnce() -> T,
    ) -> T {
        let offered = || {
            let offered = self.shop(channel, |shop, _| {
                let lines = shop.order(order_id).into_iter().flat_map(|order| &order.lines);
                let skus: BTreeSet<&String> = lines.map(|line| &line.offer_sku).collect();
                let of =
                    |sku: &String| shop.offer(SHOPS[channel], sku).map_or(0, |one| one.quantity);
                skus.into_iter().map(|sku| (sku.clone(), of(sku))).collect::<Vec<_>>()
            });
            offered.unwrap_or_default()
        };
        let before = offered();
        let done = work();
        for ((offer_sku, before), (_, after)) in before.into_iter().zip(offered()) {
            let units = after.saturating_sub(before);
            if units > 0 {
                let (at, order_id) = (self.now(), order_id.to_owned());
                self.restocks.borrow_mut().push(Restock {
                    at,
                    channel,
                    order_id,
                    offer_sku,
                    units,
                });
            }
        }
        done
    }
}

/// What `collect-dispatches` makes of a row of whose goods a parcel has left.
fn left(row: &mut OrderRow, lines: &[ParcelLine], is_last: bool, now: jiff::Timestamp) {
    let dispatch: &mut Dispatch = row.dispatch.get_or_insert_with(Box::default);
    let number = format!("D{}", dispatch.parcels.len() + 1);
    dispatch.parcels.push(Parcel {
        dispatch: number,
        lines: lines.to_vec(),
        found_at: now,
        ..Parcel::default()
    });
    dispatch.note_word(if is_last { "Despatched" } else { "Part Despatched" }, now);
    dispatch.ended_at = is_last.then_some(now);
    row.enter(if is_last { Stage::Dispatched } else { Stage::PartDispatched }, now, "left");
}
