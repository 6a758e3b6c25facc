//! What is to happen in a run: drawn from its seed, or written down for the exhaustive sweep.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::channel::Channel;
use shared::domain::order::row::OrderKey;
use shared::kit::clock::{after, before};
use shared::mirakl::OrderState;
use shared::prima::code_page::{CharacterRules, OutsideCodePage};
use shared::prima::connection::PrimaBehaviour;

use super::goods::{Goods, Oddity, order};
use super::marketplace::{Happening, Marketplace, Sale};
use crate::world::base::beginning;
use crate::world::dice::Dice;
use crate::world::fate::{Kind, Mishap, Odds, Profile};

/// A moment of a run, in milliseconds since its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl From<Duration> for Moment {
    fn from(passed: Duration) -> Self {
        Self(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Spans of time, such as outages.
#[derive(Clone, Debug, Default)]
pub struct Windows(pub Vec<(Moment, Moment)>);

impl Windows {
    /// Whether a moment lies in one of them.
    #[must_use]
    pub fn holds(&self, moment: Moment) -> bool {
        self.0.iter().any(|(from, to)| (*from..*to).contains(&moment))
    }

    fn drawn(dice: &Dice, most: u64, until: u64, longest_minutes: u64) -> Self {
        let windows = (0..dice.between(0, most)).map(|_| {
            let from = dice.between(0, until);
            (Moment(from), Moment(from + dice.between(1, longest_minutes * 60) * 1000))
        });
        Self(windows.collect())
    }
}

/// How many calls of OR11 a marketplace lets begin within a time, whoever makes them with the
/// shop's key.
#[derive(Clone, Debug)]
pub struct Limit {
    /// So many calls ...
    pub calls: usize,
    /// ... in such a time.
    pub per: Duration,
    /// Another program uses the same key, and calls so often; not in a quiet world.
    pub other_every: Option<Duration>,
    other_next: Timestamp,
    begun: VecDeque<Timestamp>,
}

impl Limit {
    /// One that is ours alone, or is shared with another program.
    #[must_use]
    pub fn new(calls: usize, per: Duration, other_every: Option<Duration>) -> Self {
        Self { calls, per, other_every, other_next: beginning(), begun: VecDeque::new() }
    }

    /// Lets a call begin.
    ///
    /// # Errors
    /// How long to wait.
    pub fn begin(&mut self, now: Timestamp, quiet: bool) -> Result<(), Duration> {
        while let Some(every) = self.other_every.filter(|_| !quiet && self.other_next <= now) {
            let at = self.other_next;
            self.other_next = after(at, every);
            // It does not wait, and tries again in its turn.
            let _refused = self.take(at);
        }
        self.take(now)
    }

    fn take(&mut self, at: Timestamp) -> Result<(), Duration> {
        while self.begun.front().is_some_and(|begun| after(*begun, self.per) <= at) {
            self.begun.pop_front();
        }
        match self.begun.front() {
            Some(oldest) if self.begun.len() >= self.calls => {
                Err(after(*oldest, self.per).duration_since(at).unsigned_abs())
            }
            _ => {
                self.begun.push_back(at);
                Ok(())
            }
        }
    }
}

/// How bad a seed is.
fn drawn_profile(dice: &Dice) -> Profile {
    let level = |high: f64| match dice.between(0, 9) {
        0..=2 => 0.0,
        3..=5 => high / 12.0,
        6..=8 => high / 4.0,
        _ => high,
    };
    let mut profile = Profile {
        store: Odds { fails: level(0.12), lost: level(0.08), late: 0.0 },
        index_lag: dice.between(0, 6),
        queue: Odds { fails: level(0.3), lost: level(0.2), late: 0.0 },
        bus: Odds { fails: level(0.4), lost: level(0.3), late: 0.0 },
        mirakl: Odds { fails: level(0.25), lost: level(0.3), late: 0.0 },
        prima: Odds { fails: level(0.4), lost: level(0.4), late: level(0.3) },
        prima_unclear: level(0.15),
        crash: level(0.02),
        crash_consumer: level(0.08),
        delivered_twice: level(0.3),
        scheduled_twice: level(0.3),
        slow: level(0.06),
        skew: dice.between(0, 10_000),
    };
    // With nothing of what also happens while all orders rest, a seed might wait for its fifty
    // faults for ever.
    if profile.store.fails + profile.mirakl.fails + profile.scheduled_twice + profile.crash == 0.0 {
        profile.mirakl.fails = 0.25 / 4.0;
    }
    profile
}

/// What is so of an order from the beginning, for the judge.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// Accepted by a person before the take-over, and keyed into Prima by hand.
    pub keyed_by_hand: bool,
    /// A SKU of it means nothing.
    pub unknown_sku: bool,
    /// Prima does not know its product.
    pub refused_by_prima: bool,
    /// Another order has the same number.
    pub shares_number: bool,
    /// Somebody keyed another order under its number.
    pub number_in_use: bool,
    /// The marketplace ships it.
    pub operator_ships: bool,
    /// It cannot be read.
    pub unreadable: bool,
    /// A person may mark it as shipped.
    pub shipped_by_person: bool,
    /// The rules say nothing of what is odd about it.
    pub unmappable: bool,
}

/// What an operator does after the table was wiped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wipe {
    /// Nothing: it goes unnoticed. Happens only while nothing is being created.
    Unnoticed(Moment),
    /// All channels observe, with the take-over at the moment of the wipe; they go live again after
    /// a while.
    Observed(Moment, Moment),
}

