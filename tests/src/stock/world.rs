//! The world of one run.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::channel::{Channel, Mode};
use shared::domain::order::row::{OrderRow, Stage as RowStage};
use shared::domain::state::ledger::LedgerStore as _;
use shared::domain::state::ledger::in_memory::MemoryLedger;
use shared::domain::stock::files::MemoryStockFiles;
use shared::domain::stock::ledger::sku_hash;
use shared::domain::stock::offer::Shown;
use shared::domain::stock::rules::{self as stock_rules, OfferLimits};
use shared::kit::clock::{after, before};
use simulators::mirakl::{ImportFate, Marketplace, NewOffer, Settings};
use simulators::prima::{Installation, OrderRules, Stage, Stock, StockRow, StockRules};

use super::plan::{self, Item, Plan};
use super::whole::Whole;
use crate::simulation::plan::WINDOW;
use crate::world::base::{Base, Setting, beginning};
use crate::world::dice::Dice;

/// The channels: two that are published to, of which one has a name that ends as no word does, and
/// one that only sells.
pub(super) const CHANNELS: [&str; 3] = ["harbour-uk", "modehaus-", "loft-us"];
/// Their shops.
pub(super) const SHOPS: [i64; 3] = [2001, 3001, 4001];
/// How many of them are published to.
pub(super) const LIVE: usize = 2;
/// A SKU that has no form, and one that Prima has never had.
pub(super) const ODD_OFFERS: [&str; 2] = ["GIFTCARD", "W9999-XXX-1"];

/// More than an invocation's clock is off.
const SKEW: Duration = Duration::from_secs(15);

/// What Prima has answered of a SKU.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answered {
    /// The latest figure that can be used: when the request was begun that it comes from, and the
    /// figure.
    pub(super) figure: Option<(Timestamp, u32)>,
    /// A later answer had no figure that can be used.
    pub(super) is_unusable: bool,
    /// Runs since whose readings may count as lacking it.
    pub(super) lacking: u32,
}

/// What the connector could know when it sent an import.
#[derive(Clone, Debug, Default)]
pub(super) struct Basis {
    /// When the run looked at each channel's orders.
    pub(super) flights_at: HashMap<usize, Timestamp>,
    /// What Prima had answered.
    pub(super) figures: BTreeMap<String, Answered>,
    /// Each channel's rules, as the run has read them.
    pub(super) rules: HashMap<usize, stock_rules::StockRules>,
    /// When the run began.
    pub(super) began: Timestamp,
    /// When Prima answered this run last, if it asked: orders are looked at after that.
    pub(super) answered_at: Option<Timestamp>,
}

impl Basis {
    /// The limits of an offer by the rules that the run has read, from its beginning to now: an end
    /// may lie between.
    pub(super) fn limits_of(
        &self,
        channel: usize,
        item: &Item,
        now: Timestamp,
    ) -> Vec<OfferLimits<'_>> {
        let Some(rules) = self.rules.get(&channel) else { return Vec::new() };
        // The run's clock is off, by some seconds.
        [before(self.began, SKEW), after(self.began, SKEW), after(now, SKEW)]
            .map(|at| rules.limits_of(&item.offer_sku, &item.sku.product, at))
            .into()
    }

    /// Since when a run has to know what a channel's rows said: whatever it looked at, it has to
    /// look after Prima's answer.
    pub(super) fn looked_at(&self, channel: usize) -> Option<Timestamp> {
        self.flights_at.get(&channel).copied().max(self.answered_at)
    }
}

/// An import as it was sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) basis: Basis,
    pub(super) lines: Vec<(String, u32)>,
    /// Mirakl has it under this; none before a late one arrives.
    pub(super) import_id: Option<String>,
    pub(super) noticed: bool,
    /// The line that Mirakl does not take.
    pub(super) bad_line: Option<usize>,
    /// The connector has its id, or cannot know that it will never have it.
    pub(super) is_answered: bool,
    /// When its run began, and when it was sent.
    pub(super) began: Timestamp,
    pub(super) at: Timestamp,
}

/// The latest import that an offer was changed by.
#[derive(Clone, Debug)]
pub(super) struct Applied {
    /// Of the import, or of a later run that has found that nothing differs.
    pub(super) basis: Basis,
    pub(super) quantity: u32,
    pub(super) at: Timestamp,
    /// What was held back when it was sent, or confirmed: the least of it.
    pub(super) buffer: u32,
    /// The place of the import among those of its channel.
    pub(super) place: usize,
    /// The highest place of all that have changed the offer.
    pub(super) latest: usize,
}

