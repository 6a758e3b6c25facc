//! All six functions at once, against one Prima and the same marketplaces: customers buy, cancel
//! and get money back, parcels leave, Prima drops orders and stock is published, each whenever it
//! happens. Stock is judged as ever; here is what runs besides, and what orders and parcels must
//! come to.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use jiff::Timestamp;
use shared::domain::channel_documents::ChannelDocument;
use shared::domain::dispatch::rules::{DispatchRules, ShortLines};
use shared::domain::dispatch::schedule::DispatchSettings;
use shared::domain::documents::DocumentKey;
use shared::domain::order::row::{
    DISPATCH_UNANNOUNCED, EXCEPTION_UNANNOUNCED, ExceptionKind, OrderRow, REFERENCE_PENDING,
};
use shared::domain::order::rules::{OrderRules, PriceMeaning};
use shared::domain::prima_calls::PrimaCalls;
use shared::domain::prima_slots::Slot;
use shared::kit::clock::after;
use shared::mirakl::shipping_requirements::ShippingRequirements;
use shared::mirakl::{MiraklError, OrderPage, OrderQuery};
use shared::prima::PrimaError;
use shared::prima::code_page::{CharacterRules, OutsideCodePage};
use shared::prima::connection::PrimaBehaviour;
use simulators::mirakl::{Order, State};
use simulators::prima::{Booking, Stage, StoredOrder};

use super::orders::Life;
use super::ports::{Invocation, Notes, Port};
use super::world::{CHANNELS, Shared, World};
use crate::dispatches::first_map;
use crate::world::consume::{self, Source};
use crate::world::documents::as_asked;
use crate::world::fate::{Call, Kind};
use crate::world::models::Models as _;
use crate::world::orders::OrderScene;
use crate::world::queue::{Body, Delivery};

/// The functions' timeouts (template: `Timeout`).
const POLL_TIMEOUT: Duration = Duration::from_secs(55);
const CREATE_TIMEOUT: Duration = Duration::from_secs(300);
const COLLECT_TIMEOUT: Duration = Duration::from_secs(55);
const UPDATE_TIMEOUT: Duration = Duration::from_secs(60);
/// How much the clocks of two functions may differ, and then some.
const CLOCK_SKEW: Duration = Duration::from_secs(30);
/// How long a quiet world's orders may take to settle.
const SETTLING: Duration = Duration::from_secs(10 * 3600);
/// How long the warehouse waits for an order that does not come, once the world is quiet.
const PATIENCE: Duration = Duration::from_secs(2 * 3600);

/// Pieces of each offer.
type Units = BTreeMap<String, u32>;

/// What is noted where all functions run.
#[derive(Debug)]
pub(super) struct Whole {
    /// What listings have said of an order: the pieces left, by the order's last update.
    listings: RefCell<HashMap<(usize, String), BTreeMap<Timestamp, Units>>>,
    /// What the marketplaces demand of who ships, as it was kept.
    requirements: RefCell<BTreeMap<usize, ShippingRequirements>>,
    /// Orders that people took something out of, on either side.
    meddled: RefCell<BTreeSet<String>>,
    behaviour: PrimaBehaviour,
    order_rules: OrderRules,
    /// Numbers of what was done: for whoever asks whether enough happens.
    pub(super) parcels: Cell<u64>,
    pub(super) races: Cell<u64>,
}

impl Default for Whole {
    fn default() -> Self {
        let characters =
            CharacterRules { outside: OutsideCodePage::Transliterate, ..CharacterRules::default() };
        let behaviour =
            PrimaBehaviour { cancel_order: true, characters, ..PrimaBehaviour::default() };
        // The seed's rules fit whatever the simulators' marketplaces bring, but for an address without
        // room. Nobody is there to release an order from its hold.
        let seed = include_str!("../../../infra/seed/rules/outfitter-uk.json");
        let rules = serde_json::from_str(seed);
        let mut order_rules: OrderRules =
            rules.unwrap_or_else(|_| OrderRules::new(PriceMeaning::Unit));
        order_rules.holds.clear();
        Self {
            order_rules,
            listings: RefCell::default(),
            requirements: RefCell::default(),
            meddled: RefCell::default(),
            behaviour,
            parcels: Cell::new(0),
            races: Cell::new(0),
        }
    }
}