/// An order that arrives during a run.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// When it happens.
    pub at: Moment,
    /// Into which marketplace.
    pub channel: usize,
    /// The order.
    pub sale: Sale,
    /// What happens to it at fixed times after its arrival.
    pub happenings: Vec<(Duration, Happening)>,
}

/// The whole plan.
#[derive(Debug)]
pub struct Plan {
    /// Its seed.
    pub seed: u64,
    /// It is the exhaustive sweep's: no chance in it.
    pub scripted: bool,
    /// Nothing goes wrong in it by chance.
    pub calm: bool,
    /// The channels' documents.
    pub channels: Vec<Channel>,
    /// The marketplaces with the orders of before; taken by the world.
    pub marketplaces: Vec<Marketplace>,
    /// The orders that arrive, by time.
    pub arrivals: Vec<Arrival>,
    /// What is so of each order.
    pub truths: HashMap<OrderKey, Truth>,
    /// Numbers that people keyed into Prima before.
    pub hand_keyed: Vec<String>,
    /// Prima's behaviour.
    pub behaviour: PrimaBehaviour,
    /// How often what goes wrong.
    pub profile: Profile,
    /// Outages.
    pub store_down: Windows,
    /// Outages of the queue.
    pub queue_down: Windows,
    /// Outages of the bus.
    pub bus_down: Windows,
    /// Outages of each marketplace.
    pub mirakl_down: Vec<Windows>,
    /// Times at which each key is refused.
    pub key_refused: Vec<Windows>,
    /// Each marketplace's limit of listings, where it has one.
    pub limits: Vec<Option<Limit>>,
    /// Outages of Prima.
    pub prima_down: Windows,
    /// Times at which Prima answers every `NewOrder` with a fault, and questions as ever.
    pub new_order_dead: Windows,
    /// Orders for which Prima ends a call of this kind with a fault, for ever.
    pub prima_faults: HashMap<String, Kind>,
    /// The wiped table.
    pub wipe: Option<Wipe>,
    /// What goes wrong in a scripted run; taken by the world.
    pub mishaps: Vec<Mishap>,
    /// From when on the world may fall quiet.
    pub quiet_from: Moment,
    /// When the first minute begins, in milliseconds: schedules do not start on the full minute.
    pub first_poll: u64,
}

impl Plan {
    /// The place of a channel.
    #[must_use]
    pub fn channel_index(&self, id: &str) -> Option<usize> {
        self.channels.iter().position(|channel| channel.id == id)
    }

    /// What is so of an order.
    #[must_use]
    pub fn truth(&self, key: &OrderKey) -> Truth {
        self.truths.get(key).cloned().unwrap_or_default()
    }

