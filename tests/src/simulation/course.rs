//! A course: the simulation's world, in which every step is said. What a random run may never come
//! to, or may come to without anybody asking, is played here on its own: the real handlers, virtual
//! time, and a question after each step.

use std::cell::RefCell;
use std::collections::HashMap;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use crate::world::queue::Body;
use acknowledge_orders::ChannelReport;
use create_prima_orders::Disposition;
use jiff::Timestamp;
use shared::domain::channel::Mode;
use shared::domain::events::{Event, EventKind};
use shared::domain::order::row::{OrderKey, OrderRow, Stage, Unanswered};
use shared::domain::order::rules::OrderRules;
use shared::domain::prima_calls::PrimaCaller;
use shared::domain::prima_slots::{SlotLease, SlotStore};
use shared::domain::queue::{OrderMessage, OrderTask};
use shared::domain::state::{
    BreakerStore as _, ListingKind, OperationBreaker, OrderStore as _, PollState, PollStore as _,
};
use shared::kit::clock::{after, before};
use shared::mirakl::OrderState;
use shared::prima::PrimaOrder;
use shared::prima::connection::PrimaBehaviour;
use simulators::prima::{Stage as PrimaStage, StoredOrder};

use super::goods::{Goods, order_to_divide};
use super::marketplace::{Happening, Marketplace, Sale, Seen};
use super::plan::{CHANNELS, Limit, Moment, Plan, WINDOW, Windows, channel};
use super::run::{VISIBILITY, create, creator, poll, rules, set_mode, wipe_table};
use super::world::{World, order_id_of};
use crate::world::base::beginning;
use crate::world::dice::Dice;
use crate::world::fate::{Fate, Kind, Mishap, Profile};
use crate::world::privacy;

/// How far an order has come in Prima.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing has left.
    Open,
    /// Its goods have left.
    Dispatched,
    /// Cancelled.
    Cancelled,
}

/// The one channel of a course.
pub const CHANNEL: &str = CHANNELS[0];

/// A world with one marketplace, without orders, in which nothing goes wrong but what the course
/// says.
#[must_use]
pub fn nothing_yet() -> Plan {
    Plan {
        seed: 0,
        scripted: true,
        calm: true,
        channels: vec![channel(CHANNEL, 1, before(beginning(), Duration::from_secs(3600)))],
        marketplaces: vec![Marketplace::new(false, true, true)],
        arrivals: Vec::new(),
        truths: HashMap::new(),
        hand_keyed: Vec::new(),
        behaviour: PrimaBehaviour { cancel_order: true, ..PrimaBehaviour::default() },
        profile: Profile::default(),
        store_down: Windows::default(),
        queue_down: Windows::default(),
        bus_down: Windows::default(),
        mirakl_down: vec![Windows::default()],
        key_refused: vec![Windows::default()],
        limits: vec![None],
        prima_down: Windows::default(),
        new_order_dead: Windows::default(),
        prima_faults: HashMap::new(),
        wipe: None,
        mishaps: Vec::new(),
        quiet_from: Moment(0),
        first_poll: 0,
    }
}

/// Leases slots for a run that never gives them back.
pub async fn hold_slots(
    store: &impl SlotStore,
    caller: PrimaCaller,
    calls: usize,
    until: Timestamp,
) {
    let mut slots = store.load_slots().await.unwrap_or_default();
    slots.leases.push(SlotLease { caller, owner: "killed".to_owned(), calls, until });
    let _saved = store.save_slots(&mut slots).await;
}

/// A course under way.
#[derive(Debug)]
pub struct Course {
    /// Its world.
    pub world: Rc<World>,
    /// The channels' order rules: a channel without has none.
    pub rules: RefCell<Rc<HashMap<String, OrderRules>>>,
    dice: Dice,
}

/// Plays a course in the world of a plan, and asks whether anything happened that may not.
///
/// # Panics
/// If it did, or if the course itself panics.
pub fn play(plan: Plan, steps: impl AsyncFnOnce(&Course)) {
    // Boxed, so that not every course is compiled with a runtime of its own.
    let play = async {
        let course = Course {
            world: Rc::new(World::new(plan, None, true)),
            rules: RefCell::new(rules()),
            dice: Dice::new(7),
        };
        steps(&course).await;
        course.ends_well();
    };
    on_virtual_time(Box::pin(play));
}

fn on_virtual_time(play: Pin<Box<dyn Future<Output = ()> + '_>>) {
    privacy::listen();
    privacy::begin(true);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let local = tokio::task::LocalSet::new();
    match runtime {
        Ok(runtime) => local.block_on(&runtime, play),
        Err(problem) => panic!("no runtime: {problem}"),
    }
    let (leaks, _) = privacy::heard();
    assert!(leaks.is_empty(), "log lines hold a customer's data: {leaks:?}");
}