impl World {
    fn all(&self) -> &Whole {
        match &self.whole {
            Some(whole) => whole,
            None => unreachable!("this is only asked where all functions run"),
        }
    }

    /// An order of it is an exception: until a person decides, its pieces are held back.
    pub(super) fn is_held_by_exception(&self, offer_sku: &str) -> bool {
        let is_of_it = |row: &OrderRow| {
            let channel = self.channel_index(&row.key.channel);
            let of_it = self.model(channel, |shop| {
                let order = shop.order(&row.key.order_id);
                order
                    .is_some_and(|order| order.lines.iter().any(|line| line.offer_sku == offer_sku))
            });
            row.exception.is_some() && of_it == Some(true)
        };
        self.whole.is_some() && self.store.rows().iter().any(is_of_it)
    }

    fn meddle(&self, order_id: &str) {
        self.all().meddled.borrow_mut().insert(order_id.to_owned());
    }

    /// Pieces of each offer that an order still is to have.
    fn units_left(&self, channel: usize, order_id: &str) -> Option<(Timestamp, Units)> {
        self.model(channel, |shop| {
            let order = shop.order(order_id)?;
            let mut units = Units::new();
            let is_over =
                matches!(order.state, State::Canceled | State::Refused) || order.fully_refunded();
            for line in &order.lines {
                let left = line.quantity.saturating_sub(super::judge::taken_out(line));
                *units.entry(line.offer_sku.clone()).or_default() += if is_over { 0 } else { left };
            }
            Some((order.last_updated, units))
        })
        .flatten()
    }

    /// A row was written: what it knows of the order is what the listing said that it comes from.
    pub(super) fn note_row(&self, whole: &Whole, row: &OrderRow) {
        let key = (self.channel_index(&row.key.channel), row.key.order_id.clone());
        let mut told = self.told.borrow_mut();
        let told = told.entry(key.clone()).or_default();
        let of = row.listing.updated.unwrap_or(Timestamp::MIN);
        let listings = whole.listings.borrow();
        let listed = listings.get(&key).and_then(|listings| listings.get(&of)).cloned();
        let units = listed
            .or_else(|| told.known.last().map(|(_, units)| units.clone()))
            .unwrap_or_default();
        told.note(row, self.now(), of, units);
    }

    fn channel_index(&self, channel: &str) -> usize {
        CHANNELS.iter().position(|id| *id == channel).unwrap_or_default()
    }
}

impl OrderScene for World {
    fn channel_id(&self, channel: usize) -> &str {
        CHANNELS[channel]
    }

    fn behaviour(&self) -> &PrimaBehaviour {
        &self.all().behaviour
    }

    fn was_listed(
        invocation: &Invocation,
        channel: usize,
        _query: &OrderQuery,
        page: Result<&OrderPage, &MiraklError>,
    ) {
        let world = &invocation.world;
        for order in page.into_iter().flat_map(|page| &page.orders) {
            let Some((updated, units)) = world.units_left(channel, &order.order_id) else {
                continue;
            };
            if order.last_updated_date == Some(updated) {
                let key = (channel, order.order_id.clone());
                let mut listings = world.all().listings.borrow_mut();
                listings.entry(key).or_default().insert(updated, units);
            }
        }
    }

    fn prima_instead(
        invocation: &Invocation,
        _call: &Call,
        kind: Kind,
        _order_number: &str,
    ) -> Option<PrimaError> {
        let is_silent = invocation.world.prima_is_silent();
        is_silent.then(|| PrimaError::unknown(kind.operation(), "no answer in time"))
    }
}

impl Whole {
    /// A channel's documents but those of stock.
    pub(super) fn document<D: ChannelDocument>(
        &self,
        index: usize,
        key: &DocumentKey,
    ) -> Option<D> {
        let short_lines = if index == 1 { ShortLines::Refund } else { ShortLines::Cancel };
        match key {
            DocumentKey::OrderRules(_) => as_asked(&self.order_rules),
            DocumentKey::DispatchRules(_) => as_asked(&DispatchRules {
                short_lines,
                cancel_reason_code: Some("OOS".into()),
                refund_reason_code: Some("OOS".into()),
                ..DispatchRules::default()
            }),
            DocumentKey::CarrierMap(_) => as_asked(&first_map()),
            DocumentKey::ShippingRequirements(_) => self
                .requirements
                .borrow()
                .get(&index)
                .and_then(|requirements| as_asked(requirements)),
            _ => None,
        }
    }