    /// The plan of a seed in a world where nothing goes wrong: for measuring.
    #[must_use]
    pub fn calm(seed: u64) -> Self {
        let drawn = Self::drawn(seed);
        let nowhere = || vec![Windows::default(); drawn.channels.len()];
        Self {
            calm: true,
            profile: Profile::default(),
            store_down: Windows::default(),
            queue_down: Windows::default(),
            bus_down: Windows::default(),
            mirakl_down: nowhere(),
            key_refused: nowhere(),
            prima_down: Windows::default(),
            limits: vec![None; drawn.channels.len()],
            new_order_dead: Windows::default(),
            prima_faults: HashMap::new(),
            wipe: None,
            ..drawn
        }
    }

    /// Draws the plan of a seed.
    #[must_use]
    pub fn drawn(seed: u64) -> Self {
        let dice = Dice::new(seed);
        Draw::new(seed, &dice).plan()
    }
}

/// A channel of the simulation.
#[must_use]
pub fn channel(id: &str, interval: u32, take_over_from: Timestamp) -> Channel {
    Channel {
        id: id.to_owned(),
        name: id.to_owned(),
        base_url: format!("https://{id}.mirakl.net"),
        shop_id: Some(SHOP),
        dispatches: shared::domain::channel::Mode::Off,
        stock: shared::domain::channel::Mode::Off,
        payouts: shared::domain::channel::Mode::Off,
        orders: shared::domain::channel::Mode::Live,
        take_over_from,
        acceptance_window_minutes: WINDOW,
        warn_minutes_left: None,
        listing_interval_minutes: interval,
        concurrent_accepts: 8,
        fulfillment_centers: shared::domain::channel::default_center(),
    }
}

/// The shop on each marketplace.
pub const SHOP: i64 = 2001;
/// The channels' ids.
pub const CHANNELS: [&str; 2] = ["harbour-uk", "modehaus-eu"];
/// The acceptance window, in minutes: long against every outage drawn below.
pub const WINDOW: u32 = 300;

/// In every other world, other letters are agreed for those that Prima cannot keep.
fn characters(seed: u64) -> CharacterRules {
    let outside = if seed.is_multiple_of(2) {
        OutsideCodePage::Transliterate
    } else {
        OutsideCodePage::Exception
    };
    CharacterRules { outside, ..CharacterRules::default() }
}

struct Draw<'d> {
    dice: &'d Dice,
    plan: Plan,
    auto: bool,
    burst: bool,
    placing: u64,
    used: HashSet<String>,
}

impl<'d> Draw<'d> {
    fn new(seed: u64, dice: &'d Dice) -> Self {
        let start = beginning();
        let minutes = dice.between(40, 110);
        let taken_over = dice.chance(0.35);
        let take_over_from = if taken_over {
            before(start, Duration::from_secs(3600))
        } else {
            before(start, Duration::from_secs(86_400))
        };
        let auto = dice.chance(0.35);
        let interval = if dice.chance(0.2) { 15 } else { 1 };
        let whole_seconds = dice.chance(0.6);
        let market = || Marketplace::new(whole_seconds, dice.chance(0.5), dice.chance(0.7));
        let until = minutes * 60_000;
        let wipe = dice.chance(0.12).then(|| {
            let at = dice.between(until / 4, until);
            if dice.chance(0.5) {
                Wipe::Unnoticed(Moment(at))
            } else {
                Wipe::Observed(Moment(at), Moment(at + 25 * 60_000))
            }
        });
        let after_wipe = match wipe {
            Some(Wipe::Observed(_, live)) => live.0 + 20 * 60_000,
            _ => 0,
        };
        let plan = Plan {
            seed,
            scripted: false,
            calm: false,
            channels: vec![
                channel(CHANNELS[0], 1, take_over_from),
                channel(CHANNELS[1], interval, take_over_from),
            ],
            marketplaces: vec![market(), market()],
            arrivals: Vec::new(),
            truths: HashMap::new(),
            hand_keyed: Vec::new(),
            behaviour: PrimaBehaviour {
                cancel_order: dice.chance(0.7),
                characters: characters(seed),
                ..PrimaBehaviour::default()
            },
            profile: drawn_profile(dice),
            store_down: Windows::drawn(dice, 1, until, 12),
            queue_down: Windows::drawn(dice, 1, until, 12),
            bus_down: Windows::drawn(dice, 1, until, 25),
            mirakl_down: (0..2).map(|_| Windows::drawn(dice, 2, until, 25)).collect(),
            key_refused: (0..2)
                .map(|_| {
                    if dice.chance(0.1) {
                        Windows::drawn(dice, 1, until, 10)
                    } else {
                        Windows::default()
                    }
                })
                .collect(),
            limits: vec![None, None],
            prima_down: Windows::drawn(dice, 2, until, if dice.chance(0.2) { 120 } else { 25 }),
            new_order_dead: Windows::default(),
            prima_faults: HashMap::new(),
            wipe,
            mishaps: Vec::new(),
            quiet_from: Moment((until + 15 * 60_000).max(after_wipe)),
            first_poll: dice.between(0, 59_999),
        };
        let mut draw = Self {
            dice,
            plan,
            auto,
            burst: dice.chance(0.08),
            placing: until,
            used: HashSet::new(),
        };
        // More orders than a page holds come with a marketplace that labours: a later page fails,
        // not only the first.
        if draw.burst {
            draw.plan.profile.mirakl.fails = draw.plan.profile.mirakl.fails.max(0.15);
        }
        draw
    }