/// So many minutes.
#[must_use]
pub fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

/// So many seconds.
#[must_use]
pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

impl Drop for Course {
    /// A course that fails tells how it went.
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.trace());
        }
    }
}

impl Course {
    fn ends_well(&self) {
        let violations = self.world.violations.borrow();
        assert!(violations.is_empty(), "{violations:#?}");
    }

    /// Everything that happened so far, a line a call.
    #[must_use]
    pub fn trace(&self) -> String {
        self.world
            .trace
            .try_borrow()
            .ok()
            .and_then(|trace| trace.as_ref().map(|lines| lines.join("\n")))
            .unwrap_or_default()
    }

    /// An order comes in: created now, to be accepted within five hours, debited as soon as it is
    /// accepted.
    pub fn sells(&self, id: &str) {
        self.sells_with(id, OrderState::WaitingAcceptance, |_| {});
    }

    /// An order comes in, in a state, with something peculiar about it.
    pub fn sells_with(&self, id: &str, state: OrderState, peculiar: impl FnOnce(&mut Sale)) {
        let now = self.world.now();
        let order = order_to_divide(id, &state, now, Goods::Ordinary, &self.dice);
        let window = Duration::from_secs(60 * u64::from(WINDOW));
        let mut sale =
            Sale::new(order, after(now, window), Some(Duration::ZERO), Vec::new(), false);
        peculiar(&mut sale);
        self.world.shop(CHANNEL, |shop| shop.place(sale));
    }

    /// Something happens to an order in Mirakl, now.
    pub fn happens(&self, id: &str, happening: Happening) {
        let now = self.world.now();
        self.world.shop(CHANNEL, |shop| {
            shop.plan_for(id, now, happening);
            shop.advance(now);
        });
    }

