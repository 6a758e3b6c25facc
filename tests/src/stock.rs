//! The fault simulation of stock: two marketplaces and a Prima, as the simulators model them, a queue, and both stock functions, on
//! virtual time. The world misbehaves as a seed has it, comes to rest, and is judged by what the two systems themselves hold.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use rand::SeedableRng as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::channel::Channel;
use shared::channels::UnusableDocument;
use shared::clock::{Clock, after, before};
use shared::despatch::Despatch;
use shared::events::{Event, EventBus, EventError};
use shared::installation::PrimaManners;
use shared::mirakl::error_report::LineError;
use shared::mirakl::stock::{ListedOffer, MiraklStock, OfferPage, OffersExport, StockImport, UnreadableOffer};
use shared::mirakl::{MiraklDirectory, MiraklError, MiraklOrders, OrderPage, OrderQuery, ReferenceAnswer, SellerReference};
use shared::order::mapping::SkuReader;
use shared::order::row::{OrderKey, OrderRow, Stage};
use shared::order::rules::{SkuOverride, SkuRules};
use shared::prima::PrimaError;
use shared::prima::stock::{Figure, PrimaStock, ProductRange, RangeReading, SkuKey};
use shared::queue::{ExceptionMessage, ImportMessage, ImportQueue, OrderMessage, OrderQueue, QueueError, ShownException, ShownExceptions};
use shared::state::ledger::memory::MemoryLedger;
use shared::state::ledger::{Kept, LedgerStore, StockRecord, Version};
use shared::state::memory::MemoryStore;
use shared::state::{Store as _, StoreError};
use shared::stock::book::{StockBook, StockPages};
use shared::stock::cadence::most_within;
use shared::stock::files::MemoryStockFiles;
use shared::stock::ledger::sku_hash;
use shared::stock::offer::Shown;
use shared::stock::rules::{StockRule, StockRules};
use shared::stock::settings::{BasisAgreement, FallsAt, StockBasis, StockSettings};
use simulators::fashion::catalogue;
use simulators::mirakl::{
    ImportFate, ImportKind, ImportLine, ImportStatus, Marketplace, NewOffer, OrderWish, Settings, ShopProfile, generate_order, order_json,
};
use simulators::prima::{
    Booking, Installation, Lowered, NewOrder, NewOrderLine, OrderRules, Sku, Stock, StockRow, StockRules as PrimaStockRules,
};
use tokio::sync::Notify;

use crate::simulation::dice::Dice;

/// The channels, and their shops.
const CHANNELS: [&str; 2] = ["outfitter-uk", "modehaus-eu"];
const SHOPS: [i64; 2] = [2001, 3001];
/// SKUs that both offer.
const SKUS: usize = 12;
/// The moment at which every run begins.
const BEGINNING: i64 = 1_790_000_000;
/// How long the world misbehaves, and how long it is given to come to rest.
const BUSY: Duration = Duration::from_secs(5 * 3600);
const REST: Duration = Duration::from_secs(5 * 3600);
/// Customers who come.
const CUSTOMERS: u64 = 90;
/// The template's timeouts.
const PUSH_TIMEOUT: Duration = Duration::from_secs(300);
const CHECK_TIMEOUT: Duration = Duration::from_secs(60);
/// In a calm world a sale lowers every other offer within this: it is listed (90 s), noticed by the next run (60 s), pushed at the floor
/// (120 s), and imported (20 s), with runs and answers that take their time.
const LOWERED_WITHIN: Duration = Duration::from_secs(420);

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// What may not be, and was.
    pub violations: Vec<String>,
    /// The trace, where one was wanted.
    pub trace: Vec<String>,
    /// Faults that were injected.
    pub faults: u64,
    /// Imports that Mirakl took.
    pub imports: usize,
    /// Units sold.
    pub sold: u64,
    /// Of these beyond what was truly free.
    pub oversold: u64,
    /// The buffer that would have avoided that: the most of one SKU that was sold within the time that a sale takes to lower the others.
    pub advised_buffer: u32,
}

/// Quantities by offer SKU, as an import has them.
type Quantities = Vec<(String, u32)>;

/// A sale.
#[derive(Clone, Debug)]
struct Sale {
    at: Timestamp,
    sku: usize,
    units: u32,
    beyond: u32,
}

struct World {
    started: tokio::time::Instant,
    dice: Dice,
    /// No faults at all, and nothing is sold elsewhere.
    calm: bool,
    quiet: Cell<bool>,
    silent: Cell<bool>,
    faults: Cell<u64>,
    shops: RefCell<Vec<Marketplace>>,
    prima: RefCell<Installation>,
    store: MemoryStore,
    ledger: MemoryLedger,
    files: MemoryStockFiles,
    /// By the time from which it is visible: the message, and how often it was received.
    queue: RefCell<Vec<(Timestamp, ImportMessage, u32)>>,
    dead: RefCell<Vec<ExceptionMessage>>,
    exports: Cell<u64>,
    /// The lines of each import that Mirakl took, by channel and import.
    sent: RefCell<BTreeMap<(usize, String), Quantities>>,
    sales: RefCell<Vec<Sale>>,
    /// Units sold and not cancelled, neither in Prima yet.
    on_their_way: RefCell<BTreeMap<usize, i64>>,
    open_orders: Cell<u64>,
    settings: StockSettings,
    buffer: u32,
    trace: RefCell<Option<Vec<String>>>,
    violations: RefCell<Vec<String>>,
}