    fn plan(mut self) -> Plan {
        let taken_over =
            self.plan.channels[0].take_over_from > before(beginning(), Duration::from_secs(7200));
        if taken_over {
            self.orders_of_before();
        }
        let count = self.dice.between(100, 122);
        for number in 0..count {
            self.arrival(number);
        }
        if self.dice.chance(0.3) {
            self.shared_number();
        }
        if self.dice.chance(0.15) {
            self.crowd();
        }
        self.plan.arrivals.sort_by_key(|arrival| arrival.at);
        self.faults_of_prima();
        self.plan
    }

    /// More open orders than a page holds, on a marketplace that lets few listings begin, and lets
    /// another program take a part of them.
    fn crowd(&mut self) {
        let dice = self.dice;
        for number in 0..dice.between(60, 130) {
            let id = format!("MKP0{:09}-A", 700_000_000 + number);
            let at = Moment(dice.between(0, 120_000));
            let created = after(beginning(), Duration::from_millis(at.0));
            let order = order(&id, &OrderState::Shipping, created, Goods::Ordinary, dice);
            let sale = Sale::new(
                order,
                after(created, Duration::from_secs(u64::from(WINDOW) * 60)),
                Some(Duration::ZERO),
                Vec::new(),
                false,
            );
            self.plan.truths.insert(OrderKey::new(CHANNELS[0], &id), Truth::default());
            self.plan.arrivals.push(Arrival { at, channel: 0, sale, happenings: Vec::new() });
        }
        let other = dice.chance(0.6).then(|| dice.seconds(25, 90));
        let calls = usize::try_from(dice.between(1, 3)).unwrap_or(1);
        self.plan.limits[0] = Some(Limit::new(calls, Duration::from_secs(55), other));
    }

    fn state_of_new(&self, channel: usize) -> OrderState {
        match (self.auto && channel == 1, self.dice.between(0, 9)) {
            (true, 0..=6) => OrderState::Shipping,
            (true, _) => OrderState::WaitingDebitPayment,
            (false, 0) => OrderState::Staging,
            (false, _) => OrderState::WaitingAcceptance,
        }
    }

    fn arrival(&mut self, number: u64) {
        let dice = self.dice;
        let channel = dice.index(2);
        let at = if self.burst { dice.between(0, 30_000) } else { dice.between(0, self.placing) };
        let channel = if self.burst { 0 } else { channel };
        // Every tenth order is the second parcel of the one before: the same basket, another
        // suffix.
        let suffix = if number % 10 == 9 { "B" } else { "A" };
        let base = if suffix == "B" { number - 1 } else { number };
        let id = format!(
            "MKP{channel}{:09}-{suffix}",
            100_000_000 + self.plan.seed % 1000 * 1000 + base
        );
        if !self.used.insert(id.clone()) {
            return;
        }
        let state = self.state_of_new(channel);
        self.add(channel, id, Moment(at), state);
    }

