//! One run: who makes journals, the queue's consumer and a person, each a task on virtual time.

use std::rc::Rc;
use std::time::Duration;

use post_journals::{Disposition, Ports, Run};
use shared::domain::payout::posting::Stage;
use shared::domain::payout::rules::JournalWay;
use shared::domain::payout::settings::FinanceSettings;
use shared::domain::payout::store::PayoutStore as _;
use shared::domain::prima_calls::PrimaCalls;
use shared::domain::prima_slots::Slot;
use shared::kit::clock::after;
use shared::prima::finance::FinanceCapabilities;

use super::people;
use super::ports::{Invocation, Port};
use super::world::{JournalMessageKey, World};
use crate::world::consume::{self, Source};
use crate::world::queue::{Body, Delivery};

/// The function's timeout.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Six times that.
const VISIBILITY: Duration = Duration::from_secs(720);
/// How much the clocks of two functions may differ, and then some (the function's own constant).
const CLOCK_SKEW: Duration = Duration::from_secs(30);
/// While things go wrong.
const DAY: Duration = Duration::from_secs(8 * 3600);
/// How long a quiet world may take to settle.
const SETTLING: Duration = Duration::from_secs(16 * 3600);

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
    /// Calls of the function.
    pub calls: u64,
    /// Journals in Prima's books.
    pub posted: usize,
    /// Times that a person was told of a journal.
    pub exceptions: usize,
}

/// Runs a seed to its end, and judges.
#[must_use]
pub fn run(seed: u64, traced: bool) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    match runtime {
        Ok(runtime) => tokio::task::LocalSet::new().block_on(&runtime, live(seed, traced)),
        Err(problem) => Outcome {
            seed,
            violations: vec![problem.to_string()],
            trace: Vec::new(),
            faults: 0,
            calls: 0,
            posted: 0,
            exceptions: 0,
        },
    }
}

async fn live(seed: u64, traced: bool) -> Outcome {
    let world = Rc::new(World::new(seed, traced));
    world.tell(|| format!("{:?}, {:?}, at once {}", world.site, world.way, world.at_once));
    tokio::task::spawn_local(people::reconcile(Rc::clone(&world)));
    tokio::task::spawn_local(people::tell(Rc::clone(&world)));
    tokio::task::spawn_local(people::person(Rc::clone(&world)));
    tokio::task::spawn_local(consume(Rc::clone(&world)));
    tokio::task::spawn_local(meddle(Rc::clone(&world)));
    tokio::time::sleep(DAY).await;
    world.quiet.set(true);
    world.tell(|| "the world is quiet".to_owned());
    let quiet_at = world.now();
    loop {
        tokio::time::sleep(Duration::from_secs(600)).await;
        let open = open_ends(&world).await;
        // A copy of a message, or a late effect, may still be under way.
        let is_calm = world.now() > after(quiet_at, Duration::from_secs(3600));
        if open.is_empty() && world.journals.borrow().is_idle() && is_calm {
            break;
        }
        if world.now() > after(quiet_at, SETTLING) {
            for end in open {
                world.violate(format!("not settled: {end}"));
            }
            if !world.journals.borrow().is_idle() {
                world.violate("messages are still under way".to_owned());
            }
            break;
        }
    }
    let violations = world.violations.borrow().clone();
    let posted = world.books.borrow().journals().len();
    Outcome {
        seed,
        violations,
        trace: world.trace.borrow_mut().take().unwrap_or_default(),
        faults: world.faults.get(),
        calls: world.effects.get(),
        posted,
        exceptions: world.queue.borrow().exceptions.len(),
    }
}

/// The table is lost, or the channel's way changes, in some worlds.
async fn meddle(world: Rc<World>) {
    let dice = world.dice_of("meddling");
    tokio::time::sleep(dice.seconds(600, 7 * 3600)).await;
    if dice.chance(0.35) {
        world.tell(|| "the table is lost".to_owned());
        world.was_wiped.set(true);
        world.payouts.wipe();
    }
    tokio::time::sleep(dice.seconds(0, 1800)).await;
    if dice.chance(0.15) {
        let other = match world.way.get() {
            JournalWay::File => JournalWay::Service,
            JournalWay::Service => JournalWay::File,
        };
        world.tell(|| format!("journals go by {other:?}"));
        world.way.set(other);
    }
}

