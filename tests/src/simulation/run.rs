//! One run: the schedule, the queue's consumers, the marketplace's customers, Prima's warehouse and
//! the operator, each a task on virtual time.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

use acknowledge_orders::ChannelReport;
use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use create_prima_orders::{Disposition, Returned};
use jiff::Timestamp;
use shared::domain::channel::Mode;
use shared::domain::order::row::{OrderKey, OrderRow, Stage};
use shared::domain::order::rules::{FeeRule, OrderRules, PriceMeaning};
use shared::domain::prima_calls::PrimaCalls;
use shared::domain::prima_slots::Slot;
use shared::domain::state::OrderStore as _;
use shared::kit::clock::{after, before};
use simulators::mirakl::State;
use simulators::prima::{Stage as PrimaStage, StoredOrder};

use super::judge;
use super::marketplace::{Happening, Marketplace};
use super::plan::{Arrival, CHANNELS, Moment, Plan, Wipe};
use super::ports::{Documents, Invocation, Notes, Port};
use super::world::{World, channel_of, order_id_of};
use crate::world::base::beginning;
use crate::world::consume::{self, Source};
use crate::world::fate::{Described, Kind, Script};
use crate::world::privacy;
use crate::world::queue::{Body, Delivery};
use crate::world::scene::Scene as _;

/// The poller's timeout (template: `Timeout`).
const POLLER_TIMEOUT: Duration = Duration::from_secs(55);
/// The creator's timeout (template: `CreateTimeoutSeconds`).
const CREATOR_TIMEOUT: Duration = Duration::from_secs(300);
/// Six times the creator's timeout.
pub(super) const VISIBILITY: Duration = Duration::from_secs(1800);
/// How much the clocks of two functions may differ, and then some (the function's own constant).
const CLOCK_SKEW: Duration = Duration::from_secs(30);
/// By then no poller runs any more that read its channel as live.
const OBSERVED_BY_ALL: Duration = Duration::from_secs(120);
/// Faults that every drawn run has at least.
pub const FAULTS: u64 = 50;
/// A quiet world is not judged before.
const SETTLED: Duration = Duration::from_secs(900);
/// The same of a scripted run, where nothing but the script goes wrong.
const SETTLED_SCRIPT: Duration = Duration::from_secs(180);
/// How long a quiet world may take to settle.
const SETTLING: Duration = Duration::from_secs(6 * 3600);

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// What may not be, and was.
    pub violations: Vec<String>,
    /// The trace, where one was wanted.
    pub trace: Vec<String>,
    /// Calls of all handlers.
    pub effects: u64,
    /// In a scripted run that no script spoils: these calls.
    pub calls: Vec<Described>,
    /// How many calls of each kind there were.
    pub tally: BTreeMap<Kind, u64>,
    /// Seconds from the moment an order waited for acceptance until the connector had accepted it,
    /// on channels that are listed every minute.
    pub seconds_to_acknowledge: Vec<f64>,
    /// Faults that were injected.
    pub faults: u64,
    /// Orders of both marketplaces.
    pub orders: usize,
    /// Orders in Prima at the end.
    pub created: usize,
    /// What the connector brought about, by what both systems hold at the end.
    pub achieved: Achieved,
    /// Virtual time.
    pub lasted: Duration,
}

/// What the connector brought about, as both systems hold it: however many calls that took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Achieved {
    /// Orders that it accepted.
    pub accepted: usize,
    /// Orders that it entered in Prima, whatever became of them there; without what people keyed.
    pub entered: usize,
    /// Those of them that were cancelled there.
    pub cancelled: usize,
}

impl Achieved {
    fn of(world: &World) -> Self {
        let shops = world.shops.borrow();
        let office = world.office.borrow();
        let entered = || office.orders().filter(|order| !channel_of(order).is_empty());
        Self {
            accepted: shops
                .iter()
                .flat_map(|shop| {
                    shop.model.orders().filter_map(|order| shop.accepted_by_connector(order))
                })
                .count(),
            entered: entered().count(),
            cancelled: entered().filter(|order| order.stage == PrimaStage::Cancelled).count(),
        }
    }
}