/// How a channel's ledger has its offers.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries {
    pub(super) shown: BTreeMap<String, Shown>,
    /// Offers that may show something, others included.
    pub(super) on_offer: usize,
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
    /// When each row was written, and of which moment the order is that it was written by.
    pub(super) written: Vec<(Timestamp, Timestamp)>,
    /// Since when the row says that nothing of it is to leave any more.
    pub(super) over_at: Option<Timestamp>,
}

impl Told {
    /// A row that was written until then knew the order as it was at a moment, or later.
    pub(super) fn was_told(&self, after: Timestamp, until: Timestamp) -> bool {
        self.written.iter().any(|(at, of)| *of >= after && *at <= until)
    }

    /// A row was written, by the order as it was at a moment.
    pub(super) fn note(
        &mut self,
        row: &OrderRow,
        at: Timestamp,
        of: Timestamp,
        units: BTreeMap<String, u32>,
    ) {
        self.known.push((at, units));
        self.written.push((at, of));
        if matches!(row.stage, RowStage::Cancelled | RowStage::Refused)
            || row.dispatch.as_ref().is_some_and(|dispatch| dispatch.ended_at.is_some())
        {
            self.over_at.get_or_insert(at);
        }
    }
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

/// Everything of one run.
#[derive(Debug)]
pub(super) struct World {
    base: Base,
    pub(super) plan: Plan,
    /// What is noted where all functions of the connector run, not only those of stock.
    pub(super) whole: Option<Whole>,
    pub(super) ledger: MemoryLedger,
    pub(super) files: MemoryStockFiles,
    pub(super) shops: RefCell<Vec<Marketplace>>,
    pub(super) office: RefCell<Installation>,
    pub(super) channels: Vec<Channel>,
    /// Which answers each version of the figures' file comes from.
    pub(super) figures: RefCell<HashMap<Vec<u8>, BTreeMap<String, Answered>>>,
    pub(super) sent: RefCell<Vec<Vec<Sent>>>,
    pub(super) applied: RefCell<HashMap<(usize, String), Applied>>,
    pub(super) falls: RefCell<Vec<Fall>>,
    pub(super) told: RefCell<HashMap<(usize, String), Told>>,
    pub(super) restocks: RefCell<Vec<Restock>>,
    /// Orders that were placed and not listed yet, since when.
    pub(super) unlisted: RefCell<BTreeMap<(usize, String), Timestamp>>,
    /// SKUs of which the channels have shown no more together than is free, since their last pieces
    /// are divided.
    pub(super) together: RefCell<BTreeSet<String>>,
    /// Offers that a marketplace has set to nothing itself, and that no import has set since.
    pub(super) zeroed: RefCell<BTreeSet<(usize, String)>>,
    /// The channels' stock rules as they are now.
    pub(super) rules: RefCell<Vec<stock_rules::StockRules>>,
    /// Somebody has deleted a channel's ledger.
    pub(super) emptied: Cell<bool>,
    /// Prima answers nothing.
    pub(super) silent: Cell<bool>,
    /// Prima answers an empty catalogue.
    pub(super) empty: Cell<bool>,
    /// A channel's documents cannot be used.
    pub(super) wrong_documents: Cell<Option<usize>>,
    /// A channel's key is refused.
    pub(super) key_refused: Cell<Option<usize>>,
    /// The one operation that is refused to that key; none: all of them.
    pub(super) right_refused: Cell<Option<&'static str>>,
    /// Calls that were refused to it.
    pub(super) refused_calls: Cell<u64>,
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
    type Target = Base;

    fn deref(&self) -> &Base {
        &self.base
    }
}

impl World {
    /// A world at its beginning, in which the functions of stock run, and the flow of orders is
    /// told.
    pub(super) fn new(seed: u64, buffer: Option<u32>, traced: bool) -> Self {
        Self::begin(seed, buffer, traced, None)
    }

    /// A world at its beginning, in which all functions run.
    pub(super) fn with_all_functions(seed: u64, traced: bool) -> Self {
        Self::begin(seed, None, traced, Some(Whole::default()))
    }