    fn add(&mut self, channel: usize, id: String, at: Moment, state: OrderState) {
        let dice = self.dice;
        let created = after(beginning(), Duration::from_millis(at.0));
        let key = OrderKey::new(CHANNELS[channel], &id);
        let mut truth = Truth::default();
        let mut happenings = Vec::new();
        let mut once_firm = Vec::new();
        let mut debit_after =
            Some(if dice.chance(0.6) { Duration::ZERO } else { dice.seconds(5, 1500) });
        let staging = (state == OrderState::Staging).then(|| dice.seconds(10, 900));
        match dice.between(0, 99) {
            0..=7 => happenings.push((dice.seconds(0, 1800), Happening::Cancel)),
            8..=15 => once_firm.push((dice.seconds(0, 90), Happening::Cancel)),
            16..=22 => once_firm.push((dice.seconds(60, 2400), Happening::Cancel)),
            23..=28 => once_firm.push((dice.seconds(0, 1200), Happening::CancelPiece)),
            29..=30 => {
                once_firm.push((dice.seconds(0, 600), Happening::CancelPiece));
                once_firm.push((dice.seconds(300, 1800), Happening::Cancel));
            }
            31..=33 => truth.unknown_sku = true,
            34..=36 => truth.refused_by_prima = true,
            37 => truth.number_in_use = true,
            38 => truth.operator_ships = true,
            39 => truth.unreadable = dice.chance(0.3),
            40 => {
                debit_after = None;
                happenings.push((dice.seconds(600, 5000), Happening::Cancel));
            }
            41 => {
                truth.shipped_by_person = true;
                once_firm.push((dice.seconds(0, 600), Happening::Ship));
            }
            42 => happenings.push((dice.seconds(0, 300), Happening::AcceptByPerson)),
            43..=50 => once_firm.push((dice.seconds(0, 900), Happening::Touch)),
            51..=52 => happenings.push((dice.seconds(0, 300), Happening::CancelPiece)),
            53..=56 => once_firm.push((dice.seconds(0, 1200), Happening::RefundPiece)),
            57..=61 => {
                let when = dice.seconds(0, 2400);
                once_firm.push((when, Happening::RefundAll));
                once_firm.push((when + dice.seconds(0, 900), Happening::Close));
            }
            62 => {
                once_firm.push((dice.seconds(0, 600), Happening::RefundPiece));
                once_firm.push((dice.seconds(300, 1800), Happening::RefundAll));
            }
            63..=64 => once_firm.push((dice.seconds(0, 900), Happening::Goodwill)),
            // Shipped by a person, and returned: nobody's trouble but the person's.
            65 => {
                truth.shipped_by_person = true;
                once_firm.push((dice.seconds(0, 600), Happening::Ship));
                once_firm.push((dice.seconds(700, 1800), Happening::RefundAll));
            }
            66 => {
                let when = dice.seconds(0, 1800);
                once_firm.push((when, Happening::RefundAll));
                once_firm.push((when + dice.seconds(0, 600), Happening::EnterRefunded));
            }
            _ => {}
        }
        let goods = if truth.unknown_sku {
            Goods::UnknownSku
        } else if truth.refused_by_prima {
            Goods::UnknownToPrima
        } else {
            Goods::Ordinary
        };
        let mut order = order(&id, &state, created, goods, dice);
        order.times.staging = staging;
        if truth.number_in_use {
            self.plan.hand_keyed.push(id);
        }
        let is_plain = goods == Goods::Ordinary
            && !truth.operator_ships
            && !truth.number_in_use
            && !truth.shipped_by_person;
        let oddity = Oddity::of(&order.order_id).filter(|_| is_plain && !truth.unreadable);
        if let Some(oddity) = oddity {
            truth.unmappable = oddity.is_unmappable(
                self.plan.behaviour.characters.outside == OutsideCodePage::Transliterate,
            );
            if oddity == Oddity::PaidOnShipment {
                once_firm.push((
                    Duration::from_secs(created.as_second().unsigned_abs() % 600),
                    Happening::Debit,
                ));
            }
        }
        let mut sale = Sale::new(
            order,
            after(created, Duration::from_secs(u64::from(WINDOW) * 60)),
            debit_after,
            once_firm,
            truth.unreadable,
        );
        if truth.operator_ships {
            sale.shows = Some(|order| order.can_shop_ship = Some(false));
        }
        if let Some(oddity) = oddity {
            oddity.befall(&mut sale);
        }
        self.plan.truths.insert(key, truth);
        self.plan.arrivals.push(Arrival { at, channel, sale, happenings });
    }

