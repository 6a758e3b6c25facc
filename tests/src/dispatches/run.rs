//! One run: the schedule, the queue's consumers, the warehouse, people in the marketplace's back
//! office, and the person who mends the map, each a task on virtual time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use collect_dispatches::Report;
use futures_util::StreamExt as _;
use futures_util::stream;
use rust_decimal::Decimal;
use shared::domain::dispatch::schedule::DispatchSettings;
use shared::domain::events::EventKind;
use shared::domain::order::life::{Circumstances, on_listing};
use shared::domain::order::row::{DISPATCH_EXCEPTION, DISPATCH_UNANNOUNCED, OrderKey, Stage};
use shared::domain::prima_calls::PrimaCalls;
use shared::domain::state::OrderStore as _;
use shared::kit::clock::{after, before};
use shared::prima::connection::PrimaBehaviour;
use simulators::mirakl::LineSettlement;
use simulators::prima::Booking;
use tokio::task::JoinHandle;
use update_dispatches::Disposition;

use super::judge;
use super::ports::{Invocation, Port};
use super::world::{SHOPS, World, mended_map};
use crate::world::consume::{self, Source};
use crate::world::dice::Dice;
use crate::world::fate::Kind;
use crate::world::models::Models as _;
use crate::world::queue::{Body, Delivery};
use crate::world::scene::Scene as _;

/// The collector's timeout (template: `Timeout`).
const COLLECTOR_TIMEOUT: Duration = Duration::from_secs(55);
/// The updater's timeout.
const UPDATER_TIMEOUT: Duration = Duration::from_secs(60);
/// Six times that.
pub(super) const VISIBILITY: Duration = Duration::from_secs(360);
/// How much the clocks of two functions may differ, and then some (the function's own constant).
const CLOCK_SKEW: Duration = Duration::from_secs(30);
/// The warehouse's day.
const DAY: u64 = 4 * 3600;
/// Orders of one run.
const ORDERS: u64 = 24;
/// How long a quiet world may take to settle.
const SETTLING: Duration = Duration::from_secs(10 * 3600);

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// What may not be, and was.
    pub violations: Vec<String>,
    /// The trace, where one was wanted.
    pub trace: Vec<String>,
    /// Faults that were injected.
    pub faults: u64,
    /// Calls of both functions.
    pub calls: u64,
    /// Parcels that left.
    pub parcels: usize,
    /// Cancelled or refunded pieces that the connector settled.
    pub settled: u32,
    /// Calls of both systems, by operation.
    pub tally: BTreeMap<&'static str, u64>,
    /// What the connector brought about, as both systems hold it.
    pub achieved: Achieved,
}

/// What the connector brought about, as both systems hold it: however many calls that took.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Achieved {
    /// Orders of which everything has left.
    pub orders: usize,
    /// Orders shipped whole.
    pub shipped_whole: usize,
    /// Shipments in parts.
    pub shipments: usize,
    /// Orders with a settlement.
    pub settled_orders: usize,
    /// Times that something left, or was cancelled, in Prima: each could be noticed by one
    /// question.
    pub happenings: usize,
    /// Hours that orders were open in Prima.
    pub open_hours: f64,
    /// Seconds from a parcel's booking until Mirakl had it.
    pub seconds_to_tell: Vec<f64>,
}

/// Minutes between two questions for one order.
pub const INTERVAL_MINUTES: u32 = 15;

/// Runs a seed to its end, and judges.
#[must_use]
pub fn run(seed: u64, traced: bool) -> Outcome {
    begin(seed, traced, false)
}

/// Lives through a day in which nothing goes wrong.
#[must_use]
pub fn run_calm(seed: u64) -> Outcome {
    begin(seed, false, true)
}

fn begin(seed: u64, traced: bool, calm: bool) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let Ok(runtime) = runtime else {
        let violations = vec!["no runtime".to_owned()];
        let (trace, tally, achieved) = (Vec::new(), BTreeMap::new(), Achieved::default());
        return Outcome {
            seed,
            violations,
            trace,
            faults: 0,
            calls: 0,
            parcels: 0,
            settled: 0,
            tally,
            achieved,
        };
    };
    tokio::task::LocalSet::new().block_on(&runtime, live(seed, traced, calm))
}