impl World {
    fn now(&self) -> Timestamp {
        after(Timestamp::from_second(BEGINNING).unwrap_or_default(), self.started.elapsed())
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        if let Some(trace) = self.trace.borrow_mut().as_mut() {
            trace.push(format!("{:>9.1}  {}", self.started.elapsed().as_secs_f64(), what()));
        }
    }

    fn violate(&self, what: String) {
        self.tell(|| format!("!!! {what}"));
        self.violations.borrow_mut().push(what);
    }

    fn chance(&self, probability: f64) -> bool {
        let happens = !self.calm && !self.quiet.get() && self.dice.chance(probability);
        self.faults.set(self.faults.get() + u64::from(happens));
        happens
    }

    fn shop<T>(&self, index: usize, work: impl FnOnce(&mut Marketplace, Timestamp) -> T) -> T {
        let now = self.now();
        let mut shops = self.shops.borrow_mut();
        shops[index].advance(now);
        work(&mut shops[index], now)
    }

    /// What is truly free of a SKU: in the warehouse, less what is promised to anybody.
    fn truly_free(&self, sku: usize) -> i64 {
        let mut prima = self.prima.borrow_mut();
        prima.land(self.now());
        let stock = prima.stock_of(&skus()[sku]).cloned().unwrap_or_default();
        stock.physical - stock.elsewhere - stock.owed - self.on_their_way.borrow().get(&sku).copied().unwrap_or(0)
    }
}

fn skus() -> Vec<Sku> {
    catalogue(1, SKUS)
        .into_iter()
        .map(|sku| Sku { product: sku.product, matrix: [sku.colour, sku.size, String::new(), String::new()] })
        .collect()
}

fn offer_skus() -> Vec<String> {
    catalogue(1, SKUS).iter().map(simulators::fashion::CatalogueSku::offer_sku).collect()
}

/// All ports of one invocation.
#[derive(Clone)]
struct Port {
    world: Rc<World>,
    died: Rc<Notify>,
    channel: usize,
}

impl Port {
    fn new(world: &Rc<World>) -> Self {
        Self { world: Rc::clone(world), died: Rc::new(Notify::new()), channel: 0 }
    }

    async fn die(&self) {
        self.died.notify_one();
        std::future::pending::<()>().await;
    }

    /// Takes some time, and may be the end of the invocation.
    async fn step(&self) {
        let slow = self.world.chance(0.02);
        let took = if slow { self.world.dice.between(1000, 20_000) } else { self.world.dice.between(1, 300) };
        tokio::time::sleep(Duration::from_millis(took)).await;
        if self.world.chance(0.003) {
            self.world.tell(|| "the invocation dies".to_owned());
            self.die().await;
        }
    }

    /// A call to Mirakl.
    async fn call<T>(
        &self,
        operation: &'static str,
        effect: impl FnOnce(&World, usize) -> Result<T, MiraklError>,
    ) -> Result<T, MiraklError> {
        self.step().await;
        if self.world.chance(0.03) {
            return Err(match self.world.dice.between(0, 2) {
                0 => MiraklError::not_sent(operation, "no connection"),
                1 => MiraklError::refused(operation, 429, None, "Too Many Requests"),
                _ => MiraklError { status: Some(503), ..MiraklError::unknown(operation, "Service Unavailable") },
            });
        }
        let done = effect(&self.world, self.channel);
        self.step().await;
        if self.world.chance(0.03) {
            self.world.tell(|| format!("{operation}: the answer is lost"));
            return Err(MiraklError::unknown(operation, "the answer was cut"));
        }
        done
    }
}

impl Clock for Port {
    fn now(&self) -> Timestamp {
        self.world.now()
    }
}

impl MiraklDirectory for Port {
    type Client = Self;

    async fn client(&self, channel: &Channel, _: Timestamp) -> Result<Self, MiraklError> {
        let index = CHANNELS.iter().position(|id| *id == channel.id).unwrap_or_default();
        Ok(Self { channel: index, ..self.clone() })
    }
}

impl MiraklOrders for Port {
    async fn list_orders(&self, _: &OrderQuery, _: usize) -> Result<OrderPage, MiraklError> {
        Err(MiraklError::not_sent("OR11", "no function of stock lists orders"))
    }

    async fn accept_order(&self, _: &str, _: &[String]) -> Result<(), MiraklError> {
        Err(MiraklError::not_sent("OR21", "no function of stock accepts orders"))
    }