    /// The order as the marketplace has it.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn sale(&self, id: &str) -> Seen {
        self.world
            .shop(CHANNEL, |shop| shop.seen(id))
            .flatten()
            .unwrap_or_else(|| panic!("no order {id}"))
    }

    /// Calls of a kind fail from now on, where their description begins so.
    pub fn breaks(&self, kind: Kind, about: &str) {
        self.world.failing.borrow_mut().push((kind, about.to_owned()));
    }

    /// Nothing fails any more.
    pub fn is_mended(&self) {
        self.world.failing.borrow_mut().clear();
    }

    /// The keys may not use an operation from now on.
    pub fn refuses(&self, operation: &'static str, status: u16) {
        self.world.refused.borrow_mut().insert(operation, status);
    }

    /// The keys may use every operation again.
    pub fn permits(&self) {
        self.world.refused.borrow_mut().clear();
    }

    /// The next call of a kind, whose description begins so, meets a fate.
    pub fn strikes(&self, kind: Kind, about: &str, fate: Fate) {
        self.world.plan_mishap(Mishap { kind, about: about.to_owned(), fate });
    }

    /// From now on a call of this kind takes so long.
    pub fn lasts(&self, kind: Kind, long: Duration) {
        self.world.lasting.borrow_mut().insert(kind, long);
    }

    /// From now on the marketplace lets so many listings begin in such a time, and another program
    /// with the same key calls so often.
    pub fn limits(&self, calls: usize, per: Duration, other_every: Option<Duration>) {
        *self.world.limits.borrow_mut() = vec![Some(Limit::new(calls, per, other_every))];
    }

    /// The poller runs once.
    ///
    /// # Panics
    /// If it dies.
    pub async fn poll(&self) -> ChannelReport {
        poll(Rc::clone(&self.world)).await.pop().unwrap_or_else(|| panic!("the poll died"))
    }

    /// Time passes, and every message is worked off as soon as it can be seen.
    pub async fn pass(&self, time: Duration) {
        self.pass_until(after(self.world.now(), time)).await;
    }

    async fn pass_until(&self, end: Timestamp) {
        loop {
            let next = self.world.queue.borrow().next_visible().filter(|at| *at <= end);
            let Some(next) = next else { break };
            self.sleep_until(next).await;
            self.deliver().await;
        }
        self.sleep_until(end).await;
    }

    async fn sleep_until(&self, moment: Timestamp) {
        let left = moment.duration_since(self.world.now());
        if left.is_positive() {
            tokio::time::sleep(left.unsigned_abs()).await;
        }
    }

    /// As it is deployed: the poller runs now and every minute, messages are worked off meanwhile.
    pub async fn live(&self, count: u64) {
        for _minute in 0..count {
            let next = after(self.world.now(), minutes(1));
            self.poll().await;
            if next > self.world.now() {
                self.pass_until(next).await;
            }
        }
    }

    /// Whatever can be seen in the queue is worked off, once.
    pub async fn deliver(&self) {
        let deliveries =
            self.world.queue.borrow_mut().receive(self.world.now(), 10, VISIBILITY, |_| None);
        if !deliveries.is_empty() {
            let rules = Rc::clone(&self.rules.borrow());
            create(Rc::clone(&self.world), rules, deliveries).await;
        }
    }

    /// SQS delivers the message that has an order created once more than it was sent.
    pub fn doubles(&self, id: &str) {
        let body = Body::Order(Rc::new(self.to_create(id)));
        self.world.queue.borrow_mut().send(body, self.now(), 0);
    }

    /// The creator works one message off, and has so much time for it.
    pub async fn work(&self, message: OrderMessage, timeout: Duration) -> Disposition {
        let rules = Rc::clone(&self.rules.borrow());
        let (_invocation, ports, run) = creator(&self.world, rules, timeout);
        ports.work("message", message, &run).await
    }

    /// Runs of a caller that were killed hold so many slots of Prima's calls, for so long from now.
    pub async fn killed_runs_hold(&self, caller: PrimaCaller, calls: usize, long: Duration) {
        hold_slots(&self.world.store, caller, calls, after(self.now(), long)).await;
    }

    /// The message that has an order created, as it is listed now.
    #[must_use]
    pub fn to_create(&self, id: &str) -> OrderMessage {
        let order = Box::new(self.sale(id).order);
        OrderMessage {
            channel: CHANNEL.to_owned(),
            order_id: id.to_owned(),
            task: OrderTask::Create { order },
        }
    }

    /// The messages in the queue, whenever they can be seen: those that have orders created, and
    /// those that have them cancelled.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.world.queue.borrow().len()
    }

    /// What is in the queue is lost.
    pub fn loses_all_messages(&self) {
        self.world.queue.borrow_mut().lose_all();
    }

    /// Everything that was remembered is lost.
    pub fn loses_its_table(&self) {
        wipe_table(&self.world);
    }

    /// An order's row.
    ///
    /// # Panics
    /// If it has none.
    pub async fn row(&self, id: &str) -> OrderRow {
        match self.world.store.load_order(&OrderKey::new(CHANNEL, id)).await {
            Ok(Some(row)) => row,
            _ => panic!("{id} has no row"),
        }
    }

    /// The stage of an order's row.
    pub async fn stage(&self, id: &str) -> Stage {
        self.row(id).await.stage
    }

    /// An operator changes an order's row.
    ///
    /// # Panics
    /// If it cannot be saved.
    pub async fn changes(&self, id: &str, change: impl FnOnce(&mut OrderRow)) {
        let mut row = self.row(id).await;
        change(&mut row);
        if let Err(problem) = self.world.store.save_order(&mut row).await {
            panic!("{problem}");
        }
        self.world.note_row(&row);
    }

    /// The operator's command asks for a full listing, beside whatever runs.
    ///
    /// # Panics
    /// If that cannot be written.
    pub async fn wants_a_full_listing(&self) {
        let mut poll = self.poll_state().await;
        poll.full_wanted = true;
        if let Err(problem) = self.world.store.save_poll(CHANNEL, &mut poll).await {
            panic!("{problem}");
        }
    }

    /// The next run's call is the look-up's: the run before met Mirakl's limit.
    ///
    /// # Panics
    /// The poll state cannot be kept.
    pub async fn owes_a_look_up(&self) {
        let mut poll = self.poll_state().await;
        poll.turns_owed = vec![ListingKind::ById];
        if let Err(problem) = self.world.store.save_poll(CHANNEL, &mut poll).await {
            panic!("{problem}");
        }
    }

    /// An operator retries an order: sendings are counted anew.
    pub async fn retries(&self, id: &str) {
        self.changes(id, |row| {
            if let Some(attempt) = &mut row.creation.attempt {
                attempt.unanswered = Unanswered::default();
            }
            row.enter(Stage::Firm, row.since, "an operator retries");
        })
        .await;
        self.world.sent_in_vain.borrow_mut().remove(id);
    }

    /// An operation of Prima's is taken for dead, and tried again after a while.
    ///
    /// # Panics
    /// If that cannot be recorded.
    pub async fn opens_breaker(&self, operation: &str, probe_after: Duration) {
        let next_probe = Some(after(self.now(), probe_after));
        let closed = OperationBreaker {
            open_since: Some(self.now()),
            next_probe,
            ..OperationBreaker::default()
        };
        let mut breakers = self.world.store.load_breakers().await.unwrap_or_default();
        breakers.operations.insert(operation.to_owned(), closed);
        if let Err(problem) = self.world.store.save_breakers(&mut breakers).await {
            panic!("{problem}");
        }
    }

    /// What the poller remembers of the channel.
    ///
    /// # Panics
    /// If it cannot be read.
    pub async fn poll_state(&self) -> PollState {
        self.world.store.load_poll(CHANNEL).await.unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// A day has passed since the daily look.
    ///
    /// # Panics
    /// If that cannot be saved.
    pub async fn look_is_due(&self) {
        let mut state = self.poll_state().await;
        state.look.done = Some(before(self.now(), minutes(24 * 60 + 5)));
        if let Err(problem) = self.world.store.save_poll(CHANNEL, &mut state).await {
            panic!("{problem}");
        }
    }

    /// Events of a kind that reached the bus, but for those of an order's exception.
    #[must_use]
    pub fn events(&self, kind: EventKind) -> Vec<Event> {
        self.world
            .events
            .borrow()
            .iter()
            .map(|(_, event)| event)
            .filter(|event| event.kind == kind)
            .cloned()
            .collect()
    }

    /// How often people were told of an order's exception: events, messages in the dead-letter
    /// queue.
    #[must_use]
    pub fn told(&self, id: &str) -> (u32, u32) {
        self.world
            .told
            .borrow()
            .get(&OrderKey::new(CHANNEL, id))
            .map_or((0, 0), |told| (told.events, told.messages))
    }

    /// How far an order has come in Prima, and how often it is there.
    #[must_use]
    pub fn in_prima(&self, id: &str) -> Vec<Progress> {
        let mut office = self.world.office.borrow_mut();
        office.land(self.world.now());
        let orders = office.orders_by_number(id).into_iter();
        let progress = |order: &StoredOrder| match order.stage {
            PrimaStage::Cancelled => Progress::Cancelled,
            PrimaStage::Dispatched => Progress::Dispatched,
            _ => Progress::Open,
        };
        orders.filter(|order| order_id_of(order) == id).map(progress).collect()
    }

    /// Pieces of each line of an order in Prima.
    #[must_use]
    pub fn lines_in_prima(&self, id: &str) -> Vec<(String, u32)> {
        let office = self.world.office.borrow();
        let orders = office.orders_by_number(id);
        let lines = orders.iter().flat_map(|order| &order.order.lines);
        lines.map(|line| (line.reference.clone(), line.quantity)).collect()
    }

    /// The goods of an order leave.
    ///
    /// # Panics
    /// If Prima does not have it, or it is not open.
    pub fn leaves(&self, id: &str) {
        let now = self.now();
        let left = self.world.office.borrow_mut().move_to(id, PrimaStage::Dispatched, now);
        left.unwrap_or_else(|refusal| panic!("{refusal}"));
    }

    /// People cancel an order in Prima.
    ///
    /// # Panics
    /// If Prima does not have it, or it is not open.
    pub fn prima_drops(&self, id: &str) {
        let now = self.now();
        let dropped = self.world.office.borrow_mut().move_to(id, PrimaStage::Cancelled, now);
        dropped.unwrap_or_else(|refusal| panic!("{refusal}"));
    }

    /// The order as Prima got it.
    ///
    /// # Panics
    /// If it is not there exactly once.
    #[must_use]
    pub fn prima_order(&self, id: &str) -> PrimaOrder {
        assert_eq!(self.in_prima(id).len(), 1, "{id} is not in Prima exactly once");
        let sent = self.world.sent.borrow();
        sent.get(id).cloned().unwrap_or_else(|| panic!("{id} was not sent"))
    }

    /// When calls of a kind began, since the beginning; where their description begins so.
    #[must_use]
    pub fn calls(&self, kind: Kind, about: &str) -> Vec<Duration> {
        let calls = self.world.calls.borrow();
        let meant = calls.iter().filter(|call| call.is(kind, about));
        meant.map(|call| call.at.duration_since(beginning()).unsigned_abs()).collect()
    }

    /// The minute's listings, first pages alone: true for one by state alone.
    #[must_use]
    pub fn listings(&self) -> Vec<bool> {
        let calls = self.world.calls.borrow();
        let minutely = calls.iter().filter(|call| {
            call.kind == Kind::List
                && call.about.contains(" 0 ids")
                && call.about.ends_with(" offset 0")
        });
        let minutely = minutely.filter(|call| !call.about.contains(" 4 states"));
        minutely.map(|call| call.about.contains(" 5 states")).collect()
    }

    /// All calls of OR11, as they are described.
    #[must_use]
    pub fn list_calls(&self) -> Vec<String> {
        self.world
            .calls
            .borrow()
            .iter()
            .filter(|call| call.kind == Kind::List)
            .map(|call| call.about.clone())
            .collect()
    }

    /// The channel is polled in another mode.
    pub fn set_mode(&self, mode: Mode) {
        set_mode(&self.world, mode, None);
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.world.now()
    }
}