async fn live(seed: u64, traced: bool, calm: bool) -> Outcome {
    let world = Rc::new(World::new(seed, traced, calm));
    world.furnish(ORDERS).await;
    tokio::task::spawn_local(schedule(Rc::clone(&world)));
    tokio::task::spawn_local(consume(Rc::clone(&world)));
    tokio::task::spawn_local(poll(Rc::clone(&world)));
    if !calm {
        tokio::task::spawn_local(take_rights(Rc::clone(&world)));
        tokio::task::spawn_local(go_down(Rc::clone(&world)));
        tokio::task::spawn_local(spoil_calls(Rc::clone(&world)));
    }
    let numbers: Vec<String> = world.numbers.borrow().keys().cloned().collect();
    let mut at_work: Vec<JoinHandle<()>> = numbers
        .iter()
        .map(|number| tokio::task::spawn_local(handle_order(Rc::clone(&world), number.clone())))
        .collect();
    for number in numbers.iter().filter(|_| !world.calm) {
        let dice = world.dice_of(("trouble", number));
        if dice.chance(0.25) {
            at_work.push(tokio::task::spawn_local(care_for(Rc::clone(&world), number.clone())));
        }
        if world.odd.borrow().contains_key(number) && dice.chance(0.6) {
            at_work.push(tokio::task::spawn_local(mend_answers(Rc::clone(&world), number.clone())));
        }
    }
    tokio::time::sleep(Duration::from_secs(DAY / 2)).await;
    world.tell(|| "the map is mended".to_owned());
    *world.maps.borrow_mut() = vec![mended_map(), mended_map()];
    tokio::time::sleep(Duration::from_secs(DAY / 2 + 1800)).await;
    world.quiet.set(true);
    world.tell(|| "the world is quiet".to_owned());
    let mut quiet_at = world.now();
    loop {
        tokio::time::sleep(Duration::from_secs(120)).await;
        // The second part of a late order, and its number, may come hours after the day.
        at_work.retain(|order| !order.is_finished());
        if !at_work.is_empty() {
            quiet_at = world.now();
            continue;
        }
        let open = judge::open_ends(&world);
        let idle = world.dispatches.borrow().is_idle();
        if open.is_empty() && idle && world.now() > after(quiet_at, Duration::from_secs(7800)) {
            break;
        }
        if world.now() > after(quiet_at, SETTLING) {
            for end in open {
                world.violate(format!("not settled: {end}"));
            }
            break;
        }
    }
    judge::close(&world);
    let office = world.office.borrow();
    let outcome = Outcome {
        seed,
        violations: world.violations.borrow().clone(),
        trace: world.trace.borrow_mut().take().unwrap_or_default(),
        faults: world.faults.get(),
        calls: world.effects.get(),
        parcels: office.orders().map(|order| order.parcels.len()).sum(),
        settled: judge::settled_pieces(&world),
        tally: by_operation(world.tally.take()),
        achieved: judge::achieved(&world, &office),
    };
    drop(office);
    outcome
}

fn by_operation(tally: BTreeMap<Kind, u64>) -> BTreeMap<&'static str, u64> {
    let mut calls = BTreeMap::new();
    for (kind, count) in tally.into_iter().filter(|(kind, _)| !kind.operation().is_empty()) {
        *calls.entry(kind.operation()).or_default() += count;
    }
    calls
}

/// The marketplace's customer care refunds something: at any stage of the order, money alone or
/// pieces.
async fn care_for(world: Rc<World>, number: String) {
    let dice = world.dice_of(("care", &number));
    tokio::time::sleep(dice.seconds(30, DAY + 5400)).await;
    refund(&world, number, None, &dice);
}

/// The same, of money alone, soon after our own refund of a line had no answer.
pub(super) async fn care_at_once(world: Rc<World>, order_id: String, line: String) {
    let dice = world.dice_of(("care at once", &line));
    if !world.may_go_wrong() || !dice.chance(0.3) {
        return;
    }
    tokio::time::sleep(dice.seconds(1, 100)).await;
    let number = world
        .numbers
        .borrow()
        .iter()
        .find(|(_, key)| key.order_id == order_id)
        .map(|(number, _)| number.clone());
    if let Some(number) = number {
        refund(&world, number, Some(&line), &dice);
    }
}

