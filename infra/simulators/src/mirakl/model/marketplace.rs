//! The marketplace itself: its orders, the indexes of them, and the time that passes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};

use jiff::Timestamp;

use super::ledger::{Billing, Finance};
use super::order::{Order, State};
use super::pace::Pace;
use super::settings::{Settings, seconds};
use super::shelves::Shelves;

/// The number that an order has from its arrival on: later orders have higher ones.
pub(super) type Number = u64;

/// A marketplace with all its shops.
#[derive(Debug, Default)]
pub struct Marketplace {
    pub(super) settings: Settings,
    pub(super) orders: BTreeMap<Number, Order>,
    next: Number,
    pub(super) by_id: HashMap<String, Number>,
    pub(super) shops: BTreeMap<i64, ShopIndex>,
    /// Entries are never taken out early: one whose time is not the order's own `due` is void.
    timers: BinaryHeap<Reverse<(Timestamp, Number)>>,
    pub(super) shelves: Shelves,
    pub(super) finance: Finance,
}

/// What is known of one shop's orders without looking at them.
#[derive(Debug, Default)]
pub(super) struct ShopIndex {
    pub(super) all: BTreeSet<Number>,
    pub(super) open: BTreeSet<Number>,
    pub(super) by_update: BTreeSet<(Timestamp, Number)>,
    pub(super) by_reference: HashMap<String, BTreeSet<Number>>,
}

impl Marketplace {
    /// A marketplace without orders.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// How it is run.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Runs it otherwise from now on. Times that run already are not changed.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Bills a shop so from now on; before that, it has no transaction log.
    pub fn bill(&mut self, shop_id: i64, billing: Billing, now: Timestamp) {
        self.finance.bill(shop_id, billing, now);
    }

    /// What it owes its shops.
    #[must_use]
    pub fn finance(&self) -> &Finance {
        &self.finance
    }

    /// What it owes its shops, for meddling.
    pub fn finance_mut(&mut self) -> &mut Finance {
        &mut self.finance
    }