    fn begin(seed: u64, buffer: Option<u32>, traced: bool, whole: Option<Whole>) -> Self {
        let dice = Dice::new(seed);
        let (calm, profile) = plan::drawn_profile(&dice);
        let plan = Plan::with_buffer(&dice, calm, buffer);
        let settings = Settings {
            acceptance_window_seconds: 60 * u64::from(WINDOW),
            debit_seconds: if whole.is_some() { dice.of("debit").between(0, 90) } else { 0 },
            payment_seconds: Some(0),
            automatic_acceptance: whole.is_none(),
            cancellations_restock: plan.restocks,
            import_wait_seconds: plan.import_seconds.0,
            import_run_seconds: plan.import_seconds.1,
            ..Settings::default()
        };
        let mut shops = SHOPS.map(|_| Marketplace::new(settings.clone()));
        for (index, shop) in shops.iter_mut().enumerate() {
            let odd = ODD_OFFERS.iter().filter(|_| plan.odd_offers).map(|sku| (*sku).to_owned());
            let present = plan.items.iter().filter(|item| !plan.comes_later(index, item));
            let offers = present.map(|item| item.offer_sku.clone()).chain(odd);
            // What a person has put there before the connector came.
            let quantity =
                if index < LIVE { u32::try_from(dice.between(0, 3)).unwrap_or(0) } else { 3 };
            shop.set_offers(
                SHOPS[index],
                offers.map(|shop_sku| NewOffer { shop_sku, quantity, active: true }),
                beginning(),
            );
        }
        let mut office = Installation::with_stock(
            OrderRules::default(),
            StockRules { figures: plan.figures, lowered: plan.lowered, ..StockRules::default() },
        );
        office.set_stock(plan.items.iter().map(|item| StockRow {
            sku: item.sku.clone(),
            stock: Stock { physical: item.physical, ..Stock::default() },
        }));
        let channel = |index: usize| Channel {
            stock: if index < LIVE {
                Mode::Live
            } else if seed.is_multiple_of(2) {
                Mode::Observe
            } else {
                Mode::Off
            },
            shop_id: Some(SHOPS[index]),
            dispatches: if whole.is_some() { Mode::Live } else { Mode::Off },
            ..crate::simulation::plan::channel(CHANNELS[index], 1, beginning())
        };
        Self {
            ledger: MemoryLedger::default(),
            files: MemoryStockFiles::default(),
            shops: RefCell::new(shops.into()),
            office: RefCell::new(office),
            channels: (0..CHANNELS.len()).map(channel).collect(),
            figures: RefCell::default(),
            sent: RefCell::new(CHANNELS.iter().map(|_| Vec::new()).collect()),
            applied: RefCell::default(),
            falls: RefCell::default(),
            told: RefCell::default(),
            restocks: RefCell::default(),
            unlisted: RefCell::default(),
            together: RefCell::default(),
            zeroed: RefCell::default(),
            rules: RefCell::new(plan.rules.clone()),
            emptied: Cell::new(false),
            silent: Cell::new(false),
            empty: Cell::new(false),
            wrong_documents: Cell::new(None),
            key_refused: Cell::new(None),
            right_refused: Cell::new(None),
            refused_calls: Cell::new(0),
            agreed: Cell::new(plan.agreed_after == 0),
            exports: RefCell::default(),
            at_work: Cell::new(0),
            sold: Cell::new(0),
            beyond: Cell::new(0),
            judged: Cell::new(0),
            plan,
            whole,
            base: Base::new(Setting { seed, calm, profile, traced, ..Setting::default() }),
        }
    }

    pub(super) fn item(&self, offer_sku: &str) -> Option<&Item> {
        self.plan.items.iter().find(|item| item.offer_sku == offer_sku)
    }

    /// Lets happen what is due, and notices which imports have changed offers.
    pub(super) fn advance(&self, now: Timestamp) {
        for (index, shop) in self.shops.borrow_mut().iter_mut().enumerate() {
            shop.advance(now);
            let mut ended = Vec::new();
            for (place, sent) in self.sent.borrow_mut()[index]
                .iter_mut()
                .enumerate()
                .filter(|(_, sent)| !sent.noticed)
            {
                let Some(id) = &sent.import_id else { continue };
                let Some(import) = shop
                    .imports()
                    .find(|import| import.import_id == *id)
                    .filter(|import| import.ends <= now)
                else {
                    continue;
                };
                sent.noticed = true;
                if !matches!(import.fate, ImportFate::Fails | ImportFate::Lost { applied: false }) {
                    let refused: BTreeSet<usize> =
                        import.errors.iter().map(|error| error.number - 1).collect();
                    ended.push((import.ends, place, refused));
                }
            }
            ended.sort_by_key(|(ends, place, _)| (*ends, *place));
            for (ends, place, refused) in ended {
                let (lines, basis, sent_at) = {
                    let sent = self.sent.borrow();
                    (
                        sent[index][place].lines.clone(),
                        sent[index][place].basis.clone(),
                        sent[index][place].at,
                    )
                };
                self.tell(|| {
                    format!("import {place} of {} is applied: {lines:?}", CHANNELS[index])
                });
                for (number, (offer_sku, quantity)) in lines.into_iter().enumerate() {
                    if refused.contains(&number) {
                        continue;
                    }
                    let key = (index, offer_sku);
                    let latest = self
                        .applied
                        .borrow()
                        .get(&key)
                        .map_or(place, |before| before.latest.max(place));
                    self.zeroed.borrow_mut().remove(&key);
                    let buffer = self
                        .item(&key.1)
                        .map_or(0, |item| least_buffer(&basis, index, item, sent_at));
                    self.applied.borrow_mut().insert(
                        key,
                        Applied { basis: basis.clone(), quantity, at: ends, buffer, place, latest },
                    );
                }
            }
        }
    }

