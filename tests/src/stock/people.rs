//! What goes on besides orders: shops, deliveries, miscounts; and what goes wrong for a while and
//! is mended again.

use std::time::Duration;

use shared::domain::prima_breaker::{STOCK_BY_NAME, STOCK_BY_RANGE};
use shared::domain::state::ledger::{Head, LedgerStore as _, StockRecord};
use shared::domain::state::{BreakerStore as _, OperationBreaker};
use shared::domain::stock::exceptions::StockExceptionKind;
use shared::domain::stock::memory::{PushMemory, StockLease};
use shared::domain::stock::rules::{Promotion, StockRule};
use shared::kit::clock::after;
use simulators::mirakl::NewOffer;
use simulators::prima::{Odd, Sku, Stock, StockRow};

use super::world::{CHANNELS, LIVE, SHOPS, Shared, World};
use crate::world::dice::Dice;
use crate::world::models::Models as _;

/// Shops of Prima's own, and the lorry.
pub(super) async fn shops(world: Shared) {
    let dice = world.dice_of("shops");
    while !world.quiet.get() {
        tokio::time::sleep(dice.seconds(60, 1500)).await;
        if world.quiet.get() {
            return;
        }
        let item = &world.plan.items[dice.index(world.plan.items.len())];
        let sku = item.sku.clone();
        if dice.chance(0.6) {
            let units = if dice.chance(0.8) { 1 } else { 3 };
            let sold = world.office.borrow_mut().sell_elsewhere(&sku, units, dice.chance(0.5));
            if sold.is_ok() {
                world.tell(|| format!("{units} of {} are sold in a shop", item.offer_sku));
                world.note_fall(&item.offer_sku, units, None);
            }
        } else {
            let units = i64::try_from(dice.between(1, 12)).unwrap_or(1);
            world.tell(|| format!("{units} of {} are delivered", item.offer_sku));
            change(&world, &sku, |stock| stock.physical += units);
        }
    }
}

fn change(world: &World, sku: &Sku, change: impl FnOnce(&mut Stock)) {
    let stock = world.office.borrow().stock_of(sku).cloned();
    if let Some(mut stock) = stock {
        change(&mut stock);
        world.office.borrow_mut().set_stock([StockRow { sku: sku.clone(), stock }]);
    }
}

/// What goes wrong for a while.
pub(super) async fn mishaps(world: Shared) {
    let dice = world.dice_of("mishaps");
    if world.calm {
        return;
    }
    while !world.quiet.get() {
        tokio::time::sleep(dice.seconds(300, 3600)).await;
        if world.quiet.get() {
            return;
        }
        world.faults.set(world.faults.get() + 1);
        match dice.between(0, 6) {
            0 | 1 => silence(&world, &dice).await,
            2 => {
                world.tell(|| "Prima answers an empty catalogue".to_owned());
                world.empty.set(true);
                world.wait(&dice, 60, 2400).await;
                world.empty.set(false);
            }
            3 | 4 => odd_figures(&world, &dice).await,
            5 => {
                let channel = dice.index(LIVE);
                world.tell(|| format!("the documents of {} are wrong", CHANNELS[channel]));
                world.wrong_documents.set(Some(channel));
                world.wait(&dice, 60, 2400).await;
                world.wrong_documents.set(None);
            }
            _ => {
                let channel = dice.index(LIVE);
                let right = [None, Some("STO01"), Some("STO02"), Some("OF21")][dice.index(4)];
                world.tell(|| {
                    format!(
                        "the key of {} is refused {}",
                        CHANNELS[channel],
                        right.unwrap_or("whole")
                    )
                });
                world.right_refused.set(right);
                world.key_refused.set(Some(channel));
                world.wait(&dice, 60, 2400).await;
                world.key_refused.set(None);
            }
        }
        world.tell(|| "that is mended".to_owned());
    }
}

