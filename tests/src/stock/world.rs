//! The world of one run.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use shared::channel::{Channel, Mode};
use shared::clock::after;
use shared::events::Event;
use shared::queue::{ExceptionMessage, ImportMessage};
use shared::state::ledger::memory::MemoryLedger;
use shared::state::memory::MemoryStore;
use shared::stock::files::MemoryStockFiles;
use simulators::mirakl::{ImportFate, Marketplace, NewOffer, Settings, order_json};
use simulators::prima::{Installation, OrderRules, Stage, Stock, StockRow, StockRules};

use super::plan::{self, Item, Plan};
use crate::faults::Course;
use crate::simulation::dice::Dice;
use crate::simulation::world::beginning;

/// The channels: two that are published to, and one that only sells.
pub(super) const CHANNELS: [&str; 3] = ["harbour-uk", "modehaus-eu", "loft-us"];
/// Their shops.
pub(super) const SHOPS: [i64; 3] = [2001, 3001, 4001];
/// How many of them are published to.
pub(super) const LIVE: usize = 2;
/// A SKU that has no form, and one that Prima has never had.
pub(super) const ODD_OFFERS: [&str; 2] = ["GIFTCARD", "W9999-XXX-1"];

/// What the connector could know when it sent an import.
#[derive(Clone, Debug, Default)]
pub(super) struct Basis {
    /// When the run looked at each channel's orders.
    pub(super) flights_at: HashMap<usize, Timestamp>,
    /// When the request was begun that each SKU's figure comes from.
    pub(super) asked_at: BTreeMap<String, Timestamp>,
}

/// An import as it was sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) basis: Basis,
    pub(super) lines: Vec<(String, u32)>,
    /// Mirakl has it under this; none before a late one arrives.
    pub(super) import_id: Option<String>,
    pub(super) noticed: bool,
    /// The connector has its id, and it will run as imports do.
    pub(super) is_usual: bool,
}

/// A quantity that the connector had in mind to send, whatever became of it.
#[derive(Clone, Debug)]
pub(super) struct Intended {
    pub(super) offer_sku: String,
    pub(super) quantity: u32,
    /// The place of the import, once it was sent.
    pub(super) place: Option<usize>,
    /// How many had been sent before.
    pub(super) before: usize,
}

/// The latest import that an offer was changed by.
#[derive(Clone, Debug)]
pub(super) struct Applied {
    pub(super) basis: Basis,
    pub(super) quantity: u32,
    pub(super) at: Timestamp,
    /// The place of the import among those of its channel.
    pub(super) place: usize,
    /// The highest place of all that have changed the offer.
    pub(super) latest: usize,
}

/// Pieces that are not free any more.
#[derive(Clone, Debug)]
pub(super) struct Fall {
    pub(super) at: Timestamp,
    pub(super) offer_sku: String,
    pub(super) units: u32,
    /// The channel and order; none where it was sold in a shop, or miscounted.
    pub(super) order: Option<(usize, String)>,
}

/// What is known of an order's pieces in its row, since when.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) known: Vec<(Timestamp, BTreeMap<String, u32>)>,
}

/// Pieces that a marketplace put back on offer itself.
#[derive(Clone, Debug)]
pub(super) struct Restock {
    pub(super) at: Timestamp,
    pub(super) channel: usize,
    pub(super) order_id: String,
    pub(super) offer_sku: String,
    pub(super) units: u32,
}

impl Applied {
    /// An import that was sent later had been applied before it.
    pub(super) fn is_overtaken(&self) -> bool {
        self.latest > self.place
    }
}

/// A message of the imports' queue.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) visible_at: Timestamp,
    pub(super) body: String,
    pub(super) receives: u32,
}

/// Everything of one run.
#[derive(Debug)]
pub(super) struct World {
    course: Course,
    pub(super) plan: Plan,
    pub(super) store: MemoryStore,
    pub(super) ledger: MemoryLedger,
    pub(super) files: MemoryStockFiles,
    pub(super) shops: RefCell<Vec<Marketplace>>,
    pub(super) office: RefCell<Installation>,
    pub(super) queue: RefCell<BTreeMap<u64, Waiting>>,
    next_message: Cell<u64>,
    pub(super) shown: RefCell<BTreeMap<u64, ExceptionMessage>>,
    pub(super) events: RefCell<Vec<Event>>,
    pub(super) channels: Vec<Channel>,
    /// Which reading of a SKU each version of the figures' file comes from.
    pub(super) figures: RefCell<HashMap<Vec<u8>, BTreeMap<String, Timestamp>>>,
    pub(super) sent: RefCell<Vec<Vec<Sent>>>,
    pub(super) intended: RefCell<Vec<Vec<Intended>>>,
    pub(super) applied: RefCell<HashMap<(usize, String), Applied>>,
    pub(super) falls: RefCell<Vec<Fall>>,
    pub(super) told: RefCell<HashMap<(usize, String), Told>>,
    pub(super) restocks: RefCell<Vec<Restock>>,
    /// Offers that a marketplace has set to nothing itself, and that no import has set since.
    pub(super) zeroed: RefCell<BTreeSet<(usize, String)>>,
    /// Prima answers nothing.
    pub(super) silent: Cell<bool>,
    /// Prima answers an empty catalogue.
    pub(super) empty: Cell<bool>,
    /// A channel's documents cannot be used.
    pub(super) wrong_documents: Cell<Option<usize>>,
    /// A channel's key is refused.
    pub(super) key_refused: Cell<Option<usize>>,
    pub(super) agreed: Cell<bool>,
    pub(super) exports: RefCell<BTreeMap<String, Export>>,
    pub(super) at_work: Cell<u32>,
    pub(super) sold: Cell<u64>,
    /// Units sold that were not there.
    pub(super) beyond: Cell<u64>,
    /// Numbers of what was looked at.
    pub(super) judged: Cell<u64>,
}

