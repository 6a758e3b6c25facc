//! The orders' flow, cut short: what is sold is listed a while later, created in Prima later still or for long not, allocated, sent or
//! cancelled; its row says so, written as the real functions write it, some time after.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::SeedableRng as _;
use shared::despatch::{Despatch, Parcel, ParcelLine};
use shared::order::life::{Circumstances, on_listing};
use shared::order::row::{OrderKey, OrderRow, Stage};
use shared::state::Store as _;
use simulators::fashion::CatalogueSku;
use simulators::mirakl::{OrderWish, ShopProfile, generate_order};
use simulators::prima::{Booking, NewOrder, NewOrderLine, Sku, Stage as PrimaStage};

use super::judge;
use super::world::{CHANNELS, LIVE, Restock, SHOPS, Shared, World};

/// Customers, on every marketplace.
pub(super) async fn customers(world: Shared) {
    let mut number = 0;
    while !world.quiet.get() {
        let wait = world.dice.between(1, 2 * world.plan.seconds_a_sale * 1000);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        if world.quiet.get() {
            return;
        }
        number += 1;
        buy(&world, number);
    }
}

/// Somebody buys; the marketplace may have nothing to sell.
fn buy(world: &Shared, number: u64) {
    let dice = &world.dice;
    let channel = if dice.chance(0.15) { LIVE } else { dice.index(LIVE) };
    let item = sought(world);
    let units = if dice.chance(0.8) { 1 } else { 2 };
    let sku = CatalogueSku { product: item.product.clone(), colour: item.matrix[0].clone(), size: item.matrix[1].clone() };
    let offer_sku = sku.offer_sku();
    let profile = ShopProfile {
        shop_id: SHOPS[channel],
        currency: "GBP".to_owned(),
        tax_included: true,
        automatic_acceptance: Some(true),
        multi_shipment: false,
    };
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(number);
    let wish = OrderWish { lines: Some(1), quantity: Some(units), ..OrderWish::default() };
    let order = generate_order(&mut rng, world.now(), &profile, number, &[sku], wish);
    let order_id = order.order_id.clone();
    world.advance(world.now());
    let is_on_offer = world.shops.borrow()[channel].offer(SHOPS[channel], &offer_sku).is_some_and(|offer| offer.quantity >= units);
    if !is_on_offer {
        return;
    }
    judge::sale(world, channel, &offer_sku, units);
    if world.shop(channel, |shop, now| shop.place(order, now)) != Some(true) {
        return;
    }
    world.tell(|| format!("{order_id} is placed on {}: {units} of {offer_sku}", CHANNELS[channel]));
    world.sold.set(world.sold.get() + u64::from(units));
    world.note_fall(&offer_sku, units, Some((channel, order_id.clone())));
    world.at_work.set(world.at_work.get() + 1);
    let world = Shared::clone(world);
    tokio::task::spawn_local(async move {
        Life { world: Shared::clone(&world), channel, order_id, number: format!("P{number:06}"), sku: item }.live().await;
        world.at_work.set(world.at_work.get() - 1);
    });
}

fn sought(world: &World) -> Sku {
    let all: u64 = world.plan.items.iter().map(|item| item.sought).sum();
    let mut place = world.dice.between(1, all);
    for item in &world.plan.items {
        if place <= item.sought {
            return item.sku.clone();
        }
        place -= item.sought;
    }
    Sku::default()
}

/// One order's life.
struct Life {
    world: Shared,
    channel: usize,
    order_id: String,
    number: String,
    sku: Sku,
}