/// Prima does not answer; runs before may have noticed.
async fn silence(world: &World, dice: &Dice) {
    world.tell(|| "Prima falls silent".to_owned());
    world.silent.set(true);
    let closes = dice.chance(0.5);
    if closes && let Ok(mut breakers) = world.store.load_breakers().await {
        let closed = OperationBreaker {
            open_since: Some(world.now()),
            next_probe: Some(after(world.now(), Duration::from_secs(60))),
            ..OperationBreaker::default()
        };
        breakers.operations.extend(
            [STOCK_BY_RANGE, STOCK_BY_NAME].map(|operation| (operation.to_owned(), closed.clone())),
        );
        let _ = world.store.save_breakers(&mut breakers).await;
    }
    let longest = if dice.chance(0.2) { 18_000 } else { 3000 };
    world.wait(dice, 60, longest).await;
    world.silent.set(false);
    if closes && let Ok(mut breakers) = world.store.load_breakers().await {
        breakers.operations.clear();
        let _ = world.store.save_breakers(&mut breakers).await;
    }
}

/// Prima answers some SKUs, or nearly all, in an odd way, or not at all.
async fn odd_figures(world: &World, dice: &Dice) {
    let all = [
        Odd::Negative,
        Odd::Fractional,
        Odd::Huge,
        Odd::NoFigure,
        Odd::Twice,
        Odd::LeftOut,
        Odd::LeftOut,
        Odd::LeftOut,
    ];
    let odd = all[dice.index(all.len())];
    let share = if dice.chance(0.3) { 0.9 } else { 0.2 };
    let skus: Vec<Sku> = world
        .plan
        .items
        .iter()
        .filter(|_| dice.chance(share))
        .map(|item| item.sku.clone())
        .collect();
    world.tell(|| format!("Prima's figures of {} SKUs are odd: {odd:?}", skus.len()));
    for sku in &skus {
        change(world, sku, |stock| stock.odd = Some(odd));
    }
    world.wait(dice, 60, 4000).await;
    for sku in &skus {
        change(world, sku, |stock| stock.odd = None);
    }
}

/// A marketplace sets an offer to nothing by itself.
pub(super) async fn operators(world: Shared) {
    let dice = world.dice_of("operators");
    while world.plan.zeroing && !world.quiet.get() {
        tokio::time::sleep(dice.seconds(600, 7200)).await;
        if world.quiet.get() {
            return;
        }
        let channel = dice.index(LIVE);
        let item = &world.plan.items[dice.index(world.plan.items.len())];
        world.tell(|| format!("{} sets {} to nothing", CHANNELS[channel], item.offer_sku));
        let offer = NewOffer { shop_sku: item.offer_sku.clone(), quantity: 0, active: true };
        world.shop(channel, |shop, now| shop.set_offers(SHOPS[channel], [offer], now));
        world.zeroed.borrow_mut().insert((channel, item.offer_sku.clone()));
    }
}

/// Who changes what is held back: more or less of everything, one SKU not at all for a while, and
/// promotions.
pub(super) async fn merchandisers(world: Shared) {
    let dice = world.dice_of("merchandisers");
    while world.plan.changing && !world.quiet.get() {
        tokio::time::sleep(dice.seconds(900, 7200)).await;
        if world.quiet.get() {
            return;
        }
        let channel = dice.index(LIVE);
        let item = &world.plan.items[dice.index(world.plan.items.len())];
        let until = after(world.now(), dice.seconds(300, 5400));
        let rule =
            StockRule { by: "Anna".to_owned(), why: "a change".to_owned(), ..StockRule::default() };
        let mut rules = world.rules.borrow_mut();
        let rules = &mut rules[channel];
        match dice.between(0, 2) {
            // What was advised stays the last word.
            0 if world.plan.advised.is_none() => {
                let buffer = u32::try_from(dice.between(0, 4)).ok();
                rules.rules.push(StockRule {
                    buffer,
                    until: dice.chance(0.5).then_some(until),
                    ..rule
                });
            }
            0 | 1 => rules.rules.push(StockRule {
                sku: Some(item.offer_sku.clone()),
                exclude: Some(true),
                until: Some(until),
                ..rule
            }),
            _ => rules.promotions.push(Promotion {
                from: world.now(),
                until,
                by: rule.by,
                why: rule.why,
            }),
        }
        world.tell(|| format!("the rules of {} are now {rules:?}", CHANNELS[channel]));
    }
}