    /// All orders, in the order of their arrival.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.values()
    }

    /// How many orders there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.orders.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    /// Orders of a shop that are neither shipped, refused nor cancelled, in the order of their
    /// arrival.
    pub fn open_orders(&self, shop_id: i64) -> impl Iterator<Item = &Order> {
        self.shops
            .get(&shop_id)
            .into_iter()
            .flat_map(|shop| &shop.open)
            .filter_map(|number| self.orders.get(number))
    }

    /// An order.
    #[must_use]
    pub fn order(&self, order_id: &str) -> Option<&Order> {
        self.orders.get(self.by_id.get(order_id)?)
    }

    /// When the next order moves on by itself, the next import ends or the next billing is due: a
    /// clock may jump there.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let order = self.timers.peek().map(|Reverse((at, _))| *at);
        let import = self.shelves.due.first().map(|(at, _)| *at);
        order.into_iter().chain(import).chain(self.finance.next_due()).min()
    }

    /// A customer's order arrives at `now` and lowers its offers. False, and nothing happens, if an
    /// order of that id exists, or if an offer has not so many pieces: the marketplace refuses the
    /// customer.
    pub fn place(&mut self, mut order: Order, now: Timestamp) -> bool {
        if self.by_id.contains_key(&order.order_id) {
            return false;
        }
        if self.settings.sales_lower_offers && !self.sell(&mut order, now) {
            return false;
        }
        order.created = now;
        order.last_updated = self.shown_of(now);
        order.enter(State::Staging);
        let staging = order.times.staging.unwrap_or(seconds(self.settings.staging_seconds));
        order.due = Some(now + staging);
        if staging.is_zero() {
            Pace::of(&self.settings).move_on(&mut order, now);
        }
        let number = self.next;
        self.next += 1;
        self.by_id.insert(order.order_id.clone(), number);
        if let Some(due) = order.due {
            self.timers.push(Reverse((due, number)));
        }
        let shop = self.shops.entry(order.shop_id).or_default();
        shop.all.insert(number);
        shop.add(number, &order);
        self.orders.insert(number, order);
        true
    }

    /// Ends every import and moves on every order whose time has come, each at its own time, and
    /// says how many orders moved.
    pub fn advance(&mut self, now: Timestamp) -> usize {
        let pace = Pace::of(&self.settings);
        let mut moved = 0;
        while let Some(at) = self.next_due().filter(|at| *at <= now) {
            if let Some((_, import)) =
                self.shelves.due.first().copied().filter(|(due, _)| *due == at)
            {
                self.end_import(import);
                continue;
            }
            if self.finance.next_due() == Some(at) {
                self.finance.run_next();
                continue;
            }
            let Some(Reverse((_, number))) = self.timers.pop() else { break };
            let Some(order) = self.orders.get_mut(&number).filter(|order| order.due == Some(at))
            else {
                continue;
            };
            order.due = None;
            self.change(number, at, |order| pace.move_on(order, at));
            moved += 1;
        }
        moved
    }

    /// Takes out the orders that ended (shipped, refused, cancelled) before a time, so that a long
    /// simulation does not keep them: they are handed over for judgement.
    pub fn take_ended(&mut self, before: Timestamp) -> Vec<Order> {
        let mut ended = Vec::new();
        for shop in self.shops.values_mut() {
            let numbers: Vec<Number> = shop
                .by_update
                .iter()
                .take_while(|(at, _)| *at < before)
                .map(|(_, number)| *number)
                .filter(|number| {
                    !shop.open.contains(number)
                        && self.orders.get(number).is_some_and(|order| order.due.is_none())
                })
                .collect();
            for number in numbers {
                if let Some(order) = self.orders.remove(&number) {
                    shop.remove(number, &order);
                    shop.all.remove(&number);
                    self.by_id.remove(&order.order_id);
                    ended.push(order);
                }
            }
        }
        ended
    }

    /// A moment as `last_updated_date` has it.
    fn shown_of(&self, at: Timestamp) -> Timestamp {
        if self.settings.whole_seconds {
            Timestamp::from_second(at.as_second()).unwrap_or(at)
        } else {
            at
        }
    }

    /// Changes an order and keeps the indexes true; the order counts as updated at `at`.
    pub(super) fn change<R>(
        &mut self,
        number: Number,
        at: Timestamp,
        change: impl FnOnce(&mut Order) -> R,
    ) -> Option<R> {
        let shown_at = self.shown_of(at);
        let order = self.orders.get_mut(&number)?;
        let shop = self.shops.entry(order.shop_id).or_default();
        shop.remove(number, order);
        let due = order.due;
        let before = self.settings.cancellations_restock.then(|| standing(order));
        let result = change(order);
        order.last_updated = order.last_updated.max(shown_at);
        shop.add(number, order);
        self.finance.follow(order, at);
        if let Some(new) = order.due.filter(|_| order.due != due) {
            self.timers.push(Reverse((new, number)));
        }
        if let Some(before) = before {
            let freed = before
                .into_iter()
                .zip(standing(order))
                .map(|((sku, before), (_, left))| (sku, before.saturating_sub(left)));
            let (shop_id, freed): (_, Vec<_>) = (order.shop_id, freed.collect());
            self.restock(shop_id, &freed, at);
        }
        Some(result)
    }
}

impl ShopIndex {
    fn add(&mut self, number: Number, order: &Order) {
        self.by_update.insert((order.last_updated, number));
        if order.state.is_open() {
            self.open.insert(number);
        }
        if let Some(reference) = &order.reference_for_seller {
            self.by_reference.entry(reference.clone()).or_default().insert(number);
        }
    }

    fn remove(&mut self, number: Number, order: &Order) {
        self.by_update.remove(&(order.last_updated, number));
        self.open.remove(&number);
        if let Some(reference) = &order.reference_for_seller
            && let Some(numbers) = self.by_reference.get_mut(reference)
        {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_reference.remove(reference);
            }
        }
    }
}

/// The pieces of each line that the customer still is to have.
fn standing(order: &Order) -> Vec<(String, u32)> {
    order
        .lines
        .iter()
        .map(|line| {
            (line.offer_sku.clone(), if line.state == State::Refused { 0 } else { line.quantity })
        })
        .collect()
}
