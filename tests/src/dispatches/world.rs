//! The world of one run.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rust_decimal::Decimal;
use shared::domain::channel::{Channel, Mode};
use shared::domain::dispatch::carriers::{CarrierEntry, CarrierMap};
use shared::domain::dispatch::rules::{DispatchRules, ShortLines};
use shared::domain::order::row::{OrderKey, OrderRow, Stage};
use shared::domain::state::{NumberStore as _, OrderStore as _};
use shared::kit::clock::after;
use shared::kit::odd_form::OddForm;
use shared::mirakl::MiraklError;
use shared::mirakl::shipping_requirements::ShippingRequirements;
use simulators::fashion::catalogue;
use simulators::mirakl::{Marketplace, OrderWish, Settings, ShopProfile, Tax, generate_order};
use simulators::prima::{Installation, NewOrder, NewOrderLine, OrderRules};

use super::run::INTERVAL_MINUTES;
use crate::world::base::{Base, Setting, beginning};
use crate::world::dice::Dice;
use crate::world::fate::{Odds, Profile};
use crate::world::models::Models as _;

/// The channels: whole orders, and orders in parts.
pub(super) const CHANNELS: [&str; 2] = ["harbour-uk", "modehaus-eu"];
/// Their shops.
pub(super) const SHOPS: [i64; 2] = [2001, 3001];

/// The calls of one operation that were refused from when a right was taken until it was given
/// back.
#[derive(Clone, Debug)]
pub(super) struct Refusals {
    pub(super) channel: usize,
    pub(super) operation: &'static str,
    /// Of the first call by an invocation that lived to its end: of one that died nobody can be
    /// told.
    pub(super) first: Option<Timestamp>,
    /// When the right was given back.
    pub(super) until: Option<Timestamp>,
}

/// A refusal that an invocation heard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub(super) channel: usize,
    pub(super) operation: &'static str,
    pub(super) at: Timestamp,
}

/// How Prima's answers differ from what is assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Odd {
    /// A dispatch date that is not needed.
    Date(&'static str),
    /// Every quantity of a parcel is 0.
    Nothing,
    /// A quantity in words.
    Words,
    /// Lines under a name that is not known.
    Name,
    /// No status at all.
    Status,
    /// This status. Not drawn: a course says it.
    Word(&'static str),
}

impl Odd {
    const ALL: [Self; 10] = [
        Self::Date("2026-11-23"),
        Self::Date("11/23/2026"),
        Self::Date("23/11/2026 14:05"),
        Self::Date("?"),
        Self::Date("23-11-2026"),
        Self::Date("23/11/26"),
        Self::Nothing,
        Self::Words,
        Self::Name,
        Self::Status,
    ];

    /// Nobody can say what has left.
    pub(super) fn is_unclear(self) -> bool {
        !matches!(self, Self::Date(_) | Self::Word(_))
    }
}

/// What the customer paid for a line, in all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Paid {
    pub(super) goods: Decimal,
    pub(super) shipping: Decimal,
    pub(super) taxes: Decimal,
    pub(super) shipping_taxes: Decimal,
}

/// Calls about one order without a usable answer, and answered ones about others meanwhile, after
/// which silence is a fault.
const SPOILT_CALLS: u64 = 9;
const OTHERS_ANSWERED: u64 = 4;
/// Calls about one order without an answer, by chance, that make it an exception: not fewer than
/// the connector's own count.
const UNLUCKY: u64 = 4;

/// Calls about one order that got no usable answer.
#[derive(Clone, Copy, Debug)]
struct MetSpoilt {
    operation: &'static str,
    calls: u64,
    others: u64,
}

