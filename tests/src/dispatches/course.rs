//! A course of dispatches: a world in which nothing goes wrong but what the course says, and every
//! step is said. The real functions, virtual time, and a question after each step.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use collect_dispatches::Report;
use jiff::Timestamp;
use shared::domain::dispatch::rules::DispatchRules;
use shared::domain::events::{Event, EventKind};
use shared::domain::order::row::{OrderRow, Stage};
use shared::domain::prima_calls::PrimaCaller;
use shared::kit::clock::after;
use shared::kit::odd_form::OddForm;
use simulators::mirakl::State;
use simulators::prima::Booking;

use super::run::{VISIBILITY, collect, update};
use super::world::{CHANNELS, Odd, World};
use crate::simulation::course::hold_slots;
use crate::world::fate::Kind;

/// A course under way.
pub struct Course {
    world: Rc<World>,
    /// What the latest run of the collector said.
    pub latest: RefCell<Report>,
    /// Messages are worked off.
    pub works: std::cell::Cell<bool>,
}

/// Plays a course with so many orders in Prima, every other one of the marketplace that ships in
/// parts.
///
/// # Panics
/// If no runtime can be made, or the course panics.
pub fn play(orders: u64, rules: [DispatchRules; 2], steps: impl AsyncFnOnce(&Course)) {
    // Boxed, so that not every course is compiled with a runtime of its own.
    let play: Pin<Box<dyn Future<Output = ()> + '_>> = Box::pin(async {
        let mut world = World::new(1, true, true);
        world.rules = rules.into();
        // So that a course can say which calls fail.
        world.base.scripted = true;
        let course = Course {
            world: Rc::new(world),
            latest: RefCell::default(),
            works: std::cell::Cell::new(true),
        };
        course.world.furnish(orders).await;
        steps(&course).await;
        let violations = course.world.violations.borrow();
        assert!(violations.is_empty(), "{violations:#?}");
    });
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    match runtime {
        Ok(runtime) => tokio::task::LocalSet::new().block_on(&runtime, play),
        Err(problem) => panic!("no runtime: {problem}"),
    }
}

impl Drop for Course {
    /// A course that fails tells how it ended.
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(lines) = self.world.trace.borrow().as_ref()
        {
            println!("{}", lines[lines.len().saturating_sub(2000)..].join("\n"));
        }
    }
}

impl Course {
    /// Every order leaves Prima whole; or but for one piece that will not be sent.
    pub fn everything_leaves(&self, but_for_one_piece: bool) {
        let all = self.world.numbers.borrow().len();
        self.leave(0..all, but_for_one_piece);
    }

    /// These of the orders, by their places, leave Prima whole; or but for one piece that will not
    /// be sent.
    pub fn leave(&self, places: std::ops::Range<usize>, but_for_one_piece: bool) {
        let numbers: Vec<String> = self
            .world
            .numbers
            .borrow()
            .keys()
            .skip(places.start)
            .take(places.len())
            .cloned()
            .collect();
        for number in numbers {
            let mut office = self.world.office.borrow_mut();
            let left = office
                .orders_by_number(&number)
                .first()
                .map(|order| order.left())
                .unwrap_or_default();
            // One piece alone cannot leave but for one.
            let is_short =
                but_for_one_piece && left.iter().map(|(_, pieces)| pieces).sum::<u32>() > 1;
            let lines = is_short.then(|| {
                let less = left.iter().enumerate().map(|(place, (line, pieces))| {
                    (*line, if place == 0 { pieces - 1 } else { *pieces })
                });
                less.filter(|(_, pieces)| *pieces > 0).collect()
            });
            let booking = Booking {
                carrier: "DPD NEXT DAY".to_owned(),
                service: String::new(),
                consignment: None,
                lines,
                last: is_short,
            };
            drop(office.book(&number, booking, self.world.now()));
        }
    }

    /// The orders' ids, in the order of [`Course::leave`], with the place of each one's channel.
    #[must_use]
    pub fn orders(&self) -> Vec<(usize, String)> {
        let place =
            |channel: &str| CHANNELS.iter().position(|one| *one == channel).unwrap_or_default();
        self.world
            .numbers
            .borrow()
            .values()
            .map(|key| (place(&key.channel), key.order_id.clone()))
            .collect()
    }

    /// Prima is asked for an order so often from now on.
    pub fn asks_every(&self, minutes: u32) {
        self.world.interval_minutes.set(minutes);
    }

    /// Mirakl gives no usable answer to an operation about one order, or does again where there is
    /// no status.
    pub fn spoils(&self, operation: &'static str, order_id: &str, status: Option<u16>) {
        self.world.spoil(operation, order_id, status);
    }