    /// Keeps what a marketplace demands of who ships.
    pub(super) fn keep(&self, index: usize, document: &dyn Any) {
        if let Some(requirements) = document.downcast_ref::<ShippingRequirements>() {
            self.requirements.borrow_mut().insert(index, requirements.clone());
        }
    }
}

/// The ports of the world.
#[derive(Debug)]
struct Simulated;

impl acknowledge_orders::PortTypes for Simulated {
    type Directory = Port;
    type Store = Port;
    type Queue = Port;
    type Events = Port;
    type Clock = Port;
}

impl create_prima_orders::PortTypes for Simulated {
    type Prima = Port;
    type Store = Port;
    type Queue = Port;
    type Events = Port;
    type Clock = Port;
    type Documents = Port;
}

impl collect_dispatches::PortTypes for Simulated {
    type Prima = Port;
    type Store = Port;
    type Queue = Port;
    type Events = Port;
    type Clock = Port;
    type Documents = Port;
    type Inbox = Port;
}

impl update_dispatches::PortTypes for Simulated {
    type Directory = Port;
    type Store = Port;
    type Queue = Port;
    type Events = Port;
    type Clock = Port;
    type Documents = Port;
}

/// Begins what runs besides the functions of stock.
pub(super) fn begin(world: &Shared) {
    tokio::task::spawn_local(schedule(Rc::clone(world)));
    let twice = world.profile.delivered_twice;
    let orders = Source {
        queue: |world: &World| (&world.queue, &world.queue_moved),
        most: 10,
        at_once: 2,
        visibility: 6 * CREATE_TIMEOUT,
        twice: twice / 3.0,
    };
    tokio::task::spawn_local(consume::consume(Rc::clone(world), orders, create));
    let dispatches = Source {
        queue: |world: &World| (&world.dispatches, &world.dispatches_moved),
        most: 10,
        at_once: 2,
        visibility: 6 * UPDATE_TIMEOUT,
        twice,
    };
    tokio::task::spawn_local(consume::consume(Rc::clone(world), dispatches, update));
}