/// Who has everything published again, puts up an offer that was not there, or deletes a channel's
/// ledger and the lease.
pub(super) async fn engineers(world: Shared) {
    let dice = world.dice_of("engineers");
    if let Some((channel, number)) = world.plan.later {
        tokio::time::sleep(Duration::from_secs(world.plan.day / 2)).await;
        let offer = NewOffer {
            shop_sku: world.plan.items[number].offer_sku.clone(),
            quantity: 0,
            active: true,
        };
        world.tell(|| format!("{} has an offer more: {}", CHANNELS[channel], offer.shop_sku));
        world.shop(channel, |shop, now| shop.set_offers(SHOPS[channel], [offer], now));
    }
    while !world.quiet.get() {
        tokio::time::sleep(dice.seconds(1200, 9000)).await;
        if world.quiet.get() {
            return;
        }
        let channel = CHANNELS[dice.index(LIVE)];
        if world.plan.republishing {
            let record = StockRecord::Push(channel);
            if let Ok((mut memory, version)) = world.ledger.load_record::<PushMemory>(record).await
            {
                memory.joint.republish = true;
                let _ = world.ledger.save_record(record, &memory, &version).await;
                world.tell(|| format!("everything of {channel} is to be published again"));
            }
        }
        if world.plan.emptying {
            world.faults.set(world.faults.get() + 1);
            world.emptied.set(true);
            empty(&world, channel).await;
        }
    }
}

async fn empty(world: &World, channel: &str) {
    let Ok(kept) = world.ledger.load_kept(channel).await else { return };
    let _ =
        world.ledger.save_record(StockRecord::Head(channel), &Head::default(), &kept.head.1).await;
    for name in kept.parts.keys() {
        let _ = world.ledger.delete_part(channel, name).await;
    }
    if let Ok((_, version)) = world.ledger.load_record::<StockLease>(StockRecord::Lease).await {
        let _ =
            world.ledger.save_record(StockRecord::Lease, &StockLease::default(), &version).await;
    }
    world.tell(|| format!("the ledger of {channel} and the lease are deleted"));
}

/// Who looks at exceptions, once the world is quiet: zeroes that are held back are what they should
/// be by then.
pub(super) async fn person(world: Shared) {
    loop {
        tokio::time::sleep(Duration::from_secs(300)).await;
        if !world.quiet.get() {
            continue;
        }
        let held: Vec<String> = {
            let queue = world.queue.borrow();
            let held = queue
                .exceptions
                .values()
                .filter(|shown| shown.kind == StockExceptionKind::ZeroesHeld.name());
            held.map(|shown| shown.channel.clone()).collect()
        };
        for channel in held {
            let record = StockRecord::Push(&channel);
            if let Ok((mut memory, version)) = world.ledger.load_record::<PushMemory>(record).await
            {
                memory.zeroes_allowed_until = Some(after(world.now(), Duration::from_secs(3600)));
                let _ = world.ledger.save_record(record, &memory, &version).await;
                world.tell(|| format!("zeroes of {channel} are allowed"));
            }
        }
    }
}

impl World {
    /// A while, or until the world is quiet.
    async fn wait(&self, dice: &Dice, low: u64, high: u64) {
        let until = tokio::time::Instant::now() + dice.seconds(low, high);
        while tokio::time::Instant::now() < until && !self.quiet.get() {
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    }

    /// Everything is mended: whatever was wrong is right now, and what is owed can be sent.
    pub(super) fn mend(&self) {
        self.silent.set(false);
        self.empty.set(false);
        self.wrong_documents.set(None);
        self.key_refused.set(None);
        self.agreed.set(true);
        for item in &self.plan.items {
            change(self, &item.sku, |stock| {
                stock.odd = None;
                stock.physical = stock.physical.max(stock.owed + stock.elsewhere);
            });
        }
    }
}