    async fn write_references(&self, _: &[SellerReference]) -> Result<Vec<ReferenceAnswer>, MiraklError> {
        Err(MiraklError::not_sent("OR04", "no function of stock writes references"))
    }
}

/// A file's lines: the simulation's SKUs hold neither quotes nor separators.
fn lines_of(csv: &[u8]) -> Quantities {
    let text = String::from_utf8_lossy(csv);
    let fields = text.lines().skip(1).map(|line| line.split(';').map(|field| field.trim_matches('"').to_owned()).collect::<Vec<_>>());
    fields.filter_map(|fields| Some((fields.first()?.clone(), fields.get(1)?.parse().ok()?))).collect()
}

impl MiraklStock for Port {
    async fn import_stock(&self, csv: Vec<u8>) -> Result<String, MiraklError> {
        self.call("STO01", |world, index| {
            let lines = lines_of(&csv);
            let fate = match world.dice.between(0, 9) {
                _ if !world.chance(0.1) => ImportFate::Completes,
                0..5 => ImportFate::Fails,
                5..7 => ImportFate::Lost { applied: true },
                7 => ImportFate::Lost { applied: false },
                _ => ImportFate::Stuck { seconds: world.dice.between(60, 7000) },
            };
            let import_id = world.shop(index, |shop, now| {
                shop.spoil_imports(SHOPS[index], [fate]);
                let sent = lines.iter().map(|(sku, quantity)| ImportLine::set(sku.clone(), *quantity));
                shop.begin_import(ImportKind::Stock, SHOPS[index], sent.collect(), now)
            });
            world.tell(|| format!("STO01 {} {import_id} {fate:?}: {lines:?}", CHANNELS[index]));
            world.sent.borrow_mut().insert((index, import_id.clone()), lines);
            Ok(import_id)
        })
        .await
    }

    async fn stock_import(&self, import_id: &str) -> Result<StockImport, MiraklError> {
        self.call("STO02", |world, index| {
            world.shop(index, |shop, now| {
                let import = shop.import(ImportKind::Stock, SHOPS[index], import_id);
                let import = import.ok_or_else(|| MiraklError::refused("STO02", 404, None, "Not Found"))?;
                let status = serde_json::to_value(import.status(now)).ok().and_then(|word| word.as_str().map(str::to_owned));
                let ended = import.status(now) == ImportStatus::Complete;
                Ok(StockImport {
                    status: status.unwrap_or_default(),
                    has_error_report: Some(ended && !import.errors.is_empty()),
                    lines_in_error: ended.then(|| u32::try_from(import.errors.len()).unwrap_or(u32::MAX)),
                    lines_in_success: None,
                    reason_status: None,
                })
            })
        })
        .await
    }

    async fn stock_import_errors(&self, import_id: &str) -> Result<Vec<LineError>, MiraklError> {
        self.call("STO03", |world, index| {
            world.shop(index, |shop, _| {
                let import = shop.import(ImportKind::Stock, SHOPS[index], import_id);
                let import = import.ok_or_else(|| MiraklError::refused("STO03", 404, None, "Not Found"))?;
                let told = import.errors.iter().map(|error| LineError {
                    line: Some(error.number as u64),
                    offer_sku: Some(error.line.sku.clone()),
                    reason: error.reason.clone(),
                });
                Ok(told.collect())
            })
        })
        .await
    }

    async fn import_offers_quantities(&self, _: Vec<u8>) -> Result<String, MiraklError> {
        Err(MiraklError::not_sent("OF01", "not simulated"))
    }

    async fn offers_import(&self, _: &str) -> Result<StockImport, MiraklError> {
        Err(MiraklError::not_sent("OF02", "not simulated"))
    }

    async fn offers_import_errors(&self, _: &str) -> Result<Vec<LineError>, MiraklError> {
        Err(MiraklError::not_sent("OF03", "not simulated"))
    }

    async fn begin_offers_export(&self, _: Option<Timestamp>) -> Result<String, MiraklError> {
        self.call("OF52", |world, _| {
            world.exports.set(world.exports.get() + 1);
            Ok(world.exports.get().to_string())
        })
        .await
    }

    async fn offers_export(&self, tracking_id: &str) -> Result<OffersExport, MiraklError> {
        self.call("OF53", |world, _| {
            Ok(if world.chance(0.2) {
                OffersExport::Failed("simulated".to_owned())
            } else {
                OffersExport::Completed(vec![tracking_id.to_owned()])
            })
        })
        .await
    }

    async fn exported_offers(&self, _: &str, mut each: impl FnMut(Result<ListedOffer, UnreadableOffer>)) -> Result<(), MiraklError> {
        let offers: Vec<ListedOffer> = self
            .call("OF54", |world, index| {
                Ok(world.shop(index, |shop, _| {
                    let listed = shop.offers(SHOPS[index]).map(|offer| ListedOffer {
                        offer_sku: offer.shop_sku.clone(),
                        quantity: Some(offer.quantity),
                        active: Some(true),
                        deleted: None,
                    });
                    listed.collect()
                }))
            })
            .await?;
        offers.into_iter().for_each(|offer| each(Ok(offer)));
        Ok(())
    }