/// Runs a plan to its end, and judges.
#[must_use]
pub fn run(plan: Plan, script: Option<Script>, traced: bool) -> Outcome {
    privacy::listen();
    privacy::begin(traced);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let seed = plan.seed;
    let Ok(runtime) = runtime else {
        return Outcome {
            seed,
            violations: vec!["no runtime".to_owned()],
            trace: Vec::new(),
            effects: 0,
            calls: Vec::new(),
            tally: BTreeMap::new(),
            seconds_to_acknowledge: Vec::new(),
            faults: 0,
            orders: 0,
            created: 0,
            achieved: Achieved::default(),
            lasted: Duration::ZERO,
        };
    };
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, live(plan, script, traced))
}

async fn live(mut plan: Plan, script: Option<Script>, traced: bool) -> Outcome {
    let arrivals = std::mem::take(&mut plan.arrivals);
    let hand_keyed = std::mem::take(&mut plan.hand_keyed);
    let world = Rc::new(World::new(plan, script, traced));
    for number in &hand_keyed {
        world.key_by_hand(number);
    }
    tokio::task::spawn_local(arrive(Rc::clone(&world), arrivals));
    tokio::task::spawn_local(schedule(Rc::clone(&world)));
    tokio::task::spawn_local(consume(Rc::clone(&world)));
    tokio::task::spawn_local(warehouse(Rc::clone(&world)));
    tokio::task::spawn_local(operator(Rc::clone(&world)));

    let quiet_at = until_quiet(&world).await;
    let fresh = fresh_orders(&world);
    let give_up = after(quiet_at, SETTLING);
    let mut open = Vec::new();
    loop {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let now = world.now();
        if now >= after(quiet_at, if world.scripted { SETTLED_SCRIPT } else { SETTLED })
            && world.queue.borrow().is_idle()
        {
            open = judge::open_ends(&world);
            if open.is_empty() && judge::are_in_prima(&world, &fresh) {
                break;
            }
        }
        if now > give_up {
            open = judge::open_ends(&world);
            if !world.queue.borrow().is_empty() {
                open.push(format!(
                    "{} messages are still in the queue",
                    world.queue.borrow().len()
                ));
            }
            break;
        }
        // A lost order is lost: no need to wait for more.
        if !world.violations.borrow().is_empty() {
            break;
        }
    }
    for end in open {
        world.violate(format!("not settled: {end}"));
    }
    judge::close(&world, quiet_at, &fresh).await;
    world.tell(|| "end".to_owned());
    let shops = world.shops.borrow();
    Outcome {
        seed: world.plan.seed,
        violations: world.violations.borrow().clone(),
        trace: world.trace.borrow_mut().take().unwrap_or_default(),
        effects: world.effects.get(),
        calls: world.calls.take(),
        tally: world.tally.take(),
        seconds_to_acknowledge: seconds_to_acknowledge(&world),
        faults: world.faults.get(),
        orders: shops.iter().map(|shop| shop.model.len()).sum(),
        created: world
            .office
            .borrow()
            .orders()
            .filter(|order| order.stage != PrimaStage::Cancelled)
            .count(),
        achieved: Achieved::of(&world),
        lasted: world.passed(),
    }
}

fn seconds_to_acknowledge(world: &World) -> Vec<f64> {
    let shops = world.shops.borrow();
    let by_minute = world
        .plan
        .channels
        .iter()
        .zip(shops.iter())
        .filter(|(channel, _)| channel.listing_interval_minutes == 1);
    let accepted = by_minute.flat_map(|(_, shop)| {
        shop.model.orders().filter_map(|order| {
            Some((Marketplace::waiting_since(order), shop.accepted_by_connector(order)?))
        })
    });
    accepted
        .filter(|(since, _)| *since >= beginning())
        .map(|(since, at)| at.duration_since(since).as_secs_f64())
        .collect()
}