    /// What Prima does again and again. Drawn by itself, so that all else of a seed is as it was.
    fn faults_of_prima(&mut self) {
        let dice = Dice::new(self.plan.seed ^ 0x00fa_0175);
        if dice.chance(0.3) {
            // Three that nothing is wrong with but this would open a breaker in a quiet world for
            // good.
            for kind in [Kind::NewOrder, Kind::NewOrder, Kind::Ask] {
                let order = &self.plan.arrivals[dice.index(self.plan.arrivals.len())].sale.order;
                self.plan.prima_faults.insert(order.order_id.clone(), kind);
            }
        }
        if dice.chance(0.1) {
            let from = dice.between(0, self.placing);
            let to = Moment(from + dice.between(10, 240) * 60_000);
            self.plan.new_order_dead = Windows(vec![(Moment(from), to)]);
            self.plan.quiet_from = self.plan.quiet_from.max(to);
        }
    }

    /// One order id on both marketplaces, so that one number is wanted twice, at nearly the same
    /// time.
    fn shared_number(&mut self) {
        let id = "MKPX99999-A".to_owned();
        let at = self.dice.between(0, self.placing);
        for (channel, name) in CHANNELS.into_iter().enumerate() {
            let key = OrderKey::new(name, &id);
            let at = Moment(at + self.dice.between(0, 20_000));
            let created = after(beginning(), Duration::from_millis(at.0));
            let order =
                order(&id, &OrderState::WaitingAcceptance, created, Goods::Ordinary, self.dice);
            let sale = Sale::new(
                order,
                after(created, Duration::from_secs(u64::from(WINDOW) * 60)),
                Some(Duration::ZERO),
                Vec::new(),
                false,
            );
            self.plan.truths.insert(key, Truth { shares_number: true, ..Truth::default() });
            self.plan.arrivals.push(Arrival { at, channel, sale, happenings: Vec::new() });
        }
    }

    /// Orders that were there before the connector.
    fn orders_of_before(&mut self) {
        let dice = self.dice;
        let start = beginning();
        for number in 0..dice.between(5, 30) {
            let channel = dice.index(2);
            let id = format!("MKP{channel}{:09}-A", 50_000_000 + number);
            let old = dice.chance(0.6);
            let age = if old { dice.seconds(3700, 10_000) } else { dice.seconds(100, 3500) };
            let created = before(start, age);
            let key = OrderKey::new(CHANNELS[channel], &id);
            let (state, keyed) = match dice.between(0, 3) {
                0 => (OrderState::WaitingAcceptance, false),
                1 if old => (OrderState::WaitingDebitPayment, true),
                _ => (OrderState::Shipping, old),
            };
            let mut order = order(&id, &state, created, Goods::Ordinary, dice);
            if state != OrderState::WaitingAcceptance && !self.auto {
                order.acceptance_decision_date = Some(after(created, Duration::from_secs(60)));
            }
            let debit = Some(dice.seconds(10_000, 14_000));
            let mut sale = Sale::new(
                order,
                after(created, Duration::from_secs(u64::from(WINDOW) * 60)),
                debit,
                Vec::new(),
                false,
            );
            if state == OrderState::WaitingAcceptance {
                sale.debit_after = Some(Duration::from_secs(dice.between(0, 1) * 120));
            }
            if keyed {
                self.plan.hand_keyed.push(format!("HAND-{number}"));
            }
            self.plan.truths.insert(key, Truth { keyed_by_hand: keyed, ..Truth::default() });
            self.plan.marketplaces[channel].place(sale);
        }
    }
}