    async fn list_offers(&self, _: usize) -> Result<OfferPage, MiraklError> {
        Err(MiraklError::not_sent("OF21", "not simulated"))
    }
}

impl PrimaStock for Port {
    async fn range(&self, range: &ProductRange, _: StockBasis) -> Result<RangeReading, PrimaError> {
        let asked_at = self.world.now();
        self.step().await;
        if self.world.silent.get() || self.world.chance(0.05) {
            return Err(PrimaError::unknown("ProductAvailableToSell", "nothing came"));
        }
        let empty = self.world.chance(0.01);
        let mut answered = self.world.prima.borrow_mut().available(&range.from, &range.to, self.world.now());
        if empty {
            answered.clear();
        }
        if self.world.chance(0.05) && !answered.is_empty() {
            let gone = answered.remove(self.world.dice.index(answered.len()));
            self.world.tell(|| format!("Prima leaves {} {:?} out", gone.sku.product, gone.sku.matrix));
        }
        self.step().await;
        let free = |figure: Option<rust_decimal::Decimal>| figure.and_then(|free| i64::try_from(free).ok()).unwrap_or(0).max(0);
        let mut figures: Vec<Figure> = answered
            .iter()
            .map(|one| {
                let key = SkuKey::of(&one.sku.product, one.sku.matrix.iter().map(String::as_str));
                Figure::new(key, u32::try_from(free(one.free)).unwrap_or(u32::MAX))
            })
            .collect();
        figures.sort_unstable();
        self.world.tell(|| format!("Prima: {:?}", answered.iter().map(|one| free(one.free)).collect::<Vec<_>>()));
        Ok(RangeReading { asked_at, figures, unusable: Vec::new(), below_zero: 0, nameless: 0, products: Vec::new(), length: 1000 })
    }

    async fn named(&self, _: &[SkuOverride], _: StockBasis) -> Result<RangeReading, PrimaError> {
        Err(PrimaError::not_sent("MultiAvailableToSell", "not simulated"))
    }
}

impl LedgerStore for Port {
    async fn load_record<T: DeserializeOwned + Default>(&self, record: StockRecord<'_>) -> Result<(T, Version), StoreError> {
        self.step().await;
        self.world.ledger.load_record(record).await
    }

    async fn save_record<T: Serialize>(&self, record: StockRecord<'_>, document: &T, version: &Version) -> Result<Version, StoreError> {
        self.step().await;
        if self.world.chance(0.01) {
            return Err(StoreError::Unavailable("throttled".to_owned()));
        }
        let saved = self.world.ledger.save_record(record, document, version).await;
        self.step().await;
        saved
    }

    async fn load_kept(&self, channel: &str) -> Result<Kept, StoreError> {
        self.world.ledger.load_kept(channel).await
    }

    async fn put_part(&self, channel: &str, name: &str, part: Vec<u8>) -> Result<(), StoreError> {
        self.step().await;
        self.world.ledger.put_part(channel, name, part).await
    }

    async fn delete_part(&self, channel: &str, name: &str) -> Result<(), StoreError> {
        self.step().await;
        self.world.ledger.delete_part(channel, name).await
    }
}

impl ImportQueue for Port {
    async fn ask_later(&self, message: &ImportMessage, delay: Duration) -> Result<(), QueueError> {
        if self.world.chance(0.02) {
            self.world.tell(|| "a message is lost".to_owned());
            return Ok(());
        }
        let copies = 1 + u32::from(self.world.chance(0.05));
        for _ in 0..copies {
            let late = if self.world.chance(0.05) { self.world.dice.seconds(1, 900) } else { Duration::ZERO };
            self.world.queue.borrow_mut().push((after(self.world.now(), delay + late), message.clone(), 0));
        }
        Ok(())
    }
}

impl OrderQueue for Port {
    async fn send(&self, _: &[OrderMessage], _: Duration) -> Result<(), QueueError> {
        Err(QueueError { message: "no function of stock sends orders".to_owned(), failed: Vec::new() })
    }

    async fn send_exceptions(&self, exceptions: &[ExceptionMessage]) -> Result<(), QueueError> {
        for exception in exceptions {
            self.world.tell(|| format!("exception {} {}: {}", exception.channel, exception.kind, exception.reason));
        }
        self.world.dead.borrow_mut().extend(exceptions.iter().cloned());
        Ok(())
    }
}

impl ShownExceptions for Port {
    async fn shown(&self) -> Result<Vec<ShownException>, QueueError> {
        let dead = self.world.dead.borrow();
        Ok(dead.iter().map(|one| ShownException { exception: one.clone(), handle: String::new() }).collect())
    }

    async fn withdraw(&self, shown: &ShownException) -> Result<(), QueueError> {
        self.world.dead.borrow_mut().retain(|one| *one != shown.exception);
        Ok(())
    }