async fn until_quiet(world: &World) -> Timestamp {
    let planned = Duration::from_millis(world.plan.quiet_from.0);
    tokio::time::sleep(planned).await;
    while !world.scripted
        && !world.calm
        && world.faults.get() < FAULTS
        && world.passed() < planned + Duration::from_secs(12 * 3600)
    {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    world.quiet.set(true);
    world.tell(|| format!("the world is quiet, after {} faults", world.faults.get()));
    world.now()
}

/// Orders that arrive in a quiet world, a little later: all is as it should be for them.
fn fresh_orders(world: &Rc<World>) -> Vec<(usize, String)> {
    if world.scripted {
        return Vec::new();
    }
    let mut fresh = Vec::new();
    let arrivals = (0..4_u64)
        .map(|number| {
            let channel = usize::from(number % 2 == 1);
            let at = Moment(Moment::from(world.passed()).0 + 420_000 + number * 7_000);
            let created = after(beginning(), Duration::from_millis(at.0));
            let id = format!("MKP{channel}FRESH{number}-A");
            fresh.push((channel, id.clone()));
            let sale = judge::ordinary_sale(world, &id, created);
            Arrival { at, channel, sale, happenings: Vec::new() }
        })
        .collect();
    tokio::task::spawn_local(arrive(Rc::clone(world), arrivals));
    fresh
}

async fn arrive(world: Rc<World>, arrivals: Vec<Arrival>) {
    for arrival in arrivals {
        let passed = Moment::from(world.passed());
        tokio::time::sleep(Duration::from_millis(arrival.at.0.saturating_sub(passed.0))).await;
        let now = world.now();
        let id = arrival.sale.order.order_id.clone();
        world.tell(|| {
            format!("arrives {} {id} {:?}", CHANNELS[arrival.channel], arrival.sale.order.state)
        });
        let mut shops = world.shops.borrow_mut();
        let Some(shop) = shops.get_mut(arrival.channel) else { continue };
        shop.advance(now);
        shop.place(arrival.sale);
        for (wait, happening) in arrival.happenings {
            shop.plan_for(&id, after(now, wait), happening);
        }
    }
}

async fn schedule(world: Rc<World>) {
    tokio::time::sleep(Duration::from_millis(world.plan.first_poll)).await;
    let mut minute = 0_u64;
    loop {
        let due = Duration::from_millis(world.plan.first_poll + minute * 60_000);
        minute += 1;
        let dice = world.dice_of(("minute", minute));
        let late = if world.scripted {
            Duration::ZERO
        } else {
            Duration::from_millis(dice.between(0, 2_500))
        };
        tokio::time::sleep((due + late).saturating_sub(world.passed())).await;
        tokio::task::spawn_local(poll(Rc::clone(&world)));
        if world.mishap(&dice, world.profile.scheduled_twice) {
            let soon = Duration::from_millis(dice.between(0, 20_000));
            let world = Rc::clone(&world);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(soon).await;
                poll(world).await
            });
        }
    }
}

/// One run of the poller over all channels, judged; what it reports, unless it died.
pub(super) async fn poll(world: Rc<World>) -> Vec<ChannelReport> {
    let invocation = Invocation::new(&world, "poll", world.profile.crash, Notes::default());
    let port = Port::new(&invocation);
    let ports = acknowledge_orders::Ports::<Simulated> {
        directory: port.clone(),
        store: port.clone(),
        queue: port.clone(),
        events: port.clone(),
        clock: port,
    };
    let run = acknowledge_orders::Run {
        id: invocation.caller.name.clone(),
        hard_deadline: after(world.now(), POLLER_TIMEOUT),
    };
    let channels = Rc::clone(&world.channels.borrow());
    let reports = invocation
        .supervise(POLLER_TIMEOUT, ports.poll_all(&channels, &run))
        .await
        .unwrap_or_default();
    for report in &reports {
        if report.counts.contains_key("poll_failed_time") {
            World::was_cut_short(&invocation);
        }
        if report.counts.contains_key("poll_failed_panic") {
            world.violate(format!("the poll of {} panicked", report.channel));
        }
        let index = world.plan.channel_index(&report.channel).unwrap_or_default();
        let out_of_time = report.counts.contains_key("poll_failed_time");
        let observing = channels.get(index).is_some_and(|channel| channel.orders == Mode::Observe);
        if let Some(polled) = invocation.notes.polled.borrow().get(index) {
            if observing && !polled.tried.is_empty() {
                world.violate(format!(
                    "orders of {} were accepted although it is only observed",
                    report.channel
                ));
            }
            let left = polled
                .waiting
                .iter()
                .filter(|(order_id, waits)| **waits && !polled.tried.contains(*order_id))
                .count();
            // While the right to accept is refused, one order a run tries it.
            let refused = report.counts.contains_key("mirakl_or21_key");
            if left > 0 && !observing && !out_of_time && !refused {
                world.violate(format!(
                    "{left} orders of {} were listed as waiting, and not accepted in that run",
                    report.channel
                ));
            }
        }
    }
    reports
}