/// Everything of one run.
#[derive(Debug)]
pub(super) struct World {
    pub(super) base: Base,
    pub(super) shops: RefCell<Vec<Marketplace>>,
    pub(super) office: RefCell<Installation>,
    /// Operations that a channel's key may not use now, and the status that says so.
    refused: RefCell<BTreeMap<(usize, &'static str), u16>>,
    /// Calls about one order that get no usable answer: a server error's status, or 200 for what
    /// cannot be read.
    spoilt: RefCell<BTreeMap<(&'static str, String), u16>>,
    /// Orders of which such calls were made: how many, and how many calls of the operation for
    /// others were answered since the first.
    met_spoilt: RefCell<BTreeMap<String, MetSpoilt>>,
    /// Calls that got no answer by chance, by the order that they were about.
    lost: RefCell<BTreeMap<String, u64>>,
    /// What was refused lately and still is, and what was so before.
    pub(super) refusals: RefCell<Vec<Refusals>>,
    /// Both marketplaces answer 503 to everything.
    pub(super) down: Cell<bool>,
    /// Fields of what the marketplaces demand that are in a form that is not understood.
    pub(super) odd_fields: RefCell<Vec<OddForm>>,
    /// What is wrong with the channels' dispatch documents.
    pub(super) wrong_documents: RefCell<Option<String>>,
    pub(super) maps: RefCell<Vec<CarrierMap>>,
    pub(super) rules: Vec<DispatchRules>,
    pub(super) requirements: RefCell<Vec<Option<ShippingRequirements>>>,
    pub(super) channels: Vec<Channel>,
    /// Orders by Prima's number.
    pub(super) numbers: RefCell<BTreeMap<String, OrderKey>>,
    /// Orders that a person shipped in Mirakl's back office, or a customer cancelled.
    pub(super) meddled: RefCell<BTreeSet<String>>,
    /// Orders of which the operator refunded something, and whether that took a piece or a whole
    /// line.
    pub(super) refunded: RefCell<BTreeMap<String, bool>>,
    /// Orders of which Prima's answers have another form than assumed, until that is mended.
    pub(super) odd: RefCell<BTreeMap<String, Odd>>,
    /// What the customer paid for each line.
    pub(super) paid: RefCell<BTreeMap<String, Paid>>,
    /// Minutes between two questions for one order.
    pub(super) interval_minutes: Cell<u32>,
    /// Questions for an order that had no answer.
    pub(super) unanswered: RefCell<std::collections::HashMap<String, u32>>,
}

fn entry(carrier: &str, code: &str) -> CarrierEntry {
    CarrierEntry { carrier: carrier.into(), code: Some(code.into()), ..CarrierEntry::default() }
}

/// What the map holds from the beginning.
pub(crate) fn first_map() -> CarrierMap {
    CarrierMap {
        entries: vec![
            entry("DPD NEXT DAY", "DPD_UK"),
            entry("ROYAL MAIL", "RM24"),
            entry("EVRI", "EVRI"),
            entry("DHL*", "DHLX"),
        ],
    }
}

/// What a person adds one day.
pub(super) fn mended_map() -> CarrierMap {
    let mut map = first_map();
    map.entries.push(entry("DPD SAT BY 12", "DPD_UK"));
    map.entries.push(CarrierEntry {
        carrier: "Yodel".into(),
        name: Some("Yodel".into()),
        ..CarrierEntry::default()
    });
    map.entries.push(entry("Own lorry (Pete)", "VAN"));
    map
}

impl std::ops::Deref for World {
    type Target = Base;

    fn deref(&self) -> &Base {
        &self.base
    }
}

impl World {
    /// A world at its beginning; where it is `calm`, nothing goes wrong in it.
    pub(super) fn new(seed: u64, traced: bool, calm: bool) -> Self {
        let dice = Dice::new(seed);
        let bad = if calm { 0.0 } else { dice.between(0, 100) as f64 / 100.0 };
        let odds = Odds { fails: 0.12 * bad, lost: 0.10 * bad, late: 0.06 * bad };
        let profile = Profile {
            crash: 0.03 * bad,
            crash_consumer: 0.03 * bad,
            delivered_twice: 0.2 * bad,
            scheduled_twice: 0.05 * bad,
            slow: 0.1 * bad,
            skew: 10_000,
            ..Profile::even(odds)
        };
        let settings = || Settings {
            debit_seconds: 0,
            payment_seconds: Some(0),
            automatic_acceptance: true,
            taxes_proportional: dice.chance(0.5),
            order_level_tax: dice.chance(0.3),
            ..Settings::default()
        };
        let shops = SHOPS.map(|_| Marketplace::new(settings()));
        let settles = |index: usize| {
            let by_rule = dice.chance(0.7);
            match (by_rule, index) {
                (false, _) => DispatchRules::default(),
                (true, 0) => DispatchRules {
                    short_lines: ShortLines::Cancel,
                    cancel_reason_code: Some("OOS".into()),
                    ..DispatchRules::default()
                },
                (true, _) => DispatchRules {
                    short_lines: ShortLines::Refund,
                    refund_reason_code: Some("OOS".into()),
                    ..DispatchRules::default()
                },
            }
        };
        let rules = vec![settles(0), settles(1)];
        let channel = |id: &str, shop: i64| Channel {
            dispatches: Mode::Live,
            stock: Mode::Off,
            payouts: Mode::Off,
            shop_id: Some(shop),
            ..crate::simulation::plan::channel(id, 1, beginning())
        };
        Self {
            base: Base::new(Setting { seed, calm, profile, traced, ..Setting::default() }),
            shops: RefCell::new(shops.into()),
            office: RefCell::new(Installation::new(OrderRules::default())),
            refused: RefCell::default(),
            spoilt: RefCell::default(),
            met_spoilt: RefCell::default(),
            lost: RefCell::default(),
            refusals: RefCell::default(),
            down: Cell::new(false),
            odd_fields: RefCell::default(),
            wrong_documents: RefCell::default(),
            maps: RefCell::new(vec![first_map(), first_map()]),
            rules,
            requirements: RefCell::new(vec![None, None]),
            channels: CHANNELS.iter().zip(SHOPS).map(|(id, shop)| channel(id, shop)).collect(),
            numbers: RefCell::default(),
            meddled: RefCell::default(),
            refunded: RefCell::default(),
            odd: RefCell::default(),
            paid: RefCell::default(),
            interval_minutes: Cell::new(INTERVAL_MINUTES),
            unanswered: RefCell::default(),
        }
    }

    /// Whether nobody can say from Prima's answers what has left of an order.
    pub(super) fn is_unclear(&self, order_id: &str) -> bool {
        let numbers = self.numbers.borrow();
        let number =
            numbers.iter().find(|(_, key)| key.order_id == order_id).map(|(number, _)| number);
        number
            .and_then(|number| self.odd.borrow().get(number).copied())
            .is_some_and(Odd::is_unclear)
    }

    /// A right is taken from a channel's key.
    pub(super) fn refuse(&self, channel: usize, operation: &'static str, status: u16) {
        self.tell(|| format!("{} may not use {operation} any more ({status})", CHANNELS[channel]));
        self.refused.borrow_mut().insert((channel, operation), status);
        self.refusals.borrow_mut().push(Refusals { channel, operation, first: None, until: None });
    }

    /// It is given back.
    pub(super) fn permit(&self, channel: usize, operation: &'static str) {
        self.tell(|| format!("{} may use {operation} again", CHANNELS[channel]));
        self.refused.borrow_mut().remove(&(channel, operation));
        let now = self.now();
        for refusals in self.refusals.borrow_mut().iter_mut() {
            if refusals.until.is_none()
                && (refusals.channel, refusals.operation) == (channel, operation)
            {
                refusals.until = Some(now);
            }
        }
    }

    /// Whether a channel's key may not use an operation.
    pub(super) fn is_refused(&self, channel: usize, operation: &'static str) -> bool {
        !self.down.get() && self.refused.borrow().contains_key(&(channel, operation))
    }

    /// An invocation that has lived to its end heard these refusals, of these calls.
    pub(super) fn heard(&self, heard: &[Heard]) {
        for Heard { channel, operation, at } in heard {
            let mut refusals = self.refusals.borrow_mut();
            let meant = refusals
                .iter_mut()
                .rev()
                .find(|one| (one.channel, one.operation) == (*channel, *operation));
            if let Some(one) = meant.filter(|one| one.until.is_none_or(|until| *at <= until)) {
                one.first = Some(one.first.map_or(*at, |first| first.min(*at)));
            }
        }
    }

    /// Mirakl gives no usable answer to an operation about one order from now on; with no status it
    /// does again.
    pub(super) fn spoil(&self, operation: &'static str, order_id: &str, status: Option<u16>) {
        let key = (operation, order_id.to_owned());
        self.tell(|| format!("{operation} about {order_id} gets {status:?} from now on"));
        match status {
            Some(status) => self.spoilt.borrow_mut().insert(key, status),
            None => self.spoilt.borrow_mut().remove(&key),
        };
    }

    /// Whether calls about the order got no usable answer whenever they were made, for a while.
    pub(super) fn met_spoilt(&self, order_id: &str) -> bool {
        self.met_spoilt.borrow().contains_key(order_id)
    }

    /// A call got no answer by chance.
    pub(super) fn note_no_answer(&self, about: &str) {
        let order_id = about.split(' ').next().unwrap_or_default();
        *self.lost.borrow_mut().entry(order_id.to_owned()).or_default() += 1;
    }

    /// So many calls about the order got no answer by chance that it looks like the order's own
    /// matter.
    pub(super) fn was_unlucky(&self, order_id: &str) -> bool {
        self.lost.borrow().get(order_id).is_some_and(|lost| *lost >= UNLUCKY)
    }

    /// A call got its answer.
    pub(super) fn note_answer(&self, operation: &'static str, channel: usize) {
        for (order_id, met) in
            self.met_spoilt.borrow_mut().iter_mut().filter(|(_, met)| met.operation == operation)
        {
            let is_of_channel = self.numbers.borrow().values().any(|key| {
                key.order_id == *order_id && CHANNELS.get(channel) == Some(&key.channel.as_str())
            });
            met.others += u64::from(is_of_channel);
        }
    }

    /// So many calls about the order got no usable answer, and so many about others got theirs
    /// meanwhile, that a person has to know.
    pub(super) fn is_to_be_told_of(&self, order_id: &str) -> bool {
        self.met_spoilt
            .borrow()
            .get(order_id)
            .is_some_and(|met| met.calls >= SPOILT_CALLS && met.others >= OTHERS_ANSWERED)
    }

    fn spoilt(&self, operation: &'static str, about: &str) -> Option<MiraklError> {
        let spoilt = self.spoilt.borrow();
        let ((_, order_id), status) = spoilt.iter().find(|((of, order_id), _)| {
            *of == operation && about.split(' ').any(|word| word == order_id)
        })?;
        let mut met = self.met_spoilt.borrow_mut();
        let met =
            met.entry(order_id.clone()).or_insert(MetSpoilt { operation, calls: 0, others: 0 });
        met.calls += 1;
        Some(MiraklError {
            status: Some(*status),
            ..MiraklError::unknown(operation, "no usable answer")
        })
    }

    /// What Mirakl says instead of an answer: it is down, one of these operations is refused to the
    /// key, or has no answer for this order.
    pub(super) fn no_answer(
        &self,
        channel: usize,
        operations: &[&'static str],
        about: &str,
    ) -> Option<MiraklError> {
        let first = operations.first()?;
        if self.down.get() {
            return Some(MiraklError {
                status: Some(503),
                ..MiraklError::unknown(first, "Service Unavailable")
            });
        }
        if let Some(problem) = self.spoilt(first, about) {
            return Some(problem);
        }
        let (operation, status) = operations.iter().find_map(|operation| {
            Some((*operation, *self.refused.borrow().get(&(channel, *operation))?))
        })?;
        if status >= 500 {
            return Some(MiraklError {
                status: Some(status),
                ..MiraklError::unknown(operation, "Internal Server Error")
            });
        }
        Some(MiraklError::refused(operation, status, None, "Forbidden"))
    }

    /// Orders that are in Prima, with their rows, as if the orders flow had brought them there.
    pub(super) async fn furnish(&self, count: u64) {
        use rand::SeedableRng as _;
        let dice = self.dice_of("furnish");
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(dice.between(0, u64::MAX / 2));
        let catalogue = catalogue(1, 40);
        for number in 0..count {
            let index = usize::from(number % 2 == 1);
            let now = self.now();
            let profile = ShopProfile {
                shop_id: SHOPS[index],
                currency: ["GBP", "EUR"][index].to_owned(),
                tax_included: index == 0,
                automatic_acceptance: Some(true),
                multi_shipment: index == 1,
            };
            let mut order =
                generate_order(&mut rng, now, &profile, number, &catalogue, OrderWish::default());
            // Some are near their deadline long before the day is over.
            order.shipping_deadline = after(now, dice.seconds(13 * 3600, 24 * 3600));
            let order_id = order.order_id.clone();
            let sum = |taxes: &[Tax]| taxes.iter().map(|tax| tax.amount).sum();
            self.paid.borrow_mut().extend(order.lines.iter().map(|line| {
                let paid = Paid {
                    goods: line.price(),
                    shipping: line.shipping_price,
                    taxes: sum(&line.taxes),
                    shipping_taxes: sum(&line.shipping_taxes),
                };
                (line.order_line_id.clone(), paid)
            }));
            self.shop(index, |shop, now| shop.place(order, now));
            let Some(listed) = self.listed(index, &order_id) else { continue };
            let prima_number = format!("P{index}-{number:05}");
            let lines = listed.live_lines().enumerate().map(|(place, line)| NewOrderLine {
                number: u32::try_from(place + 1).unwrap_or(u32::MAX),
                product: "W1".to_owned(),
                quantity: line.quantity,
                reference: line.order_line_id.clone(),
                ..NewOrderLine::default()
            });
            let entered = NewOrder {
                order_number: prima_number.clone(),
                third_party_id: prima_number.clone(),
                lines: lines.collect(),
                ..NewOrder::default()
            };
            if let Err(refusal) = self.office.borrow_mut().new_order(entered, now) {
                self.violate(format!("the plan is unsound: {refusal}"));
            }
            let mut row = OrderRow::first_seen(CHANNELS[index], &listed, now);
            row.creation.order_number = Some(prima_number.clone());
            row.creation.created_at = Some(now);
            row.creation.referenced_at = Some(now);
            row.note_sent_lines(&listed);
            row.enter(Stage::Created, now, "created");
            let key = row.key.clone();
            if self.store.save_order(&mut row).await.is_err() {
                self.violate("the plan is unsound: a row cannot be saved".to_owned());
            }
            if !self.calm && dice.chance(0.2) {
                let odd = Odd::ALL[dice.index(Odd::ALL.len())];
                self.tell(|| format!("answers for {prima_number} are odd: {odd:?}"));
                self.odd.borrow_mut().insert(prima_number.clone(), odd);
            }
            drop(self.store.reserve_number(&prima_number, &key).await);
            self.numbers.borrow_mut().insert(prima_number, key);
        }
    }
}