    async fn put_back(&self, _: &ShownException) {}
}

impl EventBus for Port {
    async fn publish(&self, _: &[Event]) -> Result<(), EventError> {
        Ok(())
    }
}

impl StockBook for Port {
    async fn channels(&self) -> Result<Vec<Channel>, UnusableDocument> {
        let definition = |id: &str| {
            let text = format!(
                r#"{{"id":"{id}","base_url":"https://{id}.mirakl.net","stock":"live","orders":"live","take_over_from":"2026-01-01T00:00:00Z","acceptance_window_minutes":600}}"#
            );
            serde_json::from_str(&text).map_err(|problem| UnusableDocument::Wrong(problem.to_string()))
        };
        CHANNELS.iter().map(|id| definition(id)).collect()
    }

    async fn pages(&self, _: &str) -> Result<StockPages, UnusableDocument> {
        let buffer = StockRule { buffer: Some(self.world.buffer), by: "the plan".into(), why: "advised".into(), ..StockRule::default() };
        let rules = StockRules { rules: vec![buffer], ..StockRules::default() };
        Ok(StockPages { rules, skus: SkuReader::new(&SkuRules::default(), std::collections::HashMap::new()) })
    }
}

/// Runs one seed.
#[must_use]
pub fn run(seed: u64, trace: bool) -> Outcome {
    run_with_buffer(seed, 0, trace)
}

/// Runs one seed with a buffer on every SKU. Every fourth seed is calm: no faults, and nothing is sold elsewhere.
#[must_use]
pub fn run_with_buffer(seed: u64, buffer: u32, trace: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    match runtime {
        Ok(runtime) => tokio::task::LocalSet::new().block_on(&runtime, live(seed, buffer, trace)),
        Err(problem) => Outcome { seed, violations: vec![format!("no runtime: {problem}")], ..Outcome::default() },
    }
}