async fn consume(world: Rc<World>) {
    let rules = rules();
    let dice = world.dice_of("poison");
    if !world.scripted && dice.chance(0.08) {
        let text = r#"{"channel":"harbour-uk","order_id":""#.to_owned();
        *world.poison.borrow_mut() = Some(text.clone());
        world.queue.borrow_mut().send(Body::Text(text), world.now(), 0);
    }
    let twice = world.profile.delivered_twice / 3.0;
    let source = Source {
        queue: |world: &World| (&world.queue, &world.queue_moved),
        most: 10,
        at_once: 2,
        visibility: VISIBILITY,
        twice,
    };
    consume::consume(world, source, |world, deliveries| create(world, rules.clone(), deliveries))
        .await;
}

/// `create-prima-orders` with all its ports.
pub(super) type Creator = create_prima_orders::Ports<Simulated>;

/// The ports of the world.
#[derive(Debug)]
pub(super) struct Simulated;

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
    type Documents = Documents;
}

/// One invocation of the creator that ends, whatever it does, after `timeout`.
pub(super) fn creator(
    world: &Rc<World>,
    rules: Rc<HashMap<String, OrderRules>>,
    timeout: Duration,
) -> (Rc<Invocation>, Creator, create_prima_orders::Run) {
    let invocation =
        Invocation::new(world, "create", world.profile.crash_consumer, Notes::default());
    let port = Port::new(&invocation);
    let ports = Creator {
        prima: port.clone(),
        store: port.clone(),
        queue: port.clone(),
        events: port.clone(),
        clock: port.clone(),
        documents: Documents { port, rules },
        behaviour: world.plan.behaviour.clone(),
        calls: PrimaCalls::default(),
    };
    let hard_deadline = after(world.now(), timeout);
    let run = create_prima_orders::Run {
        id: invocation.caller.name.clone(),
        hard_deadline,
        clock_skew: CLOCK_SKEW,
        slot: Slot::Unknown,
    };
    (invocation, ports, run)
}

/// One batch.
pub(super) async fn create(
    world: Rc<World>,
    rules: Rc<HashMap<String, OrderRules>>,
    deliveries: Vec<Delivery>,
) {
    let (invocation, ports, run) = creator(&world, rules, CREATOR_TIMEOUT);
    let ids: Vec<u64> = deliveries.iter().map(|delivery| delivery.id).collect();
    let batch = batch(&ids);
    let bodies: HashMap<String, Body> =
        deliveries.into_iter().map(|delivery| (delivery.id.to_string(), delivery.body)).collect();
    let (ports, run, bodies) = (&ports, &run, &bodies);
    let done = RefCell::new(Vec::new());
    let (noted, whole, invoked) = (&done, &world, &invocation);
    let work = async {
        let slot = ports.lease_slot(run).await;
        let run = &create_prima_orders::Run { slot, ..run.clone() };
        let answer = shared::aws::batch::answer(batch, 2, |id, _body| async move {
        let disposition = match bodies.get(&id) {
            Some(Body::Order(message)) => {
                let disposition = ports.work(&id, (**message).clone(), run).await;
                if matches!(disposition, Disposition::Return(_)) && !invoked.aws_failed.get() {
                    whole.violate(format!("a message was returned ({disposition:?}) although store and queue were well: a receive burnt"));
                }
                disposition
            }
            Some(Body::Text(text)) => ports.handle(&id, text, run).await,
            None => Disposition::Return(Returned::Unreadable),
        };
        let is_done = matches!(disposition, Disposition::Done(_));
        if is_done {
            noted.borrow_mut().push(id);
        }
        is_done
    }).await;
        ports.give_slot_back(run).await;
        answer
    };
    if let Some(answer) = invocation.supervise(CREATOR_TIMEOUT, work).await {
        let again: Vec<String> = answer
            .map(|answer| answer.batch_item_failures)
            .unwrap_or_default()
            .into_iter()
            .map(|one| one.item_identifier)
            .collect();
        let mut queue = world.queue.borrow_mut();
        for id in done.borrow().iter().filter_map(|id| id.parse().ok()) {
            queue.note_done(id);
        }
        for id in ids.into_iter().filter(|id| !again.contains(&id.to_string())) {
            queue.delete(id);
        }
    }
}