    /// A right is taken from the keys of both channels.
    pub fn refuses(&self, operation: &'static str, status: u16) {
        (0..CHANNELS.len()).for_each(|channel| self.world.refuse(channel, operation, status));
    }

    /// It is given back.
    pub fn permits(&self, operation: &'static str) {
        (0..CHANNELS.len()).for_each(|channel| self.world.permit(channel, operation));
    }

    /// What the marketplaces demand has these fields in a form that is not understood.
    pub fn demands_oddly(&self, fields: &[OddForm]) {
        *self.world.odd_fields.borrow_mut() = fields.to_vec();
    }

    /// Prima says this word of how the order at a place is getting on.
    pub fn prima_says(&self, place: usize, word: &'static str) {
        let number = self.world.numbers.borrow().keys().nth(place).cloned().unwrap_or_default();
        self.world.odd.borrow_mut().insert(number, Odd::Word(word));
    }

    /// The bus takes no events, or does again.
    pub fn has_a_deaf_bus(&self, deaf: bool) {
        let mut failing = self.world.failing.borrow_mut();
        failing.retain(|(kind, _)| *kind != Kind::Publish);
        if deaf {
            failing.push((Kind::Publish, String::new()));
        }
    }

    /// The channels' dispatch documents are wrong, or right again.
    pub fn has_wrong_documents(&self, problem: Option<&str>) {
        *self.world.wrong_documents.borrow_mut() = problem.map(str::to_owned);
    }

    /// Both marketplaces answer 503 to everything, or no more.
    pub fn is_down(&self, down: bool) {
        self.world.down.set(down);
    }

    /// What is in the queue is lost.
    pub fn loses_all_messages(&self) {
        self.world.dispatches.borrow_mut().lose_all();
    }

    /// As it is deployed: the collector runs now and every minute, messages are worked off
    /// meanwhile.
    pub async fn live(&self, minutes: u64) {
        for _minute in 0..minutes {
            let next = after(self.now(), Duration::from_secs(60));
            if let Some(report) = collect(Rc::clone(&self.world)).await {
                *self.latest.borrow_mut() = report;
            }
            self.work_off(next).await;
        }
    }

    /// Runs of a caller that were killed hold so many slots of Prima's calls, for so long from now.
    pub async fn killed_runs_hold(&self, caller: PrimaCaller, calls: usize, long: Duration) {
        hold_slots(&self.world.store, caller, calls, after(self.now(), long)).await;
    }

    async fn work_off(&self, end: Timestamp) {
        let sleep_until = async |moment: Timestamp| {
            let left = moment.duration_since(self.now());
            if left.is_positive() {
                tokio::time::sleep(left.unsigned_abs()).await;
            }
        };
        while self.works.get() {
            let Some(next) = self.world.dispatches.borrow().next_visible().filter(|at| *at <= end)
            else {
                break;
            };
            sleep_until(next).await;
            let deliveries =
                self.world.dispatches.borrow_mut().receive(self.now(), 10, VISIBILITY, |_| None);
            if !deliveries.is_empty() {
                update(Rc::clone(&self.world), deliveries).await;
            }
        }
        sleep_until(end).await;
    }

    /// Calls of an operation so far.
    #[must_use]
    pub fn calls(&self, operation: &str) -> u64 {
        // What a marketplace demands is three calls of one question.
        self.world.calls_of(if matches!(operation, "SH21" | "SH12") { "PC01" } else { operation })
    }

    /// Messages sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.world.dispatches.borrow().sent
    }

    /// Messages in the queue, and the most of one order that ever were in it at once.
    #[must_use]
    pub fn queued(&self) -> (usize, usize) {
        {
            let queue = self.world.dispatches.borrow();
            (queue.len(), queue.most_of_one)
        }
    }

    /// Events of a kind, as of an operation or an order that their reason or themselves name.
    #[must_use]
    pub fn events(&self, kind: EventKind, about: &str) -> Vec<(Timestamp, Event)> {
        let events = self.world.events.borrow();
        let is_meant = |event: &Event| {
            event.kind == kind
                && (event.reason.contains(about) || event.order.as_deref() == Some(about))
        };
        events.iter().filter(|(_, event)| is_meant(event)).cloned().collect()
    }

    /// Orders that Mirakl has as shipped.
    #[must_use]
    pub fn shipped(&self) -> usize {
        self.world
            .shops
            .borrow()
            .iter()
            .flat_map(|shop| shop.orders())
            .filter(|order| order.state == State::Shipped)
            .count()
    }

    /// All rows.
    #[must_use]
    pub fn rows(&self) -> Vec<OrderRow> {
        self.world.store.rows()
    }

    /// Rows in a stage.
    #[must_use]
    pub fn in_stage(&self, stage: Stage) -> usize {
        self.rows().iter().filter(|row| row.stage == stage).count()
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.world.now()
    }
}