async fn schedule(world: Shared) {
    let mut minute = 0_u64;
    loop {
        minute += 1;
        let dice = world.dice_of(("minute of orders", minute));
        for function in 0..2 {
            let times = 1 + u32::from(world.mishap(&dice, world.profile.scheduled_twice));
            for _ in 0..times {
                let world = Rc::clone(&world);
                let late = Duration::from_millis(dice.between(0, 20_000));
                tokio::task::spawn_local(async move {
                    tokio::time::sleep(late).await;
                    if function == 0 { poll(world).await } else { collect(world).await }
                });
            }
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

fn port_of(world: &Shared, function: &'static str, crash: f64) -> Port {
    Port::new(&Invocation::new(world, function, crash, Notes::new(world)))
}

async fn poll(world: Shared) {
    let port = port_of(&world, "poll", world.profile.crash);
    let ports = acknowledge_orders::Ports::<Simulated> {
        directory: port.clone(),
        store: port.clone(),
        queue: port.clone(),
        events: port.clone(),
        clock: port.clone(),
    };
    let run = acknowledge_orders::Run {
        id: port.invocation.caller.name.clone(),
        hard_deadline: after(world.now(), POLL_TIMEOUT),
    };
    port.invocation.supervise(POLL_TIMEOUT, ports.poll_all(&world.channels, &run)).await;
}

async fn create(world: Shared, deliveries: Vec<Delivery>) {
    let port = port_of(&world, "create", world.profile.crash_consumer);
    let ports = create_prima_orders::Ports::<Simulated> {
        prima: port.clone(),
        store: port.clone(),
        queue: port.clone(),
        events: port.clone(),
        clock: port.clone(),
        documents: port.clone(),
        behaviour: world.behaviour().clone(),
        calls: PrimaCalls::default(),
    };
    let mut run = create_prima_orders::Run {
        id: port.invocation.caller.name.clone(),
        hard_deadline: after(world.now(), CREATE_TIMEOUT),
        clock_skew: CLOCK_SKEW,
        slot: Slot::Unknown,
    };
    run.slot = ports.lease_slot(&run).await;
    let (ports, run) = (&ports, &run);
    let work = stream::iter(deliveries)
        .map(|delivery| async move {
            let Body::Order(message) = &delivery.body else { return (delivery.id, false) };
            let id = delivery.id.to_string();
            let disposition = ports.work(&id, (**message).clone(), run).await;
            (delivery.id, matches!(disposition, create_prima_orders::Disposition::Done(_)))
        })
        .buffer_unordered(2)
        .collect::<Vec<_>>();
    let Some(worked) = port.invocation.supervise(CREATE_TIMEOUT, work).await else { return };
    ports.give_slot_back(run).await;
    let mut queue = world.queue.borrow_mut();
    worked.into_iter().filter(|(_, done)| *done).for_each(|(id, _)| queue.delete(id));
}

async fn collect(world: Shared) {
    let port = port_of(&world, "collect", world.profile.crash);
    let ports = collect_dispatches::Ports::<Simulated> {
        prima: port.clone(),
        store: port.clone(),
        queue: port.clone(),
        events: port.clone(),
        clock: port.clone(),
        documents: port.clone(),
        inbox: None,
        settings: DispatchSettings::default(),
        behaviour: world.behaviour().clone(),
        calls: PrimaCalls::default(),
    };
    let run = collect_dispatches::Run { hard_deadline: after(world.now(), COLLECT_TIMEOUT) };
    let _report = port.invocation.supervise(COLLECT_TIMEOUT, ports.collect(&run)).await;
}

async fn update(world: Shared, deliveries: Vec<Delivery>) {
    let port = port_of(&world, "update", world.profile.crash_consumer);
    let ports = update_dispatches::Ports::<Simulated> {
        directory: port.clone(),
        store: port.clone(),
        queue: port.clone(),
        events: port.clone(),
        clock: port.clone(),
        documents: port.clone(),
    };
    let run = update_dispatches::Run {
        hard_deadline: after(world.now(), UPDATE_TIMEOUT),
        clock_skew: CLOCK_SKEW,
    };
    let (ports, run) = (&ports, &run);
    let work = stream::iter(deliveries)
        .map(|delivery| async move {
            let Body::Order(message) = &delivery.body else { return (delivery.id, false) };
            let disposition = ports.work((**message).clone(), run).await;
            (delivery.id, matches!(disposition, update_dispatches::Disposition::Done(_)))
        })
        .buffer_unordered(4)
        .collect::<Vec<_>>();
    let Some(worked) = port.invocation.supervise(UPDATE_TIMEOUT, work).await else { return };
    let mut queue = world.dispatches.borrow_mut();
    worked.into_iter().filter(|(_, done)| *done).for_each(|(id, _)| queue.delete(id));
}

impl Life {
    /// What people do with an order, while the functions do the rest: the customer and the
    /// warehouse know nothing of each other.
    pub(super) async fn live_among_functions(&self) {
        futures_util::join!(self.customer_changes_mind(), self.warehouse_sends());
    }

    async fn customer_changes_mind(&self) {
        let what = self.dice.between(0, 99);
        let soon = self.dice.chance(0.3);
        if what > 34 {
            return;
        }
        self.wait(if soon { (1, 240) } else { (60, 7200) }).await;
        match what {
            0..=13 => self.cancel(),
            14..=19 => drop(self.cancel_a_piece()),
            20..=25 => drop(self.refund_a_piece()),
            26..=28 => self.refund(),
            _ => {
                let done =
                    self.world.shop(self.channel, |shop, now| shop.refund_all(&self.order_id, now));
                self.world.tell(|| format!("all of {} is refunded: {done:?}", self.order_id));
            }
        }
        self.world.meddle(&self.order_id);
    }

    /// Goods leave as soon as they are there; what was picked leaves although the customer has
    /// cancelled meanwhile, as long as Prima does not know.
    async fn warehouse_sends(&self) {
        let dice = self.world.dice_of(("warehouse", &self.order_id));
        let mut patience = Duration::ZERO;
        while self.world.office.borrow().orders_by_number(&self.number).is_empty() {
            tokio::time::sleep(Duration::from_secs(30)).await;
            if self.world.quiet.get() {
                patience += Duration::from_secs(30);
            }
            if patience > PATIENCE || self.is_over() {
                return;
            }
        }
        self.wait((60, 2400)).await;
        if dice.chance(0.05) {
            self.world.meddle(&self.order_id);
            return self.cancel_in_prima();
        }
        let allocated = {
            let mut office = self.world.office.borrow_mut();
            office.move_to(&self.number, Stage::Allocated, self.world.now())
        };
        self.world.tell(|| format!("{} is allocated: {allocated:?}", self.order_id));
        self.wait((60, 2400)).await;
        if dice.chance(0.2) {
            self.send(false, dice.between(0, 300)).await;
            self.wait((60, 2400)).await;
        }
        self.send(true, dice.between(0, 300)).await;
    }

    /// Nothing of it is to leave, whatever Prima knows.
    fn is_over(&self) -> bool {
        let is_over = self.world.shop(self.channel, |shop, _| {
            shop.order(&self.order_id).is_none_or(|order| {
                matches!(order.state, State::Canceled | State::Refused | State::Closed)
            })
        });
        is_over.unwrap_or(true)
    }

    async fn send(&self, is_last: bool, seconds_to_leave: u64) {
        loop {
            let picked = self.wanted();
            tokio::time::sleep(Duration::from_secs(seconds_to_leave)).await;
            match self.leave(is_last, &picked) {
                Ok(()) => return,
                Err(refusal) => {
                    self.world.tell(|| format!("{} cannot leave: {refusal}", self.order_id))
                }
            }
            self.wait((300, 900)).await;
        }
    }

    /// Pieces of each line that Mirakl still wants.
    fn wanted(&self) -> BTreeMap<String, u32> {
        if self.is_over() {
            return BTreeMap::new();
        }
        self.standing().into_iter().map(|(id, _, pieces)| (id, pieces)).collect()
    }

    /// A parcel leaves: the last, or one piece before it.
    fn leave(&self, is_last: bool, picked: &BTreeMap<String, u32>) -> Result<(), String> {
        let is_over = self.is_over();
        let wanted = if is_over { picked.clone() } else { self.wanted() };
        let mut office = self.world.office.borrow_mut();
        let order = office.orders_by_number(&self.number).first().map(|order| (*order).clone());
        let Some(order) = order.filter(|order| order.stage != Stage::Cancelled) else {
            return Ok(());
        };
        let left: BTreeMap<u32, u32> = order.left().into_iter().collect();
        let mut lines: Vec<(u32, u32)> = order
            .order
            .lines
            .iter()
            .map(|line| {
                let gone = line.quantity - left.get(&line.number).copied().unwrap_or(0);
                let wanted = wanted.get(&line.reference).copied().unwrap_or(0).min(line.quantity);
                (line.number, wanted.saturating_sub(gone))
            })
            .filter(|(_, pieces)| *pieces > 0)
            .collect();
        if lines.is_empty() {
            if is_last && !order.parcels.is_empty() {
                let _closed = office.close_short(&self.number, self.world.now());
            }
            return Ok(());
        }
        if !is_last {
            if lines.iter().map(|(_, pieces)| pieces).sum::<u32>() < 2 {
                return Ok(());
            }
            lines.truncate(1);
            lines.iter_mut().for_each(|(_, pieces)| *pieces = 1);
        }
        let booking = Booking {
            carrier: "DPD NEXT DAY".to_owned(),
            lines: Some(lines),
            last: is_last,
            ..Booking::default()
        };
        let parcel = office.book(&self.number, booking, self.world.now());
        let parcel = parcel.map_err(|refusal| refusal.to_string())?;
        let all = self.world.all();
        all.parcels.set(all.parcels.get() + 1);
        all.races.set(all.races.get() + u64::from(is_over));
        self.world.tell(|| {
            format!("{} leaves, {:?}, last {is_last}, over {is_over}", self.order_id, parcel.lines)
        });
        Ok(())
    }
}

/// Waits until orders and parcels are as they must be, and says what is not.
pub(super) async fn settle(world: &Shared) {
    let give_up = after(world.now(), SETTLING);
    loop {
        tokio::time::sleep(Duration::from_secs(300)).await;
        let open = open_ends(world);
        if open.is_empty() && world.queue.borrow().is_idle() && world.dispatches.borrow().is_idle()
        {
            break;
        }
        if world.now() > give_up {
            for end in open {
                world.violate(format!("not settled: {end}"));
            }
            break;
        }
    }
    let repeated = world.office.borrow().totals().repeated;
    if repeated > 0 {
        world.violate(format!("{repeated} orders came into Prima twice"));
    }
}

/// Orders and parcels that are not as they must be.
fn open_ends(world: &World) -> Vec<String> {
    world.advance(world.now());
    let rows: HashMap<(usize, String), OrderRow> = world
        .store
        .rows()
        .into_iter()
        .map(|row| ((world.channel_index(&row.key.channel), row.key.order_id.clone()), row))
        .collect();
    let mut ends = Vec::new();
    let (office, shops) = (world.office.borrow(), world.shops.borrow());
    for (channel, shop) in shops.iter().enumerate() {
        for order in shop.orders() {
            let copies = office.orders_by_number(&order.order_id);
            let row = rows.get(&(channel, order.order_id.clone()));
            if let Some(end) = open_end(world, channel, order, &copies, row) {
                ends.push(format!(
                    "{} ({} in Mirakl, {:?} in Prima, row {}): {end}",
                    order.order_id,
                    order.state.code(),
                    copies.iter().map(|copy| copy.status()).collect::<Vec<_>>(),
                    row.map_or("absent", OrderRow::index_state)
                ));
            }
        }
    }
    ends
}

fn open_end(
    world: &World,
    channel: usize,
    order: &Order,
    copies: &[&StoredOrder],
    row: Option<&OrderRow>,
) -> Option<String> {
    let is_untold = |row: &OrderRow| {
        [EXCEPTION_UNANNOUNCED, DISPATCH_UNANNOUNCED, REFERENCE_PENDING]
            .contains(&row.index_state())
    };
    if row.is_some_and(is_untold) {
        return Some("is still to be told".to_owned());
    }
    if let Some(exception) = row.and_then(|row| row.exception.as_ref()) {
        return was_told(world, order, exception.kind);
    }
    let is_cancelled = matches!(order.state, State::Canceled | State::Refused | State::Closed)
        || order.fully_refunded();
    let copy = copies.first();
    match copy.map(|copy| &copy.stage) {
        None | Some(Stage::Cancelled) if is_cancelled => None,
        Some(Stage::Dispatched) if order.state == State::Shipped => parcels(channel, order, copies),
        Some(_) if is_cancelled => Some("is over, and stands in Prima without a word".to_owned()),
        Some(Stage::Dispatched) => Some("has left, and Mirakl does not know".to_owned()),
        _ => Some("is open on one side".to_owned()),
    }
}

/// An exception must have been told, and for a reason.
fn was_told(world: &World, order: &Order, kind: ExceptionKind) -> Option<String> {
    let id = Some(order.order_id.as_str());
    let events = world.events.borrow();
    if !events.iter().any(|(_, event)| event.order.as_deref() == id) {
        return Some(format!("is an exception that nobody was told of: {}", kind.name()));
    }
    let meddled = world.all().meddled.borrow().contains(&order.order_id);
    (!meddled && kind != ExceptionKind::Unmappable)
        .then(|| format!("is an exception without cause: {}", kind.name()))
}

/// Each parcel is told once, under its own number.
fn parcels(channel: usize, order: &Order, copies: &[&StoredOrder]) -> Option<String> {
    let numbers = |of: &StoredOrder| -> BTreeSet<String> {
        of.parcels.iter().map(|parcel| parcel.dispatch_number.clone()).collect()
    };
    let left: BTreeSet<String> = copies.iter().flat_map(|copy| numbers(copy)).collect();
    if channel != 1 {
        return order.tracking.is_none().then(|| "was shipped without a number".to_owned());
    }
    let told = order.shipments.iter().filter_map(|shipment| shipment.invoice_reference.clone());
    let told: BTreeSet<String> = told.collect();
    (told != left || told.len() != order.shipments.len()).then(|| {
        format!("{left:?} have left, and Mirakl has {} shipments, {told:?}", order.shipments.len())
    })
}