/// Something of an order is refunded; money alone where it is of one line.
fn refund(world: &World, number: String, of_line: Option<&str>, dice: &Dice) {
    let Some(key) = world.numbers.borrow().get(&number).cloned() else { return };
    let (index, kind) =
        (world.index(&key.channel), dice.between(if of_line.is_some() { 2 } else { 0 }, 5));
    let part = Decimal::from(dice.between(10, 60)) / Decimal::ONE_HUNDRED;
    let done = world.shop(index, |shop, now| {
        let order = shop.order(&key.order_id)?;
        let lines: Vec<_> = order
            .lines
            .iter()
            .filter(|line| {
                of_line.is_none_or(|of| of == line.order_line_id)
                    && line.goods_left() > Decimal::ZERO
                    && line.quantity > 0
            })
            .collect();
        let line = *lines.get(dice.index(lines.len()))?;
        let (quantity, amount) = match kind {
            0 => (0, line.goods_left()),
            1 => (
                1,
                (line.price() / Decimal::from(line.quantity)).round_dp(2).min(line.goods_left()),
            ),
            _ => (0, (line.price() * part).round_dp(2).min(line.goods_left())),
        };
        let is_all = amount == line.goods_left();
        let taxes = line.taxes.iter().map(|tax| {
            let back = line
                .refunds
                .iter()
                .flat_map(|refund| &refund.taxes)
                .filter(|other| other.code == tax.code)
                .map(|other| other.amount);
            let left = tax.amount - back.sum::<Decimal>();
            let share = if is_all {
                left
            } else {
                (tax.amount * amount / line.price()).round_dp(2).min(left)
            };
            (tax.code.to_owned(), share)
        });
        let settlement = LineSettlement {
            order_line_id: line.order_line_id.clone(),
            quantity,
            amount,
            shipping_amount: if kind == 0 { line.shipping_left() } else { Decimal::ZERO },
            taxes: taxes.collect(),
            shipping_taxes: Vec::new(),
            reason_code: "GOODWILL".to_owned(),
            excluded_from_shipment: false,
        };
        let takes_goods = quantity > 0 || is_all;
        shop.refund_by_seller(SHOPS[index], &[settlement], now).ok().map(|made| (made, takes_goods))
    });
    if let Some((made, takes_goods)) = done.flatten() {
        world.tell(|| format!("{number} is refunded by the operator: {made:?}"));
        let mut refunded = world.refunded.borrow_mut();
        let before = refunded.get(&number).copied().unwrap_or_default();
        refunded.insert(number, before || takes_goods);
    }
}

/// Somebody corrects the dispatch in Prima, so that its answers have the assumed form.
async fn mend_answers(world: Rc<World>, number: String) {
    tokio::time::sleep(world.dice_of(("mended", &number)).seconds(3600, DAY + 3600)).await;
    world.tell(|| format!("answers for {number} are mended"));
    world.odd.borrow_mut().remove(&number);
}

/// What the warehouse, and now and then somebody in the marketplace's back office, does with one
/// order.
async fn handle_order(world: Rc<World>, number: String) {
    let dice = world.dice_of(("warehouse", &number));
    tokio::time::sleep(dice.seconds(30, DAY)).await;
    let Some(key) = world.numbers.borrow().get(&number).cloned() else { return };
    let index = world.index(&key.channel);
    // Somebody ships it in the back office, or the customer cancels: before the warehouse comes to
    // it.
    if !world.calm && dice.chance(0.04) {
        world.meddled.borrow_mut().insert(number.clone());
        let shipped = dice.chance(0.5);
        world.tell(|| {
            format!("{number} is {} by a person", if shipped { "shipped" } else { "cancelled" })
        });
        world.shop(index, |shop, now| {
            if shipped { shop.ship(&key.order_id, now) } else { shop.cancel(&key.order_id, now) }
        });
        if !shipped {
            return;
        }
    }
    let carriers = [
        "DPD NEXT DAY",
        "Dpd - next day",
        "ROYAL MAIL",
        "EVRI",
        "DHL EXPRESS",
        "DPD SAT BY 12",
        "Yodel",
        "Own lorry (Pete)",
    ];
    // The last three are mapped in the middle of the day.
    let known = if world.calm { carriers.len() - 3 } else { carriers.len() };
    let carrier = carriers[dice.index(known)].to_owned();
    let lines = world
        .office
        .borrow()
        .orders_by_number(&number)
        .first()
        .map(|order| order.left())
        .unwrap_or_default();
    let pieces: u32 = lines.iter().map(|(_, pieces)| pieces).sum();
    let one = lines.first().map(|(line, _)| vec![(*line, 1)]);
    let late_number = !world.calm && dice.chance(0.1);
    let book = |lines: Option<Vec<(u32, u32)>>, last: bool| {
        let consignment = late_number.then(String::new);
        let booking =
            Booking { carrier: carrier.clone(), service: String::new(), consignment, lines, last };
        world.tell(|| format!("{number} leaves by {carrier}, {:?}, last {last}", booking.lines));
        world.office.borrow_mut().book(&number, booking, world.now())
    };
    match dice.between(0, 9) {
        0 => {
            world.tell(|| format!("{number} is cancelled in Prima"));
            let _ = world.office.borrow_mut().close_short(&number, world.now());
        }
        1 if pieces > 1 => drop(book(one, true)),
        2 | 3 if pieces > 1 => {
            let _ = book(one, false);
            tokio::time::sleep(dice.seconds(1, 5400)).await;
            if dice.chance(0.2) {
                world.tell(|| format!("{number} will not be sent whole"));
                let _ = world.office.borrow_mut().close_short(&number, world.now());
            } else {
                let _ = book(None, false);
            }
        }
        4 if pieces > 1 => {
            let _ = book(one, false);
            let _ = book(None, false);
        }
        _ => drop(book(None, false)),
    }
    if late_number {
        tokio::time::sleep(dice.seconds(1, 5400)).await;
        let dispatches: Vec<String> = {
            let office = world.office.borrow();
            let orders = office.orders_by_number(&number);
            orders
                .iter()
                .flat_map(|order| &order.parcels)
                .map(|parcel| parcel.dispatch_number.clone())
                .collect()
        };
        for dispatch in dispatches {
            let consignment = format!("LATE{dispatch}");
            world.tell(|| format!("{number} {dispatch} has number {consignment}"));
            let _ = world.office.borrow_mut().give_consignment(
                &number,
                &dispatch,
                &consignment,
                world.now(),
            );
        }
    }
}