async fn live(seed: u64, buffer: u32, trace: bool) -> Outcome {
    let dice = Dice::new(seed);
    let (lowered, falls_at) = match dice.between(0, 2) {
        0 => (Lowered::AtCreation, FallsAt::Creation),
        1 => (Lowered::AtAllocation, FallsAt::Allocation),
        _ => (Lowered::AtDespatch, FallsAt::Despatch),
    };
    let basis = BasisAgreement { figure: StockBasis::Free, agreed_by: "the plan".into(), agreed_on: jiff::civil::date(2026, 1, 1) };
    let settings = StockSettings { basis: Some(basis), falls_at, zeroes_percent: 100, ..StockSettings::default() };
    let mut prima = Installation::with_stock(OrderRules::default(), PrimaStockRules { lowered, ..PrimaStockRules::default() });
    let row = |sku: Sku| {
        let physical = i64::try_from(dice.between(0, 20)).unwrap_or(0);
        StockRow { sku, stock: Stock { physical, elsewhere: physical.min(i64::from(dice.chance(0.3))), ..Stock::default() } }
    };
    prima.set_stock(skus().into_iter().map(row).collect::<Vec<_>>());
    let marketplace = |index: usize| {
        let mut shop = Marketplace::new(Settings { cancellations_restock: dice.chance(0.5), ..Settings::default() });
        let offers = offer_skus().into_iter().map(|shop_sku| NewOffer { shop_sku, quantity: 0, active: true });
        shop.set_offers(SHOPS[index], offers.collect::<Vec<_>>(), Timestamp::UNIX_EPOCH);
        shop
    };
    let shops = vec![marketplace(0), marketplace(1)];
    let world = Rc::new(World {
        started: tokio::time::Instant::now(),
        calm: seed.is_multiple_of(4),
        dice,
        quiet: Cell::new(false),
        silent: Cell::new(false),
        faults: Cell::new(0),
        shops: RefCell::new(shops),
        prima: RefCell::new(prima),
        store: MemoryStore::default(),
        ledger: MemoryLedger::default(),
        files: MemoryStockFiles::default(),
        queue: RefCell::default(),
        dead: RefCell::default(),
        exports: Cell::new(0),
        sent: RefCell::default(),
        sales: RefCell::default(),
        on_their_way: RefCell::default(),
        open_orders: Cell::new(0),
        settings,
        buffer,
        trace: RefCell::new(trace.then(Vec::new)),
        violations: RefCell::default(),
    });
    let tasks = [
        tokio::task::spawn_local(schedule(Rc::clone(&world))),
        tokio::task::spawn_local(consumer(Rc::clone(&world))),
        tokio::task::spawn_local(mischief(Rc::clone(&world))),
    ];
    // The first lists are read, and everything is published, before anybody comes.
    tokio::time::sleep(Duration::from_secs(900)).await;
    customers(&world).await;
    world.quiet.set(true);
    world.silent.set(false);
    world.tell(|| "the world is quiet".to_owned());
    let resting = tokio::time::Instant::now();
    while resting.elapsed() < REST || (world.open_orders.get() > 0 && resting.elapsed() < 4 * REST) {
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
    tasks.iter().for_each(|task| task.abort());
    judge(&world).await;
    outcome(&world, seed)
}

fn outcome(world: &World, seed: u64) -> Outcome {
    let sales = world.sales.borrow();
    let by_sku = |sku: usize| sales.iter().filter(|sale| sale.sku == sku).map(|sale| (sale.at, sale.units)).collect::<Vec<_>>();
    let advised = (0..SKUS).map(|sku| most_within(by_sku(sku), LOWERED_WITHIN)).max().unwrap_or(0);
    Outcome {
        seed,
        violations: world.violations.borrow().clone(),
        trace: world.trace.borrow().clone().unwrap_or_default(),
        faults: world.faults.get(),
        imports: world.sent.borrow().len(),
        sold: sales.iter().map(|sale| u64::from(sale.units)).sum(),
        oversold: sales.iter().map(|sale| u64::from(sale.beyond)).sum(),
        advised_buffer: advised,
    }
}

/// `push-stock`, every minute; sometimes not, sometimes twice.
async fn schedule(world: Rc<World>) {
    let mut number = 0_u64;
    loop {
        tokio::time::sleep(Duration::from_secs(60)).await;
        if world.chance(0.03) {
            continue;
        }
        for _ in 0..1 + u32::from(world.chance(0.03)) {
            number += 1;
            let (world, id) = (Rc::clone(&world), format!("run-{number}"));
            tokio::task::spawn_local(async move {
                let port = Port::new(&world);
                let ports = push_stock::Ports {
                    directory: port.clone(),
                    prima: port.clone(),
                    store: &world.store,
                    ledger: port.clone(),
                    files: &world.files,
                    queue: port.clone(),
                    events: port.clone(),
                    clock: port.clone(),
                    book: port.clone(),
                    settings: world.settings.clone(),
                    manners: PrimaManners::default(),
                };
                let run = push_stock::Run { id, hard_deadline: after(world.now(), PUSH_TIMEOUT) };
                tokio::select! {
                    ran = ports.tick(&run) => {
                        if let Err(problem) = ran {
                            world.tell(|| format!("push-stock: {problem}"));
                        }
                        check_ledger(&world).await;
                    }
                    () = port.died.notified() => {}
                    () = tokio::time::sleep(PUSH_TIMEOUT) => world.tell(|| "push-stock timed out".to_owned()),
                }
            });
        }
    }
}

/// `check-stock-imports`, as messages come.
async fn consumer(world: Rc<World>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = world.now();
        let due: Vec<_> = {
            let mut queue = world.queue.borrow_mut();
            let (due, left) = queue.drain(..).partition(|(at, ..)| *at <= now);
            *queue = left;
            due
        };
        for (_, message, received) in due {
            let world = Rc::clone(&world);
            tokio::task::spawn_local(async move {
                let port = Port::new(&world);
                let ports = check_stock_imports::Ports {
                    directory: port.clone(),
                    ledger: port.clone(),
                    files: &world.files,
                    queue: port.clone(),
                    clock: port.clone(),
                    book: port.clone(),
                };
                let run = check_stock_imports::Run { hard_deadline: after(world.now(), CHECK_TIMEOUT) };
                let body = serde_json::to_string(&message).unwrap_or_default();
                let done = tokio::select! {
                    disposition = ports.handle("m", &body, &run) => matches!(disposition, check_stock_imports::Disposition::Done(_)),
                    () = port.died.notified() => false,
                    () = tokio::time::sleep(CHECK_TIMEOUT) => false,
                };
                if !done && received < 4 {
                    world.queue.borrow_mut().push((after(world.now(), 6 * CHECK_TIMEOUT), message, received + 1));
                }
            });
        }
    }
}

/// Prima is silent for a while; shops sell; the marketplace takes an offer to zero.
async fn mischief(world: Rc<World>) {
    loop {
        let wait = world.dice.seconds(300, 3000);
        tokio::time::sleep(wait).await;
        if world.chance(0.3) {
            world.tell(|| "Prima falls silent".to_owned());
            world.silent.set(true);
            let lasts = world.dice.seconds(60, 4000);
            tokio::time::sleep(lasts).await;
            world.silent.set(false);
            world.tell(|| "Prima answers again".to_owned());
        }
        if world.chance(0.4) {
            let place = world.dice.index(SKUS);
            let _ = world.prima.borrow_mut().sell_elsewhere(&skus()[place], 1, true);
            world.tell(|| format!("one of {} is sold over the counter", offer_skus()[place]));
        }
        if world.chance(0.3) {
            let (index, place) = (world.dice.index(2), world.dice.index(SKUS));
            // As after a rejection; with an order that says so, since nothing else tells.
            world.tell(|| format!("{} takes {} to zero", CHANNELS[index], offer_skus()[place]));
            let offer = NewOffer { shop_sku: offer_skus()[place].clone(), quantity: 0, active: true };
            world.shop(index, |shop, now| shop.set_offers(SHOPS[index], [offer], now));
            let text = format!(
                r#"{{"order_id":"R-{}","order_state":"REFUSED","order_lines":[{{"order_line_id":"R","offer_sku":"{}","quantity":1,"price":1}}]}}"#,
                world.now().as_millisecond(),
                offer_skus()[place]
            );
            if let Ok(order) = serde_json::from_str(&text) {
                let mut row = OrderRow::first_seen(CHANNELS[index], &order, world.now());
                row.enter(Stage::Refused, world.now(), "refused");
                let _ = world.store.save_order(&mut row).await;
            }
        }
    }
}