/// An export of offers.
#[derive(Clone, Debug)]
pub(super) struct Export {
    pub(super) begun: Timestamp,
    pub(super) ready: Timestamp,
    pub(super) fails: bool,
    pub(super) offers: Vec<(String, u32)>,
}

impl std::ops::Deref for World {
    type Target = Course;

    fn deref(&self) -> &Course {
        &self.course
    }
}

impl World {
    /// A world at its beginning.
    pub(super) fn new(seed: u64, buffer: Option<u32>, traced: bool) -> Self {
        let dice = Dice::new(seed);
        let (calm, profile) = plan::drawn_profile(&dice);
        let plan = Plan::with_buffer(&dice, calm, buffer);
        let settings = Settings {
            debit_seconds: 0,
            payment_seconds: Some(0),
            automatic_acceptance: true,
            cancellations_restock: plan.restocks,
            import_wait_seconds: plan.import_seconds.0,
            import_run_seconds: plan.import_seconds.1,
            ..Settings::default()
        };
        let mut shops = SHOPS.map(|_| Marketplace::new(settings.clone()));
        for (index, shop) in shops.iter_mut().enumerate() {
            let odd = ODD_OFFERS.iter().filter(|_| plan.odd_offers).map(|sku| (*sku).to_owned());
            let offers = plan.items.iter().map(|item| item.offer_sku.clone()).chain(odd);
            // What a person has put there before the connector came.
            let quantity = if index < LIVE { u32::try_from(dice.between(0, 3)).unwrap_or(0) } else { 3 };
            shop.set_offers(SHOPS[index], offers.map(|shop_sku| NewOffer { shop_sku, quantity, active: true }), beginning());
        }
        let mut office = Installation::with_stock(
            OrderRules::default(),
            StockRules { figures: plan.figures, lowered: plan.lowered, ..StockRules::default() },
        );
        office.set_stock(
            plan.items.iter().map(|item| StockRow { sku: item.sku.clone(), stock: Stock { physical: item.physical, ..Stock::default() } }),
        );
        let channel = |index: usize| Channel {
            stock: if index < LIVE {
                Mode::Live
            } else if seed.is_multiple_of(2) {
                Mode::Observe
            } else {
                Mode::Off
            },
            shop_id: Some(SHOPS[index]),
            ..crate::simulation::plan::channel(CHANNELS[index], 1, beginning())
        };
        Self {
            store: MemoryStore::default(),
            ledger: MemoryLedger::default(),
            files: MemoryStockFiles::default(),
            shops: RefCell::new(shops.into()),
            office: RefCell::new(office),
            queue: RefCell::default(),
            next_message: Cell::new(0),
            shown: RefCell::default(),
            events: RefCell::default(),
            channels: (0..CHANNELS.len()).map(channel).collect(),
            figures: RefCell::default(),
            sent: RefCell::new(CHANNELS.iter().map(|_| Vec::new()).collect()),
            intended: RefCell::new(CHANNELS.iter().map(|_| Vec::new()).collect()),
            applied: RefCell::default(),
            falls: RefCell::default(),
            told: RefCell::default(),
            restocks: RefCell::default(),
            zeroed: RefCell::default(),
            silent: Cell::new(false),
            empty: Cell::new(false),
            wrong_documents: Cell::new(None),
            key_refused: Cell::new(None),
            agreed: Cell::new(plan.agreed_after == 0),
            exports: RefCell::default(),
            at_work: Cell::new(0),
            sold: Cell::new(0),
            beyond: Cell::new(0),
            judged: Cell::new(0),
            plan,
            course: Course::new(dice, calm, profile, traced),
        }
    }

    pub(super) fn index(&self, channel: &str) -> usize {
        CHANNELS.iter().position(|id| *id == channel).unwrap_or_default()
    }

    pub(super) fn item(&self, offer_sku: &str) -> Option<&Item> {
        self.plan.items.iter().find(|item| item.offer_sku == offer_sku)
    }

    /// The marketplace of a channel, everything that is due having happened.
    pub(super) fn shop<T>(&self, index: usize, work: impl FnOnce(&mut Marketplace, Timestamp) -> T) -> Option<T> {
        let now = self.now();
        self.advance(now);
        let mut shops = self.shops.borrow_mut();
        Some(work(shops.get_mut(index)?, now))
    }