/// What is not as it should be at the end.
async fn open_ends(world: &World) -> Vec<String> {
    let mut open = Vec::new();
    let keys: Vec<JournalMessageKey> = world.wanted.borrow().keys().cloned().collect();
    for key in keys {
        let Some(wanted) = world.wanted.borrow().get(&key).cloned() else { continue };
        let reference = &wanted.journal.reference;
        let copies = world.copies(&wanted.journal.guid);
        let cycle = world.payouts.load_cycle(&key.0).await.ok().flatten();
        let Some(row) = cycle.and_then(|cycle| cycle.journal(&key.1).cloned()) else {
            open.push(format!("{reference} has no row"));
            continue;
        };
        let is_posted = matches!(row.row.stage, Stage::Posted { .. });
        let is_given_up = world.given_up.borrow().contains(reference);
        if is_posted && copies == 1 || is_given_up && copies <= 1 {
            continue;
        }
        let told = world.knows(reference, row.row.since);
        open.push(format!(
            "{reference} is {} (told: {told}), and Prima has it {copies} times",
            row.row.stage.words()
        ));
    }
    open
}

/// The ports of the world.
#[derive(Debug)]
struct Simulated;

impl post_journals::PortTypes for Simulated {
    type Prima = Port;
    type State = Port;
    type Payouts = Port;
    type Files = Port;
    type Queue = Port;
    type Events = Port;
    type Clock = Port;
    type Documents = Port;
}

async fn consume(world: Rc<World>) {
    let source = Source {
        queue: |world: &World| (&world.journals, &world.journals_moved),
        most: 1,
        at_once: 2,
        visibility: VISIBILITY,
        twice: world.profile.delivered_twice,
    };
    consume::consume(world, source, post).await;
}

async fn post(world: Rc<World>, deliveries: Vec<Delivery>) {
    let port = Port::new(&Invocation::new(&world, "post", world.profile.crash_consumer, ()));
    let capabilities = FinanceCapabilities {
        new_journal: true,
        journal_status: world.site.tells_status,
        duplicate_texts: if world.site.refuses_duplicates {
            vec!["Journal {id} is already posted as *".to_owned()]
        } else {
            Vec::new()
        },
        unknown_journal_texts: vec!["Journal not found".to_owned()],
        ..FinanceCapabilities::default()
    };
    let ports = Ports::<Simulated> {
        prima: port.clone(),
        state: port.clone(),
        payouts: port.clone(),
        files: port.clone(),
        queue: port.clone(),
        events: port.clone(),
        clock: port.clone(),
        documents: port.clone(),
        behaviour: world.behaviour.clone(),
        calls: PrimaCalls { at_once: 5, journals: world.at_once, ..PrimaCalls::default() },
        finance: FinanceSettings { capabilities, ..FinanceSettings::default() },
    };
    let mut run = Run {
        id: port.invocation.caller.name.clone(),
        hard_deadline: after(world.now(), TIMEOUT),
        clock_skew: CLOCK_SKEW,
        slot: Slot::Unknown,
    };
    for delivery in deliveries {
        let Body::Text(body) = &delivery.body else { continue };
        let work = async {
            run.slot = ports.lease_slot(&run).await;
            let disposition = ports.handle("m", body, &run).await;
            ports.give_slot_back(&run).await;
            disposition
        };
        let Some(disposition) = port.invocation.supervise(TIMEOUT, work).await else { return };
        world.tell(|| format!("       {} {disposition:?}", port.invocation.caller));
        if matches!(disposition, Disposition::Done(_)) {
            world.journals.borrow_mut().delete(delivery.id);
        }
    }
}