/// Customers come, most of them for the same few SKUs; each buys what is shown.
async fn customers(world: &Rc<World>) {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(world.dice.between(0, u64::MAX / 2));
    let list = catalogue(1, SKUS);
    let (skus, names) = (skus(), offer_skus());
    for number in 0..CUSTOMERS {
        tokio::time::sleep(world.dice.seconds(1, 2 * BUSY.as_secs() / CUSTOMERS)).await;
        let place = world.dice.index(SKUS).min(world.dice.index(SKUS));
        let index = world.dice.index(2);
        let units = u32::try_from(world.dice.between(1, 2)).unwrap_or(1);
        let profile = ShopProfile {
            shop_id: SHOPS[index],
            currency: "GBP".to_owned(),
            tax_included: true,
            automatic_acceptance: Some(true),
            multi_shipment: false,
        };
        let wish = OrderWish { lines: Some(1), quantity: Some(units), ..OrderWish::default() };
        let mut order = generate_order(&mut rng, world.now(), &profile, number, &list, wish);
        order.lines.iter_mut().for_each(|line| names[place].clone_into(&mut line.offer_sku));
        let (order_id, line_id) = (order.order_id.clone(), order.lines[0].order_line_id.clone());
        let free = world.truly_free(place);
        if !world.shop(index, |shop, now| shop.place(order, now)) {
            continue;
        }
        *world.on_their_way.borrow_mut().entry(place).or_default() += i64::from(units);
        let beyond = (i64::from(units) - free.max(0)).max(0);
        let sale = Sale { at: world.now(), sku: place, units, beyond: u32::try_from(beyond).unwrap_or(u32::MAX) };
        world.tell(|| format!("{} sells {units} of {} ({free} truly free): {order_id}", CHANNELS[index], names[place]));
        if sale.beyond > 0 && world.calm {
            let since = before(sale.at, LOWERED_WITHIN);
            let lately: u32 = world.sales.borrow().iter().filter(|one| one.sku == place && one.at >= since).map(|one| one.units).sum();
            if sale.beyond > lately + units {
                world.violate(format!(
                    "{units} of {} are sold, {beyond} beyond what is free, and only {lately} were sold lately",
                    names[place]
                ));
            }
        }
        world.sales.borrow_mut().push(sale);
        world.open_orders.set(world.open_orders.get() + 1);
        let life = Life { index, order_id, line_id, place, units, sku: skus[place].clone() };
        tokio::task::spawn_local(life.live(Rc::clone(world)));
    }
}

/// An order, from the marketplace to the parcel.
struct Life {
    index: usize,
    order_id: String,
    line_id: String,
    place: usize,
    units: u32,
    sku: Sku,
}

impl Life {
    async fn live(self, world: Rc<World>) {
        let key = OrderKey::new(CHANNELS[self.index], &self.order_id);
        tokio::time::sleep(world.dice.seconds(1, 90)).await;
        let listed = world.shop(self.index, |shop, _| shop.order(&self.order_id).map(|order| order_json(order, shop.settings())));
        let listed = listed.and_then(|text| serde_json::from_str(&text).ok());
        let Some(listed) = listed else { return world.violate("the plan is unsound: an order cannot be listed".to_owned()) };
        let mut row = OrderRow::first_seen(CHANNELS[self.index], &listed, world.now());
        let _ = world.store.save_order(&mut row).await;
        let number = format!("P-{}", self.order_id);
        let mut in_prima = false;
        for step in 0..3 {
            let wait = if step == 0 && world.dice.chance(0.7) { world.dice.seconds(5, 60) } else { world.dice.seconds(60, 3600) };
            tokio::time::sleep(wait).await;
            if !world.calm && world.dice.chance(0.08) {
                self.cancel(&world, &key, &number, in_prima).await;
                break;
            }
            match step {
                0 => {
                    let line = NewOrderLine {
                        number: 1,
                        product: self.sku.product.clone(),
                        matrix: self.sku.matrix.clone(),
                        quantity: self.units,
                        reference: self.line_id.clone(),
                        ..NewOrderLine::default()
                    };
                    let new =
                        NewOrder { order_number: number.clone(), third_party_id: number.clone(), lines: vec![line], ..NewOrder::default() };
                    if let Err(refusal) = world.prima.borrow_mut().new_order(new, world.now()) {
                        world.violate(format!("the plan is unsound: {refusal}"));
                    }
                    in_prima = true;
                    *world.on_their_way.borrow_mut().entry(self.place).or_default() -= i64::from(self.units);
                    tokio::time::sleep(world.dice.seconds(1, 30)).await;
                    self.change(&world, &key, |row, now| {
                        row.created_at = Some(now);
                        row.enter(Stage::Created, now, "created");
                    })
                    .await;
                }
                1 => {
                    world.prima.borrow_mut().allocate(world.now());
                    tokio::time::sleep(world.dice.seconds(1, 900)).await;
                    self.change(&world, &key, |row, now| row.despatch.get_or_insert_default().note_word("Allocated", now)).await;
                }
                _ => {
                    let booked = world.prima.borrow_mut().book(&number, Booking::default(), world.now());
                    if booked.is_err() {
                        // Oversold: customer care cancels it.
                        self.cancel(&world, &key, &number, true).await;
                        break;
                    }
                    world.shop(self.index, |shop, now| shop.ship(&self.order_id, now));
                    tokio::time::sleep(world.dice.seconds(1, 900)).await;
                    self.change(&world, &key, |row, now| {
                        row.despatch.get_or_insert_with(|| Box::new(Despatch::default())).ended_at = Some(now);
                        row.enter(Stage::Shipped, now, "shipped");
                    })
                    .await;
                }
            }
        }
        world.open_orders.set(world.open_orders.get() - 1);
    }