    /// Lets happen what is due, and notices which imports have changed offers.
    pub(super) fn advance(&self, now: Timestamp) {
        for (index, shop) in self.shops.borrow_mut().iter_mut().enumerate() {
            shop.advance(now);
            let mut ended = Vec::new();
            for (place, sent) in self.sent.borrow_mut()[index].iter_mut().enumerate().filter(|(_, sent)| !sent.noticed) {
                let Some(id) = &sent.import_id else { continue };
                let Some(import) = shop.imports().find(|import| import.import_id == *id).filter(|import| import.ends <= now) else {
                    continue;
                };
                sent.noticed = true;
                if !matches!(import.fate, ImportFate::Fails | ImportFate::Lost { applied: false }) {
                    let refused: BTreeSet<usize> = import.errors.iter().map(|error| error.number - 1).collect();
                    ended.push((import.ends, place, refused));
                }
            }
            ended.sort_by_key(|(ends, place, _)| (*ends, *place));
            for (ends, place, refused) in ended {
                let (lines, basis) = {
                    let sent = self.sent.borrow();
                    (sent[index][place].lines.clone(), sent[index][place].basis.clone())
                };
                self.tell(|| format!("import {place} of {} is applied: {lines:?}", CHANNELS[index]));
                for (number, (offer_sku, quantity)) in lines.into_iter().enumerate() {
                    if refused.contains(&number) {
                        continue;
                    }
                    let key = (index, offer_sku);
                    let latest = self.applied.borrow().get(&key).map_or(place, |before| before.latest.max(place));
                    self.zeroed.borrow_mut().remove(&key);
                    self.applied.borrow_mut().insert(key, Applied { basis: basis.clone(), quantity, at: ends, place, latest });
                }
            }
        }
    }

    /// Mirakl's order, as OR11 lists it.
    pub(super) fn listed(&self, index: usize, order_id: &str) -> Option<shared::mirakl::Order> {
        self.shop(index, |shop, _| {
            let order = shop.order(order_id)?;
            serde_json::from_str(&order_json(order, shop.settings())).ok()
        })
        .flatten()
    }

    /// Pieces of a SKU that are promised to nobody: below zero where too many are.
    pub(super) fn truly_free(&self, offer_sku: &str) -> i64 {
        let Some(item) = self.item(offer_sku) else { return 0 };
        let (office, shops) = (self.office.borrow(), self.shops.borrow());
        let Some(stock) = office.stock_of(&item.sku) else { return 0 };
        let standing = office.orders().filter(|order| order.stage != Stage::Cancelled);
        let in_prima: BTreeSet<&str> = standing.flat_map(|order| &order.order.lines).map(|line| line.reference.as_str()).collect();
        let open = shops.iter().zip(SHOPS).flat_map(|(shop, shop_id)| shop.open_orders(shop_id)).flat_map(|order| &order.lines);
        let waiting = open.filter(|line| line.offer_sku == offer_sku && !in_prima.contains(line.order_line_id.as_str()));
        stock.physical - stock.elsewhere - stock.owed - waiting.map(|line| i64::from(line.to_ship())).sum::<i64>()
    }

    /// The most that the connector may take an offer to show: what was applied last, and whatever it has had in mind since, or had
    /// sent before without hearing how that ended.
    pub(super) fn highest(&self, channel: usize, offer_sku: &str) -> u32 {
        let shows = self.shops.borrow()[channel].offer(SHOPS[channel], offer_sku).map_or(0, |offer| offer.quantity);
        let last = self.applied.borrow().get(&(channel, offer_sku.to_owned())).map(|applied| applied.place);
        let sent = self.sent.borrow();
        let counts = |intended: &&Intended| match intended.place {
            Some(place) => last.is_none_or(|last| place >= last) || !sent[channel][place].is_usual,
            // Never sent, and in doubt until another import is through.
            None => last.is_none_or(|last| last < intended.before),
        };
        let intended = self.intended.borrow();
        let of_offer = intended[channel].iter().filter(|intended| intended.offer_sku == offer_sku).filter(counts);
        of_offer.map(|intended| intended.quantity).max().unwrap_or(0).max(shows)
    }

    pub(super) fn ask_later(&self, message: &ImportMessage, delay: Duration) {
        self.next_message.set(self.next_message.get() + 1);
        let body = serde_json::to_string(message).unwrap_or_default();
        let waiting = Waiting { visible_at: after(self.now(), delay), body, receives: 0 };
        self.queue.borrow_mut().insert(self.next_message.get(), waiting);
    }

    pub(super) fn show(&self, exception: &ExceptionMessage) {
        self.next_message.set(self.next_message.get() + 1);
        self.shown.borrow_mut().insert(self.next_message.get(), exception.clone());
    }

    /// Pieces are not free any more.
    pub(super) fn note_fall(&self, offer_sku: &str, units: u32, order: Option<(usize, String)>) {
        self.falls.borrow_mut().push(Fall { at: self.now(), offer_sku: offer_sku.to_owned(), units, order });
    }
}

/// So that a reference is shared by all tasks.
pub(super) type Shared = Rc<World>;
