//! One run: the schedule, the queue's consumers, and everybody else, each a task on virtual time.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use check_stock_imports::Disposition;
use push_stock::{ChannelReport, Decision, PortTypes};
use shared::domain::prima_calls::PrimaCalls;
use shared::domain::stock::settings::{BasisAgreement, StockSettings};
use shared::kit::clock::after;
use shared::prima::connection::PrimaBehaviour;
use simulators::mirakl::ImportStatus;

use super::ports::{Invocation, Notes, Port};
use super::world::{LIVE, Shared, World};
use super::{judge, orders, people, sending, whole};
use crate::world::consume::{self, Source};
use crate::world::queue::{Body, Delivery};
use crate::world::scene::Scene as _;

/// The functions' timeouts (template: `Timeout`).
const PUSH_TIMEOUT: Duration = Duration::from_secs(300);
const CHECK_TIMEOUT: Duration = Duration::from_secs(60);
/// Six times the latter.
const VISIBILITY: Duration = Duration::from_secs(360);
/// How long a quiet world's orders and imports may take to end.
const ENDING: Duration = Duration::from_secs(24 * 3600);

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
    /// Units sold on the marketplaces.
    pub sold: u64,
    /// Units of these that were not there.
    pub beyond: u64,
    /// Imports that the marketplaces took.
    pub imports: usize,
    /// Offers and entries of ledgers that were looked at.
    pub judged: u64,
    /// Where all functions run: parcels that left, and those of them whose order Mirakl had cancelled
    /// by then.
    pub parcels: u64,
    /// The latter.
    pub races: u64,
    /// In a calm world: what has to be held back of everything so that nothing is sold that is not
    /// there.
    pub advised_buffer: Option<u32>,
}

/// Runs a seed to its end, and judges; with so many units held back of everything, where that is
/// wanted.
#[must_use]
pub fn run(seed: u64, buffer: Option<u32>, traced: bool) -> Outcome {
    begin(seed, move || World::new(seed, buffer, traced))
}

/// Runs a seed with all functions of the connector to its end, and judges.
#[must_use]
pub fn run_whole(seed: u64, traced: bool) -> Outcome {
    begin(seed, move || World::with_all_functions(seed, traced))
}

/// Runs a seed to its end, and judges; a calm one once more with the buffer that it advises, with
/// which nothing may be sold twice.
#[must_use]
pub fn judged(seed: u64) -> Outcome {
    let mut outcome = run(seed, None, false);
    if let Some(buffer) = outcome.advised_buffer {
        let buffered = run(seed, Some(buffer), false);
        outcome.violations.extend(buffered.violations);
        if buffered.beyond > 0 {
            outcome.violations.push(format!(
                "{} units are sold twice though {buffer} are held back",
                buffered.beyond
            ));
        }
    }
    outcome
}

fn begin(seed: u64, world: impl FnOnce() -> World) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let Ok(runtime) = runtime else {
        let violations = vec!["no runtime".to_owned()];
        let trace = Vec::new();
        return Outcome {
            seed,
            violations,
            trace,
            faults: 0,
            calls: 0,
            sold: 0,
            beyond: 0,
            imports: 0,
            judged: 0,
            parcels: 0,
            races: 0,
            advised_buffer: None,
        };
    };
    tokio::task::LocalSet::new().block_on(&runtime, live(seed, world))
}

async fn live(seed: u64, world: impl FnOnce() -> World) -> Outcome {
    let world = Rc::new(world());
    world.tell(|| format!("calm {}, {:?}, {:?}", world.calm, world.profile, world.plan));
    tokio::task::spawn_local(schedule(Rc::clone(&world)));
    tokio::task::spawn_local(consume(Rc::clone(&world)));
    tokio::task::spawn_local(orders::customers(Rc::clone(&world)));
    tokio::task::spawn_local(people::shops(Rc::clone(&world)));
    tokio::task::spawn_local(people::mishaps(Rc::clone(&world)));
    tokio::task::spawn_local(people::operators(Rc::clone(&world)));
    tokio::task::spawn_local(people::person(Rc::clone(&world)));
    tokio::task::spawn_local(people::merchandisers(Rc::clone(&world)));
    tokio::task::spawn_local(people::engineers(Rc::clone(&world)));
    if world.whole.is_some() {
        whole::begin(&world);
    }
    if world.plan.agreed_after > 0 {
        tokio::time::sleep(Duration::from_secs(world.plan.agreed_after)).await;
        if !world.queue.borrow().exceptions.values().any(|shown| shown.kind == "basis-missing")
            && world.calm
        {
            world.violate("nobody was told that the basis is missing".to_owned());
        }
        world.agreed.set(true);
    }
    tokio::time::sleep(Duration::from_secs(world.plan.day)).await;
    world.quiet.set(true);
    world.tell(|| "the world is quiet".to_owned());
    settle(&world).await;
    Outcome {
        seed,
        violations: world.violations.borrow().clone(),
        trace: world.trace.borrow_mut().take().unwrap_or_default(),
        faults: world.faults.get(),
        calls: world.effects.get(),
        sold: world.sold.get(),
        beyond: world.beyond.get(),
        imports: world.shops.borrow().iter().map(|shop| shop.imports().count()).sum(),
        judged: world.judged.get(),
        parcels: world.whole.as_ref().map_or(0, |whole| whole.parcels.get()),
        races: world.whole.as_ref().map_or(0, |whole| whole.races.get()),
        advised_buffer: world.calm.then(|| judge::advised_buffer(&world)),
    }
}