/// The event that Lambda would hand over; the bodies stay where they are.
fn batch(ids: &[u64]) -> SqsEvent {
    let mut event = SqsEvent::default();
    event.records = ids
        .iter()
        .map(|id| {
            let mut record = SqsMessage::default();
            record.message_id = Some(id.to_string());
            record
        })
        .collect();
    event
}

/// Prima's people: goods leave, and the marketplace hears of it.
async fn warehouse(world: Rc<World>) {
    if world.scripted {
        return;
    }
    let dice = world.dice_of("warehouse");
    loop {
        tokio::time::sleep(Duration::from_secs(240)).await;
        if world.quiet.get() {
            return;
        }
        let now = world.now();
        let mut leaving = Vec::new();
        {
            let mut office = world.office.borrow_mut();
            office.land(now);
            let old = before(now, Duration::from_secs(300));
            let may_leave = |order: &&StoredOrder| {
                order.entered_at < old
                    && !channel_of(order).is_empty()
                    && order.stage == PrimaStage::Entered
                    && dice.chance(0.12)
            };
            for order in office.orders().filter(may_leave) {
                leaving.push((channel_of(order).to_owned(), order_id_of(order).to_owned()));
            }
            for (_, order_id) in &leaving {
                let _left = office.move_to(order_id, PrimaStage::Dispatched, now);
            }
        }
        for (channel, order_id) in leaving {
            world.tell(|| format!("dispatched {channel} {order_id}"));
            let at = after(now, dice.seconds(0, 120));
            world.shop(&channel, |shop| shop.plan_for(&order_id, at, Happening::Ship));
        }
    }
}

/// The table is wiped, and somebody may notice.
async fn operator(world: Rc<World>) {
    let Some(wipe) = world.plan.wipe else { return };
    match wipe {
        Wipe::Unnoticed(at) => {
            tokio::time::sleep(Duration::from_millis(at.0)).await;
            while !nothing_is_under_way(&world) {
                if world.quiet.get() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(3_700)).await;
            }
            wipe_table(&world);
        }
        Wipe::Observed(at, live) => {
            tokio::time::sleep(Duration::from_millis(at.0)).await;
            // What still ran as before on an emptied table would be an accident that nobody
            // noticed: that is the other case.
            set_mode(&world, Mode::Observe, Some(world.now()));
            tokio::time::sleep(OBSERVED_BY_ALL).await;
            wipe_table(&world);
            set_mode(&world, Mode::Observe, Some(world.now()));
            tokio::time::sleep(Duration::from_millis(live.0 - at.0)).await;
            while world.office.borrow().pending() > 0 || !was_rebuilt(&world) {
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
            set_mode(&world, Mode::Live, None);
            loop {
                tokio::time::sleep(Duration::from_secs(300)).await;
                adopt_what_is_ours(&world).await;
            }
        }
    }
}