    async fn cancel(&self, world: &World, key: &OrderKey, number: &str, in_prima: bool) {
        world.tell(|| format!("{} is cancelled", self.order_id));
        world.shop(self.index, |shop, now| shop.cancel(&self.order_id, now));
        if !in_prima {
            *world.on_their_way.borrow_mut().entry(self.place).or_default() -= i64::from(self.units);
        }
        tokio::time::sleep(world.dice.seconds(1, 90)).await;
        self.change(world, key, |row, now| row.enter(Stage::Cancelled, now, "cancelled")).await;
        if in_prima {
            tokio::time::sleep(world.dice.seconds(1, 600)).await;
            let _ = world.prima.borrow_mut().cancel_order(number, "cancelled", world.now());
        }
    }

    async fn change(&self, world: &World, key: &OrderKey, change: impl FnOnce(&mut OrderRow, Timestamp)) {
        if let Ok(Some(mut row)) = world.store.load_order(key).await {
            change(&mut row, world.now());
            let _ = world.store.save_order(&mut row).await;
        }
    }
}

/// Every quantity that Mirakl has ever applied to an offer; nought among them, as each was found.
fn applied(world: &World, index: usize) -> BTreeMap<String, BTreeSet<u32>> {
    let mut applied: BTreeMap<String, BTreeSet<u32>> = offer_skus().into_iter().map(|sku| (sku, BTreeSet::from([0]))).collect();
    world.shop(index, |shop, now| {
        for import in shop.imports().filter(|import| import.ends <= now) {
            if matches!(import.fate, ImportFate::Fails | ImportFate::Lost { applied: false }) {
                continue;
            }
            for (sku, quantity) in world.sent.borrow().get(&(index, import.import_id.clone())).into_iter().flatten() {
                applied.entry(sku.clone()).or_default().insert(*quantity);
            }
        }
    });
    applied
}

/// The ledger never claims what Mirakl did not apply.
async fn check_ledger(world: &World) {
    for (index, channel) in CHANNELS.iter().enumerate() {
        let Ok(held) = world.ledger.load(channel).await else { return world.violate(format!("the ledger of {channel} cannot be read")) };
        for (sku, quantities) in applied(world, index) {
            if let Shown::Known(quantity) = held.ledger().shown(sku_hash(&sku))
                && !quantities.contains(&quantity)
            {
                world.violate(format!("the ledger says that {channel} shows {quantity} of {sku}, which Mirakl never applied"));
            }
        }
    }
}

/// At rest every offer shows what is free less the buffer, and nobody is told of anything.
async fn judge(world: &World) {
    check_ledger(world).await;
    for (index, channel) in CHANNELS.iter().enumerate() {
        for (place, sku) in offer_skus().iter().enumerate() {
            let expected = (world.truly_free(place).max(0) - i64::from(world.buffer)).max(0);
            let shown = world.shop(index, |shop, _| shop.offer(SHOPS[index], sku).map(|offer| i64::from(offer.quantity)));
            if shown != Some(expected) {
                world.violate(format!("at rest {channel} shows {shown:?} of {sku}, and {expected} are free"));
            }
        }
    }
    for exception in world.dead.borrow().iter() {
        world.violate(format!("at rest there is an exception: {} {}: {}", exception.channel, exception.kind, exception.reason));
    }
    if !world.queue.borrow().is_empty() {
        let waiting = world.queue.borrow().len();
        world.tell(|| format!("{waiting} messages wait at rest"));
    }
}