    /// Every order of a channel that was placed before is listed.
    pub(super) fn seen_until(&self, channel: usize) -> Timestamp {
        let unlisted = self.unlisted.borrow();
        let placed =
            unlisted.iter().filter(|((one, _), _)| *one == channel).map(|(_, placed)| *placed);
        placed.min().unwrap_or(self.now()).min(self.now())
    }

    /// Pieces of a SKU that are promised to nobody: below zero where too many are.
    pub(super) fn truly_free(&self, offer_sku: &str) -> i64 {
        let Some(item) = self.item(offer_sku) else { return 0 };
        let (office, shops) = (self.office.borrow(), self.shops.borrow());
        let Some(stock) = office.stock_of(&item.sku) else { return 0 };
        // What Prima has cancelled it will not send, whatever Mirakl still waits for.
        let in_prima: BTreeSet<&str> = office
            .orders()
            .flat_map(|order| &order.order.lines)
            .map(|line| line.reference.as_str())
            .collect();
        let open = shops
            .iter()
            .zip(SHOPS)
            .flat_map(|(shop, shop_id)| shop.open_orders(shop_id))
            .filter(|order| !order.fully_refunded())
            .flat_map(|order| &order.lines);
        let waiting = open.filter(|line| {
            line.offer_sku == offer_sku && !in_prima.contains(line.order_line_id.as_str())
        });
        // Pieces that Mirakl has cancelled of a line: they stay in Prima's order until a person
        // reduces it, and do not leave.
        let standing = office
            .orders()
            .filter(|order| !matches!(order.stage, Stage::Cancelled | Stage::Dispatched));
        let lines =
            standing.flat_map(|order| order.order.lines.iter().map(move |line| (order, line)));
        let surplus = lines
            .filter(|(_, line)| line.product == item.sku.product && line.matrix == item.sku.matrix)
            .map(|(order, line)| {
                let listed = shops
                    .iter()
                    .find_map(|shop| shop.order(&order.order.third_party_id))
                    .filter(|listed| listed.state.is_open());
                let wanted = listed.and_then(|listed| {
                    listed.lines.iter().find(|one| one.order_line_id == line.reference)
                });
                wanted.map_or(0, |wanted| i64::from(line.quantity.saturating_sub(wanted.quantity)))
            });
        surplus.sum::<i64>() + stock.physical
            - stock.elsewhere
            - stock.owed
            - waiting.map(|line| i64::from(line.to_ship())).sum::<i64>()
    }

    /// How a channel's ledger has every offer.
    pub(super) async fn entries(&self, channel: usize) -> Entries {
        let Ok(stored) = self.ledger.load(CHANNELS[channel]).await else {
            return Entries::default();
        };
        let shown =
            self.plan.items.iter().map(|item| {
                (item.offer_sku.clone(), stored.ledger().shown(sku_hash(&item.offer_sku)))
            });
        Entries {
            shown: shown.collect(),
            on_offer: stored.ledger().entries().filter(|entry| entry.value.highest() > 0).count(),
        }
    }

    /// Pieces are not free any more.
    pub(super) fn note_fall(&self, offer_sku: &str, units: u32, order: Option<(usize, String)>) {
        self.falls.borrow_mut().push(Fall {
            at: self.now(),
            offer_sku: offer_sku.to_owned(),
            units,
            order,
        });
    }
}

/// The least that is held back of an offer, by what a run has read.
pub(super) fn least_buffer(basis: &Basis, channel: usize, item: &Item, now: Timestamp) -> u32 {
    basis.limits_of(channel, item, now).iter().map(|limits| limits.buffer.value).min().unwrap_or(0)
}

/// So that a reference is shared by all tasks.
pub(super) type Shared = Rc<World>;