impl Life {
    async fn live(&self) {
        let dice = &self.world.dice;
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
            let done = self.world.office.borrow_mut().cancel_order(&self.number, "cancelled", self.world.now());
            self.world.tell(|| format!("{} is cancelled in Prima: {done:?}", self.order_id));
            self.wait((0, 10)).await;
            self.save(|row, now| row.enter(Stage::Cancelled, now, "cancelled in Prima")).await;
            return;
        }
        let allocated = self.world.office.borrow_mut().move_to(&self.number, PrimaStage::Allocated, self.world.now());
        self.world.tell(|| format!("{} is allocated: {allocated:?}", self.order_id));
        self.wait((0, 900)).await;
        self.save(|row, now| row.despatch.get_or_insert_with(Box::default).note_word("Allocated", now)).await;
        self.wait((60, 2400)).await;
        while let Err(refusal) = self.despatch() {
            self.world.tell(|| format!("{} cannot leave: {refusal}", self.order_id));
            self.wait((300, 900)).await;
        }
        self.wait((0, 900)).await;
        self.save(leaves).await;
        self.wait((0, 120)).await;
        self.world.shop(self.channel, |shop, now| shop.ship(&self.order_id, now));
        self.wait((20, 85)).await;
        self.list().await;
    }

    /// A while; a short one once the world is quiet.
    async fn wait(&self, (low, high): (u64, u64)) {
        let whole = self.world.dice.seconds(low, high);
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
        let at = Circumstances { accepted: false, intake_open: true, now: self.world.now() };
        if let Some((row, _)) = on_listing(known.as_ref(), &listed, &self.world.channels[self.channel], at) {
            self.keep(row).await;
        }
    }

    async fn save(&self, change: impl FnOnce(&mut OrderRow, jiff::Timestamp)) {
        let Ok(Some(mut row)) = self.world.store.load_order(&self.key()).await else { return };
        change(&mut row, self.world.now());
        self.keep(row).await;
    }

    async fn keep(&self, mut row: OrderRow) {
        let is_over = matches!(row.mirakl_state, shared::mirakl::OrderState::Canceled | shared::mirakl::OrderState::Refused);
        let mut units: BTreeMap<String, u32> = BTreeMap::new();
        for line in &row.lines {
            *units.entry(line.offer_sku.clone()).or_default() += if is_over { 0 } else { line.quantity };
        }
        if self.world.store.save_order(&mut row).await.is_err() {
            self.world.violate(format!("the plan is unsound: the row of {} cannot be saved", self.order_id));
        }
        self.world.tell(|| format!("{} is {} in its row", self.order_id, row.stage.name()));
        let key = (self.channel, self.order_id.clone());
        let mut told = self.world.told.borrow_mut();
        let told = told.entry(key).or_default();
        told.known.push((self.world.now(), units));
        if matches!(row.stage, Stage::Cancelled | Stage::Refused)
            || row.despatch.as_ref().is_some_and(|despatch| despatch.ended_at.is_some())
        {
            told.over_at.get_or_insert(self.world.now());
        }
    }

    fn cancel(&self) {
        let offer_sku = format!("{}-{}-{}", self.sku.product, self.sku.matrix[0], self.sku.matrix[1]);
        let units = self.world.shop(self.channel, |shop, now| {
            let units: u32 = shop.order(&self.order_id).map_or(0, |order| order.lines.iter().map(|line| line.quantity).sum());
            shop.cancel(&self.order_id, now).then_some(units)
        });
        if let Some(Some(units)) = units
            && self.world.plan.restocks
        {
            let restock = Restock { at: self.world.now(), channel: self.channel, order_id: self.order_id.clone(), offer_sku, units };
            self.world.restocks.borrow_mut().push(restock);
        }
        self.world.tell(|| format!("{} is cancelled in Mirakl", self.order_id));
    }

    async fn create(&self) {
        let Some(listed) = self.world.listed(self.channel, &self.order_id) else { return };
        let lines = listed.live_lines().enumerate().map(|(place, line)| NewOrderLine {
            number: u32::try_from(place + 1).unwrap_or(u32::MAX),
            product: self.sku.product.clone(),
            matrix: self.sku.matrix.clone(),
            quantity: line.quantity,
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
        self.wait(if self.world.dice.chance(0.1) { (60, 900) } else { (0, 20) }).await;
        self.save(|row, now| {
            row.order_number = Some(self.number.clone());
            row.created_at = Some(now);
            row.referenced_at = Some(now);
            row.note_sent_lines(&listed);
            row.enter(Stage::Created, now, "created");
        })
        .await;
    }

    fn despatch(&self) -> Result<(), String> {
        let booking = Booking { carrier: "DPD".to_owned(), ..Booking::default() };
        let parcel = self.world.office.borrow_mut().book(&self.number, booking, self.world.now()).map_err(|refusal| refusal.to_string());
        parcel.map(|parcel| self.world.tell(|| format!("{} leaves: {}", self.order_id, parcel.despatch_number)))
    }
}

/// What `collect-dispatches` makes of a row whose goods have all left.
fn leaves(row: &mut OrderRow, now: jiff::Timestamp) {
    let lines = row.lines.iter().map(|line| ParcelLine { order_line_id: line.order_line_id.clone(), quantity: line.quantity }).collect();
    let despatch: &mut Despatch = row.despatch.get_or_insert_with(Box::default);
    despatch.parcels = vec![Parcel { despatch: "D1".to_owned(), lines, found_at: now, ..Parcel::default() }];
    despatch.note_word("Despatched", now);
    despatch.ended_at = Some(now);
    row.enter(Stage::Despatched, now, "left");
}