/// Every order whose number Mirakl holds has its row again: the operator waits for that before
/// going live.
fn was_rebuilt(world: &World) -> bool {
    let notes = world.notes.borrow();
    CHANNELS.iter().all(|channel| {
        world
            .shop(channel, |shop| {
                shop.model.orders().all(|order| {
                    order.reference_for_seller.is_none()
                        || shop.is_unreadable(&order.order_id)
                        || order.state != State::Shipping
                        || notes.contains_key(&OrderKey::new(*channel, &order.order_id))
                })
            })
            .unwrap_or(true)
    })
}

fn nothing_is_under_way(world: &World) -> bool {
    let mut office = world.office.borrow_mut();
    office.land(world.now());
    let notes = world.notes.borrow();
    office.pending() == 0
        && world.queue.borrow().at_work == 0
        && !notes.values().any(|note| matches!(note.stage, Stage::Creating | Stage::InDoubt))
}

/// Everything that was remembered is gone.
pub(super) fn wipe_table(world: &World) {
    world.tell(|| "the table is wiped".to_owned());
    world.store.wipe();
    world.notes.borrow_mut().clear();
    world.index_changes.borrow_mut().clear();
    world.wiped_at.set(Some(world.now()));
    for told in world.told.borrow_mut().values_mut() {
        told.excused = true;
    }
}

/// All channels are polled in another mode from now on.
pub(super) fn set_mode(world: &World, mode: Mode, take_over_from: Option<Timestamp>) {
    let mut channels = (**world.channels.borrow()).clone();
    for channel in &mut channels {
        channel.orders = mode;
        if let Some(moment) = take_over_from {
            channel.take_over_from = moment;
        }
    }
    world.tell(|| format!("all channels are set to {mode:?}"));
    *world.channels.borrow_mut() = Rc::new(channels);
}

/// What an operator does with orders that are taken for keyed by hand and were not: looks into
/// Prima, and adopts those that are not there. Those that are, are linked.
async fn adopt_what_is_ours(world: &World) {
    let mut waiting: Vec<_> = {
        let notes = world.notes.borrow();
        notes
            .iter()
            .filter(|(key, note)| {
                note.stage == Stage::KeyedByHand && !world.plan.truth(key).keyed_by_hand
            })
            .map(|(key, _)| key.clone())
            .collect()
    };
    // Notes are in no order, and a seed is always the same run.
    waiting.sort();
    for key in waiting {
        let Ok(Some(mut row)) = world.store.load_order(&key).await else { continue };
        let in_prima =
            world.office.borrow().orders().any(|order| {
                channel_of(order) == key.channel && order_id_of(order) == key.order_id
            });
        let now = world.now();
        if in_prima {
            link(&mut row, now);
        } else {
            row.listing.adopted = true;
            row.enter(Stage::Firm, now, "adopted by an operator");
        }
        if world.store.save_order(&mut row).await.is_ok() {
            world.tell(|| format!("the operator decides {key}: {}", row.stage.name()));
            world.note_row(&row);
        }
    }
}

fn link(row: &mut OrderRow, now: Timestamp) {
    row.creation.order_number = Some(row.key.order_id.clone());
    row.creation.created_at = Some(now);
    row.enter(Stage::Created, now, "linked by an operator");
}

thread_local! {
    static RULES: OnceLock<Rc<HashMap<String, OrderRules>>> = const { OnceLock::new() };
}

/// The rules of all channels.
pub(super) fn rules() -> Rc<HashMap<String, OrderRules>> {
    RULES.with(|rules| {
        Rc::clone(rules.get_or_init(|| {
            let mut order_rules = OrderRules::new(PriceMeaning::Unit);
            order_rules.amounts.currencies.insert("GBP".to_owned(), "GBP".to_owned());
            order_rules
                .amounts
                .fees
                .insert(super::goods::FEE.to_owned(), FeeRule { charge: "HAND".to_owned() });
            order_rules.address.country.aliases.insert("UK".to_owned(), "GBR".to_owned());
            Rc::new(
                CHANNELS
                    .iter()
                    .map(|channel| ((*channel).to_owned(), order_rules.clone()))
                    .collect(),
            )
        }))
    })
}