/// The quiet: what was begun ends; then, after what the settings say that it may take, everything
/// is as the rule says.
async fn settle(world: &Shared) {
    let quiet_at = world.now();
    loop {
        world.mend();
        tokio::time::sleep(Duration::from_secs(120)).await;
        world.advance(world.now());
        let now = world.now();
        let running = world.shops.borrow().iter().flat_map(|shop| shop.imports()).any(|import| {
            // What the connector has just begun is no left-over.
            import.created < quiet_at
                && matches!(import.status(now), ImportStatus::Waiting | ImportStatus::Running)
        });
        if world.at_work.get() == 0 && !running {
            break;
        }
        if now > after(quiet_at, ENDING) {
            world
                .violate(format!("the plan is unsound: {} orders do not end", world.at_work.get()));
            return;
        }
    }
    if world.whole.is_some() {
        whole::settle(world).await;
    }
    world.tell(|| "nothing is left over".to_owned());
    // A refused quantity is tried again after an hour; what nobody tells of is found with the next
    // daily list.
    let rules = world.rules.borrow().clone();
    let rules = rules.iter().take(LIVE);
    let stuck = rules.clone().map(|rules| rules.import_stuck_minutes).max().unwrap_or(60);
    let ceiling = rules.map(|rules| rules.ceiling_minutes).max().unwrap_or(15);
    let known_after = if world.zeroed.borrow().is_empty() && world.plan.later.is_none() {
        u64::from(stuck).max(65)
    } else {
        25 * 60
    };
    // What a stuck import whose id was lost has overwritten is right again within twice the time
    // that it took.
    let longest: i64 = {
        let shops = world.shops.borrow();
        let imports = shops.iter().flat_map(|shop| shop.imports());
        imports
            .map(|import| import.ends.duration_since(import.created).as_secs())
            .max()
            .unwrap_or(0)
    };
    tokio::time::sleep(Duration::from_secs((60 * known_after).max(longest.unsigned_abs() + 600)))
        .await;
    // Two pushes of each channel.
    tokio::time::sleep(Duration::from_secs(2 * 60 * u64::from(ceiling) + 300)).await;
    for wrong in judge::wrong_offers(world) {
        world.violate(format!("at rest: {wrong}"));
    }
    // It stays so, and nothing is published any more.
    let imports = |world: &World| {
        world.shops.borrow().iter().map(|shop| shop.imports().count()).collect::<Vec<_>>()
    };
    let before = imports(world);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    for wrong in judge::wrong_offers(world) {
        world.violate(format!("an hour later: {wrong}"));
    }
    // What was lost without a trace goes out again for a day, just in case.
    if world.calm && imports(world) != before {
        world.violate(format!(
            "at rest imports go on: {before:?}, and an hour later {:?}",
            imports(world)
        ));
    }
    for wrong in judge::exceptions(world) {
        world.violate(format!("at rest: {wrong}"));
    }
    if world.calm && !world.imports.borrow().is_empty() {
        world.violate(format!("at rest {} messages wait", world.imports.borrow().len()));
    }
}