/// Rights that somebody takes from a key for a while, one after the other.
async fn take_rights(world: Rc<World>) {
    let dice = world.dice_of("rights");
    while !world.quiet.get() {
        tokio::time::sleep(dice.seconds(300, 5400)).await;
        let (channel, status) = (dice.index(2), if dice.chance(0.7) { 403 } else { 401 });
        let of_channel = [
            &["OR23", "OR24", "OR30", "OR11", "PC01"][..],
            &["ST01", "ST11", "OR28", "OR11", "SH21"][..],
        ][channel];
        let operation = of_channel[dice.index(of_channel.len())];
        world.refuse(channel, operation, status);
        // Until it is given back, or the world is quiet.
        let back = after(world.now(), dice.seconds(600, 3 * 3600));
        while world.now() < back && !world.quiet.get() {
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
        world.permit(channel, operation);
    }
}

/// Calls about one order get no usable answer for a while, whenever they are made.
async fn spoil_calls(world: Rc<World>) {
    let dice = world.dice_of("spoilt");
    if dice.chance(0.5) {
        return;
    }
    let keys: Vec<OrderKey> = world.numbers.borrow().values().cloned().collect();
    let key = &keys[dice.index(keys.len())];
    let of_channel = [&["OR23", "OR24", "OR11", "OR30"][..], &["ST01", "ST11", "OR11", "OR28"][..]]
        [world.index(&key.channel)];
    let operation = of_channel[dice.index(of_channel.len())];
    world.spoil(operation, &key.order_id, Some([500, 503, 504, 200][dice.index(4)]));
    let back = after(world.now(), dice.seconds(1800, DAY));
    while world.now() < back && !world.quiet.get() {
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
    let row = world.store.rows().into_iter().find(|row| row.key == *key);
    // Where it fails for nobody else to show that it works, that is told of the operation.
    let is_told = world.events.borrow().iter().any(|(_, event)| {
        event.kind == EventKind::OperationFails && event.reason.contains(operation)
    });
    if world.is_to_be_told_of(&key.order_id)
        && !is_told
        && row.is_some_and(|row| row.stage == Stage::Dispatched)
    {
        world.violate(format!(
            "{operation} about {} gets no answer again and again, and nobody was told",
            key.order_id
        ));
    }
    world.spoil(operation, &key.order_id, None);
}

/// Both marketplaces are down for a while.
async fn go_down(world: Rc<World>) {
    let dice = world.dice_of("outage");
    tokio::time::sleep(dice.seconds(600, 3 * 3600)).await;
    if world.quiet.get() || dice.chance(0.5) {
        return;
    }
    world.tell(|| "Mirakl is down".to_owned());
    world.down.set(true);
    let back = after(world.now(), dice.seconds(600, 2 * 3600));
    while world.now() < back && !world.quiet.get() {
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
    world.tell(|| "Mirakl is back".to_owned());
    world.down.set(false);
}

/// The poller's part: what a listing by ids makes of a row that is not listed as open any more.
async fn poll(world: Rc<World>) {
    loop {
        tokio::time::sleep(Duration::from_secs(300)).await;
        let states = [
            Stage::Created.name(),
            Stage::Dispatched.name(),
            Stage::PartDispatched.name(),
            DISPATCH_EXCEPTION,
            DISPATCH_UNANNOUNCED,
        ];
        for channel in &world.channels {
            let mut keys: Vec<OrderKey> = Vec::new();
            for state in states {
                keys.extend(
                    world.store.orders_in(&channel.id, state, 1000).await.unwrap_or_default(),
                );
            }
            for key in keys {
                let index = world.index(&key.channel);
                let Some(listed) = world.listed(index, &key.order_id) else { continue };
                let Ok(Some(row)) = world.store.load_order(&key).await else { continue };
                let at =
                    Circumstances { accepted: false, prima_takes_orders: true, now: world.now() };
                if let Some((mut row, next)) = on_listing(Some(&row), &listed, channel, at) {
                    world.tell(|| format!("poll: {key} is {} ({next:?})", row.stage.name()));
                    let _ = world.store.save_order(&mut row).await;
                }
            }
        }
    }
}

async fn schedule(world: Rc<World>) {
    let mut minute = 0_u64;
    loop {
        minute += 1;
        tokio::task::spawn_local(collect(Rc::clone(&world)));
        if world.mishap(&world.dice_of(("minute", minute)), world.profile.scheduled_twice) {
            tokio::task::spawn_local(collect(Rc::clone(&world)));
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

/// The ports of the world.
#[derive(Debug)]
struct Simulated;

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

pub(super) async fn collect(world: Rc<World>) -> Option<Report> {
    let port =
        Port::new(&Invocation::new(&world, "collect", world.profile.crash, RefCell::default()));
    let ports = collect_dispatches::Ports::<Simulated> {
        prima: port.clone(),
        store: port.clone(),
        queue: port.clone(),
        events: port.clone(),
        clock: port.clone(),
        documents: port.clone(),
        inbox: None,
        settings: DispatchSettings {
            interval_minutes: world.interval_minutes.get(),
            quiet_interval_minutes: world.interval_minutes.get(),
            ..DispatchSettings::default()
        },
        behaviour: PrimaBehaviour { answer_timeout_seconds: 20, ..PrimaBehaviour::default() },
        calls: PrimaCalls::default(),
    };
    let run = collect_dispatches::Run { hard_deadline: after(world.now(), COLLECTOR_TIMEOUT) };
    port.invocation.supervise(COLLECTOR_TIMEOUT, ports.collect(&run)).await?.ok()
}

async fn consume(world: Rc<World>) {
    let twice = world.profile.delivered_twice;
    let source = Source {
        queue: |world: &World| (&world.dispatches, &world.dispatches_moved),
        most: 10,
        at_once: 2,
        visibility: VISIBILITY,
        twice,
    };
    consume::consume(world, source, update).await;
}

pub(super) async fn update(world: Rc<World>, deliveries: Vec<Delivery>) {
    let port = Port::new(&Invocation::new(
        &world,
        "update",
        world.profile.crash_consumer,
        RefCell::default(),
    ));
    let ports = update_dispatches::Ports::<Simulated> {
        directory: port.clone(),
        store: port.clone(),
        queue: port.clone(),
        events: port.clone(),
        clock: port.clone(),
        documents: port.clone(),
    };
    let run = update_dispatches::Run {
        hard_deadline: after(world.now(), UPDATER_TIMEOUT),
        clock_skew: CLOCK_SKEW,
    };
    let (ports, run) = (&ports, &run);
    let work = stream::iter(deliveries)
        .map(|delivery| async move {
            let Body::Order(message) = &delivery.body else { return (delivery.id, false) };
            let disposition = ports.work((**message).clone(), run).await;
            (delivery.id, matches!(disposition, Disposition::Done(_)))
        })
        .buffer_unordered(4)
        .collect::<Vec<_>>();
    // A batch that dies comes again, all of it.
    let Some(worked) = port.invocation.supervise(UPDATER_TIMEOUT, work).await else { return };
    world.heard(&port.invocation.notes.borrow());
    for (id, done) in worked {
        if done {
            world.dispatches.borrow_mut().delete(id);
        }
    }
}

/// The moment from which an exception should have been told.
pub(super) fn told_by(now: jiff::Timestamp) -> jiff::Timestamp {
    before(now, Duration::from_secs(600))
}