pub(super) async fn schedule(world: Shared) {
    let mut minute = 0_u64;
    loop {
        minute += 1;
        let dice = world.dice_of(("minute", minute));
        if !world.mishap(&dice, world.profile.delivered_twice / 5.0) {
            tokio::task::spawn_local(tick(Rc::clone(&world)));
        }
        if world.mishap(&dice, world.profile.scheduled_twice) {
            tokio::task::spawn_local(tick(Rc::clone(&world)));
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

/// The ports of the world.
#[derive(Debug)]
struct Simulated;

impl PortTypes for Simulated {
    type Directory = Port;
    type Prima = Port;
    type Store = Port;
    type Ledger = Port;
    type Files = Port;
    type Queue = Port;
    type Events = Port;
    type Clock = Port;
    type Documents = Port;
}

impl check_stock_imports::PortTypes for Simulated {
    type Directory = Port;
    type Ledger = Port;
    type Files = Port;
    type Queue = Port;
    type Clock = Port;
    type Documents = Port;
}

async fn tick(world: Shared) {
    let port = Port::new(&Invocation::new(&world, "push", world.profile.crash, Notes::new(&world)));
    let id = port.invocation.caller.name.replace(' ', "-");
    let agreement = || BasisAgreement {
        figure: world.plan.basis,
        agreed_by: "Anna Field".to_owned(),
        agreed_on: jiff::civil::date(2026, 11, 2),
    };
    let ports = push_stock::Ports::<Simulated> {
        directory: port.clone(),
        prima: port.clone(),
        store: port.clone(),
        ledger: port.clone(),
        files: port.clone(),
        queue: port.clone(),
        events: port.clone(),
        clock: port.clone(),
        documents: port.clone(),
        settings: StockSettings {
            basis: port.invocation.notes.agreed.then(agreement),
            ..world.plan.settings.clone()
        },
        behaviour: PrimaBehaviour { answer_timeout_seconds: 20, ..PrimaBehaviour::default() },
        calls: PrimaCalls { stock: world.plan.ranges_at_once, ..PrimaCalls::default() },
    };
    let run = push_stock::Run { id, hard_deadline: after(world.now(), PUSH_TIMEOUT) };
    match port.invocation.supervise(PUSH_TIMEOUT, ports.tick(&run)).await {
        Some(Ok(report)) if !report.overlapped && !report.unagreed => {
            world.tell(|| {
                format!(
                    "       {} {:?}",
                    port.invocation.caller,
                    report
                        .channels
                        .iter()
                        .map(|one| one
                            .decision
                            .as_ref()
                            .map(ToString::to_string)
                            .unwrap_or_default())
                        .collect::<Vec<_>>()
                )
            });
            let looked: BTreeMap<_, _> = port
                .invocation
                .notes
                .basis
                .borrow()
                .flights_at
                .iter()
                .map(|(channel, at)| (*channel, *at))
                .collect();
            let published_to: Vec<usize> =
                report.channels.iter().map(|one| world.index(&one.channel)).collect();
            judge::ledger(&world, &looked, &published_to).await;
            let is_looked_at = |one: &&ChannelReport| {
                one.decision.as_ref().is_some_and(|decision| *decision != Decision::NoOffersList)
            };
            for one in report
                .channels
                .iter()
                .filter(is_looked_at)
                .filter(|one| one.waiting == one.published)
            {
                sending::confirmed(&port.invocation, world.index(&one.channel));
            }
        }
        ended => world.tell(|| format!("       {} {ended:?}", port.invocation.caller)),
    }
    for channel in 0..LIVE {
        for item in &world.plan.items {
            judge::offer(&world, channel, &item.offer_sku, "after a run");
            judge::together(&world, &item.offer_sku, "after a run");
        }
    }
}

pub(super) async fn consume(world: Shared) {
    let twice = world.profile.delivered_twice;
    consume::consume(
        world,
        Source {
            queue: |world: &World| (&world.imports, &world.imports_moved),
            most: 1,
            at_once: 10,
            visibility: VISIBILITY,
            twice,
        },
        check,
    )
    .await;
}

async fn check(world: Shared, deliveries: Vec<Delivery>) {
    for Delivery { id, body } in deliveries {
        if let Body::Text(body) = body {
            check_one(&world, id, &body).await;
        }
    }
}

async fn check_one(world: &Shared, id: u64, body: &str) {
    let port = Port::new(&Invocation::new(
        world,
        "check",
        world.profile.crash_consumer,
        Notes::new(world),
    ));
    let ports = check_stock_imports::Ports::<Simulated> {
        directory: port.clone(),
        ledger: port.clone(),
        files: port.clone(),
        queue: port.clone(),
        clock: port.clone(),
        documents: port.clone(),
    };
    let run = check_stock_imports::Run { hard_deadline: after(world.now(), CHECK_TIMEOUT) };
    let done =
        port.invocation.supervise(CHECK_TIMEOUT, ports.handle(&id.to_string(), body, &run)).await;
    world.tell(|| format!("       {} {body} {done:?}", port.invocation.caller));
    if matches!(done, Some(Disposition::Done(_))) {
        world.imports.borrow_mut().delete(id);
    }
}
